// SPDX-License-Identifier: Apache-2.0
// cookie.hpp: shows that a peer receives where it says it is, without keeping anything (anti-abuse rule 2).
//
// Shapes  ts(4) + HMAC-SHA256(K, version | transport | family | ip | port | ts)[0..15].
// Units   ts is in seconds of the reflector's steady clock since it started.
// Limits  Two keys: K changes every key_life, cookies of the one before still hold.
#pragma once

#include "reachd/core/reflector_wire.hpp"
#include "reachd/core/time.hpp"

#include <functional>

namespace reachd::reflector {

inline constexpr seconds cookie_life{60};
inline constexpr seconds key_life{3600};

class cookie_jar {
public:
    // `random_key` makes a fresh key of 32 bytes.
    cookie_jar(hmac_function hmac_sha256, std::function<byte_vector()> random_key, time_point now);

    wire::cookie_bytes bake(transport over, const socket_address& peer, time_point now);
    [[nodiscard]] bool
    holds(const wire::cookie_bytes& cookie, transport over, const socket_address& peer, time_point now) const;

private:
    [[nodiscard]] wire::cookie_bytes
    make(byte_view key, transport over, const socket_address& peer, std::uint32_t second) const;

    hmac_function hmac_;
    std::function<byte_vector()> random_key_;
    time_point start_;
    time_point changed_;
    byte_vector key_;
    byte_vector before_;
};

} // namespace reachd::reflector
