// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/schedule.hpp"

#include <gtest/gtest.h>
#include <map>
#include <set>

namespace reachd {
namespace {

using namespace std::chrono_literals;
using result = schedule::round_result;

const time_point origin{1h};

// The pause after the round of row 0 that ends at `now`, in seconds.
double pause_after(schedule& times, result how, time_point now)
{
    times.started(0);
    times.finished(0, how, now);
    return std::chrono::duration<double>(times.next_due()->when - now).count();
}

TEST(schedule, spreads_first_rounds_evenly_over_one_interval)
{
    schedule times{{3, 5, 8, 9}, 60s, origin, 1};
    for (const auto& [row, offset] : std::map<std::size_t, duration>{{3, 0s}, {5, 15s}, {8, 30s}, {9, 45s}}) {
        const auto due = times.next_due();
        ASSERT_TRUE(due);
        EXPECT_EQ(due->row, row);
        EXPECT_EQ(due->when, origin + offset);
        times.started(row);
    }
    EXPECT_FALSE(times.next_due());
}

TEST(schedule, of_no_rows_has_nothing_due)
{
    EXPECT_FALSE((schedule{{}, 60s, origin, 1}.next_due()));
}

TEST(schedule, does_not_name_a_row_that_is_being_probed)
{
    schedule times{{0, 1}, 60s, origin, 1};
    times.started(0);
    EXPECT_EQ(times.next_due()->row, 1U);
    times.finished(0, result::healthy, origin);
    EXPECT_EQ(times.next_due()->row, 1U); // due at 30 s, the other at 54 s or later
    times.started(1);
    EXPECT_EQ(times.next_due()->row, 0U);
}

TEST(schedule, keeps_a_healthy_row_at_one_interval_with_a_jitter_of_a_tenth)
{
    schedule times{{0}, 60s, origin, 1};
    double least = 1000;
    double most = 0;
    for (int i = 0; i < 500; ++i) {
        const auto pause = pause_after(times, result::healthy, origin + i * 60s);
        EXPECT_GE(pause, 54.0);
        EXPECT_LE(pause, 66.0);
        least = std::min(least, pause);
        most = std::max(most, pause);
    }
    EXPECT_LT(least, 55.0);
    EXPECT_GT(most, 65.0);
}

TEST(schedule, backs_off_by_doubling_up_to_eight_intervals_while_nothing_changes)
{
    schedule times{{0}, 60s, origin, 1};
    for (const double intervals : {2.0, 4.0, 8.0, 8.0, 8.0}) {
        SCOPED_TRACE(intervals);
        const auto pause = pause_after(times, result::still_the_same, origin);
        EXPECT_GE(pause, intervals * 54.0);
        EXPECT_LE(pause, intervals * 66.0);
    }
}

TEST(schedule, returns_to_one_interval_on_any_change_and_on_health)
{
    for (const auto how : {result::changed, result::healthy}) {
        schedule times{{0}, 60s, origin, 1};
        for (int i = 0; i < 5; ++i) {
            pause_after(times, result::still_the_same, origin);
        }
        EXPECT_LE(pause_after(times, how, origin), 66.0);
        EXPECT_LE(pause_after(times, result::still_the_same, origin), 132.0); // and starts over from there
    }
}

TEST(schedule, backs_off_one_row_without_the_others)
{
    schedule times{{0, 1}, 60s, origin, 1};
    times.started(1);
    times.finished(1, result::healthy, origin);
    for (int i = 0; i < 3; ++i) {
        times.started(0);
        times.finished(0, result::still_the_same, origin);
    }
    EXPECT_EQ(times.next_due()->row, 1U);
    EXPECT_LE(times.next_due()->when, origin + 66s);
}

TEST(schedule, a_row_comes_round_however_often_it_begins_anew)
{
    schedule times{{3, 5}, 60s, origin, 1};
    times.no_later(5, origin + 10s);
    times.no_later(3, origin + 10s); // it is due at once as it is
    times.no_later(8, origin);       // takes no part
    EXPECT_EQ(times.next_due()->when, origin);
    times.started(3);
    EXPECT_EQ(times.next_due()->row, 5U);
    EXPECT_EQ(times.next_due()->when, origin + 10s);
}

TEST(schedule, hurries_a_row_and_ends_its_back_off)
{
    schedule times{{0, 1}, 60s, origin, 1};
    for (int i = 0; i < 4; ++i) {
        pause_after(times, result::still_the_same, origin);
    }
    times.started(1);
    times.hurry(0, origin + 100s);
    ASSERT_EQ(times.next_due()->row, 0U);
    EXPECT_EQ(times.next_due()->when, origin + 100s);
    EXPECT_LE(pause_after(times, result::still_the_same, origin + 100s), 132.0);
}

TEST(schedule, ignores_rows_that_take_no_part)
{
    schedule times{{0}, 60s, origin, 1};
    times.started(7);
    times.finished(7, result::changed, origin);
    times.hurry(7, origin);
    EXPECT_EQ(times.next_due()->row, 0U);
}

TEST(schedule, makes_daemons_that_start_together_drift_apart)
{
    std::set<time_point> moments;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        schedule times{{0}, 60s, origin, seed};
        auto now = origin;
        for (int i = 0; i < 10; ++i) {
            times.started(0);
            times.finished(0, result::healthy, now);
            now = times.next_due()->when;
        }
        moments.insert(std::chrono::floor<seconds>(now));
    }
    EXPECT_GT(moments.size(), 20U);
}

} // namespace
} // namespace reachd
