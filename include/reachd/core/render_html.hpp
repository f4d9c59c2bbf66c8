// SPDX-License-Identifier: Apache-2.0
// render_html.hpp: the site report as a page, made from its JSON alone.
//
// Use     render_html() for a whole document: one file that loads nothing, or, linked, a page of a
//         server. render_html_main() and render_html_row() are its parts, for a page of one's own.
// Shapes  No scripts, no style attributes, no resources: a Content-Security-Policy of
//         "default-src 'none'; style-src 'self'" is enough where the stylesheet is linked.
//         Each row is `<section id="row-CATALOGUE-REQUIREMENT">`; the groups are `failing`, `unproven`,
//         `blank` and `passing`. These ids are stable: links may point to them.
// Errors  A report that lacks a member reads as if it were empty there, as in render_text.hpp.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace reachd {

enum class stylesheet : std::uint8_t {
    embedded, // in the file itself
    linked,   // at html_page::stylesheet_path
};

struct html_page {
    stylesheet style = stylesheet::embedded;
    std::string stylesheet_path; // of a linked one: "/report.css"
    std::string version;         // of the program, for the footer; "" where nobody knows
    std::string head;            // further elements of <head>, as they are: trusted HTML
};

std::string render_html(const nlohmann::json& report, const html_page& page);
// `<main class="report">...</main>` and nothing else.
std::string render_html_main(const nlohmann::json& report, const html_page& page);
// The section of one row; empty where the report has no such row.
std::string
render_html_row(const nlohmann::json& report, std::string_view catalogue, std::string_view requirement);

// "row-eschat-govcloud-signaling"
std::string row_anchor(std::string_view catalogue, std::string_view requirement);
// What a linked stylesheet has to hold.
std::string_view report_stylesheet();

} // namespace reachd
