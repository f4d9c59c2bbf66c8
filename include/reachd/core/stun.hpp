// SPDX-License-Identifier: Apache-2.0
// stun.hpp: STUN messages as values: encode, decode, check integrity and fingerprint.
//
// Use     decode() a datagram; encode() a message; integrity is checked on the bytes, not on the value.
// Shapes  An absent attribute is an empty optional. The first of equal attributes counts (RFC 8489 section
// 14). Errors  decode() says `malformed` for anything cut short, longer than its header says, or with an
// attribute
//         that leaves the message; unknown attributes are listed, not errors.
// Limits  A message is at most max_stun_bytes; more than max_stun_attributes attributes is malformed.
// Source  RFC 8489 (sections 5, 14), RFC 5780 (section 7), vectors of RFC 5769.
#pragma once

#include "reachd/core/bytes.hpp"
#include "reachd/core/error.hpp"
#include "reachd/core/socket_address.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace reachd::stun {

inline constexpr std::size_t header_bytes = 20;
inline constexpr std::uint32_t magic_cookie = 0x2112a442;
inline constexpr std::uint16_t binding_method = 1;
inline constexpr std::size_t max_stun_bytes = 2048; // more than any path carries in one packet
inline constexpr std::size_t max_stun_attributes = 32;

enum class message_class : std::uint8_t {
    request,    // 0b00
    indication, // 0b01
    success,    // 0b10
    error,      // 0b11
};

enum class attribute : std::uint16_t {
    mapped_address = 0x0001,
    change_request = 0x0003,
    username = 0x0006,
    message_integrity = 0x0008,
    error_code = 0x0009,
    unknown_attributes = 0x000a,
    realm = 0x0014,
    nonce = 0x0015,
    message_integrity_sha256 = 0x001c,
    xor_mapped_address = 0x0020,
    padding = 0x0026,
    response_port = 0x0027,
    software = 0x8022,
    fingerprint = 0x8028,
    response_origin = 0x802b,
    other_address = 0x802c,
};

using transaction_id = std::array<std::uint8_t, 12>;

// CHANGE-REQUEST: from where the response shall come.
struct change {
    bool address = false; // bit 0x4
    bool port = false;    // bit 0x2
    bool operator==(const change&) const = default;
};

struct error_reply {
    std::uint16_t code = 0; // 300 to 699
    std::string reason;
    bool operator==(const error_reply&) const = default;
};

struct message {
    message_class kind = message_class::request;
    std::uint16_t method = binding_method; // 12 bits
    transaction_id transaction{};
    std::optional<std::string> username;
    std::optional<std::string> realm;
    std::optional<std::string> nonce;
    std::optional<std::string> software;
    std::optional<socket_address> xor_mapped;
    std::optional<socket_address> mapped; // differs from xor_mapped where an ALG rewrites payloads
    std::optional<socket_address> response_origin;
    std::optional<socket_address> other_address;
    std::optional<stun::change> change_request;
    std::optional<std::uint16_t> response_port;
    std::optional<std::uint16_t> padding; // bytes of padding
    std::optional<error_reply> error;
    std::vector<std::uint16_t> unknown_attributes; // contents of UNKNOWN-ATTRIBUTES

    bool operator==(const message&) const = default;
};

struct decoded {
    stun::message message;
    std::vector<std::uint16_t> not_understood; // comprehension-required types (below 0x8000) we do not know
    bool has_integrity = false;                // MESSAGE-INTEGRITY is there; not yet checked
    bool has_integrity_sha256 = false;         // MESSAGE-INTEGRITY-SHA256 is there; not yet checked
    bool has_fingerprint = false;              // and it is right: a wrong one is malformed
};

// What encode() appends, in the order of RFC 8489: SHA-1, SHA-256, fingerprint.
struct seals {
    byte_vector key{};
    hmac_function hmac_sha1{};   // empty: no MESSAGE-INTEGRITY
    hmac_function hmac_sha256{}; // empty: no MESSAGE-INTEGRITY-SHA256
    bool fingerprint = false;
};

// Whether the first bytes may be STUN: two zero bits and the cookie.
bool looks_like_stun(byte_view bytes);
// The length that a header announces, header included; nullopt with fewer than 20 bytes. For TCP.
std::optional<std::size_t> announced_length(byte_view bytes);

result<decoded> decode(byte_view bytes);
byte_vector encode(const message& what, const seals& with = {});

enum class integrity : std::uint8_t {
    sha1,   // MESSAGE-INTEGRITY
    sha256, // MESSAGE-INTEGRITY-SHA256, of 16 to 32 bytes
};
// False when the attribute is absent, misplaced or wrong. `key` is the password of a short-term credential.
bool integrity_holds(byte_view bytes, integrity which, byte_view key, const hmac_function& hmac);

} // namespace reachd::stun
