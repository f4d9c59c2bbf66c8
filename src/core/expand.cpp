// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/expand.hpp"

#include "reachd/core/fallback.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace reachd {
namespace {

using target_key = std::tuple<std::optional<ip_address>, std::uint16_t, std::string, std::string>;

target_key key_of(const endpoint_state& one)
{
    return {one.address, one.port, one.name, one.vantage};
}

// A vantage with a source address can only reach addresses of its own family.
bool can_reach(const vantage& from, const std::optional<ip_address>& address)
{
    return !from.source || !address || from.source->family == address->family;
}

void add_ports(
    const outbound_row& row, const std::vector<vantage>& vantages, endpoint_state pattern,
    std::vector<endpoint_state>& into
)
{
    pattern.transport = row.transport;
    const auto ports = probed_ports(row, !pattern.name.empty());
    const bool none =
        std::ranges::none_of(vantages, [&](const vantage& from) { return can_reach(from, pattern.address); });
    if (none) { // never skipped in silence
        pattern.vantage = vantages.front().name;
        pattern.without_probing = verdict{
            .kind = verdict_kind::unproven,
            .stage = stage::route,
            .blame = blame::host,
            .sentence = "no vantage has a source of this address family",
        };
        for (const auto port : ports) {
            pattern.port = port;
            into.push_back(pattern);
        }
        return;
    }
    for (const auto& from : vantages) {
        if (!can_reach(from, pattern.address)) {
            continue;
        }
        pattern.vantage = from.name;
        for (const auto port : ports) {
            pattern.port = port;
            into.push_back(pattern);
        }
    }
}

void add_name(
    const outbound_row& row, const name_lookup& lookup, const std::vector<vantage>& vantages,
    std::vector<endpoint_state>& into
)
{
    const auto judged = judge_name(lookup, row.private_answers);
    for (const auto& one : judged.addresses) {
        add_ports(
            row, vantages,
            {
                .address = one.address,
                .name = lookup.name,
                .servers = one.servers,
                .without_probing = one.without_probing,
            },
            into
        );
    }
    if (judged.unusable) {
        add_ports(row, vantages, {.name = lookup.name, .without_probing = judged.unusable}, into);
    }
}

} // namespace

std::vector<endpoint_state> expand(
    const outbound_row& row, const std::vector<name_lookup>& lookups, const std::vector<vantage>& vantages,
    const std::vector<endpoint_state>& before
)
{
    std::vector<endpoint_state> out;
    for (const auto& address : row.addresses) {
        add_ports(row, vantages, {.address = address}, out);
    }
    for (const auto& lookup : lookups) {
        add_name(row, lookup, vantages, out);
    }
    std::map<target_key, const endpoint_state*> known;
    for (const auto& one : before) {
        known.emplace(key_of(one), &one);
    }
    for (auto& one : out) {
        if (const auto old = known.find(key_of(one)); old != known.end()) {
            one.seen = old->second->seen;
            one.judged = old->second->judged;
            one.since = old->second->since;
        }
    }
    return out;
}

std::vector<std::string>
new_addresses(const std::vector<endpoint_state>& before, const std::vector<endpoint_state>& now)
{
    std::vector<std::string> found;
    for (const auto& one : now) {
        if (one.name.empty() || !one.address) {
            continue;
        }
        const bool known = std::ranges::any_of(before, [&](const endpoint_state& other) {
            return other.name == one.name && other.address == one.address;
        });
        const auto text = one.name + " " + to_text(*one.address);
        if (!known && std::ranges::find(found, text) == found.end()) {
            found.push_back(text);
        }
    }
    return found;
}

} // namespace reachd
