// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/error.hpp"
#include "reachd/core/time.hpp"

#include <gtest/gtest.h>
#include <string>

namespace reachd {
namespace {

using namespace std::chrono_literals;

TEST(wall_time_text, is_rfc_3339_in_utc_with_milliseconds)
{
    const wall_time day = std::chrono::sys_days{std::chrono::year{2026} / 11 / 21};
    EXPECT_EQ(to_text(wall_time{}), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(to_text(day + 14h + 5min + 123ms), "2026-11-21T14:05:00.123Z");
    EXPECT_EQ(to_text(day - 1ms), "2026-11-20T23:59:59.999Z");
    EXPECT_EQ(
        to_text(wall_time{std::chrono::sys_days{std::chrono::year{2028} / 2 / 29}}),
        "2028-02-29T00:00:00.000Z"
    );
}

TEST(duration_text, uses_the_largest_unit_that_keeps_the_figure_readable)
{
    struct row {
        duration span;
        const char* text;
    };
    for (const auto& [span, text] : {
             row{0us, "0 us"},
             row{999us, "999 us"},
             row{1ms, "1 ms"},
             row{21ms, "21 ms"},
             row{21400us, "21 ms"},
             row{999ms, "999 ms"},
             row{1s, "1 s"},
             row{1500ms, "1.5 s"},
             row{3s, "3 s"},
             row{12400ms, "12 s"},
             row{119s, "119 s"},
             row{120s, "2 min"},
             row{720s, "12 min"},
             row{119min, "119 min"},
             row{2h, "2 h"},
             row{48h, "48 h"},
         }) {
        SCOPED_TRACE(text);
        EXPECT_EQ(to_text(span), text);
    }
}

TEST(stage_word, is_stable_for_each_stage)
{
    struct row {
        stage value;
        const char* text;
    };
    for (const auto& [value, text] : {
             row{stage::configure, "configure"},
             row{stage::resolve, "resolve"},
             row{stage::route, "route"},
             row{stage::connect, "connect"},
             row{stage::handshake, "handshake"},
             row{stage::reply, "reply"},
             row{stage::idle, "idle"},
         }) {
        EXPECT_STREQ(to_string(value), text);
    }
}

TEST(errc_word, is_stable_for_each_code)
{
    struct row {
        errc value;
        const char* text;
    };
    for (const auto& [value, text] : {
             row{errc::not_found, "not_found"},
             row{errc::unreadable, "unreadable"},
             row{errc::malformed, "malformed"},
             row{errc::invalid, "invalid"},
             row{errc::unknown_key, "unknown_key"},
             row{errc::unavailable, "unavailable"},
             row{errc::in_use, "in_use"},
         }) {
        EXPECT_STREQ(to_string(value), text);
    }
}

TEST(file_fault_text, names_file_line_and_pointer_where_there_are_any)
{
    file_fault fault{
        .file = "reachd.json", .pointer = "/limits/attempts", .line = 12, .message = "must be 1 to 10"
    };
    EXPECT_EQ(to_text(fault), "reachd.json:12: /limits/attempts: must be 1 to 10");
    fault.line = 0;
    EXPECT_EQ(to_text(fault), "reachd.json: /limits/attempts: must be 1 to 10");
    fault.pointer.clear();
    EXPECT_EQ(to_text(fault), "reachd.json: must be 1 to 10");
}

} // namespace
} // namespace reachd
