// SPDX-License-Identifier: Apache-2.0
// cli_output.hpp: how `check` and `report` write a report, and compare it with an older one.
#pragma once

#include "reachd/app/cli.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/report_formats.hpp"

#include <optional>
#include <string>

namespace reachd {

// What --format, or else the extension of --output, asks for; the table where neither does.
report_format chosen_format(const std::string& format, const std::string& output);

// 0, or the exit code of a command whose report cannot go to --output: said on stderr, before it is made.
int check_output(const std::string& format, const std::string& output);

// The report of --baseline. Said on stderr where it cannot be read: then `faulty`.
struct baseline {
    std::optional<json> report; // nullopt where none was asked for
    std::string file;
    bool faulty = false;
    bool of_more = false; // the new report is of some of its rows only
};
baseline read_baseline(const std::string& file);

// Writes the report and, after it, what changed since the baseline: to stdout where that has no other data,
// else to stderr. 0, or exit_unproven when it could not be written.
int write_report(
    const cli_common& common, const json& report, report_format form, const std::string& output,
    const baseline& before
);

} // namespace reachd
