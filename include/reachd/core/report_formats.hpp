// SPDX-License-Identifier: Apache-2.0
// report_formats.hpp: the forms that a site report is written in, each made from its JSON alone.
//
// Errors  A report that lacks a member reads as if it were empty there, as in render_text.hpp.
// Source  docs/REPORTS.md tells what each form holds.
#pragma once

#include "reachd/core/text.hpp"

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace reachd {

enum class report_format : std::uint8_t {
    table,      // for a terminal
    json_text,  // the report as it is
    json_lines, // one requirement a line
    junit,      // one requirement a test case
    csv,        // one run of ports a line
    html,       // a page that loads nothing
    markdown,   // for a ticket
};

// "table", ...; "text" is another word for table.
std::optional<report_format> parse_report_format(std::string_view word);
// By the extension: "report.html" -> html, "results.xml" -> junit.
std::optional<report_format> format_of_file(std::string_view path);
// ".pdf" and others that somebody may take for one of ours. Any other extension stays the table's.
bool is_foreign_form(std::string_view path);
// ".txt, .json, ..."
std::string report_extension_list();
// "table, json, jsonl, junit, csv, html, markdown"
std::string report_format_list();

std::string render_jsonl(const nlohmann::json& report);
std::string render_junit(const nlohmann::json& report);
std::string render_csv(const nlohmann::json& report);
std::string render_markdown(const nlohmann::json& report, std::string_view version);

struct report_style {
    std::size_t columns = 80; // of the table
    colour use = colour::off; // in the table
    std::string version;      // of the program, "" where nobody knows
};
std::string render_as(const nlohmann::json& report, report_format form, const report_style& style);

} // namespace reachd
