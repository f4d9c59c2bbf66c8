// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/path.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

// RFC 1918, RFC 4193, and the link-local ranges of RFC 3927 and RFC 4291. 100.64.0.0/10 (RFC 6598) is the
// provider's.
const std::vector<ip_block>& private_networks()
{
    static const std::vector<ip_block> list = [] {
        std::vector<ip_block> out;
        for (const auto* text :
             {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"}) {
            out.push_back(*parse_block(text));
        }
        return out;
    }();
    return list;
}

bool is_in(const std::vector<ip_block>& list, const ip_address& address)
{
    return std::ranges::any_of(list, [&](const ip_block& block) { return block.contains(address); });
}

// Which boxes were met at each hop, and how often.
using census = std::map<unsigned, std::map<ip_address, std::size_t>>;

std::vector<path_hop> majority(const census& met, const std::map<ip_address, duration>& times)
{
    std::vector<path_hop> hops(met.empty() ? 0 : met.rbegin()->first);
    for (const auto& [number, boxes] : met) {
        auto& hop = hops[number - 1];
        std::size_t all = 0;
        for (const auto& [address, flows] : boxes) {
            all += flows;
            if (flows > hop.flows) {
                hop.flows = flows;
                hop.address = address;
            }
        }
        hop.others = all - hop.flows;
        if (hop.address) {
            if (const auto time = times.find(*hop.address); time != times.end()) {
                hop.round_trip = time->second;
            }
        }
    }
    return hops;
}

void find_edge(path& way, const local_network& local, const path_config& config)
{
    for (unsigned number = 1; number <= way.hops.size(); ++number) {
        const auto& address = way.hops[number - 1].address;
        if (!address) {
            continue; // silent: belongs to whatever follows
        }
        if (config.edge) {
            way.edge = *address == *config.edge ? number : way.edge;
            continue;
        }
        if (!belongs_to_site(*address, number, local, config)) {
            break;
        }
        way.edge = number;
    }
    for (unsigned number = way.edge + 1; number <= way.hops.size(); ++number) {
        const bool known_outside = way.hops[number - 1].address.has_value();
        if (known_outside && (way.edge > 0 || !config.edge)) {
            way.beyond = number;
            break;
        }
    }
    if (way.edge == 0 && way.beyond > 1) {
        way.edge = way.beyond - 1; // hops that never answer stand before the first one outside
    }
}

} // namespace

bool belongs_to_site(
    const ip_address& address, unsigned number, const local_network& local, const path_config& config
)
{
    const auto& networks = config.site_networks.empty() ? private_networks() : config.site_networks;
    const bool gateway = number == 1 && std::ranges::find(local.gateways, address) != local.gateways.end();
    return gateway || is_in(networks, address) || is_in(local.on_link, address);
}

hop path::at(unsigned number) const
{
    return {
        .number = number,
        .address = number >= 1 && number <= hops.size() ? hops[number - 1].address : std::nullopt,
    };
}

std::optional<unsigned> path::number_of(const ip_address& address) const
{
    for (unsigned number = 1; number <= hops.size(); ++number) {
        if (hops[number - 1].address == address) {
            return number;
        }
    }
    return std::nullopt;
}

path make_path(
    const traces& all, const std::string& vantage, family protocol, const local_network& local,
    const path_config& config
)
{
    census met;
    std::map<ip_address, duration> times;
    for (const auto& [which, seen] : all) {
        if (which.vantage != vantage || which.target.address.family != protocol) {
            continue;
        }
        for (const auto& one : seen) {
            if (!one.hop_limit || !is_in_transit(one.what)) {
                continue;
            }
            const auto& sender = std::get<icmp_error>(one.what).sender;
            if (sender == which.target.address) {
                continue; // a box that translates, in another's name
            }
            ++met[*one.hop_limit][sender];
            const auto [time, first] = times.try_emplace(sender, one.took);
            time->second = std::min(time->second, one.took);
        }
    }
    path out;
    out.hops = majority(met, times);
    // The gateway is hop 1 even when it sends no ICMP.
    if (!out.hops.empty() && !out.hops.front().address) {
        const auto gateway = std::ranges::find(local.gateways, protocol, &ip_address::family);
        if (gateway != local.gateways.end()) {
            out.hops.front().address = *gateway;
        }
    }
    find_edge(out, local, config);
    return out;
}

blame blame_between(const path& way, unsigned after, unsigned before)
{
    if (way.edge == 0) {
        return blame::unknown;
    }
    if (before <= way.edge) {
        return blame::site;
    }
    if (way.beyond > 0 && after >= way.beyond) {
        return blame::isp; // a hop that nobody saw before it may still be the site's
    }
    // The pair straddles the edge: with hops between the two that nobody saw it could be any of them.
    return after == way.edge && before == way.beyond && before == after + 1 ? blame::edge : blame::unknown;
}

nlohmann::json to_json(const path& way)
{
    auto hops = nlohmann::json::array();
    for (unsigned number = 1; number <= way.hops.size(); ++number) {
        const auto& one = way.hops[number - 1];
        nlohmann::json entry = {{"hop", number}, {"address", nullptr}, {"rtt_us", nullptr}};
        if (one.address) {
            entry["address"] = to_text(*one.address);
        }
        if (one.round_trip) {
            entry["rtt_us"] = std::chrono::duration_cast<microseconds>(*one.round_trip).count();
        }
        if (way.edge > 0) {
            entry["site"] = number <= way.edge;
        }
        hops.push_back(std::move(entry));
    }
    nlohmann::json out = {{"edge", nullptr}, {"hops", std::move(hops)}};
    if (way.edge > 0) {
        const auto edge = way.at(way.edge);
        out["edge"] = {
            {"hop", way.edge}, {"address", edge.address ? nlohmann::json(to_text(*edge.address)) : nullptr}
        };
    }
    return out;
}

} // namespace reachd
