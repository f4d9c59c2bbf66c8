// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/availability.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using std::chrono::minutes;

constexpr wall_time zero{std::chrono::hours{24 * 365 * 50}};

wall_time at(int minute)
{
    return zero + minutes{minute};
}

state_point point(int minute, standing is, std::int64_t record = 1)
{
    return {.at = at(minute), .since = at(minute), .is = is, .record = record};
}

using enum standing;

struct timeline_case {
    const char* name;
    std::vector<state_point> points;
    std::vector<std::pair<int, int>> watched;
    std::string wanted; // "up 0-10, ..." of [0, 60]
};

class timeline : public ::testing::TestWithParam<timeline_case> {};

std::string text_of(const std::vector<state_span>& spans)
{
    std::string out;
    for (const auto& one : spans) {
        const auto minute = [](wall_time when) { return std::to_string((when - zero) / minutes{1}); };
        out += (out.empty() ? "" : ", ") + std::string{to_string(one.is)} + " " + minute(one.from) + "-" +
               minute(one.to);
    }
    return out;
}

std::vector<watch_span> spans_of(const std::vector<std::pair<int, int>>& list)
{
    std::vector<watch_span> out;
    for (const auto& [from, to] : list) {
        out.push_back({at(from), at(to)});
    }
    return out;
}

TEST_P(timeline, covers_the_window_without_gaps)
{
    const auto& given = GetParam();
    const auto spans = make_timeline(given.points, spans_of(given.watched), at(0), at(60));
    EXPECT_EQ(text_of(spans), given.wanted);
    auto reached = at(0);
    for (const auto& one : spans) {
        EXPECT_EQ(one.from, reached);
        reached = one.to;
    }
    EXPECT_EQ(reached, at(60));
}

INSTANTIATE_TEST_SUITE_P(
    availability, timeline,
    ::testing::Values(
        timeline_case{"nothing_is_known", {}, {}, "unknown 0-60"},
        timeline_case{"watched_but_not_measured", {}, {{0, 60}}, "unknown 0-60"},
        timeline_case{"up_all_along", {point(-5, up)}, {{-10, 60}}, "up 0-60"},
        timeline_case{
            "one_outage",
            {point(0, up), point(20, down, 2), point(30, up, 3)},
            {{0, 60}},
            "up 0-20, down 20-30, up 30-60"
        },
        timeline_case{"unknown_before_the_first_word", {point(5, up)}, {{0, 60}}, "unknown 0-5, up 5-60"},
        timeline_case{
            "nobody_watched_between_two_daemons",
            {point(0, up), point(42, up, 2)},
            {{0, 20}, {40, 60}},
            "up 0-20, unknown 20-42, up 42-60"
        },
        timeline_case{
            "a_killed_daemons_state_does_not_last",
            {point(0, down)},
            {{0, 20}, {40, 60}},
            "down 0-20, unknown 20-60"
        },
        timeline_case{
            "points_outside_the_window",
            {point(-30, up), point(-10, down, 2), point(70, up, 3)},
            {{-40, 80}},
            "down 0-60"
        },
        timeline_case{
            "undecided_is_neither",
            {point(0, up), point(10, unproven, 2), point(20, up, 3)},
            {{0, 60}},
            "up 0-10, unproven 10-20, up 20-60"
        }
    ),
    [](const auto& tested) { return std::string{tested.param.name}; }
);

TEST(availability, is_the_share_of_the_time_that_it_was_up_or_down)
{
    const std::vector<state_point> points{
        point(0, up), point(30, down, 2), point(36, up, 3), point(50, unproven, 4)
    };
    const auto spans = make_timeline(points, spans_of({{0, 55}}), at(0), at(60));
    const auto found = measure(spans, at(0), at(60));
    EXPECT_EQ(found.up, minutes{44});
    EXPECT_EQ(found.down, minutes{6});
    EXPECT_EQ(found.unproven, minutes{5});
    EXPECT_EQ(found.unknown, minutes{5});
    EXPECT_DOUBLE_EQ(*found.share_up(), 0.88);
    EXPECT_DOUBLE_EQ(found.coverage(), 50.0 / 60);
    const auto end = measure(spans, at(33), at(43));
    EXPECT_EQ(end.down, minutes{3});
    EXPECT_DOUBLE_EQ(*end.share_up(), 0.7);
}

TEST(availability, is_unknown_where_nobody_looked)
{
    const auto found = measure(make_timeline({}, {}, at(0), at(60)), at(0), at(60));
    EXPECT_EQ(found.unknown, minutes{60});
    EXPECT_FALSE(found.share_up());
    EXPECT_DOUBLE_EQ(found.coverage(), 0.0);
}

TEST(availability, what_lies_before_the_timeline_is_unknown)
{
    const auto spans = make_timeline(std::vector{point(0, up)}, spans_of({{0, 60}}), at(0), at(60));
    EXPECT_EQ(measure(spans, at(-60), at(60)).unknown, minutes{60});
}

std::vector<outage>
outages_of(const std::vector<state_point>& points, std::vector<std::pair<int, int>> watched)
{
    return outages(make_timeline(points, spans_of(watched), at(0), at(60)));
}

TEST(outages, have_start_end_and_the_record_that_began_them)
{
    const auto found =
        outages_of({point(0, up), point(20, down, 7), point(25, down, 8), point(30, up, 9)}, {{0, 60}});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].start, at(20));
    EXPECT_EQ(found[0].end, at(30));
    EXPECT_EQ(found[0].ended_as, up);
    EXPECT_EQ(found[0].record, 7);
    EXPECT_EQ(found[0].unwatched, minutes{0});
}

TEST(outages, that_are_not_over_have_no_end)
{
    const auto found = outages_of({point(0, up), point(20, down)}, {{0, 60}});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_FALSE(found[0].end);
}

TEST(outages, go_on_over_a_restart_that_finds_the_same)
{
    const auto found =
        outages_of({point(10, down, 1), point(42, down, 2), point(50, up, 3)}, {{0, 20}, {40, 60}});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].start, at(10));
    EXPECT_EQ(found[0].end, at(50));
    EXPECT_EQ(found[0].unwatched, minutes{22});
}

TEST(outages, end_where_the_next_daemon_found_it_well)
{
    const auto found = outages_of({point(10, down, 1), point(42, up, 2)}, {{0, 20}, {40, 60}});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].end, at(42));
    EXPECT_EQ(found[0].unwatched, minutes{22}) << "it may have ended anywhere in these";
}

TEST(outages, an_undecided_time_ends_one_and_says_so)
{
    const auto found = outages_of({point(0, down), point(10, unproven, 2), point(20, down, 3)}, {{0, 60}});
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].ended_as, unproven);
    EXPECT_EQ(found[1].start, at(20));
}

TEST(outages, that_began_before_the_window_keep_their_start)
{
    const auto found = outages_of({point(-30, down)}, {{-40, 60}});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].start, at(-30));
}

TEST(outages, what_was_recorded_ahead_of_what_came_after_it_goes)
{
    const auto left = drop_overtaken(
        {point(0, up, 1), point(50, down, 2), point(60, up, 3), point(10, up, 4), point(20, unproven, 5)}
    );
    ASSERT_EQ(left.size(), 3U);
    EXPECT_EQ(left[0].record, 1);
    EXPECT_EQ(left[1].record, 4);
    EXPECT_EQ(left[2].record, 5);
    EXPECT_EQ(drop_overtaken({point(7, up, 2), point(7, down, 1)}).size(), 2U) << "of one moment";
}

TEST(outages, words_of_rows_and_site_are_up_or_down)
{
    EXPECT_EQ(standing_of("pass"), up);
    EXPECT_EQ(standing_of("ready"), up);
    EXPECT_EQ(standing_of("fail"), down);
    EXPECT_EQ(standing_of("not_ready"), down);
    EXPECT_EQ(standing_of("unproven"), unproven);
    EXPECT_EQ(standing_of("not_configured"), unproven);
}

} // namespace
} // namespace reachd
