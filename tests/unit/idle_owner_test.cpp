// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/idle_owner.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;

// Three routers: the site's, the provider's, one beyond.
path make_way()
{
    path out;
    for (const char* text : {"10.77.1.1", "100.64.0.1", "203.0.113.2"}) {
        out.hops.push_back({.address = make_address(text), .flows = 1, .round_trip = {}});
    }
    out.edge = 1;
    out.beyond = 2;
    return out;
}

// Two flows for each number of hops: 'h' held, 'l' lost, 'm' one of each, '?' one lost and one void.
std::vector<refreshed_flow> make_flows(std::string_view answers)
{
    std::vector<refreshed_flow> out;
    for (unsigned k = 0; k < answers.size(); ++k) {
        const char what = answers[k];
        const auto first = what == 'h' ? idle_grade::inbound : idle_grade::inbound_lost;
        const auto second = what == 'h' || what == 'm' ? idle_grade::inbound
                          : what == 'l'                ? idle_grade::inbound_lost
                                                       : idle_grade::none;
        out.push_back({.hops = k, .grade = first, .ended_at = {}});
        out.push_back({.hops = k, .grade = second, .ended_at = {}});
    }
    return out;
}

TEST(idle_owner, is_the_farthest_box_whose_refreshes_hold)
{
    struct {
        const char* what;
        const char* answers; // of 0, 1, 2, 3 hops and all the way
        std::optional<unsigned> at;
        std::optional<unsigned> after;
        const char* words;
    } const cases[] = {
        {"the site's own", "lhhhh", 1, {}, "hop 1 (10.77.1.1) keep it: it is that box, a box of the site"},
        {"the carrier's", "llhhh", {}, 1, "the site's last box or the provider's first"},
        {"one beyond", "lllhh", {}, 2, "a box of the provider's or beyond"},
        {"the far end's", "llllh", {}, 3, "only what reaches the reflector keeps it"},
        {"one packet lost", "lhmhh", 1, {}, "it is that box"},
    };
    for (const auto& one : cases) {
        const auto got = judge_owner(make_flows(one.answers), make_way());
        ASSERT_TRUE(got.where) << one.what << ": " << got.sentence;
        EXPECT_EQ(got.where->at.has_value(), one.at.has_value()) << one.what;
        if (one.at) {
            EXPECT_EQ(got.where->at->number, one.at) << one.what;
        } else {
            EXPECT_EQ(got.where->after->number, one.after) << one.what;
            EXPECT_EQ(got.where->before->number, *one.after + 1) << one.what;
        }
        EXPECT_NE(got.sentence.find(one.words), std::string::npos) << one.what << ": " << got.sentence;
    }
}

TEST(idle_owner, is_nobody_where_the_flows_do_not_say_so)
{
    struct {
        const char* what;
        const char* answers;
        const char* words;
    } const cases[] = {
        {"it held without any refresh", "hhhhh", "the next time it held"},
        {"the control was lost", "lllll", "kept busy all the way were lost as well"},
        {"not monotone", "lhlhh", "contradict each other"},
        {"a void one in between", "l?hhh", "contradict each other"},
        {"the control is void", "lhhh?", "were lost as well"},
    };
    for (const auto& one : cases) {
        const auto got = judge_owner(make_flows(one.answers), make_way());
        EXPECT_FALSE(got.where) << one.what;
        EXPECT_NE(got.sentence.find(one.words), std::string::npos) << one.what << ": " << got.sentence;
    }
    EXPECT_EQ(judge_owner({}, make_way()), idle_owner{});
}

TEST(idle_owner, is_named_by_who_says_that_a_refresh_ended_there_where_the_way_is_not_known)
{
    auto flows = make_flows("lhhhh");
    flows[2].ended_at = make_address("10.77.1.1");
    flows[4].ended_at = make_address("100.64.0.1");
    const auto way = path_of_trial(flows, {}, {}, {});
    EXPECT_EQ(way.edge, 1U);
    const auto got = judge_owner(flows, way);
    EXPECT_NE(got.sentence.find("hop 1 (10.77.1.1)"), std::string::npos) << got.sentence;
    EXPECT_NE(got.sentence.find("a box of the site"), std::string::npos) << got.sentence;
    EXPECT_EQ(judge_owner(flows, {}).sentence.find("a box of the site"), std::string::npos);
}

TEST(idle_trial, refreshes_often_enough_for_what_was_survived)
{
    const auto udp = owner_trial(25s, 30s, 3, idle_class::udp_single);
    EXPECT_EQ(udp.hold, 39s);
    EXPECT_EQ(udp.flows, (std::vector<unsigned>{0, 0, 1, 1, 2, 2, 3, 3, 4, 4}));
    EXPECT_EQ(udp.refresh, (std::vector<duration>{12s, 24s, 36s}));
    // A wide bracket: the timer may be just above what was survived.
    for (const auto at : owner_trial(10s, 30s, 1, idle_class::udp_single).refresh) {
        EXPECT_EQ(at.count() % duration{8s}.count(), 0);
    }
    const auto tcp = owner_trial(10s, 300s, 1, idle_class::tcp);
    EXPECT_LE(tcp.refresh.size(), 3U) << "a fourth unanswered keep-alive shortens Linux's timer itself";
    EXPECT_LE(tcp.hold - tcp.refresh.back(), tcp.hold / 4 + 1s);
}

} // namespace
} // namespace reachd
