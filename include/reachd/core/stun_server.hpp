// SPDX-License-Identifier: Apache-2.0
// stun_server.hpp: what somebody else's STUN server is asked, and what its answers tell of the NATs between.
//
// Use     encode_binding() to ask; read_binding() on each datagram; the judgements on what was gathered.
// Shapes  A mapped address is what the server saw as the source of a request.
// Errors  none: what cannot be told is `unknown`, or a word that says what came instead.
// Limits  RESPONSE-PORT is optional in RFC 5780, and many servers ignore it in silence (coturn 4.6 with one
//         address, coturn 4.7 without --rfc5780): it is tried without a silence before it is believed.
// Source  RFC 8489 section 6.3; RFC 5780 sections 4.3 (mapping behaviour), 4.6 (lifetimes), 7.5
// (RESPONSE-PORT).
#pragma once

#include "reachd/core/stun.hpp"

namespace reachd {

// A Binding request. With `answer_to` its response shall go to that port of the address it came from.
byte_vector encode_binding(const stun::transaction_id& id, std::optional<std::uint16_t> answer_to = {});

// A response to one of our requests.
struct binding_answer {
    stun::transaction_id transaction{};
    std::optional<socket_address> mapped;   // nullopt: an error
    std::optional<socket_address> other;    // OTHER-ADDRESS: where else the server listens
    std::optional<stun::error_reply> error; // 420: it does not know an attribute
    bool operator==(const binding_answer&) const = default;
};
// nullopt for whatever is no response to a Binding request, or one without an address.
std::optional<binding_answer> read_binding(byte_view datagram);

// What became of requests with RESPONSE-PORT.
enum class redirected : std::uint8_t {
    arrived,   // at the flow that they named
    came_back, // at the flow that asked: the server ignores the attribute
    refused,   // with an error
    silent,    // nowhere
};
// What that means where the named flow was fresh, so that no mapping can have been gone; "" for `arrived`.
const char* why_unproven(redirected what);

// Where the NATs send from, seen from outside (RFC 4787 section 4.1).
enum class nat_mapping : std::uint8_t {
    unknown,                    // the server has no second address, or is silent there
    none,                       // the mapped address is our own
    endpoint_independent,       // one mapping for all destinations
    address_dependent,          // one for each address
    address_and_port_dependent, // one for each address and port
};
const char* to_string(nat_mapping value);

// Of one local port, as the server's addresses saw it.
struct mapping_views {
    socket_address local;
    socket_address first;                     // at the server's address
    std::optional<socket_address> other_host; // at its other address and the same port
    std::optional<socket_address> other_both; // at its other address and port
};
nat_mapping judge_mapping(const mapping_views& seen);

// Whether an OTHER-ADDRESS may be asked: of the same family, really another one, and no address of special
// use that the server itself has not (a server behind a NAT names its private one).
bool may_ask_other(const socket_address& server, const socket_address& other);

// What a STUN server told of the way out, beside a ladder.
struct stun_view {
    ip_address address; // public, as far as the server sees it
    nat_mapping mapping = nat_mapping::unknown;
    std::optional<ip_address> before; // what it was until then, where it has changed
    bool operator==(const stun_view&) const = default;
};
// "seen from outside as 192.0.2.7, one mapping for all destinations".
std::string to_sentence(const stun_view& seen);

} // namespace reachd
