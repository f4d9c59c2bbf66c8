// SPDX-License-Identifier: Apache-2.0
#include "hostile_report.hpp"
#include "reachd/core/render_explain.hpp"
#include "reachd/core/report_formats.hpp"

#include <gtest/gtest.h>
#include <sstream>
#include <vector>

namespace reachd {
namespace {

using namespace test;

std::vector<std::string> lines_of(const std::string& text)
{
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

// The fields of a line in which every field is in quotes.
std::vector<std::string> fields_of(const std::string& line)
{
    std::vector<std::string> fields;
    std::string field;
    bool inside = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"' && inside && i + 1 < line.size() && line[i + 1] == '"') {
            field += line[i++];
        } else if (line[i] == '"') {
            inside = !inside;
        } else if (line[i] == ',' && !inside) {
            fields.push_back(std::move(field));
            field.clear();
        } else {
            field += line[i];
        }
    }
    fields.push_back(field);
    return fields;
}

void expect_no_control(const std::string& text, std::string_view but = "\n")
{
    for (const char byte : text) {
        const auto value = static_cast<unsigned char>(byte);
        const bool allowed = but.find(byte) != std::string_view::npos;
        ASSERT_TRUE(allowed || (value >= 0x20 && value != 0x7f)) << int{value};
    }
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
}

TEST(report_formats, are_told_by_their_word_or_by_the_extension)
{
    EXPECT_EQ(parse_report_format("html"), report_format::html);
    EXPECT_EQ(parse_report_format("text"), report_format::table);
    EXPECT_EQ(parse_report_format("pdf"), std::nullopt);
    EXPECT_EQ(format_of_file("/tmp/a.b/Report.HTML"), report_format::html);
    EXPECT_EQ(format_of_file("x.md"), report_format::markdown);
    EXPECT_EQ(format_of_file("x.xml"), report_format::junit);
    EXPECT_EQ(format_of_file("/tmp/a.html/report"), std::nullopt);
    EXPECT_EQ(format_of_file("x.pdf"), std::nullopt);
    EXPECT_EQ(report_format_list(), "table, json, jsonl, junit, csv, html, markdown");
}

TEST(report_formats, write_misshapen_reports_without_a_fault)
{
    for (const auto& report : misshapen_reports()) {
        for (const auto form :
             {report_format::table, report_format::json_text, report_format::json_lines, report_format::junit,
              report_format::csv, report_format::html, report_format::markdown}) {
            EXPECT_FALSE(render_as(report, form, {}).empty() && form != report_format::json_lines);
        }
        EXPECT_NO_THROW(render_explanation(report, "web", 80));
    }
}

TEST(csv_report, has_one_line_a_run_and_as_many_fields_in_each)
{
    const auto lines = lines_of(render_csv(plain_report()));
    ASSERT_EQ(lines.size(), 6U); // heading, web, timer, line (no runs), two of range
    EXPECT_TRUE(lines[0].starts_with("site,generated,catalogue,requirement,"));
    const auto columns = fields_of(lines[0].substr(0, lines[0].size() - 1)).size();
    for (const auto& line : lines) {
        ASSERT_TRUE(line.ends_with('\r'));
        EXPECT_EQ(fields_of(line.substr(0, line.size() - 1)).size(), columns) << line;
    }
    const auto web = fields_of(lines[1]);
    EXPECT_EQ(web[3], "web");
    EXPECT_EQ(web[7], "fail");
    EXPECT_EQ(web[9], "443");
    EXPECT_EQ(web[16], "between hop 1 (10.77.1.1) and hop 2 (100.64.0.1)");
    EXPECT_EQ(fields_of(lines[2])[3], "timer");
}

TEST(csv_report, keeps_hostile_text_in_its_field_and_makes_no_formula)
{
    const auto csv = render_csv(hostile_report());
    expect_no_control(csv, "\r\n");
    const auto lines = lines_of(csv);
    ASSERT_EQ(lines.size(), 6U);
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto fields = fields_of(lines[i].substr(0, lines[i].size() - 1));
        ASSERT_EQ(fields.size(), 21U);
        EXPECT_TRUE(fields[0].starts_with("'=cmd")) << fields[0];
    }
}

TEST(junit_report, has_a_case_for_each_row_and_skips_what_is_not_proven)
{
    const auto xml = render_junit(plain_report());
    EXPECT_NE(
        xml.find("<testsuites name=\"reachd lab\" tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"1\">"),
        std::string::npos
    ) << xml;
    EXPECT_NE(
        xml.find("<testcase classname=\"cat\" name=\"web\">\n      <failure type=\"outbound\""),
        std::string::npos
    );
    EXPECT_NE(xml.find("What to do: allow outbound tcp 443"), std::string::npos);
    EXPECT_NE(
        xml.find("<skipped message=\"UNPROVEN: an idle flow is gone after 10 s\"/>"), std::string::npos
    );
    EXPECT_NE(xml.find("timestamp=\"2026-11-22T04:17:42\""), std::string::npos);
}

TEST(junit_report, holds_hostile_text_as_text)
{
    const auto xml = render_junit(hostile_report());
    expect_no_control(xml);
    EXPECT_EQ(xml.find("<script"), std::string::npos);
    EXPECT_EQ(xml.find("<img"), std::string::npos);
    EXPECT_NE(xml.find("]]&gt;"), std::string::npos);
}

TEST(markdown_report, has_a_table_whose_rows_have_four_cells_failing_first)
{
    for (const auto& report : {plain_report(), hostile_report()}) {
        const auto text = render_markdown(report, "1.2.3");
        expect_no_control(text);
        std::vector<std::string> table;
        for (const auto& line : lines_of(text)) {
            if (!line.starts_with("|")) {
                continue;
            }
            table.push_back(line);
            std::size_t bars = 0;
            for (std::size_t i = 0; i < line.size(); ++i) {
                bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\') ? 1U : 0U;
            }
            EXPECT_EQ(bars, 5U) << line;
        }
        ASSERT_EQ(table.size(), 6U);
        EXPECT_TRUE(table[2].starts_with("| FAIL | cat/web |")) << table[2];
        EXPECT_TRUE(table[5].starts_with("| PASS | cat/line |"));
    }
}

TEST(markdown_report, makes_no_markup_of_hostile_text)
{
    const auto text = render_markdown(hostile_report(), "");
    for (const char* part : {" <script", " <img", "[l](http", " `|`"}) {
        EXPECT_EQ(text.find(part), std::string::npos) << part;
    }
    EXPECT_NE(text.find("\\<script\\>"), std::string::npos);
}

TEST(jsonl_report, has_one_row_a_line_with_what_names_it_and_its_timers)
{
    const auto lines = lines_of(render_jsonl(plain_report()));
    ASSERT_EQ(lines.size(), 4U);
    const auto timer = nlohmann::json::parse(lines[1]);
    EXPECT_EQ(timer["catalogue"], "cat");
    EXPECT_EQ(timer["site"], "lab");
    EXPECT_EQ(timer["idle"][0]["lost_s"], 10);
    EXPECT_FALSE(nlohmann::json::parse(lines[0]).contains("idle"));
}

TEST(explanation, tells_what_was_asked_what_came_back_what_it_proves_and_what_to_do_in_this_order)
{
    const auto text = render_explanation(plain_report(), "web", 80);
    std::size_t from = 0;
    for (const char* part :
         {"cat/web: FAIL", "What is asked for", "tcp 443 to 54.215.171.160: blocked",
          "2026-11-22 04:17:27.468 TCP connect 1 from 10.77.1.2:40088: connected", "with 1 hop",
          "The way: hop 1: 10.77.1.1", "That proves: blocked", "What that comes to",
          "What to do: allow outbound", "Whom to ask: who runs the site's firewall"}) {
        const auto at = text.find(part, from);
        ASSERT_NE(at, std::string::npos) << part << " in " << text;
        from = at;
    }
    EXPECT_NE(
        render_explanation(plain_report(), "cat/timer", 80).find("after 10 s: lost (inbound_lost)"),
        std::string::npos
    );
    EXPECT_EQ(render_explanation(plain_report(), "nothing", 80), "");
}

TEST(explanation, fits_its_columns_and_obeys_no_escape)
{
    for (const char* row : {"web", "range", "timer", "line"}) {
        const auto text = render_explanation(hostile_report(), row, 80);
        EXPECT_FALSE(text.empty());
        expect_no_control(text);
        for (const auto& line : lines_of(text)) {
            EXPECT_LE(columns_of(line), 80U) << line;
        }
    }
}

TEST(explanation, names_rows_of_one_id_in_two_catalogues_by_both)
{
    auto report = plain_report();
    report["catalogues"].push_back(report["catalogues"][0]);
    report["catalogues"][1]["id"] = "other";
    EXPECT_EQ(rows_named(report, "web"), (std::vector<std::string>{"cat/web", "other/web"}));
    EXPECT_EQ(rows_named(report, "other/web"), std::vector<std::string>{"other/web"});
    EXPECT_TRUE(rows_named(report, "nothing").empty());
}

} // namespace
} // namespace reachd
