// SPDX-License-Identifier: Apache-2.0
// verdict.hpp: what the observations of one endpoint prove, and what they do not.
//
// Use     judge() for one endpoint by itself; correlate() (site_state.hpp) then looks at its neighbours.
// Shapes  The laws: no false green, no false blame, unknown is a verdict (docs/VERDICTS.md).
// Errors  none: every list of observations, the empty one too, has a verdict.
#pragma once

#include "reachd/core/observation.hpp"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace reachd {

enum class verdict_kind : std::uint8_t {
    open,        // the destination itself answered
    closed,      // the destination itself refused: the path is free, nothing listens
    permitted,   // proven past the site's edge; no answer came back
    blocked,     // dropped, rejected or reset on the way
    intercepted, // something else answers in the destination's name
    unresolved,  // the name has no address
    unproven,    // the observations cannot decide, or could not be made
};
const char* to_string(verdict_kind value);

enum class blame : std::uint8_t {
    host,    // this machine
    site,    // a box inside the site's edge
    edge,    // one of the two boxes that straddle the edge
    isp,     // beyond it
    service, // the destination itself
    unknown, // no packet names a box
};
const char* to_string(blame value);

struct hop {
    std::optional<unsigned> number; // distance from us, 0 for this machine; unknown until a walk has counted
    std::optional<ip_address> address;
    bool operator==(const hop&) const = default;
};

// The box itself (`at`), or the pair of hops between which it happens.
struct location {
    std::optional<hop> at;
    std::optional<hop> after;
    std::optional<hop> before;
    bool operator==(const location&) const = default;
};
std::string describe(const hop& value); // "hop 2 (100.64.0.1)"
nlohmann::json to_json(const location& where);
std::string describe(const location& where);

struct verdict {
    verdict_kind kind = verdict_kind::unproven;
    reachd::stage stage = stage::connect;
    reachd::blame blame = blame::unknown;
    std::optional<location> where;
    std::string sentence;   // one, for a person, without the endpoint's name
    bool left_site = false; // blocked, and its packets were seen beyond the site's edge
    bool operator==(const verdict&) const = default;
};

// What this machine knows of its own network without sending anything.
struct local_network {
    std::vector<ip_address> gateways;
    std::vector<ip_block> on_link;       // directly connected blocks
    std::vector<ip_address> dns_servers; // those that this machine asks
    bool operator==(const local_network&) const = default;
};

// Whether they find the same: the reason may be worded anew.
bool same_verdict(const verdict& one, const verdict& other);

// The last connect decides, then what was seen on the connection it made.
verdict judge(const endpoint& target, std::span<const observation> seen, const local_network& local);

// The round-trip time of the first answered connect or reply.
std::optional<duration> round_trip(std::span<const observation> seen);

} // namespace reachd
