// SPDX-License-Identifier: Apache-2.0
// greeting.hpp: what is said to an endpoint besides the handshake: the one place that decides it.
//
// Use     The engine asks it for every order, and the dry run for what it tells beforehand.
// Source  docs/VERDICTS.md, "TLS and HTTP".
#pragma once

#include "reachd/core/plan.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace reachd {

// What is to be said on a connection that stands.
enum class greeting : std::uint8_t {
    none,             // one more segment from the peer's TCP is enough
    tls,              // handshake with SNI and verification
    tls_unverified,   // handshake with a bare address; without one, its TCP's acknowledgement is enough
    http,             // HEAD; a failure counts
    http_unverified,  // HEAD by address; without an answer, its TCP's acknowledgement is enough
    http_if_answered, // HEAD; only an answer counts, as the row asks for the path alone
};
const char* to_string(greeting value);

// `name` is "" for a bare address.
greeting greeting_for(const outbound_row& row, std::string_view name, std::uint16_t port);

// A datagram's whole content: an empty one is dropped as malformed by some firewalls.
inline constexpr std::array<char, 1> udp_payload{};

} // namespace reachd
