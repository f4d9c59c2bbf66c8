// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/cookie.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace reachd::reflector {

cookie_jar::cookie_jar(hmac_function hmac_sha256, std::function<byte_vector()> random_key, time_point now)
    : hmac_{std::move(hmac_sha256)},
      random_key_{std::move(random_key)},
      start_{now},
      changed_{now},
      key_{random_key_()},
      before_{random_key_()}
{
}

wire::cookie_bytes
cookie_jar::make(byte_view key, transport over, const socket_address& peer, std::uint32_t second) const
{
    byte_vector data{
        wire::version, static_cast<std::uint8_t>(over),
        static_cast<std::uint8_t>(peer.address.is_v4() ? 4 : 6)
    };
    std::ranges::copy(peer.address.bytes, std::back_inserter(data));
    wire::cookie_bytes out{};
    for (std::size_t i = 0; i < 4; ++i) {
        out[i] = static_cast<std::uint8_t>(second >> (24U - 8U * i));
    }
    data.push_back(static_cast<std::uint8_t>(peer.port >> 8U));
    data.push_back(static_cast<std::uint8_t>(peer.port));
    std::copy_n(out.begin(), 4, std::back_inserter(data));
    const auto digest = hmac_(key, data);
    std::copy_n(digest.begin(), out.size() - 4, out.begin() + 4);
    return out;
}

wire::cookie_bytes cookie_jar::bake(transport over, const socket_address& peer, time_point now)
{
    if (now - changed_ >= key_life) {
        before_ = std::exchange(key_, random_key_());
        changed_ = now;
    }
    const auto second = std::chrono::duration_cast<seconds>(now - start_).count();
    return make(key_, over, peer, static_cast<std::uint32_t>(second));
}

bool cookie_jar::holds(
    const wire::cookie_bytes& cookie, transport over, const socket_address& peer, time_point now
) const
{
    std::uint32_t second = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        second = (second << 8U) | cookie[i];
    }
    const auto age = now - (start_ + seconds{second});
    if (age < duration::zero() || age > cookie_life + seconds{1}) { // ts was rounded down
        return false;
    }
    return equal_in_constant_time(cookie, make(key_, over, peer, second)) ||
           equal_in_constant_time(cookie, make(before_, over, peer, second));
}

} // namespace reachd::reflector
