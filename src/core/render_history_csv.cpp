// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_history.hpp"

#include "reachd/core/json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <vector>

namespace reachd {
namespace {

using nlohmann::json;

std::string cell(const json& value)
{
    if (value.is_null()) {
        return {};
    }
    if (!value.is_string()) {
        return dump(value);
    }
    auto text = printable(value.get<std::string>());
    if (!text.empty() && std::string_view{"=+-@"}.find(text.front()) != std::string_view::npos) {
        text.insert(text.begin(), '\'');
    }
    if (text.find_first_of(",\"\r\n") == std::string::npos) {
        return text;
    }
    std::string quoted = "\"";
    for (const char one : text) {
        quoted += one == '"' ? std::string{"\"\""} : std::string{one};
    }
    return quoted + '"';
}

using columns = std::vector<const char*>;

std::string table(const json& list, const columns& names)
{
    std::string out;
    for (const auto* name : names) {
        if (!out.empty()) {
            out += ',';
        }
        out += name;
    }
    out += "\r\n";
    for (const auto& one : list) {
        std::string line;
        for (const auto* name : names) {
            line += name == names.front() ? "" : ",";
            line += one.is_object() ? cell(one.value(name, json())) : "";
        }
        out += line + "\r\n";
    }
    return out;
}

// One line for each row and window.
json flat_availability(const json& rows)
{
    json out = json::array();
    for (const auto& row : rows) {
        if (!row.is_object()) {
            continue;
        }
        const auto windows = row.value("windows", json::object());
        for (const auto& [name, one] : windows.items()) {
            auto line = one.is_object() ? one : json::object();
            line["catalogue"] = row.value("catalogue", json());
            line["requirement"] = row.value("requirement", json());
            line["window"] = name;
            out.push_back(std::move(line));
        }
    }
    return out;
}

} // namespace

std::string render_history_csv(const json& answer)
{
    const auto has = [&answer](const char* name) {
        const auto found = answer.find(name);
        return found != answer.end() && found->is_array();
    };
    if (!answer.is_object()) {
        return {};
    }
    if (has("requirements")) {
        return table(answer["requirements"], {"catalogue", "id", "state", "since", "recorded", "sentence"});
    }
    if (has("outages")) {
        return table(
            answer["outages"],
            {"start", "end", "duration_s", "unwatched_s", "catalogue", "requirement", "ended_as", "cause"}
        );
    }
    if (has("availability")) {
        return table(
            flat_availability(answer["availability"]),
            {"catalogue", "requirement", "window", "window_s", "up_s", "down_s", "unproven_s", "unknown_s",
             "availability", "coverage"}
        );
    }
    if (has("samples")) {
        return table(
            answer["samples"], {"time", "width", "catalogue", "requirement", "rounds", "rounds_pass",
                                "rounds_fail", "rtt_min_us", "rtt_median_us", "rtt_max_us"}
        );
    }
    if (has("addresses")) {
        return table(answer["addresses"], {"name", "address", "first_seen", "last_seen"});
    }
    return table(
        answer.value("changes", json::array()),
        {"time", "kind", "catalogue", "requirement", "state", "before", "since", "transport", "address",
         "name", "ports", "vantage", "sentence"}
    );
}

} // namespace reachd
