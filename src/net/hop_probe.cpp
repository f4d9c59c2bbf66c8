// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/hop_probe.hpp"

#include "reachd/net/tcp_probe.hpp"
#include "reachd/net/udp_probe.hpp"

#include <algorithm>

namespace reachd {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

// By RST, not FIN: nothing was said on it, and one segment frees the entry at the peer and in every
// firewall and NAT on the way at once. After a FIN they would keep it in TIME_WAIT for up to two minutes
// (nf_conntrack_tcp_timeout_time_wait), and so would we, for each hop of each walk.
void drop_connection(tcp::socket& socket)
{
    boost::system::error_code code;
    socket.set_option(asio::socket_base::linger{true, 0}, code);
    socket.close(code);
}

} // namespace

asio::awaitable<observation> hop_probe(endpoint target, way_out way, hop_options options, time_point deadline)
{
    flow_options flow{
        .hop_limit = options.hop_limit,
        .min_ttl = options.min_ttl,
        .on_link = options.on_link,
        .syn_retries = {},
    };
    if (target.transport == transport::udp) {
        udp_options exchange{.flow = flow, .payload = std::move(options.payload), .expect_reply = {}};
        auto seen = co_await udp_exchange(target, std::move(way), std::move(exchange), deadline);
        co_return seen;
    }
    flow.syn_retries = 1;
    const auto until = std::min(deadline, steady::now() + syn_alone);
    auto made = co_await tcp_connect(target, std::move(way), flow, until);
    if (made.socket) {
        drop_connection(*made.socket);
    }
    co_return std::move(made.seen);
}

} // namespace reachd
