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
    return utc.size() < 19 ? utc : utc.substr(0, 10) + " " + utc.substr(11, 8);
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

TEST(render_history, outages_of_hours_and_days_are_told_so_and_an_end_that_proves_nothing_too)
{
    const auto outage = [](double lasted, const char* ended_as) {
        return json{
            {"start", "2026-11-22T14:05:09.000Z"},
            {"end", "2026-11-25T14:07:09.000Z"},
            {"duration_s", lasted},
            {"ended_as", ended_as},
            {"requirement", "signaling"},
            {"cause", "dropped at hop 2"}
        };
    };
    const auto text =
        shown({{"outages", {outage(7199, "pass"), outage(9000, "pass"), outage(216'000, "unproven")}}});
    EXPECT_TRUE(has(text, "  120 min  signaling\n    dropped at hop 2\n")) << text;
    EXPECT_TRUE(has(text, "    2.5 h  signaling\n    dropped at hop 2\n")) << text;
    EXPECT_TRUE(has(text, "    2.5 d  signaling\n    dropped at hop 2 (afterwards it was undecided)\n"))
        << text;
}

TEST(render_history, availability_of_a_time_that_was_mostly_undecided_is_no_figure)
{
    const json mostly_undecided = {{"window_s", 3600},   {"up_s", 100},    {"down_s", 0},
                                   {"unproven_s", 3500}, {"unknown_s", 0}, {"availability", 1.0}};
    auto as_long_decided = mostly_undecided;
    as_long_decided["up_s"] = 1800;
    as_long_decided["unproven_s"] = 1800;
    const auto row = [](const json& window) {
        return json{{"requirement", "signaling"}, {"windows", {{"range", window}}}};
    };
    EXPECT_TRUE(
        has(shown({{"availability", {row(mostly_undecided)}}}),
            "signaling                              unproven\n")
    );
    EXPECT_TRUE(has(
        shown({{"availability", {row(as_long_decided)}}}), "signaling                                 100 %\n"
    ));
    auto barely_watched = mostly_undecided;
    barely_watched["unknown_s"] = 3590; // of an hour, ten seconds
    EXPECT_TRUE(
        has(shown({{"availability", {row(barely_watched)}}}), "known)               < 1 %\n")
    );
}

TEST(render_history, samples_have_a_line_each_and_no_round_trip_where_nothing_answered)
{
    const json answered = {
        {"time", "2026-11-22T14:00:00.000Z"},
        {"width", "hour"},
        {"requirement", "signaling"},
        {"rounds", 60},
        {"rounds_fail", 2},
        {"rtt_median_us", 21'000}
    };
    auto silent = answered;
    silent["rtt_median_us"] = nullptr;
    const auto text = shown({{"samples", {answered, silent}}});
    EXPECT_TRUE(has(text, "2026-11-22 14:00:00  hour   signaling               60       2      21 ms\n"))
        << text;
    EXPECT_TRUE(has(text, "2026-11-22 14:00:00  hour   signaling               60       2          -\n"))
        << text;
}

TEST(render_history, addresses_stand_under_their_name_however_they_come)
{
    const auto seen = [](const char* name, const char* address) {
        return json{
            {"name", name},
            {"address", address},
            {"first_seen", "2026-11-20T10:00:31.000Z"},
            {"last_seen", "2026-11-22T14:05:09.000Z"}
        };
    };
    EXPECT_EQ(
        shown(
            {{"addresses",
              {seen("b.example", "192.0.2.3"), seen("a.example", "192.0.2.1"),
               seen("b.example", "192.0.2.2")}}}
        ),
        "a.example\n"
        "  192.0.2.1                                2026-11-20 10:00  2026-11-22 14:05\n"
        "b.example\n"
        "  192.0.2.3                                2026-11-20 10:00  2026-11-22 14:05\n"
        "  192.0.2.2                                2026-11-20 10:00  2026-11-22 14:05\n"
        "Times are CET (+0100).\n"
    );
    EXPECT_TRUE(has(shown({{"addresses", json::array()}}), "no name was resolved yet"));
}

TEST(render_history, changes_say_what_they_are_about)
{
    auto name = change(); // of a name that no longer resolves: it has no address
    name.update(
        {{"kind", "endpoint"},
         {"transport", "tcp"},
         {"address", nullptr},
         {"name", "a.example"},
         {"ports", "443"}}
    );
    name["before"] = "fail";
    const json site = {{"time", "2026-11-22T14:05:09.000Z"}, {"kind", "site"}, {"state", "ready"}};
    const json note = {
        {"time", "2026-11-22T14:05:09.000Z"}, {"kind", "note"}, {"requirement", "web"}, {"sentence", "ticket"}
    };
    const auto text = shown({{"changes", {name, site, note}}});
    EXPECT_TRUE(has(text, "fail  signaling: tcp a.example 443 (as before)\n")) << text;
    EXPECT_TRUE(has(text, "14:05:09  ready  site\n")) << text;
    EXPECT_TRUE(has(text, "14:05:09  web: note\n    ticket\n")) << text;
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
    EXPECT_TRUE(has(text, "run then. It was last alive at 2026-11-22 13:00:00")) << text;
    EXPECT_TRUE(has(text, "2026-11-22 13:00:00")) << text;
    EXPECT_TRUE(has(text, "fail      signaling")) << text;
    answer["running"] = true;
    EXPECT_FALSE(has(shown(answer), "did not run"));
    answer["requirements"][0].update({{"state", "not_configured"}, {"since", "2026-11-22T11:00:00.000Z"}});
    EXPECT_TRUE(has(shown(answer), "blank     signaling, since 2026-11-22 11:00:00\n"));
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
          R"({"at":1,"requirements":[{}]})", R"({"outages":[{}]})", R"({"samples":[{}]})",
          R"({"samples":[7]})", R"({"addresses":[{},7]})", R"({"availability":[7]})",
          R"({"availability":[{"windows":{"1h":7}}]})", R"({"at":1,"requirements":[7],"running":"no"})"}) {
        EXPECT_NO_THROW(shown(json::parse(text))) << text;
        EXPECT_NO_THROW(render_history_csv(json::parse(text))) << text;
    }
}

} // namespace
} // namespace reachd
