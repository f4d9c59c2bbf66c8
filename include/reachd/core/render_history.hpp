// SPDX-License-Identifier: Apache-2.0
// render_history.hpp: answers of the method `history` as a person or a spreadsheet reads them.
//
// Use     render_history() and render_history_csv() for any of them: the members tell which it is.
// Shapes  Text is made from the JSON alone; `clock` turns its times into those of the reader's zone.
// Errors  What an answer lacks reads as if it were empty there.
// Source  RFC 4180 (CSV).
#pragma once

#include "reachd/core/render_text.hpp"

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace reachd {

// RFC 3339 in UTC -> "2026-11-22 14:05:09" where the reader is; with an offset where it is not that of `zone`.
using local_clock = std::function<std::string(const std::string&)>;

// `zone` names the reader's: "CET (+0100)".
std::string render_history(
    const nlohmann::json& answer, const page& format, const local_clock& clock, const std::string& zone
);
// Times stay UTC; text that a spreadsheet would take for a formula gets an apostrophe in front.
std::string render_history_csv(const nlohmann::json& answer);

} // namespace reachd
