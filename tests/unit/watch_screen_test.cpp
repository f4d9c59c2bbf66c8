// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/watch_screen.hpp"

#include <gtest/gtest.h>
#include <utility>

namespace reachd {
namespace {

using nlohmann::json;

json row_of(const std::string& id, const char* state, const std::string& sentence)
{
    return {
        {"id", id},
        {"kind", "outbound"},
        {"state", state},
        {"sentence", sentence},
        {"ports", "4200"},
        {"transport", "tcp"},
        {"advice", state == std::string{"fail"} ? "ask the edge" : ""},
        {"runs", json::array()},
        {"destinations", "192.0.2.1"}
    };
}

json report_of(std::vector<json> rows)
{
    return {
        {"site", "denver"},
        {"state", "not_ready"},
        {"sentence", "a row fails"},
        {"catalogues", {{{"id", "own"}, {"requirements", std::move(rows)}}}}
    };
}

json many(std::size_t count)
{
    std::vector<json> rows;
    for (std::size_t i = 0; i < count; ++i) {
        rows.push_back(row_of("row" + std::to_string(i), i == 3 ? "fail" : "pass", std::string(200, 'x')));
    }
    return report_of(std::move(rows));
}

std::string joined(const std::vector<std::string>& lines)
{
    std::string out;
    for (const auto& one : lines) {
        out += one + '\n';
    }
    return out;
}

bool has(const std::vector<std::string>& lines, const std::string& text)
{
    return joined(lines).find(text) != std::string::npos;
}

TEST(watch_screen, fills_exactly_the_lines_and_never_more_columns_at_any_size)
{
    watch_screen screen;
    screen.show(many(30));
    screen.note(
        "14:05:00", {{"kind", "verdict.changed"}, {"state", "fail"}, {"sentence", std::string(300, 'y')}}
    );
    screen.set_link(std::string(300, 'z'));
    screen.press(watch_key::open_failing);
    for (const std::size_t columns : {40U, 80U, 200U}) {
        for (const std::size_t lines : {1U, 3U, 6U, 10U, 24U, 100U}) {
            const auto drawn = screen.draw({.columns = columns}, lines);
            EXPECT_EQ(drawn.size(), lines);
            for (const auto& one : drawn) {
                EXPECT_LE(columns_of(one), columns) << one;
                EXPECT_EQ(one.find('\n'), std::string::npos);
            }
        }
    }
}

TEST(watch_screen, first_line_is_the_answer_with_its_counts)
{
    watch_screen screen;
    screen.show(report_of({row_of("a", "fail", "dropped"), row_of("b", "pass", "answers")}));
    const auto drawn = screen.draw({.columns = 80}, 24);
    EXPECT_EQ(drawn[0], "NOT READY  denver  1 pass, 1 fail, 0 unproven, 0 not configured");
    EXPECT_EQ(drawn[1], "a row fails");
}

TEST(watch_screen, chosen_row_is_always_in_sight)
{
    watch_screen screen;
    screen.show(many(30));
    for (std::size_t i = 0; i < 30; ++i) {
        EXPECT_TRUE(
            has(screen.draw({.columns = 80}, 12),
                "> + " + std::string{i == 3 ? "FAIL " : "PASS "} + "  row" + std::to_string(i) + " ")
        ) << i;
        screen.press(watch_key::down);
    }
    screen.press(watch_key::first);
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 12), "> + PASS   row0 "));
    screen.press(watch_key::last);
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 12), "> + PASS   row29 "));
}

TEST(watch_screen, open_row_shows_what_to_do_and_stays_open_through_reports)
{
    watch_screen screen;
    screen.show(report_of({row_of("a", "pass", "answers"), row_of("b", "fail", "dropped")}));
    EXPECT_FALSE(has(screen.draw({.columns = 80}, 24), "-> ask the edge"));
    screen.press(watch_key::down);
    screen.press(watch_key::toggle);
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "-> ask the edge"));
    screen.show(report_of(
        {row_of("new", "pass", "x"), row_of("a", "pass", "answers"), row_of("b", "fail", "dropped")}
    ));
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "-> ask the edge"));
}

TEST(watch_screen, one_key_opens_all_that_does_not_pass_and_closes_all_again)
{
    watch_screen screen;
    screen.show(
        report_of({row_of("a", "fail", "x"), row_of("b", "unproven", "y"), row_of("c", "pass", "z")})
    );
    screen.press(watch_key::open_failing);
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "- FAIL"));
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "- ?"));
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "+ PASS"));
    screen.press(watch_key::open_failing);
    EXPECT_FALSE(has(screen.draw({.columns = 80}, 24), "- FAIL"));
}

TEST(watch_screen, a_page_is_what_was_in_sight_and_ends_at_the_ends)
{
    watch_screen screen;
    screen.show(many(30));
    const auto chosen = [&] {
        const auto text = joined(screen.draw({.columns = 80}, 16));
        const auto row = text.find("row", text.find("\n> ") + 1);
        return text.substr(row, text.find(' ', row) - row);
    };
    ASSERT_EQ(chosen(), "row0");
    screen.press(watch_key::page_down);
    const auto page = std::stoul(chosen().substr(3));
    EXPECT_GT(page, 1U);
    EXPECT_LT(page, 16U);
    screen.press(watch_key::page_down);
    EXPECT_EQ(chosen(), "row" + std::to_string(2 * page));
    screen.press(watch_key::page_up);
    EXPECT_EQ(chosen(), "row" + std::to_string(page));
    screen.press(watch_key::up);
    EXPECT_EQ(chosen(), "row" + std::to_string(page - 1));
    screen.press(watch_key::page_up);
    screen.press(watch_key::page_up);
    screen.press(watch_key::up);
    EXPECT_EQ(chosen(), "row0");
    for (int i = 0; i < 30; ++i) {
        screen.press(watch_key::page_down);
    }
    EXPECT_EQ(chosen(), "row29");
    screen.show(many(3)); // the configuration was made smaller meanwhile
    EXPECT_EQ(chosen(), "row2");
}

TEST(watch_screen, toggle_closes_what_it_opened)
{
    watch_screen screen;
    screen.show(report_of({row_of("a", "fail", "dropped"), row_of("b", "not_configured", "no address")}));
    screen.press(watch_key::toggle);
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "> - FAIL"));
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "  + BLANK  b "));
    screen.press(watch_key::toggle);
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "> + FAIL"));
}

TEST(watch_screen, states_have_their_words_and_colours)
{
    watch_screen screen;
    const page coloured{.columns = 80, .use = colour::on};
    for (const auto& [state, painted] : std::vector<std::pair<std::string, std::string>>{
             {"ready", paint("READY", ink::good, colour::on)},
             {"not_ready", paint("NOT READY", ink::bad, colour::on)},
             {"unproven", paint("UNPROVEN", ink::unsure, colour::on)},
             {"of a newer version", paint("UNPROVEN", ink::unsure, colour::on)},
         }) {
        auto report = report_of({row_of("a", "not_configured", "x")});
        report["state"] = state;
        screen.show(report);
        EXPECT_TRUE(screen.draw(coloured, 24)[0].starts_with(painted + "  denver  ")) << state;
        EXPECT_TRUE(has(screen.draw(coloured, 24), paint("BLANK", ink::faint, colour::on)));
    }
}

TEST(watch_screen, keeps_the_last_hundred_changes_and_takes_events_of_any_shape)
{
    watch_screen screen;
    screen.show(many(1));
    for (int i = 0; i < 150; ++i) {
        screen.note(std::to_string(i), {{"kind", "dns.changed"}, {"address", "192.0.2.1"}});
    }
    screen.note("x", nlohmann::json::parse(R"([7])"));
    screen.note("x", {{"kind", 7}});
    const auto drawn = screen.draw({.columns = 80}, 40);
    EXPECT_TRUE(has(drawn, "\n149  dns.changed: 192.0.2.1\n148  dns.changed: 192.0.2.1\n"));
    EXPECT_FALSE(has(drawn, "\nx  "));
}

TEST(watch_screen, changes_are_newest_first_and_rounds_are_none)
{
    watch_screen screen;
    screen.show(many(2));
    EXPECT_TRUE(has(screen.draw({.columns = 80}, 24), "none since this began"));
    screen.note(
        "14:05:00",
        {{"kind", "verdict.changed"}, {"requirement", "a"}, {"state", "fail"}, {"sentence", "one"}}
    );
    screen.note("14:05:01", {{"kind", "round.finished"}, {"requirement", "a"}});
    screen.note(
        "14:05:02",
        {{"kind", "verdict.changed"}, {"requirement", "a"}, {"state", "pass"}, {"sentence", "two"}}
    );
    const auto text = joined(screen.draw({.columns = 80}, 24));
    EXPECT_LT(
        text.find("14:05:02  verdict.changed a pass: two"), text.find("14:05:00  verdict.changed a fail: one")
    );
    EXPECT_EQ(text.find("14:05:01"), std::string::npos);
}

TEST(watch_screen, T14_what_a_peer_said_moves_no_cursor)
{
    watch_screen screen;
    screen.show(report_of({row_of("a\x1b[2J", "fail", "b\x1b]0;x\x07\r")}));
    screen.note("14:05:00", {{"kind", "verdict.changed"}, {"sentence", "c\x1b[H"}});
    screen.set_link("d\x1b[H");
    screen.press(watch_key::open_failing);
    EXPECT_EQ(joined(screen.draw({.columns = 80}, 24)).find('\x1b'), std::string::npos);
}

TEST(watch_screen, keys_before_the_first_report_do_nothing)
{
    watch_screen screen;
    for (const auto key :
         {watch_key::up, watch_key::down, watch_key::page_up, watch_key::page_down, watch_key::first,
          watch_key::last, watch_key::toggle, watch_key::open_failing}) {
        screen.press(key);
        EXPECT_EQ(screen.draw({.columns = 80}, 24).size(), 24U);
    }
}

} // namespace
} // namespace reachd
