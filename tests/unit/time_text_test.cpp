// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/time_text.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

std::string read(const char* text)
{
    const auto when = parse_time(text);
    return when ? to_text(*when) : "none";
}

TEST(time_text, reads_RFC_3339)
{
    EXPECT_EQ(read("2026-11-21T14:05:00Z"), "2026-11-21T14:05:00.000Z");
    EXPECT_EQ(read("2026-11-21T14:05:00.123Z"), "2026-11-21T14:05:00.123Z");
    EXPECT_EQ(read("2026-11-21 14:05:00.123456789+01:30"), "2026-11-21T12:35:00.123Z");
    EXPECT_EQ(read("2026-11-21t14:05:00-05:00"), "2026-11-21T19:05:00.000Z");
    EXPECT_EQ(read("2024-02-29T00:00:00Z"), "2024-02-29T00:00:00.000Z");
    EXPECT_EQ(read("2026-11-21t14:05:00z"), "2026-11-21T14:05:00.000Z");
    EXPECT_EQ(read("2026-12-31T23:59:60Z"), "2027-01-01T00:00:00.000Z") << "a leap second";
}

TEST(time_text, reads_what_it_has_written)
{
    const wall_time when{milliseconds{1'793'491'200'987}};
    EXPECT_EQ(parse_time(to_text(when)), when);
}

TEST(time_text, refuses_what_is_no_time)
{
    for (const char* text :
         {"",
          "now",
          "2026-11-21",
          "2026-11-21T14:05:00",
          "2026-13-01T00:00:00Z",
          "2025-02-29T00:00:00Z",
          "2026-11-21T24:00:00Z",
          "2026-11-21T14:60:00Z",
          "2026-11-21T14:05:61Z",
          "2026-11-21T14:05:00Z ",
          "2026-11-21T14:05:00.Z",
          "2026-11-21T14:05:00+1:00",
          "1969-12-31T23:59:59Z",
          "+026-11-21T14:05:00Z",
          "2026/11/21T14:05:00Z",
          "2026-11/21T14:05:00Z",
          "2026-11T14:05:00Z",
          "2026-11-21T14:05:Z",
          "2026-11-21T14.05:00Z",
          "2026-11-21T14:05:00+24:00",
          "2026-11-21T14:05:00+01:60",
          "2026-11-21T14:05:00+0130",
          "2026-11-21T14:05:00+x",
          "2026-11-21T14:05:00x"}) {
        EXPECT_EQ(read(text), "none") << text;
    }
}

// It is Sunday, 2026-11-22, 14:05 on the reader's clock, an hour ahead of UTC.
struct phrase {
    const char* text;
    const char* wanted; // "local ..." or UTC
};

class phrases : public ::testing::TestWithParam<phrase> {};

TEST_P(phrases, mean_what_people_mean)
{
    const auto now = *parse_time("2026-11-22T13:05:00Z");
    const local_time here{now.time_since_epoch() + std::chrono::hours{1}};
    const auto when = parse_when(GetParam().text, now, here);
    std::string found = "none";
    if (when) {
        const auto* local = std::get_if<local_time>(&*when);
        found = local ? "local " + to_text(wall_time{local->time_since_epoch()}).substr(0, 19)
                      : to_text(std::get<wall_time>(*when)).substr(0, 19);
    }
    EXPECT_EQ(found, GetParam().wanted) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    time_text, phrases,
    ::testing::Values(
        phrase{"now", "2026-11-22T13:05:00"}, phrase{"2026-11-21T14:05:00Z", "2026-11-21T14:05:00"},
        phrase{"2 h ago", "2026-11-22T11:05:00"}, phrase{"2h", "2026-11-22T11:05:00"},
        phrase{"90 min", "2026-11-22T11:35:00"}, phrase{"3 days ago", "2026-11-19T13:05:00"},
        phrase{"1 week ago", "2026-11-15T13:05:00"}, phrase{"30s", "2026-11-22T13:04:30"},
        phrase{"14:05", "local 2026-11-22T14:05:00"}, phrase{"13:59:30", "local 2026-11-22T13:59:30"},
        phrase{"14:06", "local 2026-11-21T14:06:00"}, phrase{"today 18:00", "local 2026-11-22T18:00:00"},
        phrase{"yesterday 14:05", "local 2026-11-21T14:05:00"},
        phrase{"yesterday", "local 2026-11-21T00:00:00"},
        phrase{"Tuesday 14:05", "local 2026-11-17T14:05:00"},
        phrase{"tue 14:05", "local 2026-11-17T14:05:00"}, phrase{"sunday 14:00", "local 2026-11-22T14:00:00"},
        phrase{"sunday 15:00", "local 2026-11-15T15:00:00"}, phrase{"monday", "local 2026-11-16T00:00:00"},
        phrase{"2026-11-21", "local 2026-11-21T00:00:00"},
        phrase{"2026-11-21 14:05", "local 2026-11-21T14:05:00"},
        phrase{"2026-11-21T14:05:09", "local 2026-11-21T14:05:09"}, phrase{"", "none"}, phrase{"2", "none"},
        phrase{"2 h later", "none"}, phrase{"h", "none"}, phrase{"25:00", "none"},
        phrase{"someday 14:05", "none"}, phrase{"2026-02-30", "none"}, phrase{"yesterday noon", "none"},
        phrase{"9999999 h ago", "none"}, phrase{"t 14:05", "none"}, phrase{"14:05 sharp", "none"},
        phrase{"2026-11-21 14:05 sharp", "none"}, phrase{"2 h ago or so", "none"}, phrase{"14:5", "none"},
        phrase{"14:05:", "none"}, phrase{"2026-11-21 late", "none"}
    )
);

} // namespace
} // namespace reachd
