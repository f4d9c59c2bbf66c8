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

#include <compare>
#include <set>
#include <tuple>
#include <vector>

namespace reachd {

// One probe: a SYN or a datagram with a limited number of hops, or that discards far answers.
struct hop_order {
    flow which;
    std::optional<unsigned> hop_limit; // TTL, hop limit
    std::optional<unsigned> min_ttl;   // IP_MINTTL, IPV6_MINHOPCOUNT
    bool on_link = false;              // socket bound to the link: this machine's own answers are not heard
    std::string payload;               // of a datagram; "" for one zero byte
    bool needs_icmp = false;           // a hop's ICMP error is the evidence: not to be lost to its rate limit
    bool expects_silence = false;  // its like was dropped before that hop: no ICMP error is to be expected
    bool shared = false;           // every row's verdicts may rest on it
    std::uint16_t source_port = 0; // to leave from; 0: any
    bool keeps_port = false;       // from the flow's own source port, one after the other: ways fork
    unsigned decoy = 0;            // its number, where an answer is what must not come; 0: none

    [[nodiscard]] auto key() const
    {
        return std::tie(which, hop_limit, min_ttl, on_link, payload, source_port, keeps_port, decoy);
    }
    bool operator==(const hop_order& other) const { return key() == other.key(); }
    auto operator<=>(const hop_order& other) const { return key() <=> other.key(); }
};

// Tries, 1.1 s or more apart, before silence at a hop counts: a Linux router sends one ICMP error a second.
inline constexpr unsigned hop_tries = 3;

struct inquiry_orders {
    std::vector<hop_order> now;
    std::set<ip_address> deferred; // about these more may be asked, once others have been looked at
};

// Datagrams that are to end on their way, for each UDP flow that somebody answers: who forges replies or
// errors cannot know which of our sockets is which. Together they listen as long as two attempts do at most.
inline constexpr unsigned decoy_tries = 2;

inquiry_orders next_orders(const plan& what, const site_state& site, const std::set<hop_order>& under_way);

// Up to which number the hops of all vantages are those of every flow.
unsigned shared_hops_of(const plan& what, const site_state& site);

// Rewrites the verdicts that traces have something to say about.
void attribute(const plan& what, site_state& site);

// An address that cannot exist (RFC 5737, RFC 6666): whoever answers there answers for everybody.
endpoint canary_for(family protocol, std::uint16_t port);

} // namespace reachd
