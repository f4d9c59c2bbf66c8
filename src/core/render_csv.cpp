// SPDX-License-Identifier: Apache-2.0
// One line for each run of ports; a row without runs (idle, inbound, not configured) has one line of its own.
#include "reachd/core/escape.hpp"
#include "reachd/core/report_formats.hpp"
#include "report_words.hpp"

#include <fmt/format.h>

namespace reachd {

using namespace reading;

namespace {

constexpr std::string_view columns[] = {
    "site",   "generated", "catalogue", "requirement", "role",      "kind",    "state",
    "result", "transport", "ports",     "destination", "addresses", "vantage", "verdict",
    "stage",  "blame",     "where",     "sentence",    "advice",    "ask",     "since",
};

std::string joined(const std::vector<std::string>& texts)
{
    std::string out;
    for (const auto& one : texts) {
        out += (out.empty() ? "" : " ") + one;
    }
    return out;
}

std::string line_of(const json& report, const row_view& which, const json& run)
{
    const auto& row = *which.row;
    const bool whole = run.is_null();
    const auto of_run = [&](const char* key) { return whole ? std::string{} : text_at(run, key); };
    const bool needed = whole || !run.contains("needed") || is_true(run, "needed");
    // What to do is about those runs that make the row what it is.
    const bool concerned =
        whole || (needed && of_run("result") == text_at(row, "state") && of_run("result") != "pass");
    const std::string fields[] = {
        text_at(report, "site"),
        text_at(report, "generated"),
        text_at(*which.catalogue, "id"),
        text_at(row, "id"),
        text_at(row, "role"),
        text_at(row, "kind"),
        text_at(row, "state"),
        whole    ? text_at(row, "state")
        : needed ? of_run("result")
                 : "not_needed",
        text_at(row, "transport"),
        whole ? text_at(row, "ports") : of_run("ports"),
        whole ? text_at(row, "destinations") : of_run("destination"),
        whole ? std::string{} : joined(texts_at(run, "addresses")),
        of_run("vantage"),
        of_run("verdict"),
        of_run("stage"),
        of_run("blame"),
        whole ? std::string{} : where_words(object_at(run, "where")),
        whole ? text_at(row, "sentence") : of_run("sentence"),
        concerned ? text_at(row, "advice") : std::string{},
        concerned ? ask_words(row) : std::string{},
        text_at(row, "since"),
    };
    static_assert(std::size(fields) == std::size(columns));
    std::string out;
    for (const auto& one : fields) {
        out += (out.empty() ? "" : ",") + csv_field(one);
    }
    return out + "\r\n";
}

} // namespace

std::string render_csv(const json& report)
{
    std::string out;
    for (const auto one : columns) {
        out += (out.empty() ? "" : ",") + std::string{one};
    }
    out += "\r\n";
    for (const auto& row : rows_of(report)) {
        const auto& runs = list_at(*row.row, "runs");
        if (runs.empty()) {
            out += line_of(report, row, nullptr);
        }
        for (const auto& run : runs) {
            out += run.is_object() ? line_of(report, row, run) : "";
        }
    }
    return out;
}

} // namespace reachd
