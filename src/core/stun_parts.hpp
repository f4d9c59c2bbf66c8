// SPDX-License-Identifier: Apache-2.0
// stun_parts.hpp: what reading and writing STUN share.
#pragma once

#include "reachd/core/stun.hpp"

namespace reachd::stun {

inline constexpr std::size_t sha1_bytes = 20;       // RFC 8489 section 14.5
inline constexpr std::size_t sha256_bytes = 32;     // section 14.6: 16 to 32, a multiple of 4
inline constexpr std::size_t fingerprint_bytes = 8; // header and CRC-32, section 14.7

inline bool is_sha256_length(std::size_t length)
{
    return length >= 16 && length <= sha256_bytes && length % 4 == 0;
}
// Attributes are filled to a multiple of 4.
inline std::size_t padding_of(std::size_t length)
{
    return (4 - length % 4) % 4;
}
// CRC-32 over the message up to the attribute, XOR 0x5354554e; the header's length already holds it.
std::uint32_t fingerprint_of(byte_view before);
// XOR with the magic cookie and, for IPv6, the transaction id (section 14.2). Its own inverse.
void xor_with_header(ip_address& address, const transaction_id& id);
// The first 16 bits of the header.
std::uint16_t header_type(const message& what);

} // namespace reachd::stun
