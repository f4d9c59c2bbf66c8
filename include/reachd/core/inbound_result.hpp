// SPDX-License-Identifier: Apache-2.0
// inbound_result.hpp: what is known of a service that only a few addresses may connect to.
//
// Use     The runner writes its inbound_seen into the row's state; evaluate() asks judge_inbound() there.
// Shapes  Three kinds of evidence: the service answers inside; a stranger, which is a reflector, is let in
//         or not; an allowed source was seen connected. Shut and seen is a pass, let in is a failure.
// Errors  none: what is missing is unproven, with what would settle it.
// Source  docs/VERDICTS.md, "Inbound rows".
#pragma once

#include "reachd/core/catalogue.hpp"
#include "reachd/core/config.hpp"
#include "reachd/core/observation.hpp"
#include "reachd/core/reflector_wire.hpp"
#include "reachd/core/socket_address.hpp"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace reachd {

// A connection of an allowed source, or a stranger's, counts for so long: a firewall's rules change, and a
// help desk that files tickets on working days alone has one within four days of any moment. 2026-11.
inline constexpr std::chrono::hours visit_counts_for{96};

// A connection that a reflector tried from outside.
struct inbound_knock {
    std::string by;       // the reflector, as the configuration names it
    ip_address from;      // its address
    socket_address to;    // the site's public address, as the reflector sees it
    bool arrived = false; // seen at the service's own socket on this machine
    duration waited{};    // for an answer, and then for a first word
    wire::connected_back seen;
    wall_time at{};
};

// The last connection that one allowed source was seen to have.
struct inbound_visit {
    ip_address source;
    wall_time at{};
};

struct inbound_seen {
    std::vector<observation> inside;    // of the last probe of the service, from this machine
    bool listens_here = false;          // a socket of this machine is the service
    std::optional<inbound_knock> knock; // the last that took place
    std::string no_knock;               // why the last round had none
    std::vector<inbound_visit> visits;
    std::string no_watch; // why the sockets of this machine cannot be listed
};

enum class inbound_answer : std::uint8_t {
    pass,     // a stranger is kept out, and an allowed source was let in
    fail,     // a stranger is let in
    unproven, // neither
};

struct inbound_judgement {
    inbound_answer answer = inbound_answer::unproven;
    std::string sentence;
    std::string advice; // what to do, or what would settle it; "" when it passes
    std::vector<std::string> findings;
};

// `here` is nullopt where the site has not said where the service is.
inbound_judgement judge_inbound(
    const inbound& what, const std::optional<inbound_config>& here, const inbound_seen& seen, wall_time now
);

// Why a connection from this reflector's address would show nothing, or "".
std::string why_no_stranger(const inbound& what, const ip_address& reflector);
// Keeps the last visit of each allowed source; whether it is one that did not count before.
bool note_visit(const inbound& what, inbound_seen& seen, const ip_address& source, wall_time now);

// The row's `inbound` member of the report.
nlohmann::json
inbound_json(const inbound& what, const std::optional<inbound_config>& here, const inbound_seen& seen);

} // namespace reachd
