// SPDX-License-Identifier: Apache-2.0
// tcp_probe.hpp: one TCP connect to one endpoint, and everything that can come of it.
//
// Use      tcp_connect() once per attempt; on `connected` the socket is handed back open.
// Cancel   Terminal cancellation ends it with not_measured{cancelled}.
// Errors   none: a failure of this machine is an observation of its own (not_measured).
// Source   On a link without latency the ICMP error can arrive inside connect(): the socket then
//          reports it but stays in SYN_SENT, so the queue entry is the answer and an ESTABLISHED
//          tcpi_state is the only proof of a handshake (measured on a bare veth, Linux 6.18).
#pragma once

#include "reachd/net/probe_socket.hpp"

#include <boost/asio/awaitable.hpp>
#include <optional>

namespace reachd {

struct connect_result {
    observation seen;
    std::optional<boost::asio::ip::tcp::socket> socket; // set when connected
};

boost::asio::awaitable<connect_result> tcp_connect(endpoint target, way_out way, time_point deadline);
boost::asio::awaitable<connect_result>
tcp_connect(endpoint target, way_out way, flow_options flow, time_point deadline);

} // namespace reachd
