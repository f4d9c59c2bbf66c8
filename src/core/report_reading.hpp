// SPDX-License-Identifier: Apache-2.0
// report_reading.hpp: takes members out of a report's JSON, for what renders it.
//
// Errors  A member that is missing or of another type reads as empty: a report of an older or newer
//         version is no reason to fail. Texts are as they came: each renderer escapes for its target.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace reachd::reading {

using nlohmann::json;

std::string text_at(const json& from, const char* key);
long long number_at(const json& from, const char* key);
std::optional<double> decimal_at(const json& from, const char* key);
const json& object_at(const json& from, const char* key);
const json& list_at(const json& from, const char* key);
bool is_true(const json& from, const char* key);
std::vector<std::string> texts_at(const json& from, const char* key);

// A row with the catalogue that it stands in.
struct row_view {
    const json* catalogue;
    const json* row;
};
// Every row in the order of the report; `state` narrows it where it is not empty.
std::vector<row_view> rows_of(const json& report, const std::string& state = {});
// The entries of `idle` that are this row's.
std::vector<const json*> idle_of(const json& report, const row_view& which);

// Endpoints that were found alike: the same ports of one or more destinations.
struct endpoint_group {
    const json* most_seen; // the one with the most observations
    std::vector<unsigned> ports;
    std::vector<std::string> destinations; // "name (address)", or the address
};
// In the order of the report.
std::vector<endpoint_group> groups_of(const json& row);
// "open", "closed" or "permitted": told last, as what does not pass is what one looks for.
bool is_passable(const json& endpoint);
std::size_t observations_of(const json& row);

// "2001-2010,2200"
std::string ports_text(std::vector<unsigned> ports);
// The ports of a run: "2001-2010,2200" as [first, last] each; empty where it cannot be read.
struct port_span {
    unsigned first;
    unsigned last;
};
std::vector<port_span> spans_of(const std::string& ports);

} // namespace reachd::reading
