// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/trace_keeping.hpp"

#include "reachd/core/groups.hpp"
#include "reachd/core/inquiry.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace reachd {
namespace {

// That somebody forges stays known for its time, whatever else is forgotten: what comes to the flow changes
// at his will.
void forget_observations(std::vector<observation>& seen, std::optional<wall_time> now = {})
{
    std::erase_if(seen, [now](const observation& one) {
        return !one.forged || (now && *now - one.at > trace_age);
    });
}

void forget_traces(traces& all, const std::string& vantage, const ip_address& address, wall_time now)
{
    for (auto& [which, seen] : all) {
        if (which.vantage == vantage && which.target.address == address) {
            forget_observations(seen, now);
        }
    }
    std::erase_if(all, [](const auto& entry) { return entry.second.empty(); });
}

void forget_flow(traces& all, const flow& which)
{
    const auto found = all.find(which);
    if (found == all.end()) {
        return;
    }
    forget_observations(found->second);
    if (found->second.empty()) {
        all.erase(found);
    }
}

// Who answers, as far as the answer tells. A box that begins to answer in the destination's place connects as
// the destination did; that it says something else gives it away.
struct voice {
    std::size_t kind = 0; // of the last observation
    std::string issuer;   // of a certificate
    unsigned status = 0;  // of HTTP
    std::string server;

    bool operator==(const voice&) const = default;
};

voice voice_of(const endpoint_state& one)
{
    if (look_at(one) != first_look::connected) {
        return {};
    }
    const auto& last = one.seen.back().what;
    voice out{.kind = last.index()};
    if (const auto* tls = std::get_if<tls_answer>(&last)) {
        out.issuer = tls->issuer;
    }
    if (const auto* http = std::get_if<http_answer>(&last)) {
        out.status = http->status;
        out.server = http->server;
    }
    return out;
}

} // namespace

bool take_in(site_state& site, endpoint_state& one, std::vector<observation> seen)
{
    const auto before = look_at(one);
    const auto heard = voice_of(one);
    one.seen = std::move(seen);
    if (before == look_at(one) && heard == voice_of(one)) {
        return false;
    }
    if (before != first_look::unknown) {
        // What was found out about it was about another state; how far others get is looked at anew as well.
        forget_flow(site.traces, {one.vantage, {*one.address, one.port, one.transport}});
        site.traces.erase({one.vantage, {*one.address, control_port, transport::udp}});
    }
    return true;
}

void forget_old_traces(site_state& site, const row_state& row, wall_time now)
{
    std::erase_if(site.traces, [now](const auto& entry) {
        const auto& target = entry.first.target;
        const bool is_canary = target == canary_for(target.address.family, target.port);
        return is_canary && !entry.second.empty() && now - entry.second.front().at > trace_age;
    });
    for (const auto& one : row.endpoints) {
        if (!one.address) {
            continue;
        }
        const auto found = site.traces.find({one.vantage, {*one.address, one.port, one.transport}});
        if (found == site.traces.end() || found->second.empty()) {
            continue; // nothing to forget
        }
        // A silent UDP service says nothing when it is cut off: its passage is looked at anew each round.
        const auto known = site.traces.find({one.vantage, {*one.address, control_port, transport::udp}});
        if (known != site.traces.end() && !known->second.empty() &&
            now - known->second.front().at > trace_age) {
            forget_traces(site.traces, one.vantage, *one.address, now);
            continue;
        }
        const bool silent_by_nature = one.transport == transport::udp && look_at(one) == first_look::silent;
        if (now - found->second.front().at > trace_age) {
            forget_traces(site.traces, one.vantage, *one.address, now);
        } else if (silent_by_nature) {
            forget_flow(site.traces, found->first);
        }
    }
}

void forget_gone(site_state& site, wall_time now)
{
    std::set<std::pair<std::string, ip_address>> asked;
    for (const auto& row : site.rows) {
        for (const auto& one : row.endpoints) {
            if (one.address) {
                asked.emplace(one.vantage, *one.address);
            }
        }
    }
    std::erase_if(site.traces, [&](const auto& entry) {
        const auto& [which, seen] = entry;
        const auto& address = which.target.address;
        const bool is_dns =
            std::ranges::find(site.local.dns_servers, address) != site.local.dns_servers.end();
        return (seen.empty() || now - seen.back().at > trace_age) && !is_dns &&
               !asked.contains({which.vantage, address});
    });
}

} // namespace reachd
