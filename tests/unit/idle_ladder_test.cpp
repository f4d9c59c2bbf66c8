// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/idle_ladder.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace reachd {
namespace {

using namespace std::chrono_literals;

const idle_need tcp_need{.which = idle_class::tcp, .required = 720s};
const idle_need udp_need{.which = idle_class::udp_single, .required = 60s};

std::vector<duration> silences(const std::vector<idle_rung>& rungs, bool second_ladder)
{
    std::vector<duration> out;
    for (const auto& one : rungs) {
        if ((one.start > 0s) == second_ladder) {
            out.push_back(one.hold);
        }
    }
    std::ranges::sort(out);
    return out;
}

std::ptrdiff_t flows_of(const std::vector<idle_rung>& rungs, duration hold)
{
    return std::ranges::count(rungs, hold, &idle_rung::hold);
}

TEST(idle_ladder, has_the_built_in_rungs_cut_where_more_would_not_be_worth_the_wait)
{
    const std::vector<duration> tcp{60s,  120s, 180s, 240s, 300s, 350s, 420s, 480s,
                                    600s, 660s, 718s, 720s, 720s, 722s, 780s, 900s};
    EXPECT_EQ(silences(first_rungs(tcp_need), false), tcp);
    const std::vector<duration> udp{15s, 20s, 25s, 30s, 35s, 45s,  55s,  58s,  60s,
                                    60s, 62s, 65s, 75s, 90s, 120s, 150s, 180s, 300s};
    EXPECT_EQ(silences(first_rungs(udp_need), false), udp);
}

TEST(idle_ladder, takes_the_configured_rungs_as_they_are_and_adds_the_required_ones)
{
    auto need = tcp_need;
    need.rungs = {10s, 3600s};
    const std::vector<duration> wanted{10s, 718s, 720s, 720s, 722s, 3600s};
    EXPECT_EQ(silences(first_rungs(need), false), wanted);
}

TEST(idle_ladder, is_cut_at_a_longest_wait_but_never_below_what_is_required)
{
    auto need = tcp_need;
    need.longest = 300s;
    const auto cut = silences(first_rungs(need), false);
    EXPECT_EQ(cut.back(), 722s);
    EXPECT_EQ(*std::ranges::find_if(cut, [](duration one) { return one > 300s; }), 718s);
}

TEST(idle_ladder, leaves_three_flows_alone_for_the_required_time_in_both_ladders)
{
    for (const auto& need : {tcp_need, udp_need}) {
        const auto rungs = first_rungs(need);
        EXPECT_EQ(flows_of(rungs, need.required), flows_at_required);
        EXPECT_EQ(std::ranges::count(silences(rungs, true), duration{need.required}), 1);
        EXPECT_EQ(flows_of(rungs, need.required - 2s), 1);
        EXPECT_EQ(flows_of(rungs, need.required + 2s), 1);
    }
}

TEST(idle_ladder, begins_a_second_one_later_with_rungs_half_way_between_those_of_the_first)
{
    const auto rungs = first_rungs(tcp_need);
    std::set<duration> starts;
    for (const auto& one : rungs) {
        starts.insert(one.start);
    }
    EXPECT_EQ(starts, (std::set<duration>{0s, 37s}));
    const auto later = silences(rungs, true);
    EXPECT_EQ(later.front(), 90s);
    EXPECT_EQ(later.back(), 840s);
    EXPECT_LE(rungs.size(), 40U); // flows to one destination: a NAT's table is not to be filled
    EXPECT_EQ(length_of(rungs), 900s);
}

TEST(idle_ladder, shrinks_with_a_short_requirement)
{
    const idle_need need{.which = idle_class::tcp, .required = 3s, .rungs = {1s, 4s}};
    const auto rungs = first_rungs(need);
    const std::vector<duration> first{1s, 2s, 3s, 3s, 4s};
    EXPECT_EQ(silences(rungs, false), first);
    EXPECT_EQ(stagger_of(need), 1s);
    for (const auto& one : first_rungs({.which = idle_class::tcp, .required = 1s, .rungs = {1s}})) {
        EXPECT_GT(one.hold, 0s);
    }
}

TEST(idle_ladder, refines_a_bracket_seventeen_fold)
{
    const auto rungs = refine_rungs(300s, 351s);
    ASSERT_EQ(rungs.size(), rungs_of_refinement);
    EXPECT_EQ(rungs.front().hold, 303s);
    EXPECT_EQ(rungs.back().hold, 348s);
    EXPECT_TRUE(refine_rungs(300s, 300s).empty());
}

} // namespace
} // namespace reachd
