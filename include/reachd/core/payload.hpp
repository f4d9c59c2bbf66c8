// SPDX-License-Identifier: Apache-2.0
// payload.hpp: the bytes of a datagram as a file writes them: text, or "hex:00ff".
//
// Errors  The fault is a sentence for a person, without the key.
// Limits  1200 bytes: what crosses every path in one packet (RFC 8085 section 3.2, RFC 9000 section 14).
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace reachd {

inline constexpr std::size_t max_payload_bytes = 1200;

std::expected<std::string, std::string> parse_payload(std::string_view text);

} // namespace reachd
