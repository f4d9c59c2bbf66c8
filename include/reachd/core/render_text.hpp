// SPDX-License-Identifier: Apache-2.0
// render_text.hpp: reports as a person reads them on a terminal, made from the JSON form alone.
//
// Use     The same text for `reachctl check` (its own report) and `reachctl report` (the daemon's).
// Errors  A report that lacks a member reads as if it were empty there: an older or newer daemon is
//         no reason to fail.
#pragma once

#include "reachd/core/text.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace reachd {

struct page {
    std::size_t columns = 80;
    colour use = colour::off;
};

// The whole site: the answer first, then every row of every catalogue, failing rows with what to do.
std::string render_report(const nlohmann::json& report, const page& format);
// One row as it stands there.
std::string render_row(const nlohmann::json& row, const page& format);
// What a check has sent, from its report: one sentence and a line end; empty where the report does not say.
std::string render_traffic(const nlohmann::json& report, const page& format);
// One line a row, for `watch` and `status`.
std::string render_summary(const nlohmann::json& health, const page& format);
// All evidence of the endpoints that the method `endpoint` answered.
std::string render_endpoints(const nlohmann::json& endpoints, const page& format);

// The ladders of `{idle: [...]}`: each with its bracket, its sentence and what its rungs showed.
std::string render_idle(const nlohmann::json& report, const page& format);

} // namespace reachd
