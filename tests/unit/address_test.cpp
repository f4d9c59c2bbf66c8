// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/address.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

TEST(address, parses_and_prints_both_families)
{
    for (const char* text : {"54.215.171.160", "0.0.0.0", "2001:db8::1", "::"}) {
        SCOPED_TRACE(text);
        const auto address = parse_address(text);
        ASSERT_TRUE(address);
        EXPECT_EQ(to_text(*address), text);
    }
}

TEST(address, refuses_what_is_not_exactly_an_address)
{
    for (const char* text : {"", "10.1", "1.2.3.256", "1.2.3.4 ", "fe80::1%eth0", "1.2.3.4:80", "host"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(parse_address(text));
    }
}

TEST(block, contains_its_addresses_and_no_neighbour)
{
    const auto block = parse_block("17.0.0.0/8");
    ASSERT_TRUE(block);
    EXPECT_TRUE(block->contains(*parse_address("17.255.1.2")));
    EXPECT_FALSE(block->contains(*parse_address("18.0.0.0")));
    EXPECT_FALSE(block->contains(*parse_address("1100::")));
    const auto odd = parse_block("10.77.128.0/18");
    ASSERT_TRUE(odd);
    EXPECT_TRUE(odd->contains(*parse_address("10.77.191.255")));
    EXPECT_FALSE(odd->contains(*parse_address("10.77.192.0")));
}

TEST(block, refuses_bits_below_the_prefix_and_bad_lengths)
{
    for (const char* text : {"17.0.0.1/8", "17.0.0.0/33", "17.0.0.0/", "17.0.0.0/08", "17.0.0.0", "::/129"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(parse_block(text));
    }
}

TEST(special_purpose, names_private_and_documentation_space_but_no_public_address)
{
    for (const char* text :
         {"10.77.1.80", "192.0.2.66", "127.0.0.1", "100.64.0.1", "fd00::1", "2001:db8::1"}) {
        SCOPED_TRACE(text);
        EXPECT_TRUE(is_special_purpose(*parse_address(text)));
    }
    for (const char* text : {"54.215.171.160", "17.57.144.1", "100.128.0.1", "2620:149:a44::1"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(is_special_purpose(*parse_address(text)));
    }
}

TEST(host_name, accepts_names_and_refuses_addresses_and_broken_labels)
{
    for (const char* text :
         {"maps.googleapis.com", "1-courier.push.apple.com", "a_b.example.", "localhost"}) {
        SCOPED_TRACE(text);
        EXPECT_TRUE(is_host_name(text));
    }
    for (const char* text :
         {"", ".", "a..b", "-a.example", "a-.example", "1.2.3.4", "10.1", "a b", "caf\xc3\xa9.example",
          "::1"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(is_host_name(text));
    }
    EXPECT_FALSE(is_host_name(std::string(64, 'a') + ".example"));
}

TEST(ports, parse_merges_and_prints)
{
    EXPECT_EQ(to_text(parse_ports("443,80").value()), "80,443");
    EXPECT_EQ(to_text(parse_ports("4200-4204,4203-4208").value()), "4200-4208");
    EXPECT_EQ(to_text(parse_ports("1,2,3").value()), "1-3");
    EXPECT_EQ(parse_ports("2001-2500").value().size(), 500U);
    EXPECT_EQ(to_text(parse_ports("65535").value()), "65535");
    EXPECT_EQ(to_text(make_port_set({5, 3, 4, 9, 9})), "3-5,9");
}

TEST(ports, refuses_anything_else)
{
    for (const char* text :
         {"", "0", "65536", "80,", ",80", "90-80", "80-", "-80", "0x50", "080", "80 ", "80-90-95"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(parse_ports(text));
    }
}

TEST(ports, contains_only_its_members)
{
    const auto ports = parse_ports("80,2001-2500").value();
    EXPECT_TRUE(ports.contains(80));
    EXPECT_TRUE(ports.contains(2500));
    EXPECT_FALSE(ports.contains(81));
    EXPECT_FALSE(ports.contains(2000));
}

TEST(endpoint, prints_transport_address_and_port)
{
    EXPECT_EQ(to_text(endpoint{*parse_address("1.2.3.4"), 80, transport::tcp}), "tcp 1.2.3.4:80");
    EXPECT_EQ(to_text(endpoint{*parse_address("::1"), 53, transport::udp}), "udp [::1]:53");
}

} // namespace
} // namespace reachd
