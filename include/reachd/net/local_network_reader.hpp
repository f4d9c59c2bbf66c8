// SPDX-License-Identifier: Apache-2.0
// local_network_reader.hpp: this machine's gateways and directly connected blocks.
//
// Errors  What cannot be read is left out: boxes are then named less often, never wrongly.
// Source  /proc/net/route and /proc/net/ipv6_route (proc(5)), getifaddrs(3).
#pragma once

#include "reachd/core/verdict.hpp"

namespace reachd {

local_network read_local_network();

} // namespace reachd
