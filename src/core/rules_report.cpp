// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/rules.hpp"

#include "report_reading.hpp"

namespace reachd {
namespace {

using nlohmann::json;
using reading::list_at;
using reading::text_at;

// A run whose ports cannot be read says nothing that a rule could be made of.
std::optional<found_run> parse_run(const json& run)
{
    const auto ports = parse_ports(text_at(run, "ports"));
    if (!ports) {
        return std::nullopt;
    }
    found_run out{
        .destination = text_at(run, "destination"),
        .addresses = {},
        .ports = *ports,
        .verdict = text_at(run, "verdict"),
        .stage = text_at(run, "stage"),
        .blame = text_at(run, "blame"),
        .result = text_at(run, "result"),
    };
    for (const auto& one : reading::texts_at(run, "addresses")) {
        if (const auto address = parse_address(one)) {
            out.addresses.push_back(*address);
        }
    }
    return out;
}

} // namespace

result<findings_of_report> parse_findings(const json& report)
{
    const bool is_report = report.is_object() && report.contains("schema") &&
                           report["schema"].is_number_integer() && report.contains("catalogues") &&
                           report["catalogues"].is_array() && report.contains("site");
    if (!is_report) {
        return std::unexpected(error{
            errc::invalid,
            stage::configure,
            "it is no site report; one is made by `reachctl check --format json --output FILE`",
        });
    }
    findings_of_report out{text_at(report, "site"), text_at(report, "generated"), {}};
    for (const auto& one : report["catalogues"]) {
        for (const auto& row : list_at(one, "requirements")) {
            auto& into = out.rows[text_at(one, "id") + "/" + text_at(row, "id")];
            into.state = text_at(row, "state");
            for (const auto& run : list_at(row, "runs")) {
                if (auto read = parse_run(run)) {
                    into.runs.push_back(std::move(*read));
                }
            }
        }
    }
    return out;
}

} // namespace reachd
