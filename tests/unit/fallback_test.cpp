// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/fallback.hpp"
#include "reachd/core/site_report.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;

// A row that needs 5223, whose clients fall back to 443.
scene push_row(std::vector<observation> preferred, std::vector<observation> fallback)
{
    auto it = make_scene();
    it.add(
        "push", expectation::path,
        {make_named("a.example", server_text, 5223, std::move(preferred)),
         make_named("a.example", server_text, 443, std::move(fallback))}
    );
    auto& row = std::get<outbound_row>(it.what.rows[0].what);
    row.ports = parse_ports("5223").value();
    row.tls_ports = parse_ports("443,5223").value();
    row.fallback_ports = parse_ports("443").value();
    it.evaluate();
    return it;
}

std::vector<observation> trusted()
{
    return make_greeted(make_trusted(), probe_kind::tls);
}

bool says(const scene& it, std::string_view words)
{
    return it.row("push").sentence.find(words) != std::string::npos;
}

TEST(fallback, that_works_does_not_save_the_row_and_is_told)
{
    const auto it = push_row(make_silence(), trusted());
    EXPECT_EQ(it.row("push").state, row_answer::fail);
    EXPECT_EQ(it.row("push").counts, (row_counts{.total = 1, .fail = 1}));
    EXPECT_TRUE(says(it, "no answer in")) << it.row("push").sentence;
    EXPECT_TRUE(says(it, "; from tcp 5223 clients fall back to 443, which works")) << it.row("push").sentence;
}

TEST(fallback, that_fails_does_not_fail_the_row_and_is_told)
{
    const auto it = push_row(trusted(), make_silence());
    EXPECT_EQ(it.row("push").state, row_answer::pass);
    EXPECT_EQ(it.row("push").counts, (row_counts{.total = 1, .pass = 1}));
    EXPECT_TRUE(says(it, "; from tcp 5223 clients fall back to 443, which fails as well: no answer"))
        << it.row("push").sentence;
    EXPECT_EQ(it.row("push").advice, "");
}

TEST(fallback, needs_an_answer_although_the_row_asks_for_the_way_alone)
{
    const auto it = push_row(trusted(), {make_seen(refused{})});
    EXPECT_EQ(
        fallback_of(std::get<outbound_row>(it.what.rows[0].what), it.row("push")).state, row_answer::fail
    );
}

TEST(fallback, is_undecided_where_it_could_not_be_looked_at)
{
    EXPECT_TRUE(says(push_row(trusted(), {}), "fall back to 443, which is undecided"));
    EXPECT_TRUE(
        says(push_row(trusted(), {make_seen(make_unmeasured(local_cause::no_route))}), "which is undecided")
    );
    auto fresh = push_row(trusted(), trusted());
    fresh.site.rows[0].checked.reset();
    fresh.evaluate();
    EXPECT_FALSE(says(fresh, "fall back"));
}

TEST(fallback, leaves_out_a_family_without_a_route_and_counts_the_endpoints_that_fail)
{
    auto it = push_row(trusted(), trusted());
    auto& endpoints = it.site.rows[0].endpoints;
    endpoints.push_back(
        make_named("a.example", server6_text, 443, {make_seen(make_unmeasured(local_cause::no_route))})
    );
    it.evaluate();
    EXPECT_TRUE(says(it, "which works")) << it.row("push").sentence;
    endpoints.push_back(make_named("a.example", other_server_text, 443, make_silence()));
    it.evaluate();
    EXPECT_TRUE(says(it, "fall back to 443, where 1 of 2 endpoints fail, first: no answer"))
        << it.row("push").sentence;
}

TEST(fallback, is_in_the_report_and_its_endpoints_are_not_needed)
{
    const auto it = push_row(make_silence(), trusted());
    const auto report = site_report(it.what, it.site, {}, make_wall(seconds{2000}));
    const auto& row = report["catalogues"][0]["requirements"][0];
    EXPECT_EQ(row["ports"], "5223");
    EXPECT_EQ(row["fallback"]["ports"], "443");
    EXPECT_EQ(row["fallback"]["state"], "pass");
    EXPECT_EQ(row["endpoints"][1]["needed"], false);
    EXPECT_FALSE(row["endpoints"][0].contains("needed"));
    const auto other = make_scene();
    EXPECT_EQ(
        site_report(other.what, other.site, {}, make_wall(seconds{2000})).dump().find("fallback"),
        std::string::npos
    );
}

} // namespace
} // namespace reachd
