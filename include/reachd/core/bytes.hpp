// SPDX-License-Identifier: Apache-2.0
// bytes.hpp: how codecs hand bytes around, and the HMAC that core is given rather than makes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace reachd {

using byte_vector = std::vector<std::uint8_t>;
using byte_view = std::span<const std::uint8_t>;

// The whole digest of HMAC(key, data): 32 bytes for SHA-256, 20 for SHA-1. net/hmac.hpp has OpenSSL's.
using hmac_function = std::function<byte_vector(byte_view key, byte_view data)>;

// Compares in a time that does not depend on where the first difference is.
bool equal_in_constant_time(byte_view one, byte_view other);

} // namespace reachd
