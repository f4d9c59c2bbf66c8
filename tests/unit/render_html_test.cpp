// SPDX-License-Identifier: Apache-2.0
#include "hostile_report.hpp"
#include "reachd/core/render_html.hpp"

#include <gtest/gtest.h>
#include <regex>
#include <vector>

namespace reachd {
namespace {

using namespace test;

// A tag that has no end where it should, or none at all: the void elements and self-closed ones aside.
std::string unbalanced(const std::string& html)
{
    static const std::regex tag{"<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>"};
    std::vector<std::string> open;
    for (std::sregex_iterator at{html.begin(), html.end(), tag}, end; at != end; ++at) {
        const auto name = (*at)[2].str();
        const auto rest = (*at)[3].str();
        if (name == "meta" || name == "link" || rest.ends_with('/')) {
            continue;
        }
        if ((*at)[1].length() == 0) {
            open.push_back(name);
        } else if (open.empty() || open.back() != name) {
            return "</" + name + "> ends " + (open.empty() ? "nothing" : open.back());
        } else {
            open.pop_back();
        }
    }
    return open.empty() ? "" : open.back() + " has no end";
}

std::string body_of(const nlohmann::json& report)
{
    return render_html_main(report, {.version = "1.2.3"});
}

std::size_t at(const std::string& text, std::string_view part)
{
    const auto found = text.find(part);
    EXPECT_NE(found, std::string::npos) << part;
    return found;
}

TEST(html_report, is_one_file_that_loads_and_runs_nothing)
{
    const auto page = render_html(hostile_report(), {.version = "1.2.3"});
    EXPECT_EQ(unbalanced(page), "");
    for (const char* part : {"<script", "<img", "<iframe", "<link", "<object", "<base", "url(", "@import"}) {
        EXPECT_EQ(page.find(part), std::string::npos) << part;
    }
    static const std::regex reaching{
        R"x(<[a-z]+( [a-zA-Z0-9-]+="[^"]*")* ((src|style|on[a-z]+|action|data)=|href="[^#]))x"
    };
    std::smatch found;
    EXPECT_FALSE(std::regex_search(page, found, reaching)) << found.str();
    EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
    EXPECT_NE(page.find("<style>"), std::string::npos);
}

TEST(html_report, links_its_stylesheet_where_a_server_has_it)
{
    const auto page = render_html(
        hostile_report(), {.style = stylesheet::linked, .stylesheet_path = "/a\"b.css", .version = ""}
    );
    EXPECT_EQ(page.find("<style>"), std::string::npos);
    EXPECT_NE(page.find("<link rel=\"stylesheet\" href=\"/a&quot;b.css\">"), std::string::npos);
    EXPECT_NE(report_stylesheet().find("prefers-color-scheme: dark"), std::string_view::npos);
}

TEST(html_report, shows_hostile_text_and_obeys_none_of_it)
{
    const auto page = body_of(hostile_report());
    EXPECT_NE(page.find("&lt;script&gt;alert(1)&lt;/script&gt;"), std::string::npos);
    for (const char byte : page) {
        const auto value = static_cast<unsigned char>(byte);
        ASSERT_TRUE(byte == '\n' || (value >= 0x20 && value != 0x7f)) << int{value};
    }
    EXPECT_EQ(page.find("\xe2\x80\xae"), std::string::npos);
    EXPECT_EQ(unbalanced(page), "");
}

TEST(html_report, survives_a_report_whose_members_are_of_other_types)
{
    for (const auto& report : misshapen_reports()) {
        EXPECT_EQ(unbalanced(render_html(report, {})), "") << report.dump();
    }
}

TEST(html_report, gives_the_answer_first_then_failing_rows_then_the_others)
{
    const auto page = body_of(plain_report());
    EXPECT_LT(at(page, "NOT READY</h1>"), at(page, "id=\"failing\""));
    EXPECT_LT(at(page, "id=\"failing\""), at(page, "id=\"row-cat-web\""));
    EXPECT_LT(at(page, "id=\"row-cat-web\""), at(page, "id=\"unproven\""));
    EXPECT_LT(at(page, "id=\"unproven\""), at(page, "id=\"row-cat-timer\""));
    EXPECT_LT(at(page, "id=\"row-cat-timer\""), at(page, "id=\"passing\""));
    EXPECT_LT(at(page, "id=\"passing\""), at(page, "id=\"row-cat-line\""));
    EXPECT_NE(page.find("reachd 1.2.3"), std::string::npos);
}

TEST(html_report, tells_of_a_failing_row_what_to_do_whom_to_ask_and_who_stops_it)
{
    const auto row = render_html_row(plain_report(), "cat", "web");
    for (const char* part :
         {"<dt>What to do</dt><dd>allow outbound tcp 443",
          "<dt>Whom to ask</dt><dd>who runs the site&#39;s firewall",
          "the requirement itself is Vendor Support&#39;s", "<dt>Who stops it</dt><dd>the site&#39;s edge",
          "between hop 1 (10.77.1.1) and hop 2 (100.64.0.1)"}) {
        EXPECT_NE(row.find(part), std::string::npos) << part << " in " << row;
    }
    EXPECT_EQ(render_html_row(plain_report(), "cat", "nothing"), "");
}

TEST(html_report, shows_what_somebody_noted_on_a_row)
{
    auto report = plain_report();
    const auto before = render_html_row(report, "cat", "web");
    EXPECT_EQ(before.find("Noted by"), std::string::npos);
    for (auto& row : report["catalogues"][0]["requirements"]) {
        row["acknowledged"] = {
            {"note", "<b>the firewall team has it</b>"}, {"by", "ann"}, {"since", "2026-11-22T04:17:27.468Z"}
        };
    }
    const auto row = render_html_row(report, "cat", "web");
    at(row, "Noted by ann, 2026-11-22 04:17:27.468: &lt;b&gt;the firewall team has it");
}

TEST(html_report, draws_the_way_and_marks_where_it_ends)
{
    const auto row = render_html_row(plain_report(), "cat", "web");
    EXPECT_LT(at(row, "Hop 1: 10.77.1.1"), at(row, "class=\"cross\""));
    EXPECT_LT(at(row, "class=\"cross\""), at(row, "Hop 2: 100.64.0.1"));
    EXPECT_NE(row.find("class=\"stop beyond\""), std::string::npos);
    // Its twin: of a row that passes no box is accused.
    EXPECT_EQ(render_html_row(plain_report(), "cat", "line").find("class=\"cross\""), std::string::npos);
}

TEST(html_report, accuses_no_box_of_several_that_may_be_it)
{
    auto report = plain_report();
    auto& row = report["catalogues"][0]["requirements"][0];
    row["runs"][0]["where"] = {
        {"after", {{"hop", 1}, {"address", "10.77.1.1"}}}, {"before", {{"hop", 5}, {"address", "192.0.2.5"}}}
    };
    row["endpoints"][0]["where"] = row["runs"][0]["where"];
    const auto html = render_html_row(report, "cat", "web");
    EXPECT_EQ(html.find("class=\"cross\""), std::string::npos) << html;
    EXPECT_EQ(html.find("class=\"link cut\""), std::string::npos);
    EXPECT_EQ(html.find("blocked here"), std::string::npos);
    EXPECT_LT(at(html, "Hop 1: 10.77.1.1"), at(html, "perhaps here"));
    EXPECT_LT(at(html, "perhaps here"), at(html, "Hop 5: 192.0.2.5"));
    EXPECT_LT(at(html, "class=\"stop doubt\""), at(html, "class=\"stop beyond\""));
    // Where the far end is the destination itself, and nobody ever saw a box between.
    report["path"] = {{"hops", {{{"hop", 1}, {"address", "10.77.1.1"}}}}};
    row["runs"][0]["where"]["before"] = {{"hop", 4}, {"address", row["endpoints"][0]["address"]}};
    row["endpoints"][0]["evidence"] = nlohmann::json::array();
    row["endpoints"][0]["where"] = row["runs"][0]["where"];
    const auto bare = render_html_row(report, "cat", "web");
    EXPECT_LT(at(bare, "Hop 1: 10.77.1.1"), at(bare, "Hops 2 to 3"));
    EXPECT_LT(at(bare, "Hops 2 to 3"), at(bare, "perhaps here"));
}

TEST(html_report, takes_a_number_that_is_no_hops_for_none)
{
    for (const double number : {1e300, -1.0, 256.0}) {
        auto report = plain_report();
        auto& row = report["catalogues"][0]["requirements"][0];
        row["runs"][0]["where"]["after"]["hop"] = number; // the address says which it is
        row["endpoints"][0]["where"] = row["runs"][0]["where"];
        const auto html = render_html_row(report, "cat", "web");
        EXPECT_LT(at(html, "Hop 1: 10.77.1.1"), at(html, "class=\"cross\"")) << number;
        EXPECT_LT(at(html, "class=\"cross\""), at(html, "Hop 2: 100.64.0.1")) << number;
    }
}

TEST(html_report, marks_the_box_that_rejects)
{
    auto report = plain_report();
    auto& row = report["catalogues"][0]["requirements"][0];
    const nlohmann::json where = {{"at", {{"hop", nullptr}, {"address", "10.77.1.1"}}}};
    row["runs"][0]["where"] = where;
    row["endpoints"][0]["where"] = where;
    const auto html = render_html_row(report, "cat", "web");
    EXPECT_LT(at(html, "class=\"stop culprit\""), at(html, "Hop 1: 10.77.1.1"));
    EXPECT_EQ(html.find("class=\"link cut\""), std::string::npos);
    // A box that nobody met on the way is drawn all the same.
    row["runs"][0]["where"]["at"]["address"] = "192.0.2.9";
    row["endpoints"][0]["where"] = row["runs"][0]["where"];
    EXPECT_NE(
        render_html_row(report, "cat", "web").find("192.0.2.9, somewhere on the way"), std::string::npos
    );
}

TEST(html_report, draws_a_ladder_with_its_bracket_and_what_is_required)
{
    const auto row = render_html_row(plain_report(), "cat", "timer");
    EXPECT_NE(row.find("class=\"bracket\""), std::string::npos);
    EXPECT_NE(row.find("required: 12 s"), std::string::npos);
    EXPECT_NE(row.find("held 8 s, lost at 10 s"), std::string::npos);
    std::size_t lines = 0;
    for (auto from = row.find("class=\"rung"); from != std::string::npos;
         from = row.find("class=\"rung", from + 1)) {
        ++lines;
    }
    EXPECT_EQ(lines, 3U);
}

TEST(html_report, draws_ports_and_holes_to_scale)
{
    const auto row = render_html_row(plain_report(), "cat", "range");
    // 2001-2100 of 2001-2500 fails: a fifth of 400 pixels.
    EXPECT_NE(row.find("class=\"part fail\" x=\"0.0\" y=\"0\" width=\"80.0\""), std::string::npos) << row;
    // 17.64.0.0/10 of 17.0.0.0/8: the second quarter.
    EXPECT_NE(row.find("class=\"part fail\" x=\"100.0\" y=\"0\" width=\"100.0\""), std::string::npos) << row;
}

TEST(html_report, folds_evidence_away_and_tells_alike_endpoints_once)
{
    const auto row = render_html_row(plain_report(), "cat", "line");
    EXPECT_NE(row.find("<summary>Evidence: 3 endpoints, 4 observations</summary>"), std::string::npos) << row;
    EXPECT_NE(row.find("tcp 4200-4202 to 198.51.100.7: open"), std::string::npos);
    EXPECT_NE(
        row.find("3 endpoints were found alike; this is what was seen of 198.51.100.7 port 4201"),
        std::string::npos
    );
}

TEST(html_report, makes_ids_that_are_ids_whatever_the_report_calls_its_rows)
{
    EXPECT_EQ(row_anchor("eschat-govcloud", "signaling"), "row-eschat-govcloud-signaling");
    EXPECT_EQ(row_anchor("a b", "\"><x"), "row-a_b-___x");
}

} // namespace
} // namespace reachd
