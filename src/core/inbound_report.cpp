// SPDX-License-Identifier: Apache-2.0
// Inbound rows as the report has them.
#include "inbound_words.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace reachd {
namespace {

using nlohmann::json;

json knock_json(const inbound_seen& seen)
{
    if (!seen.knock) {
        return nullptr;
    }
    const auto& knock = *seen.knock;
    return {
        {"via", "reflector " + knock.by},
        {"from", to_text(knock.from)},
        {"to", to_text(knock.to)},
        {"outcome", wire::to_string(knock.seen.outcome)},
        {"icmp", knock.seen.outcome == wire::inbound_outcome::icmp
                     ? json{{"type", knock.seen.icmp_type}, {"code", knock.seen.icmp_code}}
                     : json(nullptr)},
        {"took_us", knock.seen.took_us},
        {"said", said_text(knock)},
        {"reached_service", knock.arrived},
        {"at", to_text(knock.at)},
    };
}

} // namespace

json inbound_json(const inbound& what, const std::optional<inbound_config>& here, const inbound_seen& seen)
{
    json sources = json::array();
    for (const auto& one : what.sources) {
        sources.push_back(to_text(one));
    }
    json inside = json::array();
    for (const auto& one : seen.inside) {
        inside.push_back(to_json(one));
    }
    json visits = json::array();
    for (const auto& one : seen.visits) {
        visits.push_back({{"source", to_text(one.source)}, {"at", to_text(one.at)}});
    }
    return {
        {"sources", std::move(sources)},
        {"service", here ? json(to_text(here->service)) : json(nullptr)},
        {"public", here && here->published ? json(to_text(*here->published)) : json(nullptr)},
        {"inside", std::move(inside)},
        {"listens_here", seen.listens_here},
        {"connect_back", knock_json(seen)},
        {"not_tried", seen.no_knock.empty() ? json(nullptr) : json(seen.no_knock)},
        {"visits", std::move(visits)},
        {"not_seen", seen.no_watch.empty() ? json(nullptr) : json(seen.no_watch)},
    };
}

} // namespace reachd
