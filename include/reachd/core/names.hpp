// SPDX-License-Identifier: Apache-2.0
// names.hpp: what the resolvers said about one name, and what follows from it.
//
// Use     judge_name() on one lookup; the addresses that it keeps are probed, the others are findings.
// Shapes  The system's answer is getaddrinfo's (what applications see, its server is "system"); the
//         others are each configured DNS server asked by itself.
// Source  RFC 1035 section 4.1.1 (rcodes), RFC 6890 (addresses no public name has).
#pragma once

#include "reachd/core/verdict.hpp"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace reachd {

enum class dns_status : std::uint8_t {
    answered,       // at least one address
    no_such_name,   // NXDOMAIN
    no_address,     // the name exists and has no A or AAAA record
    server_failure, // SERVFAIL
    query_refused,  // REFUSED
    no_reply,       // silence within the time given
    not_reachable,  // the server's address refused, or this machine has no route to it
    not_asked,      // this machine could not send the question: the detail says why
    failed,         // anything else: the detail says
};
const char* to_string(dns_status value);

struct resolved_address {
    ip_address address;
    std::optional<std::chrono::seconds> ttl; // getaddrinfo does not tell
    bool operator==(const resolved_address&) const = default;
};

struct dns_answer {
    std::string server; // an address, or "system"
    dns_status status = dns_status::failed;
    std::vector<resolved_address> addresses;
    duration took{};
    std::string detail;
    bool operator==(const dns_answer&) const = default;
};

struct name_lookup {
    std::string name;
    dns_answer system;
    std::vector<dns_answer> servers;
    wall_time at{};
    bool no_route_to_any_server = false; // seen in the routing table, not on the wire
    bool operator==(const name_lookup&) const = default;
};

struct name_address {
    ip_address address;
    std::vector<std::string> servers;       // who gave it, "system" among them
    std::optional<verdict> without_probing; // a forged answer is not probed
};

struct name_verdict {
    std::vector<name_address> addresses;
    std::optional<verdict> unusable;   // set when applications get no address, whatever single servers say
    std::vector<std::string> findings; // differences between the servers, for a person
    // Servers that failed where another answered, with what they said: the site tells it once.
    std::vector<std::pair<std::string, std::string>> failing_servers;
};

// `private_answers`: the row allows this name to live in private space.
name_verdict judge_name(const name_lookup& lookup, bool private_answers);

// Whether two names belong to different owners, as far as their last two labels tell.
bool are_unrelated(std::string_view one, std::string_view other);

std::string describe(const dns_answer& answer);
nlohmann::json to_json(const name_lookup& lookup);

} // namespace reachd
