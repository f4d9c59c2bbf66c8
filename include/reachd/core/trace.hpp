// SPDX-License-Identifier: Apache-2.0
// trace.hpp: what probes with a limited number of hops showed, kept as evidence, and what it says.
//
// Use     The engine adds an observation for each hop_order (inquiry.hpp); attribute() reads them.
// Shapes  A flow is one endpoint as seen from one vantage. Only observations that carry a hop_limit
//         or a min_ttl are stored here; those of the round are in endpoint_state::seen.
// Errors  none: what was not seen is absent.
// Source  Who answers at which TTL: docs/VERDICTS.md, "Who answered, and from where".
#pragma once

#include "reachd/core/observation.hpp"

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace reachd {

struct flow {
    std::string vantage; // "" for the routing table's own
    endpoint target;
    auto operator<=>(const flow&) const = default;
};

// Hop limits beyond this are not tried: the longest paths of the Internet are shorter.
inline constexpr unsigned most_hops = 32;

using traces = std::map<flow, std::vector<observation>>;

// Time exceeded in transit: the packet was still on its way at the sender.
bool is_in_transit(const outcome& what);
// ICMP unreachable of any code, from another box than the target.
bool is_rejection(const outcome& what, const ip_address& target);
// The target, or somebody in its name, answered: handshake, RST, reply, ICMP unreachable from it.
bool is_answer(const outcome& what, const ip_address& target);

// One flow's observations, by hop limit.
struct flow_view {
    std::map<unsigned, ip_address> transit;  // hop limit -> the box that said time exceeded
    std::optional<unsigned> answered_at;     // lowest hop limit that was answered
    std::optional<unsigned> rejected_at;     // lowest hop limit that was rejected
    std::optional<ip_address> rejected_by;   // that rejection's sender
    std::map<unsigned, unsigned> silent;     // hop limit -> tries without any answer
    unsigned lowest_min_ttl_silent = 256;    // no answer came with this IP_MINTTL (tries below)
    unsigned highest_min_ttl_answered = 0;   // an answer came with this one
    std::map<unsigned, unsigned> silent_min; // IP_MINTTL -> tries without any answer
    std::optional<bool> answered_on_link;    // with the socket bound to the link: whether it answered
    // The highest hop limit at which the packet was still on its way; 0 for none.
    [[nodiscard]] unsigned farthest() const { return transit.empty() ? 0 : transit.rbegin()->first; }
    // The received TTL of its answers, once bracketed.
    [[nodiscard]] std::optional<unsigned> received_ttl() const;
};
flow_view view_of(const flow& which, const std::vector<observation>& seen);

// Routers between a box and us, read off a received TTL: initial values are 32, 64, 128 and 255.
unsigned hops_back(unsigned received_ttl);

} // namespace reachd
