// SPDX-License-Identifier: Apache-2.0
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

endpoint_state judged_as(endpoint_state one, verdict_kind kind)
{
    one.judged.kind = kind;
    one.judged.sentence = to_string(kind);
    return one;
}

std::vector<std::string> told(const std::vector<run>& runs)
{
    std::vector<std::string> out;
    for (const auto& one : runs) {
        out.push_back(one.destination + " " + to_text(one.ports) + " " + to_string(one.judged.kind));
    }
    return out;
}

using list = std::vector<std::string>;

// The range of TechConnect with a hole, as a firewall rule that ends too early leaves it.
std::vector<endpoint_state> range_with_hole(std::string_view address)
{
    std::vector<endpoint_state> endpoints;
    for (std::uint16_t port = 2001; port <= 2500; ++port) {
        const bool hole = port >= 2100 && port <= 2199;
        endpoints.push_back(
            judged_as(make_endpoint(address, port, {}), hole ? verdict_kind::blocked : verdict_kind::closed)
        );
    }
    return endpoints;
}

TEST(runs, collapse_neighbouring_ports_with_the_same_verdict)
{
    const auto runs = make_runs(make_outbound(expectation::path), range_with_hole(server_text));
    EXPECT_EQ(
        told(runs), (list{
                        "54.215.171.160 2001-2099 closed", "54.215.171.160 2100-2199 blocked",
                        "54.215.171.160 2200-2500 closed"
                    })
    );
    EXPECT_TRUE(runs[0].passes);
    EXPECT_FALSE(runs[0].fails);
    EXPECT_FALSE(runs[1].passes);
    EXPECT_TRUE(runs[1].fails);
}

TEST(runs, of_an_undecided_verdict_neither_pass_nor_fail)
{
    const auto runs = make_runs(
        make_outbound(expectation::path),
        {judged_as(make_endpoint(server_text, 80, {}), verdict_kind::unproven)}
    );
    ASSERT_EQ(runs.size(), 1U);
    EXPECT_FALSE(runs[0].passes);
    EXPECT_FALSE(runs[0].fails);
}

TEST(runs, are_weighed_by_what_the_row_expects)
{
    const std::vector endpoints{judged_as(make_endpoint(server_text, 80, {}), verdict_kind::closed)};
    EXPECT_TRUE(make_runs(make_outbound(expectation::path), endpoints)[0].passes);
    EXPECT_TRUE(make_runs(make_outbound(expectation::service), endpoints)[0].fails);
}

TEST(runs, merge_addresses_of_a_name_that_tell_the_same_story)
{
    std::vector<endpoint_state> endpoints;
    for (const char* address : {server_text, other_server_text}) {
        for (auto one : range_with_hole(address)) {
            one.name = "connect.example";
            endpoints.push_back(one);
        }
    }
    const auto runs = make_runs(make_outbound(expectation::path), endpoints);
    EXPECT_EQ(
        told(runs), (list{
                        "connect.example 2001-2099 closed", "connect.example 2100-2199 blocked",
                        "connect.example 2200-2500 closed"
                    })
    );
    for (const auto& one : runs) {
        EXPECT_EQ(one.addresses, (std::vector{make_address(server_text), make_address(other_server_text)}));
    }
}

TEST(runs, keep_addresses_apart_that_differ_in_a_single_port)
{
    std::vector<endpoint_state> endpoints;
    for (const char* address : {server_text, other_server_text}) {
        for (const std::uint16_t port : {std::uint16_t{80}, std::uint16_t{443}}) {
            endpoints.push_back(judged_as(make_named("a.example", address, port, {}), verdict_kind::open));
        }
    }
    endpoints.back() = judged_as(endpoints.back(), verdict_kind::blocked);
    const auto runs = make_runs(make_outbound(expectation::service), endpoints);
    EXPECT_EQ(told(runs), (list{"a.example 80,443 open", "a.example 80 open", "a.example 443 blocked"}));
    EXPECT_EQ(runs[0].addresses, (std::vector{make_address(server_text)}));
    EXPECT_EQ(runs[2].addresses, (std::vector{make_address(other_server_text)}));
}

TEST(runs, keep_literal_addresses_names_and_vantages_apart)
{
    auto voice = judged_as(make_endpoint(server_text, 80, {}), verdict_kind::open);
    voice.vantage = "voice";
    const auto runs = make_runs(
        make_outbound(expectation::service),
        {judged_as(make_endpoint(server_text, 80, {}), verdict_kind::open),
         judged_as(make_endpoint(other_server_text, 80, {}), verdict_kind::open),
         judged_as(make_named("a.example", server_text, 80, {}), verdict_kind::open), voice}
    );
    EXPECT_EQ(
        told(runs),
        (list{
            "54.215.171.160 80 open", "54.219.138.108 80 open", "a.example 80 open", "54.215.171.160 80 open"
        })
    );
    EXPECT_EQ(runs[3].vantage, "voice");
}

TEST(runs, follow_the_ports_whatever_the_order_of_endpoints)
{
    const auto runs = make_runs(
        make_outbound(expectation::path),
        {judged_as(make_endpoint(server_text, 83, {}), verdict_kind::open),
         judged_as(make_endpoint(server_text, 80, {}), verdict_kind::open),
         judged_as(make_endpoint(server_text, 82, {}), verdict_kind::closed),
         judged_as(make_endpoint(server_text, 81, {}), verdict_kind::open)}
    );
    EXPECT_EQ(
        told(runs), (list{"54.215.171.160 80-81 open", "54.215.171.160 82 closed", "54.215.171.160 83 open"})
    );
}

TEST(runs, end_where_an_endpoint_is_no_longer_needed)
{
    auto unused = judged_as(make_named("a.example", server6_text, 81, {}), verdict_kind::open);
    unused.needed = false;
    const auto used = judged_as(make_named("a.example", server6_text, 80, {}), verdict_kind::open);
    const auto runs = make_runs(make_outbound(expectation::service), {used, unused});
    ASSERT_EQ(runs.size(), 2U);
    EXPECT_TRUE(runs[0].passes);
    EXPECT_FALSE(runs[1].passes);
}

TEST(runs, end_where_the_place_of_a_block_changes)
{
    auto here = judged_as(make_endpoint(server_text, 80, {}), verdict_kind::blocked);
    auto there = judged_as(make_endpoint(server_text, 81, {}), verdict_kind::blocked);
    here.judged.where = location{.at = hop{{}, make_address(gateway_text)}, .after = {}, .before = {}};
    there.judged.where = location{.at = hop{{}, make_address(stranger_text)}, .after = {}, .before = {}};
    EXPECT_EQ(make_runs(make_outbound(expectation::path), {here, there}).size(), 2U);
    there.judged.where = here.judged.where;
    EXPECT_EQ(make_runs(make_outbound(expectation::path), {here, there}).size(), 1U);
}

TEST(runs, of_addresses_that_are_not_needed_are_shown_and_count_for_nothing)
{
    auto unused = judged_as(make_named("a.example", server6_text, 443, {}), verdict_kind::open);
    unused.needed = false;
    const auto used = judged_as(make_named("a.example", server_text, 443, {}), verdict_kind::open);
    const auto runs = make_runs(make_outbound(expectation::service), {unused, used});
    ASSERT_EQ(runs.size(), 2U);
    EXPECT_FALSE(runs[0].passes);
    EXPECT_FALSE(runs[0].fails);
    EXPECT_TRUE(runs[1].passes);
    unused.judged.kind = verdict_kind::blocked;
    EXPECT_FALSE(make_runs(make_outbound(expectation::service), {unused})[0].fails);
}

TEST(runs, of_a_name_without_address_have_no_addresses)
{
    endpoint_state one;
    one.name = "a.example";
    one.port = 443;
    const auto runs =
        make_runs(make_outbound(expectation::service), {judged_as(one, verdict_kind::unresolved)});
    EXPECT_EQ(told(runs), (list{"a.example 443 unresolved"}));
    EXPECT_TRUE(runs[0].addresses.empty());
    EXPECT_TRUE(make_runs(make_outbound(expectation::service), {}).empty());
}

} // namespace
} // namespace reachd
