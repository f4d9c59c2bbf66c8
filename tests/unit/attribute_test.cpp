// SPDX-License-Identifier: Apache-2.0
// What traces make of a verdict: whose word an answer is, and where flows take parallel ways.
#include "reachd/core/evidence.hpp"
#include "reachd/core/inquiry.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

constexpr const char* hops[] = {gateway_text, "100.64.0.1", "203.0.113.2", "203.0.113.6"};
constexpr unsigned distance = 4;

class attribution_test : public testing::Test {
protected:
    attribution_test() { it.what.config.path.edge = make_address(gateway_text); }

    void see(const endpoint& target, unsigned limit, outcome what, bool keeps_port = false)
    {
        auto one = make_seen(std::move(what));
        one.hop_limit = limit;
        one.keeps_port = keeps_port;
        one.at = make_wall(seconds{1000 + ++seen_});
        it.site.traces[flow{"", target}].push_back(one);
    }
    // Its packets are seen at the hops before `at`, and answered from there on.
    void answered(std::uint16_t port, unsigned at, const outcome& what)
    {
        for (unsigned limit = 1; limit < at; ++limit) {
            see(make_target(server_text, port), limit, make_icmp(hops[limit - 1], 11, 0));
        }
        see(make_target(server_text, port), at, what);
    }
    // A datagram to a port at which nothing listens gets as far as `last`, and is answered after it or not.
    void control(unsigned last, bool spoke)
    {
        const auto target = make_target(server_text, control_port, transport::udp);
        for (unsigned limit = 1; limit <= last; ++limit) {
            see(target, limit, make_icmp(hops[limit - 1], 11, 0));
        }
        for (unsigned i = 0; i < hop_tries; ++i) {
            see(target, last + 1,
                spoke ? outcome{make_icmp(server_text, 3, 3)} : outcome{no_reply{seconds{1}}});
        }
    }
    const verdict& judged(observation first, expectation expect = expectation::path, std::uint16_t port = 443)
    {
        it.add("row", expect, {make_endpoint(server_text, port, {std::move(first)})});
        it.evaluate();
        return it.judged("row");
    }

    scene it = make_scene();
    int seen_ = 0;
};

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

// --- parallel ways ---

bool any_keeps_port(const std::vector<hop_order>& orders)
{
    return std::ranges::any_of(orders, &hop_order::keeps_port);
}

TEST_F(attribution_test, flows_that_met_different_boxes_at_one_hop_are_walked_from_one_port_each)
{
    it.add("row", expectation::path, {make_endpoint(server_text, 443, make_silence())});
    see(make_target(server_text, 443), 1, make_icmp(hops[0], 11, 0));
    see(make_target(server_text, 443), 2, make_icmp(hops[1], 11, 0));
    EXPECT_FALSE(any_keeps_port(next_orders(it.what, it.site, {})));
    see(make_target(server_text, control_port, transport::udp), 2, make_icmp("100.64.0.9", 11, 0));
    const evidence all{it.what, it.site};
    EXPECT_TRUE(all.forks("", family::v4));
    EXPECT_FALSE(all.forks("", family::v6));
    EXPECT_TRUE(all.view({"", make_target(server_text, 443)}).transit.empty()) << "of whichever way it was";
    const auto orders = next_orders(it.what, it.site, {});
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
