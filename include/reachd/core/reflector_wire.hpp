// SPDX-License-Identifier: Apache-2.0
// reflector_wire.hpp: the messages between reachd and reachd-reflector (docs/WIRE.md), as values.
//
// Use     Client: encode_request(), then decode_reply(). Reflector: decode_request(), mac_holds(),
// encode_reply().
//         On TCP announced_length() says how many bytes make the next message.
// Shapes  The same bytes on UDP and TCP. A request is at least 128 bytes, a reply never longer than its
// request. Units   The suffix of each number; times of the reflector are its own steady clock. Errors
// decode_x() says `malformed` for anything cut short, padded, of another version or of the other direction.
//         They do not check the MAC, so that the key can be looked up first: decode, look up, mac_holds().
// Source  docs/WIRE.md.
#pragma once

#include "reachd/core/address.hpp"
#include "reachd/core/bytes.hpp"
#include "reachd/core/error.hpp"
#include "reachd/core/socket_address.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace reachd::wire {

inline constexpr std::uint8_t first_byte = 0xf5; // not text, not STUN
inline constexpr std::uint8_t version = 1;
inline constexpr std::size_t header_bytes = 16;
inline constexpr std::size_t mac_bytes = 16;
inline constexpr std::size_t min_request_bytes = 128;
inline constexpr std::size_t max_message_bytes = 1200; // RFC 8085 section 3.2, as max_payload_bytes
inline constexpr std::size_t max_key_id_bytes = 16;
inline constexpr std::size_t max_banner_bytes = 32;

using cookie_bytes = std::array<std::uint8_t, 20>; // opaque to the client

// --- requests ---
struct hello {
    bool operator==(const hello&) const = default;
};
struct observe {
    std::uint64_t token = 0;
    bool operator==(const observe&) const = default;
};
enum class answer_kind : std::uint8_t {
    data = 0,      // an `answer` message
    keepalive = 1, // TCP: one keepalive probe without data
};
struct answer_after {
    std::uint64_t token = 0; // random, not 0
    std::uint32_t delay_ms = 0;
    answer_kind how = answer_kind::data;
    bool operator==(const answer_after&) const = default;
};
struct report {
    std::uint64_t token = 0;
    bool operator==(const report&) const = default;
};
struct connect_back {
    std::uint64_t token = 0;
    reachd::transport transport = reachd::transport::tcp;
    std::uint16_t port = 0;
    std::uint32_t wait_ms = 0;
    bool operator==(const connect_back&) const = default;
};
struct ping {
    bool operator==(const ping&) const = default;
};
using request_body = std::variant<hello, observe, answer_after, report, connect_back, ping>;

struct request {
    std::uint64_t nonce = 0; // random for each request
    std::string key_id;      // empty only where the reflector has no keys
    cookie_bytes cookie{};   // zero in a hello
    request_body body;
    std::size_t length = min_request_bytes; // of the whole message; more only makes sense for a ping
    bool operator==(const request&) const = default;
};

// --- replies ---
struct cookie {
    cookie_bytes value{};
    std::uint16_t life_s = 0;
    bool operator==(const cookie&) const = default;
};
struct observed {
    socket_address source;      // as the reflector sees this flow
    socket_address destination; // where it arrived
    std::uint8_t hops_left = 0; // IP TTL as received; 0 not known
    std::uint64_t received_us = 0;
    std::uint64_t sent_us = 0;
    bool operator==(const observed&) const = default;
};
struct appointed {
    std::uint64_t token = 0;
    std::uint32_t due_in_ms = 0; // from now
    bool again = false;          // it was appointed before
    socket_address source;
    bool operator==(const appointed&) const = default;
};
struct answer {
    std::uint64_t token = 0;
    std::uint64_t waited_us = 0; // since the request came
    bool operator==(const answer&) const = default;
};
enum class sending : std::uint8_t {
    unknown = 0,    // never made by this key, or forgotten
    waiting = 1,    // not yet due
    sent = 2,       // on the wire
    flow_ended = 3, // TCP: the connection had ended before
    failed = 4,     // the operating system refused
};
const char* to_string(sending value);
// Bits of `reported::events`.
inline constexpr std::uint8_t event_acknowledged = 1, event_reset = 2, event_icmp = 4, event_closed = 8,
                              event_later = 16, event_given_up = 32;
struct reported {
    std::uint64_t token = 0;
    sending state = sending::unknown;
    std::uint8_t events = 0;
    std::uint8_t icmp_type = 0;
    std::uint8_t icmp_code = 0;
    std::uint16_t retransmissions = 0;
    std::uint16_t later_port = 0; // source port of a later observe with this token, if another; else 0
    socket_address peer;          // where it was or will be sent
    std::optional<socket_address> icmp_from;
    std::uint64_t sent_ago_us = 0;
    std::uint32_t late_us = 0;        // how much later than appointed
    std::uint32_t event_after_us = 0; // from sending to the first event
    bool operator==(const reported&) const = default;
};
enum class inbound_outcome : std::uint8_t {
    connected = 0, // TCP: handshake; UDP: a datagram came back
    refused = 1,   // RST, or ICMP port unreachable for UDP
    silent = 2,    // nothing in wait_ms
    icmp = 3,      // another ICMP error
    not_tried = 4, // the reflector's own system refused
};
const char* to_string(inbound_outcome value);
struct connected_back {
    std::uint64_t token = 0;
    inbound_outcome outcome = inbound_outcome::not_tried;
    std::uint8_t icmp_type = 0;
    std::uint8_t icmp_code = 0;
    std::uint32_t took_us = 0;
    byte_vector banner; // the first bytes that the peer sent, max_banner_bytes at most
    bool operator==(const connected_back&) const = default;
};
struct echo {
    std::uint64_t received_us = 0;
    std::uint64_t sent_us = 0;
    bool operator==(const echo&) const = default;
};
enum class refusal : std::uint8_t {
    not_enabled = 1,     // connect_back is off
    flow_busy = 2,       // this flow waits for an answer already
    address_busy = 3,    // as many appointments as this address may have
    reflector_busy = 4,  // as many as there may be in all
    delay_too_long = 5,  // `limit` is the longest, in milliseconds
    key_busy = 6,        // as many as this key may have, or too many requests
    wrong_transport = 7, // keepalive on UDP
    senseless = 8,       // token 0, unknown value
    token_in_use = 9,    // by another flow
};
const char* to_string(refusal value);
struct refused {
    std::uint8_t request_type = 0;
    refusal reason = refusal::not_enabled;
    std::uint32_t limit = 0;
    bool operator==(const refused&) const = default;
};
using reply_body = std::variant<cookie, observed, appointed, answer, reported, connected_back, echo, refused>;

struct reply {
    std::uint64_t nonce = 0; // of the request
    reply_body body;
    std::size_t length = 0; // of the whole message; encode: 0 means as short as the body allows
    bool operator==(const reply&) const = default;
};

// What a MAC is made with: the secret of a key and HMAC-SHA256. No secret makes a MAC of zeros.
struct signer {
    byte_vector secret;
    hmac_function hmac_sha256;
};

byte_vector encode_request(const request& what, const signer& with);
result<request> decode_request(byte_view bytes);
byte_vector encode_reply(const reply& what, const signer& with);
result<reply> decode_reply(byte_view bytes);
// Whether the last 16 bytes are the MAC of the rest. Always false without a secret.
bool mac_holds(byte_view bytes, const signer& with);
// The length that a header announces; nullopt with fewer than 6 bytes; 0 when these are not our bytes or
// the length is not one that a message can have: the connection is to be closed.
std::optional<std::size_t> announced_length(byte_view bytes);
// The type byte of a request's body, as `refused` names it.
std::uint8_t type_of(const request_body& body);

// --- key file ---
struct key {
    std::string id;
    byte_vector secret;
    bool operator==(const key&) const = default;
};
// `id:base64-secret`, one a line, `#` comments; at least one key. Faults name the line, never the secret.
parsed<std::vector<key>> parse_keys(std::string_view text, std::string_view file);

} // namespace reachd::wire
