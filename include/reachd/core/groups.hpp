// SPDX-License-Identifier: Apache-2.0
// groups.hpp: endpoints of one address put together, and who of them stands for whom.
//
// Use     make_groups() for the endpoints as first seen; the inquiry then probes representatives only.
// Shapes  Members are ordered by port and each flow occurs once, whatever rows need it.
// Errors  none: endpoints that were not probed are left out.
#pragma once

#include "reachd/core/evidence.hpp"

#include <string>
#include <vector>

namespace reachd {

// What the first probes of an endpoint showed.
enum class first_look : std::uint8_t {
    trusted,   // a certificate proved the name
    connected, // somebody answered
    refused,   // RST, or ICMP unreachable in the destination's name
    silent,    // nothing came back
    rejected,  // an ICMP error of another box
    unknown,   // not measured
};
first_look look_at(const endpoint_state& one);

struct member {
    flow which;
    first_look look = first_look::unknown;
    std::string payload;                           // of its datagrams
    std::optional<icmp_error> said = std::nullopt; // how the destination refused, where it was not by RST
};

struct group {
    std::string vantage;
    ip_address address;
    reachd::transport transport = transport::tcp;
    std::vector<member> members;
};
std::vector<group> make_groups(const plan& what, const site_state& site);

// Where a silent flow was last seen.
enum class passage_kind : std::uint8_t {
    unsettled,   // tries are missing
    unheard,     // and so are answers of that hop to others at the same time
    rejected,    // an ICMP error of a box came after all
    dropped,     // between two hops that are known
    let_through, // past the edge and as far as any flow to that address
    held_back,   // past the edge, and the next hop may have rejected it without a word
    nowhere,     // no control flow gets past where it ends
};
struct passage {
    passage_kind kind = passage_kind::unsettled;
    unsigned after = 0;            // dropped: last hop that saw it; let_through: farthest hop that did
    unsigned before = 0;           // dropped: first hop that should have
    bool before_is_target = false; // and that is the destination itself
    std::optional<ip_address> by = std::nullopt;         // rejected: the sender
    std::optional<ip_address> before_box = std::nullopt; // or a box that other flows met there
    bool operator==(const passage&) const = default;
};
passage passage_of(const evidence& all, const flow& which);

// A hop that is silent for one flow must have answered others as often since: routers limit their ICMP.
inline constexpr unsigned hearings = 2;
inline constexpr unsigned answers_a_miss = 3; // so often it must answer for each time that it does not

// Tries at a hop that rejects others, before its silence counts.
inline constexpr unsigned rejection_tries = 6;

// For each member the index of the one that stands for it. Silent members in a row are stood for by the
// ends and the middle of their row, and by more where those differ; every other member by itself.
std::vector<std::size_t> silent_representatives(const evidence& all, const group& of);

// Of the UDP members that look like that the first and the last, which have decoys for all of them: each
// decoy costs an ICMP error of a hop that others need as well.
std::vector<std::size_t> decoy_representatives(const group& of, first_look look);

// Members that answered in the same way and from the same distance. npos: not compared yet.
inline constexpr std::size_t nobody = static_cast<std::size_t>(-1);
inline constexpr std::size_t walked_each = 4; // answered members of a group up to this are all walked
std::vector<std::size_t> answering_representatives(const evidence& all, const group& of, first_look look);

} // namespace reachd
