// SPDX-License-Identifier: Apache-2.0
// path.hpp: the hops that all traffic of one vantage shares, and the site's edge among them.
//
// Use     make_path() from all traces of a vantage and family.
// Shapes  hops[0] is hop 1. The edge is the last hop that belongs to the site: an address of the
//         site's networks (RFC 1918, RFC 4193, link-local and on-link ones unless configured), the
//         gateway at hop 1, or the hop that the configuration names.
// Errors  A hop that nobody saw has no address; an edge that nobody saw is 0.
#pragma once

#include "reachd/core/config.hpp"
#include "reachd/core/trace.hpp"
#include "reachd/core/verdict.hpp"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace reachd {

struct path_hop {
    std::optional<ip_address> address; // the box most flows met there
    std::size_t flows = 0;             // that met it
    std::size_t others = 0;            // that met another box (ECMP)
    std::optional<duration> round_trip;
    bool operator==(const path_hop&) const = default;
};

struct path {
    std::vector<path_hop> hops;
    unsigned edge = 0;   // hop number; 0 while unknown
    unsigned beyond = 0; // the first hop past the edge that was seen; 0 while unknown
    bool operator==(const path&) const = default;
    // The hop with that number as a place; the address where it is known.
    [[nodiscard]] hop at(unsigned number) const;
    // The number of the hop with that address, if it was met.
    [[nodiscard]] std::optional<unsigned> number_of(const ip_address& address) const;
};

// Whether a box with that address, met at that hop, is one of the site's.
bool belongs_to_site(
    const ip_address& address, unsigned number, const local_network& local, const path_config& config
);

path make_path(
    const traces& all, const std::string& vantage, family protocol, const local_network& local,
    const path_config& config
);

// Who answers for what happens between two neighbouring hops that both are known.
blame blame_between(const path& way, unsigned after, unsigned before);

nlohmann::json to_json(const path& way);

} // namespace reachd
