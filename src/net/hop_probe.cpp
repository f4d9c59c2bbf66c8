// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/hop_probe.hpp"

#include "reachd/core/trace.hpp"
#include "reachd/net/probe_socket.hpp"
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

// Without a filter an answer on a bound socket may still be this machine's own; not when lo was quiet.
void doubt_own_answer(observation& seen, const endpoint& target, std::optional<std::uint64_t> before)
{
    const auto after = packets_by_loopback();
    if (is_answer(seen.what, target.address) && (!before || before != after)) {
        seen.what = not_measured{
            .cause = local_cause::other,
            .detail = "an answer came while something came by lo as well: it may be this machine's own",
        };
    }
}

asio::awaitable<observation> send_one(endpoint target, way_out way, hop_options options, time_point deadline)
{
    flow_options flow{
        .hop_limit = options.hop_limit,
        .min_ttl = options.min_ttl,
        .on_link = options.on_link,
        .syn_retries = {},
        .source_port = options.source_port,
    };
    if (target.transport == transport::udp) {
        udp_options exchange{
            .flow = flow, .payload = std::move(options.payload), .expect_reply = {}, .decoy = options.decoy
        };
        auto seen = co_await udp_exchange(target, std::move(way), std::move(exchange), deadline);
        co_return seen;
    }
    flow.syn_retries = 1;
    const auto until = std::min(deadline, steady::now() + syn_alone);
    auto made = co_await tcp_connect(target, std::move(way), flow, until);
    if (made.socket) {
        drop_connection(*made.socket);
        ++made.seen.packets; // the RST
    }
    co_return std::move(made.seen);
}

} // namespace

asio::awaitable<observation> hop_probe(endpoint target, way_out way, hop_options options, time_point deadline)
{
    const bool doubtful = options.on_link && !can_filter_arrivals();
    const auto before = doubtful ? packets_by_loopback() : std::nullopt;
    auto seen = co_await send_one(target, std::move(way), std::move(options), deadline);
    if (doubtful) {
        doubt_own_answer(seen, target, before);
    }
    co_return seen;
}

} // namespace reachd
