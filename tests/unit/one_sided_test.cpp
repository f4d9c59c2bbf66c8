// SPDX-License-Identifier: Apache-2.0
// Routers that speak of one transport only, or hold their word back; distances out and back that do not go
// together.
#include "reachd/core/evidence.hpp"
#include "reachd/core/groups.hpp"
#include "reachd/core/inquiry.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

constexpr const char* hops[] = {gateway_text, "100.64.0.1", "203.0.113.2", "203.0.113.6"};
constexpr const char* dns_text = "203.0.113.53";
constexpr unsigned distance = 4;

class one_sided_test : public testing::Test {
protected:
    one_sided_test() { it.what.config.path.edge = make_address(gateway_text); }

    void see(const endpoint& target, unsigned limit, outcome what, const std::string& source = "")
    {
        auto one = make_seen(std::move(what));
        one.hop_limit = limit;
        one.source = source;
        one.at = make_wall(seconds{1000 + ++seen_});
        it.site.traces[flow{"", target}].push_back(one);
    }
    void pass(const endpoint& target, unsigned limit)
    {
        see(target, limit, make_icmp(hops[limit - 1], 11, 0));
    }
    void miss(const endpoint& target, unsigned limit, unsigned times = hop_tries)
    {
        for (unsigned i = 0; i < times; ++i) {
            see(target, limit, no_reply{seconds{1}});
        }
    }
    // Answers arrive with exactly this TTL.
    void arrives_with(const endpoint& target, unsigned ttl)
    {
        for (unsigned i = 0; i <= sure_min_ttl_tries; ++i) {
            auto one = make_seen(i == 0 ? outcome{connected{}} : outcome{no_reply{seconds{1}}});
            one.min_ttl = i == 0 ? ttl : ttl + 1;
            it.site.traces[flow{"", target}].push_back(one);
        }
    }
    static endpoint_state silent_datagram()
    {
        auto out = make_endpoint(server_text, 4200, make_silence());
        out.transport = transport::udp;
        return out;
    }
    passage found(const endpoint& target) const
    {
        const evidence all{it.what, it.site};
        return passage_of(all, flow{"", target});
    }
    std::vector<hop_order> orders_of(const endpoint& target) const
    {
        auto out = next_orders(it.what, it.site, {}).now;
        std::erase_if(out, [&](const hop_order& one) { return one.which.target != target; });
        return out;
    }

    const endpoint data = make_target(server_text, 4200, transport::udp);
    const endpoint web = make_target(server_text, 443);
    const endpoint other_web = make_target(server_text, 80);
    const endpoint traced = make_target(server_text, control_port, transport::udp);
    scene it = make_scene();
    int seen_ = 0;
};

TEST_F(one_sided_test, silence_past_the_edge_that_only_tcp_breaks_says_nothing_of_datagrams)
{
    for (unsigned limit = 1; limit < distance; ++limit) {
        pass(web, limit);
        pass(web, limit);
    }
    pass(data, 1);
    pass(data, 2);
    miss(data, 3);
    EXPECT_EQ(found(data).kind, passage_kind::let_through);
    pass(traced, 2);
    pass(traced, 3); // the twin: the hop does speak of datagrams
    pass(traced, 3);
    EXPECT_EQ(found(data).kind, passage_kind::dropped);
    EXPECT_EQ(found(data).before, 3U);
}

TEST_F(one_sided_test, a_hop_that_other_datagrams_come_past_in_silence_drops_none)
{
    for (unsigned limit = 1; limit < distance; ++limit) {
        pass(web, limit);
        pass(web, limit);
    }
    pass(data, 1);
    pass(traced, 1);
    miss(data, 2);
    pass(web, 2); // the hop still speaks
    pass(web, 2);
    EXPECT_EQ(found(data).kind, passage_kind::dropped) << "no datagram is seen any farther";
    miss(traced, 2);
    see(traced, distance, make_icmp(server_text, 3, 3));
    EXPECT_EQ(found(data).kind, passage_kind::nowhere);
}

TEST_F(one_sided_test, silence_for_tcp_where_routers_do_not_speak_of_it_is_the_destinations)
{
    for (unsigned limit = 1; limit < distance; ++limit) {
        pass(traced, limit);
        pass(traced, limit);
    }
    for (const auto& one : {web, other_web}) {
        pass(one, 1);
        miss(one, 2);
        miss(one, 3);
    }
    miss(web, distance);
    EXPECT_EQ(found(web).before, 2U) << "as long as no TCP is seen any farther";
    see(other_web, distance, connected{});
    EXPECT_EQ(found(web).kind, passage_kind::dropped);
    EXPECT_EQ(found(web).after, 1U);
    EXPECT_EQ(found(web).before, distance);
    EXPECT_TRUE(found(web).before_is_target);
}

TEST_F(one_sided_test, dns_is_asked_whether_a_hop_speaks_of_datagrams)
{
    it.add("row", expectation::path, {silent_datagram()});
    it.site.local.dns_servers = {make_address(dns_text)};
    for (unsigned limit = 1; limit < distance; ++limit) {
        pass(web, limit);
    }
    pass(data, 1);
    pass(traced, 1);
    miss(data, 2);
    miss(data, 3);
    const auto dns = make_target(dns_text, 53, transport::udp);
    const auto asked = orders_of(dns);
    ASSERT_FALSE(asked.empty());
    EXPECT_EQ(asked.front().hop_limit, 2U);
    EXPECT_EQ(asked.front().payload.size(), 17U);
    pass(dns, 2);
    pass(dns, 2);
    EXPECT_EQ(found(data).kind, passage_kind::dropped);
}

TEST_F(one_sided_test, the_destination_is_asked_from_the_port_that_was_seen_next_to_it)
{
    it.add("row", expectation::service, {make_endpoint(server_text, 443, make_silence())});
    for (unsigned limit = 1; limit < distance; ++limit) {
        pass(traced, limit);
        see(web, limit, make_icmp(hops[limit - 1], 11, 0), fmt::format("10.77.1.2:{}", 41000 + limit));
    }
    see(traced, distance, make_icmp(server_text, 3, 3));
    const auto asked = orders_of(web);
    ASSERT_FALSE(asked.empty());
    EXPECT_TRUE(std::ranges::all_of(asked, [](const hop_order& one) {
        return one.hop_limit == distance && one.source_port == 41003;
    }));
}

TEST_F(one_sided_test, silence_where_the_next_hop_rejects_others_is_asked_again)
{
    it.add("row", expectation::path, {silent_datagram()});
    const auto rejected = make_target(other_server_text, 80);
    pass(rejected, 1);
    pass(rejected, 2);
    pass(data, 1);
    pass(data, 2);
    miss(data, 3);
    EXPECT_EQ(found(data).kind, passage_kind::let_through);
    see(rejected, 3, make_icmp(hops[2], 3, 0));
    EXPECT_EQ(found(data).kind, passage_kind::unsettled);
    EXPECT_FALSE(orders_of(data).empty());
    miss(data, 3, rejection_tries - hop_tries);
    EXPECT_EQ(found(data).kind, passage_kind::held_back);
    EXPECT_TRUE(orders_of(data).empty());
    it.site.traces.erase(flow{"", rejected});
    EXPECT_EQ(found(data).kind, passage_kind::held_back) << "it was forgotten: that decides nothing";
    see(web, distance, connected{}); // the twin: that way the next hop passes it on
    EXPECT_EQ(found(data).kind, passage_kind::let_through);
}

class next_to_rejections_test : public one_sided_test {
protected:
    next_to_rejections_test()
    {
        it.add("row", expectation::path, {make_endpoint(server_text, 443, make_silence())});
        pass(web, 1);
        pass(web, 2);
        miss(web, 3, rejection_tries);
    }
    // Passes two hops and is rejected from the third on.
    void turn_back(const endpoint& target, unsigned heard_at = 3)
    {
        pass(target, 1);
        pass(target, 2);
        see(target, heard_at, make_icmp(hops[2], 3, 0));
    }
};

TEST_F(next_to_rejections_test, what_may_have_been_rejected_without_a_word_is_unproven)
{
    turn_back(make_target(other_server_text, 80));
    it.evaluate();
    EXPECT_EQ(it.judged("row").kind, verdict_kind::unproven);
    EXPECT_NE(it.judged("row").sentence.find("may have rejected this without a word"), std::string::npos);
}

TEST_F(next_to_rejections_test, silence_beside_rejections_of_the_same_address_is_blocked)
{
    turn_back(other_web);
    EXPECT_EQ(found(web).kind, passage_kind::nowhere);
    it.evaluate();
    EXPECT_EQ(it.judged("row").kind, verdict_kind::blocked);
}

TEST_F(next_to_rejections_test, rejections_of_our_own_controls_speak_of_no_rule_about_the_address)
{
    turn_back(traced);
    turn_back(make_target(server_text, control_port));
    EXPECT_EQ(found(web).kind, passage_kind::held_back);
}

TEST_F(next_to_rejections_test, a_rejection_whose_first_word_was_lost_is_one)
{
    turn_back(other_web, 5);
    EXPECT_EQ(found(web).kind, passage_kind::nowhere);
}

TEST_F(next_to_rejections_test, what_cannot_be_sent_here_is_nobodys_rejection)
{
    it.site.traces.clear();
    pass(web, 1);
    pass(web, 2);
    turn_back(make_target(other_server_text, 80));
    see(web, 3, not_measured{local_cause::no_local_port});
    EXPECT_EQ(found(web).kind, passage_kind::held_back);
}

// --- distances ---

TEST_F(one_sided_test, an_answer_that_comes_from_a_hop_nearer_than_anothers_is_unproven)
{
    for (const auto& one : {web, other_web}) {
        for (unsigned limit = 1; limit < distance; ++limit) {
            pass(one, limit);
        }
        see(one, distance, connected{});
    }
    arrives_with(web, 62);
    arrives_with(other_web, 61);
    it.add(
        "row", expectation::path,
        {make_endpoint(server_text, 443, {make_seen(connected{})}),
         make_endpoint(server_text, 80, {make_seen(connected{})})}
    );
    it.evaluate();
    const auto& row = it.site.rows.back();
    EXPECT_EQ(row.endpoints[0].judged.kind, verdict_kind::unproven);
    EXPECT_EQ(row.endpoints[0].judged.blame, blame::unknown);
    EXPECT_NE(row.endpoints[0].judged.sentence.find("different distances"), std::string::npos);
    EXPECT_EQ(row.endpoints[1].judged.kind, verdict_kind::open);
}

TEST_F(one_sided_test, an_answer_from_nearer_that_has_come_as_far_accuses_nobody)
{
    pass(web, 1);
    see(web, 2, connected{});
    for (unsigned limit = 1; limit < distance; ++limit) {
        pass(traced, limit);
    }
    auto spoke = make_icmp(server_text, 3, 3);
    spoke.received_ttl = 61;
    see(traced, distance, spoke);
    it.add("row", expectation::path, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.evaluate();
    EXPECT_EQ(it.judged("row").kind, verdict_kind::intercepted) << "its TTL is not known";
    arrives_with(web, 61);
    it.evaluate();
    EXPECT_EQ(it.judged("row").kind, verdict_kind::unproven);
    EXPECT_EQ(it.judged("row").where, std::nullopt);
    it.site.traces[flow{"", web}].resize(2);
    arrives_with(web, 63); // the twin
    it.evaluate();
    EXPECT_EQ(it.judged("row").kind, verdict_kind::intercepted);
}

// --- least privilege ---

TEST_F(one_sided_test, a_port_that_the_destination_itself_may_shut_is_not_proven_shut)
{
    verdict judged{
        .kind = verdict_kind::blocked, .stage = stage::connect, .blame = blame::unknown, .where = {}
    };
    const auto server = make_address(server_text);
    judged.where = location{.at = {}, .after = hop{3, make_address(hops[2])}, .before = hop{4, server}};
    EXPECT_EQ(weigh(expectation::blocked, judged, server), endpoint_answer::undecided);
    judged.where =
        location{.at = {}, .after = hop{1, make_address(hops[0])}, .before = hop{3, make_address(hops[2])}};
    EXPECT_EQ(weigh(expectation::blocked, judged, server), endpoint_answer::pass);
    judged.where.reset();
    EXPECT_EQ(weigh(expectation::blocked, judged, server), endpoint_answer::undecided);
}

} // namespace
} // namespace reachd
