// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/nat64.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace reachd {
namespace {

ip_address ip(const char* text)
{
    return parse_address(text).value();
}

struct row {
    const char* prefix; // its address
    int length;
    const char* literal; // 192.0.2.33 behind it, RFC 6052 section 2.4
    const char* answer;  // 192.0.0.170 behind it
};

const std::vector<row> rows{
    {"2001:db8::", 32, "2001:db8:c000:221::", "2001:db8:c000:aa::"},
    {"2001:db8:100::", 40, "2001:db8:1c0:2:21::", "2001:db8:1c0:0:aa::"},
    {"2001:db8:122::", 48, "2001:db8:122:c000:2:2100::", "2001:db8:122:c000:0:aa00::"},
    {"2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::", "2001:db8:122:3c0:0:aa::"},
    {"2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::", "2001:db8:122:344:c0:0:aa00::"},
    {"2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33", "2001:db8:122:344::192.0.0.170"},
    {"64:ff9b::", 96, "64:ff9b::192.0.2.33", "64:ff9b::192.0.0.170"},
};

TEST(nat64, extracts_what_was_embedded_and_nothing_else)
{
    for (const auto& [prefix, length, literal, answer] : rows) {
        SCOPED_TRACE(length);
        const ip_block block{.base = ip(prefix), .prefix = static_cast<std::uint8_t>(length)};
        EXPECT_EQ(extract(block, ip(literal)), ip("192.0.2.33"));
        EXPECT_EQ(extract(block, ip("2600::1")), std::nullopt);
        EXPECT_EQ(extract(block, ip("192.0.2.33")), std::nullopt);
    }
    const ip_block block{.base = ip("2001:db8:122:344::"), .prefix = 64};
    EXPECT_EQ(extract(block, ip("2001:db8:122:344::1")), std::nullopt) << "a host of that network";
}

TEST(nat64, is_what_any_server_shows_and_stays_while_nobody_answers)
{
    const auto known = parse_block("64:ff9b::/96");
    const std::optional<ip_block> nothing;
    name_lookup found{.name = nat64_probe_name, .system = {.status = dns_status::no_reply}};
    EXPECT_EQ(nat64_after(found, known), known);
    EXPECT_EQ(nat64_after(found, nothing), nothing);
    found.servers.push_back({.status = dns_status::answered, .addresses = {{ip("192.0.0.170"), {}}}});
    EXPECT_EQ(nat64_after(found, known), nothing) << "the name as it is everywhere else";
    found.servers.push_back(
        {.status = dns_status::answered, .addresses = {{ip("64:ff9b::192.0.0.171"), {}}}}
    );
    EXPECT_EQ(nat64_after(found, nothing), known);
    found.servers.clear();
    found.system.status = dns_status::no_such_name;
    EXPECT_EQ(nat64_after(found, known), nothing);
}

TEST(nat64, embeds_an_address_at_every_length_as_the_rfc_shows)
{
    for (const auto& [prefix, length, literal, answer] : rows) {
        SCOPED_TRACE(length);
        const ip_block block{.base = ip(prefix), .prefix = static_cast<std::uint8_t>(length)};
        EXPECT_EQ(to_text(embed(block, ip("192.0.2.33"))), to_text(ip(literal)));
        EXPECT_EQ(to_text(embed(block, ip("192.0.0.170"))), to_text(ip(answer)));
    }
}

TEST(nat64, is_found_by_either_well_known_address_at_every_length)
{
    for (const auto& [prefix, length, literal, answer] : rows) {
        const ip_block block{.base = ip(prefix), .prefix = static_cast<std::uint8_t>(length)};
        for (const char* known : {"192.0.0.170", "192.0.0.171"}) {
            SCOPED_TRACE(std::string{prefix} + "/" + std::to_string(length) + " " + known);
            const std::vector answers{embed(block, ip(known))};
            EXPECT_EQ(nat64_prefix(answers), block);
        }
    }
}

TEST(nat64, is_not_there_without_a_synthesised_answer)
{
    EXPECT_EQ(nat64_prefix({}), std::nullopt);
    const std::vector others{ip("2001:db8::1"), ip("64:ff9b::192.0.2.33"), ip("192.0.0.170"), ip("::")};
    EXPECT_EQ(nat64_prefix(others), std::nullopt);
    // Bits 64 to 71 must be zero: the bytes lie one place off here.
    EXPECT_EQ(nat64_prefix(std::vector{ip("2001:db8:122:344:c000:aa::")}), std::nullopt);
}

TEST(nat64, is_found_among_other_answers)
{
    const std::vector answers{ip("2001:db8::1"), ip("64:ff9b::192.0.0.171")};
    EXPECT_EQ(nat64_prefix(answers), (ip_block{.base = ip("64:ff9b::"), .prefix = 96}));
}

} // namespace
} // namespace reachd
