// SPDX-License-Identifier: Apache-2.0
// socket_address.hpp: an address and a port, without saying of which transport.
#pragma once

#include "reachd/core/address.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace reachd {

struct socket_address {
    ip_address address;
    std::uint16_t port = 0;

    auto operator<=>(const socket_address&) const = default;
};

// "192.0.2.1:3478", "[2001:db8::1]:3478"; nullopt for anything else, a name or a missing port among them.
std::optional<socket_address> parse_socket_address(std::string_view text);
std::string to_text(const socket_address& where);

} // namespace reachd
