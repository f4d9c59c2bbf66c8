// SPDX-License-Identifier: Apache-2.0
// What traces make of a verdict: whose word an answer is, and where flows take parallel ways.
#include "reachd/core/evidence.hpp"
#include "walked_site.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

using attribution_test = walked_site;

constexpr const char* unchecked = "could not be checked";

TEST_F(attribution_test, a_refusal_from_where_the_destination_speaks_is_its_own)
{
    answered(443, distance, refused{});
    control(distance - 1, true);
    const auto& one = judged(make_seen(refused{}));
    EXPECT_EQ(one.kind, verdict_kind::closed);
    EXPECT_EQ(one.blame, blame::service);
    EXPECT_EQ(one.sentence.find(unchecked), std::string::npos);
}

TEST_F(attribution_test, a_refusal_that_no_control_confirms_says_so)
{
    answered(443, distance, refused{});
    control(distance - 2, false);
    const auto& one = judged(make_seen(refused{}));
    EXPECT_EQ(one.kind, verdict_kind::closed);
    EXPECT_NE(one.sentence.find(unchecked), std::string::npos) << one.sentence;
}

TEST_F(attribution_test, a_refusal_next_to_the_edge_that_no_control_confirms_proves_nothing)
{
    answered(443, 2, refused{});
    control(1, false);
    const auto& one = judged(make_seen(refused{}));
    EXPECT_EQ(one.kind, verdict_kind::unproven);
    EXPECT_NE(one.sentence.find("not seen to leave the site"), std::string::npos) << one.sentence;
}

TEST_F(attribution_test, a_refusal_before_a_box_that_a_control_passes_is_forged)
{
    answered(443, 2, refused{});
    control(distance - 1, true);
    const auto& one = judged(make_seen(refused{}));
    EXPECT_EQ(one.kind, verdict_kind::blocked);
    ASSERT_TRUE(one.where && one.where->after && one.where->before);
    EXPECT_EQ(one.where->after->number, 1U);
    EXPECT_EQ(one.where->before->number, 2U);
}

TEST_F(attribution_test, an_http_answer_by_address_that_no_control_confirms_says_so)
{
    answered(80, distance, connected{});
    control(distance - 2, false);
    it.add(
        "web", expectation::path,
        {make_endpoint(server_text, 80, make_greeted(http_answer{.status = 200}, probe_kind::http_head))}
    );
    it.evaluate();
    EXPECT_EQ(it.judged("web").kind, verdict_kind::open);
    EXPECT_NE(it.judged("web").sentence.find(unchecked), std::string::npos) << it.judged("web").sentence;
}

// --- a box that translates ---

TEST_F(attribution_test, a_time_exceeded_in_the_destinations_name_gives_away_who_translates)
{
    const auto target = make_target(server_text, 443);
    see(target, 1, make_icmp(server_text, 11, 0));
    see(target, 2, connected{});
    control(1, false);
    it.site.local = make_local();
    const auto& one = judged(make_seen(connected{}));
    EXPECT_EQ(one.kind, verdict_kind::intercepted);
    EXPECT_EQ(one.blame, blame::site);
    ASSERT_TRUE(one.where && one.where->at);
    EXPECT_EQ(one.where->at->number, 1U);
}

TEST_F(attribution_test, a_destination_behind_its_own_nat_is_no_interception)
{
    const auto target = make_target(server_text, 443);
    for (unsigned limit = 1; limit < distance; ++limit) {
        see(target, limit, make_icmp(hops[limit - 1], 11, 0));
    }
    see(target, distance, make_icmp(server_text, 11, 0));
    see(target, distance + 1, connected{});
    control(distance - 1, true);
    EXPECT_EQ(judged(make_seen(connected{})).kind, verdict_kind::open);
}

TEST_F(attribution_test, a_destination_whose_nat_passes_everything_on_is_no_interception)
{
    const auto target = make_target(server_text, 443);
    for (const auto& port : {target, make_target(server_text, control_port, transport::udp)}) {
        see(port, 1, make_icmp(hops[0], 11, 0));
        see(port, 2, make_icmp(hops[1], 11, 0));
        see(port, 3, make_icmp(server_text, 11, 0));
    }
    see(target, distance, connected{});
    see(make_target(server_text, control_port, transport::udp), distance, make_icmp(server_text, 3, 3));
    EXPECT_EQ(judged(make_seen(connected{})).kind, verdict_kind::open);
}

// --- parallel ways ---

bool any_keeps_port(const std::vector<hop_order>& orders)
{
    return std::ranges::any_of(orders, &hop_order::keeps_port);
}

TEST_F(attribution_test, who_waits_for_what_comes_of_another_walk_is_told_as_deferred)
{
    it.add("one", expectation::service, {make_endpoint(server_text, 443, make_silence())});
    it.add("two", expectation::service, {make_endpoint(other_server_text, 443, make_silence())});
    using addresses = std::set<ip_address>;
    EXPECT_EQ(next_orders(it.what, it.site, {}).deferred, addresses{make_address(other_server_text)});
    for (unsigned limit = 1; limit <= 8; ++limit) {
        silent(make_target(server_text, 443), limit); // walked to its end
    }
    EXPECT_EQ(next_orders(it.what, it.site, {}).deferred, addresses{});
}

TEST_F(attribution_test, flows_that_met_different_boxes_at_one_hop_are_walked_from_one_port_each)
{
    it.add("row", expectation::path, {make_endpoint(server_text, 443, make_silence())});
    see(make_target(server_text, 443), 1, make_icmp(hops[0], 11, 0));
    see(make_target(server_text, 443), 2, make_icmp(hops[1], 11, 0));
    EXPECT_FALSE(any_keeps_port(next_orders(it.what, it.site, {}).now));
    see(make_target(server_text, control_port, transport::udp), 2, make_icmp("100.64.0.9", 11, 0));
    const evidence all{it.what, it.site};
    EXPECT_TRUE(all.forks("", family::v4));
    EXPECT_FALSE(all.forks("", family::v6));
    EXPECT_TRUE(all.view({"", make_target(server_text, 443)}).transit.empty()) << "of whichever way it was";
    const auto orders = next_orders(it.what, it.site, {}).now;
    EXPECT_TRUE(std::ranges::all_of(orders, &hop_order::keeps_port));
    see(make_target(server_text, 443), 2, make_icmp(hops[1], 11, 0), true);
    const evidence again{it.what, it.site};
    EXPECT_EQ(again.view({"", make_target(server_text, 443)}).transit.size(), 1U);
}

TEST_F(attribution_test, ways_to_different_addresses_may_differ_without_a_fork)
{
    see(make_target(server_text, 443), 2, make_icmp(hops[1], 11, 0));
    see(make_target(other_server_text, 443), 2, make_icmp("100.64.0.9", 11, 0));
    const evidence all{it.what, it.site};
    EXPECT_FALSE(all.forks("", family::v4));
    EXPECT_FALSE(all.view({"", make_target(server_text, 443)}).transit.empty());
}

} // namespace
} // namespace reachd
