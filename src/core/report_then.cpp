// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/report_then.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>

namespace reachd {
namespace {

using key = std::pair<std::string, std::string>; // catalogue and requirement

std::string text_of(const json& from, const char* name)
{
    const auto found = from.is_object() ? from.find(name) : from.end();
    return found != from.end() && found->is_string() ? found->get<std::string>() : "";
}

json member(const json& from, const char* name, json otherwise)
{
    if (!from.is_object() || !from.contains(name) || from[name].is_null()) {
        return otherwise;
    }
    return from[name];
}

// What is remembered takes the place of what is so now; what is not is taken away.
void put_back(json& row, const json& then)
{
    for (const char* name : {"state", "sentence", "since"}) {
        row[name] = member(then, name, nullptr);
    }
    row["checked"] = member(then, "recorded", nullptr);
    row["counts"] = member(then, "counts", json::object());
    row["runs"] = member(then, "runs", json::array());
    row["advice"] = nullptr;
    row["findings"] = json::array();
    row["endpoints"] = json::array();
    row["names"] = json::array();
    for (const char* name : {"samples", "inbound", "fallback", "acknowledged"}) {
        row.erase(name);
    }
}

// Rows of then that the files of now do not have any more.
void add_forgotten(json& catalogues, const std::map<key, const json*>& left)
{
    for (const auto& [id, then] : left) {
        auto found = std::ranges::find_if(catalogues, [&id](const json& one) {
            return text_of(one, "id") == id.first;
        });
        if (found == catalogues.end()) {
            catalogues.push_back(
                {{"id", id.first},
                 {"title", id.first},
                 {"document", json::object()},
                 {"requirements", json::array()}}
            );
            found = std::prev(catalogues.end());
        }
        json row = {{"id", id.second}, {"about", "not in the files any more"}, {"kind", "outbound"}};
        put_back(row, *then);
        (*found)["requirements"].push_back(std::move(row));
    }
}

} // namespace

json report_then(json present, const json& then)
{
    std::map<key, const json*> known;
    const auto rows = member(then, "requirements", json::array());
    for (const auto& one : rows) {
        known[{text_of(one, "catalogue"), text_of(one, "id")}] = &one;
    }
    auto catalogues = json::array();
    for (auto& catalogue : present["catalogues"]) {
        auto kept = json::array();
        for (auto& row : catalogue["requirements"]) {
            const auto found = known.find({text_of(catalogue, "id"), text_of(row, "id")});
            if (found != known.end()) {
                put_back(row, *found->second);
                kept.push_back(std::move(row));
                known.erase(found);
            }
        }
        if (!kept.empty()) {
            catalogue["requirements"] = std::move(kept);
            catalogues.push_back(std::move(catalogue));
        }
    }
    add_forgotten(catalogues, known);
    const auto site = member(then, "site", json::object());
    present["catalogues"] = std::move(catalogues);
    present["state"] = member(site, "state", "unproven");
    present["sentence"] = member(site, "sentence", "Nothing is remembered of the site at that time.");
    present["since"] = member(site, "since", nullptr);
    present["generated"] = member(then, "at", nullptr);
    present["findings"] = json::array();
    present["idle"] = json::array();
    present["path"] = {{"edge", nullptr}, {"hops", json::array()}};
    const bool running = member(then, "running", true) == json(true);
    if (!running) {
        present["findings"].push_back(
            "no daemon ran then: this is as it was known at " + text_of(then, "last_alive")
        );
    }
    return present;
}

} // namespace reachd
