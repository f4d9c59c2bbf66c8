// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/udp_probe.hpp"

#include "reachd/core/greeting.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <array>
#include <cerrno>

namespace reachd {

namespace asio = boost::asio;
using udp = asio::ip::udp;

namespace {

std::optional<outcome> start_exchange(udp::socket& socket, const endpoint& target, const way_out& way)
{
    boost::system::error_code code;
    socket.open(target.address.is_v4() ? udp::v4() : udp::v6(), code);
    if (code) {
        return local_failure(code.value(), "socket");
    }
    socket.non_blocking(true, code);
    const int fd = socket.native_handle();
    want_icmp_errors(fd, target.address.family);
    std::string failed_step;
    if (const int failed = leave_by(fd, target.address.family, way, failed_step); failed != 0) {
        auto failure = local_failure(failed, failed_step);
        failure.cause = local_cause::no_address;
        return failure;
    }
    const auto to = udp_endpoint(target);
    if (::connect(fd, to.data(), static_cast<socklen_t>(to.size())) != 0) {
        return local_failure(errno, {});
    }
    if (::send(fd, udp_payload.data(), udp_payload.size(), MSG_NOSIGNAL) < 0) {
        const int failed = errno;
        const auto errors = drain_errors(fd, target.address.family);
        return errors.empty() ? outcome{local_failure(failed, {})} : outcome{errors.front()};
    }
    return std::nullopt;
}

// What waits at the socket; nullopt for nothing.
std::optional<outcome> read_socket(int fd, family protocol)
{
    take_error(fd);
    if (const auto errors = drain_errors(fd, protocol); !errors.empty()) {
        return errors.front();
    }
    std::array<char, 2048> data;
    const auto size = ::recv(fd, data.data(), data.size(), MSG_DONTWAIT);
    return size < 0 ? std::nullopt : std::optional<outcome>{replied{static_cast<std::size_t>(size)}};
}

} // namespace

asio::awaitable<observation> udp_exchange(endpoint target, way_out way, time_point deadline)
{
    const auto executor = co_await asio::this_coro::executor;
    observation out{.kind = probe_kind::udp_send, .at = wall_now()};
    const auto begun = steady::now();
    udp::socket socket{executor};
    auto seen = start_exchange(socket, target, way);
    const int fd = socket.native_handle();
    while (!seen) {
        auto [how, code] =
            co_await with_deadline(deadline, socket.async_wait(udp::socket::wait_read, asio::deferred));
        seen = read_socket(fd, target.address.family);
        if (!seen && (how == ended::expired || steady::now() >= deadline)) {
            seen = no_reply{deadline - begun};
        } else if (!seen && (how == ended::cancelled || code)) {
            seen = not_measured{.cause = local_cause::cancelled, .detail = "cancelled"};
        }
    }
    out.took = steady::now() - begun;
    out.what = std::move(*seen);
    if (socket.is_open()) {
        out.source = local_name(fd);
    }
    co_return out;
}

} // namespace reachd
