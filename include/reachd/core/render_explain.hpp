// SPDX-License-Identifier: Apache-2.0
// render_explain.hpp: the evidence of one row in order, as one pastes it into a ticket.
//
// Errors  A report that lacks a member reads as if it were empty there, as in render_text.hpp.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

// The rows of the report that `word` names, as `id` or `catalogue/id`: all its ids as "catalogue/id".
std::vector<std::string> rows_named(const nlohmann::json& report, std::string_view word);

// What was asked, from where, what came back, what that proves, what it cannot rule out, what to do. No line
// is longer than `columns`. Empty where the report has no such row.
std::string render_explanation(const nlohmann::json& report, std::string_view row, std::size_t columns);

} // namespace reachd
