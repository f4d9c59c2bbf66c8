// SPDX-License-Identifier: Apache-2.0
// udp_probe.hpp: one datagram to one endpoint, and what comes back within the time.
//
// Use      udp_exchange() once per attempt.
// Cancel   Terminal cancellation ends it with not_measured{cancelled}.
// Errors   none: a failure of this machine is an observation of its own (not_measured).
// Source   A pending ICMP error makes the next send fail unsent, so each attempt has its own socket
//          (measured, Linux 6.18). The datagram is one zero byte: an empty one is dropped as malformed
//          by some firewalls.
#pragma once

#include "reachd/net/probe_socket.hpp"

#include <boost/asio/awaitable.hpp>

namespace reachd {

struct udp_options {
    flow_options flow;
    std::string payload;      // "" for one zero byte
    std::string expect_reply; // what the reply begins with; "" for any
    bool decoy = false;       // see hop_options
};

boost::asio::awaitable<observation> udp_exchange(endpoint target, way_out way, time_point deadline);
boost::asio::awaitable<observation>
udp_exchange(endpoint target, way_out way, udp_options options, time_point deadline);

} // namespace reachd
