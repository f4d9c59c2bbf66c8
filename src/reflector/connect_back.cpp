// SPDX-License-Identifier: Apache-2.0
#include "connect_back.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/tcp_probe.hpp"
#include "reachd/net/udp_probe.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>

namespace reachd::reflector {

namespace asio = boost::asio;

namespace {

constexpr std::uint32_t longest_wait_ms = 5000; // docs/WIRE.md

void put_outcome(wire::connected_back& out, const observation& seen)
{
    const auto took = std::chrono::duration_cast<microseconds>(seen.took).count();
    out.took_us = static_cast<std::uint32_t>(std::max<std::int64_t>(took, 0));
    out.outcome = wire::inbound_outcome::not_tried;
    if (std::holds_alternative<connected>(seen.what) || std::holds_alternative<replied>(seen.what)) {
        out.outcome = wire::inbound_outcome::connected;
    } else if (std::holds_alternative<refused>(seen.what)) {
        out.outcome = wire::inbound_outcome::refused;
    } else if (std::holds_alternative<no_reply>(seen.what)) {
        out.outcome = wire::inbound_outcome::silent;
    } else if (const auto* icmp = std::get_if<icmp_error>(&seen.what)) {
        const bool port = icmp->family == family::v4 ? icmp->type == 3 && icmp->code == 3
                                                     : icmp->type == 1 && icmp->code == 4;
        out.outcome = port ? wire::inbound_outcome::refused : wire::inbound_outcome::icmp;
        out.icmp_type = icmp->type;
        out.icmp_code = icmp->code;
    }
}

} // namespace

asio::awaitable<wire::connected_back> try_connect_back(ip_address to, wire::connect_back what)
{
    wire::connected_back out{.token = what.token};
    const auto deadline = steady::now() + milliseconds{std::min(what.wait_ms, longest_wait_ms)};
    const endpoint target{.address = to, .port = what.port, .transport = what.transport};
    const way_out way;
    if (what.transport == transport::udp) {
        const auto seen = co_await udp_exchange(target, way, deadline);
        put_outcome(out, seen);
        co_return out;
    }
    auto tried = co_await tcp_connect(target, way, deadline);
    put_outcome(out, tried.seen);
    if (tried.socket) {
        out.banner.resize(wire::max_banner_bytes);
        const auto room = asio::buffer(out.banner);
        auto reading = tried.socket->async_read_some(room, asio::deferred);
        const auto [how, code, size] = co_await with_deadline(deadline, std::move(reading));
        out.banner.resize(how == ended::completed && !code ? size : 0);
    }
    co_return out;
}

} // namespace reachd::reflector
