// SPDX-License-Identifier: Apache-2.0
// trace.hpp: what probes with a limited number of hops showed, kept as evidence, and what it says.
//
// Use     The engine adds an observation for each hop_order (inquiry.hpp); attribute() reads them.
// Shapes  A flow is one endpoint as seen from one vantage. Only observations made for an order are
//         stored here; those of a row's own round are in endpoint_state::seen.
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

// Control flows go to UDP ports at which nothing listens (traceroute's own): the host itself then answers
// by ICMP port unreachable, where it answers at all.
inline constexpr std::uint16_t control_port = 33434;
inline constexpr std::uint16_t control_ports = 2;
bool is_control(const endpoint& target);

using traces = std::map<flow, std::vector<observation>>;

// Time exceeded in transit: the packet was still on its way at the sender.
bool is_in_transit(const outcome& what);
// ICMP unreachable of any code from another box than the target.
bool is_rejection(const outcome& what, const ip_address& target);
// The target, or somebody in its name, answered: handshake, RST, reply, ICMP unreachable from it.
bool is_answer(const outcome& what, const ip_address& target);
bool is_silence(const outcome& what);
// Our own port, off "10.77.1.2:41002" or "[fd77::2]:41002"; 0 where it had none.
std::uint16_t source_port_of(const observation& seen);

// One flow's observations, put in order.
struct flow_view {
    // By hop limit.
    std::map<unsigned, ip_address> transit;          // the box that said time exceeded
    std::map<unsigned, std::uint16_t> transit_ports; // our own port, the last time
    // Time exceeded in the destination's own name: there a box translates its address (DNAT) and the name of
    // its errors with it (conntrack does).
    std::set<unsigned> translated;
    std::set<unsigned> answered;
    std::map<unsigned, ip_address> rejected;          // by whom
    std::map<unsigned, unsigned> silent;              // tries without any answer
    std::map<unsigned, wall_time> silent_since;       // the first of them
    std::map<unsigned, unsigned> silent_unpaced;      // those that a hop may have had no ICMP left for
    std::map<unsigned, std::vector<wall_time>> heard; // each time exceeded
    std::set<unsigned> unmeasured;                    // this machine could not send
    bool was_connected = false;                       // a handshake or a reply was among the answers
    bool was_refused = false;                         // a RST was
    // By IP_MINTTL.
    std::set<unsigned> min_answered;
    std::map<unsigned, unsigned> min_silent; // tries
    // Without any limit, and with the socket bound to the link.
    unsigned plain_answers = 0;
    unsigned plain_others = 0;
    unsigned link_answers = 0;
    unsigned link_silences = 0;
    unsigned link_failures = 0;           // the socket could not be bound
    std::optional<int> icmp_received_ttl; // of an ICMP error from the target itself
    std::optional<ip_address> source;     // our own address on this flow

    // The highest hop limit at which the packet was still on its way; 0 for none.
    [[nodiscard]] unsigned farthest() const;
    // The lowest hop limit that was answered.
    [[nodiscard]] std::optional<unsigned> answered_at() const;
    // Something other than silence is known at this hop limit, or `tries` silences.
    [[nodiscard]] bool is_settled(unsigned hop_limit, unsigned tries) const;
    [[nodiscard]] bool is_silent_at(unsigned hop_limit, unsigned tries) const;
    // Bounds of the received TTL of its answers: [low, high].
    [[nodiscard]] unsigned received_low() const;
    [[nodiscard]] unsigned received_high() const;
    [[nodiscard]] std::optional<unsigned> received_ttl() const;
    // The same, when tries enough say that no answer arrives with more: what a loss must not decide.
    [[nodiscard]] std::optional<unsigned> sure_received_ttl() const;
};
flow_view view_of(const endpoint& target, const std::vector<observation>& seen);

// What came to datagrams that were meant to end on their way. They are no part of a flow_view.
struct decoy_view {
    unsigned tries = 0;
    bool forged = false; // one had ended, and was answered or rejected all the same
};
decoy_view decoys_of(const std::vector<observation>& seen);

// Silences before an IP_MINTTL counts as not reached.
inline constexpr unsigned min_ttl_tries = 2;
inline constexpr unsigned sure_min_ttl_tries = 4; // one in a thousand where one packet in ten is lost

// Routers between a box and us, read off a received TTL: initial values are 32, 64, 128 and 255.
unsigned hops_back(unsigned received_ttl);

} // namespace reachd
