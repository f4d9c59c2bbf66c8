// SPDX-License-Identifier: Apache-2.0
// local_network_reader.hpp: this machine's gateways and directly connected blocks.
//
// Errors  nullopt for want of descriptors or memory: what was read before is better than nothing. What else
// cannot be read
//         is left out: boxes are then named less often, never wrongly.
// Source  /proc/net/route and /proc/net/ipv6_route (proc(5)), getifaddrs(3).
#pragma once

#include "reachd/core/verdict.hpp"

#include <optional>

namespace reachd {

std::optional<local_network> read_local_network();

} // namespace reachd
