// SPDX-License-Identifier: Apache-2.0
// hmac.hpp: OpenSSL's HMAC and random bytes, for codecs that are given them.
//
// Errors  OpenSSL that cannot make them is a broken installation: an exception at the first call.
// Source  RFC 2104; OpenSSL 3 EVP_MAC(3), RAND_bytes(3).
#pragma once

#include "reachd/core/bytes.hpp"

namespace reachd {

byte_vector hmac_sha1(byte_view key, byte_view data);
byte_vector hmac_sha256(byte_view key, byte_view data);

byte_vector random_bytes(std::size_t count);
std::uint64_t random_number();

} // namespace reachd
