// SPDX-License-Identifier: Apache-2.0
// inquiry.hpp: which further probes would settle what the first ones left open, and what they prove.
//
// Use     next_orders() until it answers nothing; each order's observation goes into site_state::traces.
//         attribute() then draws who answered, what was let through and which box is at fault.
// Shapes  Both are pure: the same evidence gives the same orders and the same verdicts. An order that
//         is still under way must be passed in, or it is ordered again.
// Limits  One representative per group of equal answers; three spaced tries before silence counts.
// Source  docs/VERDICTS.md; RFC 1812 section 5.2.7.3 (time exceeded), measured on Linux 6.18.
#pragma once

#include "reachd/core/path.hpp"
#include "reachd/core/site_state.hpp"

#include <set>
#include <vector>

namespace reachd {

// One probe: a SYN or a datagram with a limited number of hops, or that discards far answers.
struct hop_order {
    flow which;
    std::optional<unsigned> hop_limit; // TTL, hop limit
    std::optional<unsigned> min_ttl;   // IP_MINTTL, IPV6_MINHOPCOUNT
    bool on_link = false; // socket bound to the link's device: this machine's own answers are not heard
    std::string payload;  // of a datagram; "" for one zero byte
    auto operator<=>(const hop_order&) const = default;
};

struct inquiry_limits {
    unsigned tries = 3; // before silence at a hop counts
};

std::vector<hop_order> next_orders(
    const plan& what, const site_state& site, const std::set<hop_order>& under_way,
    const inquiry_limits& limits
);

// Rewrites the verdicts that traces have something to say about.
void attribute(const plan& what, site_state& site);

// Control flows: a UDP port at which nothing listens (traceroute's own), and an address that cannot exist.
inline constexpr std::uint16_t control_port = 33434;
endpoint canary_for(family protocol, std::uint16_t port, transport kind);

} // namespace reachd
