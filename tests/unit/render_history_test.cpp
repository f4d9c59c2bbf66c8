// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_history.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>

namespace reachd {
namespace {

using nlohmann::json;

std::string clock_of(const std::string& utc)
{
    return utc.substr(0, 10) + " " + utc.substr(11, 8);
}

std::string shown(const json& answer)
{
    auto text = render_history(answer, {.columns = 80}, clock_of, "CET (+0100)");
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(columns_of(line), 80U) << line;
    }
    return text;
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

json change()
{
    return {
        {"time", "2026-11-22T14:05:09.000Z"},
        {"kind", "requirement"},
        {"requirement", "signaling"},
        {"state", "fail"},
        {"before", "pass"},
        {"sentence",
         "tcp 4200 to 198.51.100.7: silence; what is sent there is dropped somewhere beyond hop 3 "
         "(203.0.113.1), as other ports of it answer"},
    };
}

TEST(render_history, changes_fit_a_terminal_and_name_the_zone)
{
    auto endpoint = change();
    endpoint.update(
        {{"kind", "endpoint"}, {"transport", "tcp"}, {"address", "198.51.100.7"}, {"ports", "4200"}}
    );
    const auto text = shown({{"changes", {change(), endpoint}}, {"next", "17-3"}});
    EXPECT_TRUE(has(text, "2026-11-22 14:05:09  fail  signaling (was pass)\n    tcp 4200 to")) << text;
    EXPECT_TRUE(has(text, "signaling: tcp 198.51.100.7 4200")) << text;
    EXPECT_TRUE(has(text, "--cursor 17-3")) << text;
    EXPECT_TRUE(has(text, "Times are CET (+0100).")) << text;
}

TEST(render_history, nothing_is_said_to_be_nothing)
{
    EXPECT_TRUE(has(shown({{"changes", json::array()}}), "nothing was recorded"));
    EXPECT_TRUE(has(shown({{"outages", json::array()}}), "no outage"));
    EXPECT_TRUE(has(shown({{"samples", json::array()}}), "nothing was measured"));
}

TEST(render_history, outages_have_start_end_and_cause)
{
    const json over = {
        {"start", "2026-11-22T14:05:09.000Z"},
        {"end", "2026-11-22T14:07:09.000Z"},
        {"duration_s", 120.0},
        {"unwatched_s", 30.0},
        {"requirement", "signaling"},
        {"cause", "dropped at hop 2"}
    };
    auto open = over;
    open["end"] = nullptr;
    open["requirement"] = nullptr;
    const auto text = shown({{"outages", {open, over}}});
    EXPECT_TRUE(has(text, "2026-11-22 14:05:09  2026-11-22 14:07:09     2 min  signaling\n")) << text;
    EXPECT_TRUE(has(text, "not over")) << text;
    EXPECT_TRUE(has(text, "the site")) << text;
    EXPECT_TRUE(has(text, "    dropped at hop 2 (of this time 30 s were not watched)")) << text;
}

TEST(render_history, availability_is_never_rounded_up_to_whole)
{
    const auto window = [](double up, double down, double unknown) {
        return json{
            {"window_s", up + down + unknown},
            {"up_s", up},
            {"down_s", down},
            {"unknown_s", unknown},
            {"availability", up + down > 0 ? json(up / (up + down)) : json(nullptr)}
        };
    };
    const json row = {
        {"requirement", "signaling"},
        {"windows",
         {{"1h", window(3600, 0, 0)}, {"24h", window(86399.9, 0.1, 0)}, {"7d", window(0, 0, 604800)}}}
    };
    const auto text = shown({{"availability", {row}}});
    EXPECT_TRUE(has(text, "100 %    99.99 %          -")) << text;
    EXPECT_TRUE(has(text, "0 %")) << text;
}

TEST(render_history, the_site_as_it_was_lists_every_row_and_says_when_nobody_looked)
{
    json answer = {
        {"at", "2026-11-22T14:05:09.000Z"},
        {"running", false},
        {"last_alive", "2026-11-22T13:00:00.000Z"},
        {"site",
         {{"state", "not_ready"},
          {"sentence", "1 requirement fails"},
          {"since", "2026-11-22T12:00:00.000Z"}}},
        {"requirements",
         {{{"catalogue", "cat"}, {"id", "signaling"}, {"state", "fail"}, {"sentence", "dropped"}}}}
    };
    const auto text = shown(answer);
    EXPECT_TRUE(has(text, "reachd did not run then")) << text;
    EXPECT_TRUE(has(text, "2026-11-22 13:00:00")) << text;
    EXPECT_TRUE(has(text, "fail      signaling")) << text;
    answer["requirements"] = json::array();
    EXPECT_TRUE(has(shown(answer), "nothing is known of that time"));
}

TEST(render_history, a_report_shows_the_note_on_a_failing_row)
{
    const json row = {
        {"id", "signaling"}, {"state", "fail"}, {"acknowledged", {{"note", "ticket 4711"}, {"by", "ana"}}}
    };
    const json report = {{"catalogues", {{{"id", "cat"}, {"requirements", {row}}}}}};
    EXPECT_TRUE(has(render_report(report, {.columns = 80}), "noted by ana: ticket 4711"));
}

TEST(render_history, what_a_peer_said_moves_no_cursor)
{
    auto one = change();
    one["sentence"] = "\x1b[2J pwned";
    EXPECT_FALSE(has(shown({{"changes", {one}}}), "\x1b"));
    EXPECT_FALSE(has(render_history_csv({{"changes", {one}}}), "\x1b"));
}

TEST(render_history, csv_quotes_and_disarms)
{
    auto one = change();
    one["sentence"] = "a, \"b\"";
    one["state"] = "=cmd()";
    const auto text = render_history_csv({{"changes", {one}}});
    EXPECT_TRUE(text.starts_with("time,kind,catalogue,requirement,state,before,")) << text;
    EXPECT_TRUE(has(text, ",'=cmd(),")) << text;
    EXPECT_TRUE(has(text, ",\"a, \"\"b\"\"\"\r\n")) << text;
}

TEST(render_history, csv_has_a_line_for_each_window)
{
    const json row = {
        {"catalogue", "cat"},
        {"requirement", "a"},
        {"windows", {{"1h", {{"up_s", 1}}}, {"24h", {{"up_s", 2}}}}}
    };
    const auto text = render_history_csv({{"availability", {row}}});
    EXPECT_EQ(std::ranges::count(text, '\n'), 3);
    EXPECT_TRUE(has(text, "cat,a,24h,,2,")) << text;
}

TEST(render_history, answers_of_any_shape_are_survived)
{
    for (const char* text :
         {"{}", "[]", "null", R"({"changes":[1,null]})", R"({"availability":[{}]})",
          R"({"at":1,"requirements":[{}]})", R"({"outages":[{}]})", R"({"samples":[{}]})"}) {
        EXPECT_NO_THROW(shown(json::parse(text))) << text;
        EXPECT_NO_THROW(render_history_csv(json::parse(text))) << text;
    }
}

} // namespace
} // namespace reachd
