// SPDX-License-Identifier: Apache-2.0
// report_diff.hpp: what became of a site between two of its reports.
//
// Use     compare_reports() for the facts, render_difference() or to_json() to tell them.
// Shapes  Rows are compared by catalogue and id, and within them each port of each destination and vantage:
// so that
//         a run that grows by a port is told as that port, and new addresses of a name are no change by
//         themselves.
// Errors  check_report() says why something is no report; what it passes always compares.
#pragma once

#include "reachd/core/text.hpp"

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

enum class change_kind : std::uint8_t {
    newly_failing, // it did not fail before; or it was not there and fails
    fixed,         // it failed and passes
    changed,       // any other difference of state, verdict, blame or place
    added,         // it was not there and does not fail
    removed,       // it is not there any more
    unchanged,
};
const char* to_string(change_kind value);

// Neighbouring ports of one destination that changed alike.
struct run_difference {
    change_kind kind = change_kind::unchanged;
    std::string target; // "tcp 2100-2199 to connect.helpdeskbuttons.com"
    std::string before; // "open", "blocked, edge, between hop 1 and hop 2"; "" where it was not there
    std::string after;
};

struct row_difference {
    change_kind kind = change_kind::unchanged;
    std::string catalogue;
    std::string requirement;
    std::string before_state; // "" where it was not there
    std::string after_state;
    std::string before_sentence;
    std::string after_sentence;
    std::vector<run_difference> runs; // what changed
};

struct report_difference {
    std::string before_site;
    std::string after_site;
    std::string before_time;
    std::string after_time;
    std::string before_state;
    std::string after_state;
    std::vector<row_difference> rows; // newly failing first, then fixed, changed, added, removed, unchanged

    [[nodiscard]] std::size_t count(change_kind which) const;
};

// The sentence that says why `value` is no site report; nullopt for one.
std::optional<std::string> why_no_report(const nlohmann::json& value);

report_difference compare_reports(const nlohmann::json& before, const nlohmann::json& after);
// Where `after` is only a part of the site: rows that it does not have were not looked at, and are not gone.
void leave_out_removed(report_difference& from);

std::string render_difference(const report_difference& what, std::size_t columns, colour use);
nlohmann::json to_json(const report_difference& what);

} // namespace reachd
