// SPDX-License-Identifier: Apache-2.0
// html_parts.hpp: the parts of a report's page. Each returns complete elements, or nothing.
//
// Shapes  Every text of the report has been through html_text(); what is handed out is HTML.
#pragma once

#include "report_reading.hpp"

#include <string>
#include <string_view>

namespace reachd::html {

using reading::json;
using reading::row_view;

// A shape for a state: a tick in a disc, a cross in a square, a question mark in a ring, an empty square.
std::string mark(std::string_view state);
// "pass", "fail", "unproven", "blank": the class of a row's or the site's state.
std::string state_class(std::string_view state);
// <TAG class="CLASS">escaped TEXT</TAG>; nothing where the text is empty.
std::string element(std::string_view tag, std::string_view css, std::string_view text);
// One <dt> and <dd>; nothing where the text is empty.
std::string term(std::string_view name, std::string_view text);

std::string row_section(const json& report, const row_view& which);
std::string evidence(const json& row);

// The way out, and where on it this run ends; without a run only the way.
std::string path_picture(const json& report, const json* endpoint, const json* run);
std::string idle_picture(const json& entry);
// One strip for each destination of a row with more than one port.
std::string port_strips(const json& row);
// One strip for each sample of a block.
std::string block_strips(const json& row);

} // namespace reachd::html
