// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/flap_guard.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace std::chrono_literals;

constexpr time_point begin{1h};

TEST(flap_guard, tells_the_first_changes_at_once)
{
    flap_guard guard;
    for (unsigned i = 0; i < flap_guard::burst; ++i) {
        const auto permit = guard.change("row", begin + i * 1s);
        EXPECT_TRUE(permit.now);
        EXPECT_EQ(permit.left_out, 0U);
    }
    EXPECT_FALSE(guard.change("row", begin + 10s).now);
}

TEST(flap_guard, a_day_of_flapping_every_second_is_some_hundred_lines_and_counts_the_rest)
{
    flap_guard guard;
    unsigned told = 0;
    unsigned left_out = 0;
    constexpr unsigned day_s = 86400;
    for (unsigned second = 0; second < day_s; ++second) {
        const auto permit = guard.change("row", begin + second * 1s);
        told += permit.now ? 1 : 0;
        left_out += permit.left_out;
    }
    EXPECT_EQ(told, flap_guard::burst + day_s / 600 - 1);
    EXPECT_GT(told + left_out, day_s - 600);
}

TEST(flap_guard, a_row_that_flaps_takes_nothing_from_another)
{
    flap_guard guard;
    for (unsigned i = 0; i < 100; ++i) {
        guard.change("flaps", begin);
    }
    EXPECT_TRUE(guard.change("quiet", begin).now);
}

TEST(flap_guard, the_state_that_stays_is_told_in_the_end)
{
    flap_guard guard;
    for (unsigned i = 0; i < flap_guard::burst + 3; ++i) {
        guard.change("row", begin);
    }
    EXPECT_FALSE(guard.settle("row", begin + 9min).now);
    const auto permit = guard.settle("row", begin + 10min);
    EXPECT_TRUE(permit.now);
    EXPECT_EQ(permit.left_out, 2U); // the third of the three is the one that is told
    EXPECT_FALSE(guard.settle("row", begin + 30min).now);
}

TEST(flap_guard, nothing_is_told_twice)
{
    flap_guard guard;
    EXPECT_FALSE(guard.settle("row", begin).now);
    guard.change("row", begin);
    EXPECT_FALSE(guard.settle("row", begin + 1h).now);
}

TEST(flap_guard, quiet_time_gives_the_whole_burst_back)
{
    flap_guard guard;
    for (unsigned i = 0; i < 20; ++i) {
        guard.change("row", begin);
    }
    for (unsigned i = 0; i < flap_guard::burst; ++i) {
        EXPECT_TRUE(guard.change("row", begin + 2h).now);
    }
    EXPECT_FALSE(guard.change("row", begin + 2h).now);
}

} // namespace
} // namespace reachd
