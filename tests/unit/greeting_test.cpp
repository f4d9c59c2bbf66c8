// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/greeting.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

TEST(greeting, is_spoken_to_named_services_and_to_nobody_who_did_not_ask_for_one)
{
    struct {
        const char* what;
        transport how;
        expectation expect;
        const char* name;
        std::uint16_t port;
        greeting wanted;
    } const cases[] = {
        {"HTTPS of a name", transport::tcp, expectation::service, "vendor.example", 443, greeting::tls},
        {"HTTP of a name", transport::tcp, expectation::service, "vendor.example", 80, greeting::http},
        {"a bare address, HTTPS", transport::tcp, expectation::service, "", 443, greeting::tls_unverified},
        {"a bare address, HTTP", transport::tcp, expectation::service, "", 80, greeting::http_unverified},
        {"another port", transport::tcp, expectation::service, "vendor.example", 5223, greeting::none},
        {"the path alone, HTTPS", transport::tcp, expectation::path, "vendor.example", 443, greeting::none},
        {"the path alone, HTTP", transport::tcp, expectation::path, "vendor.example", 80,
         greeting::http_if_answered},
        {"what must be shut, HTTPS", transport::tcp, expectation::blocked, "vendor.example", 443,
         greeting::none},
        {"what must be shut, HTTP", transport::tcp, expectation::blocked, "vendor.example", 80,
         greeting::none},
        {"UDP 443", transport::udp, expectation::service, "vendor.example", 443, greeting::none},
        {"UDP 80", transport::udp, expectation::service, "vendor.example", 80, greeting::none},
    };
    for (const auto& one : cases) {
        auto row = make_outbound(one.expect);
        row.transport = one.how;
        EXPECT_STREQ(to_string(greeting_for(row, one.name, one.port)), to_string(one.wanted)) << one.what;
    }
}

TEST(greeting, of_tls_is_for_named_hosts_on_the_ports_that_the_row_names)
{
    for (const auto expect : {expectation::path, expectation::service}) {
        auto row = make_outbound(expect, "80,5223");
        row.tls_ports = parse_ports("443,5223").value();
        row.fallback_ports = parse_ports("443").value();
        EXPECT_EQ(greeting_for(row, "vendor.example", 5223), greeting::tls);
        EXPECT_EQ(greeting_for(row, "vendor.example", 443), greeting::tls);
        EXPECT_EQ(greeting_for(row, "", 5223), greeting::none);
        EXPECT_NE(greeting_for(row, "vendor.example", 80), greeting::tls);
        EXPECT_EQ(greeting_for(row, "vendor.example", 5224), greeting::none);
    }
}

} // namespace
} // namespace reachd
