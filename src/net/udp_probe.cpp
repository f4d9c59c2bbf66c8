// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/udp_probe.hpp"

#include "reachd/core/greeting.hpp"
#include "reachd/core/trace.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>

namespace reachd {

namespace asio = boost::asio;
using udp = asio::ip::udp;

namespace {

std::optional<outcome>
start_exchange(udp::socket& socket, const endpoint& target, const way_out& way, const udp_options& options)
{
    if (auto failure = open_probe_socket(socket, target, way, options.flow)) {
        return failure;
    }
    const int fd = socket.native_handle();
    const auto to = udp_endpoint(target);
    if (::connect(fd, to.data(), static_cast<socklen_t>(to.size())) != 0) {
        return local_failure(errno, {});
    }
    const std::string_view payload = options.payload.empty()
                                       ? std::string_view{udp_payload.data(), udp_payload.size()}
                                       : std::string_view{options.payload};
    if (::send(fd, payload.data(), payload.size(), MSG_NOSIGNAL) < 0) {
        const int failed = errno;
        const auto errors = drain_errors(fd, target.address.family);
        return errors.empty() ? outcome{local_failure(failed, {})} : outcome{errors.front()};
    }
    return std::nullopt;
}

constexpr std::size_t reply_room = 2048; // more of a reply is not looked at

// The TTL that it arrived with is in its control data, as want_icmp_errors() has asked for.
bool came_from_afar(msghdr& message, std::optional<unsigned> min_ttl)
{
    for (auto* part = CMSG_FIRSTHDR(&message); part && min_ttl; part = CMSG_NXTHDR(&message, part)) {
        const bool ttl = (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TTL) ||
                         (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_HOPLIMIT);
        if (ttl) {
            int value = 0;
            std::memcpy(&value, CMSG_DATA(part), sizeof value);
            return value < static_cast<int>(*min_ttl);
        }
    }
    return false;
}

// The first datagram that waits; nullopt for none.
std::optional<replied> read_reply(int fd, const udp_options& options)
{
    while (true) {
        std::array<char, reply_room> data;
        alignas(cmsghdr) std::array<char, 256> control;
        iovec part{data.data(), data.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto size = ::recvmsg(fd, &message, MSG_DONTWAIT);
        if (size < 0) {
            return std::nullopt;
        }
        if (!came_from_afar(message, options.flow.min_ttl)) {
            const std::string_view reply{data.data(), static_cast<std::size_t>(size)};
            return replied{reply.size(), reply.starts_with(options.expect_reply)};
        }
    }
}

// The errors that wait at the socket, and the first datagram.
std::vector<outcome> read_socket(int fd, family protocol, const udp_options& options)
{
    take_error(fd);
    const auto errors = drain_errors(fd, protocol);
    std::vector<outcome> out{errors.begin(), errors.end()};
    if (const auto reply = read_reply(fd, options)) {
        out.emplace_back(*reply);
    }
    return out;
}

// What came to a decoy: that it ended on its way, and what cannot have come of it then.
struct heard {
    std::optional<outcome> ended;
    std::optional<outcome> other;

    void add(const outcome& what)
    {
        auto& place = is_in_transit(what) ? ended : other;
        if (!place) {
            place = what;
        }
    }
    [[nodiscard]] bool is_forged(const ip_address& target) const
    {
        return ended && other && (is_answer(*other, target) || is_rejection(*other, target));
    }
    // The first outcome, the end on its way before others.
    [[nodiscard]] std::optional<outcome> first() const { return ended ? ended : other; }
};

} // namespace

asio::awaitable<observation> udp_exchange(endpoint target, way_out way, time_point deadline)
{
    return udp_exchange(target, std::move(way), udp_options{}, deadline);
}

asio::awaitable<observation>
udp_exchange(endpoint target, way_out way, udp_options options, time_point deadline)
{
    const auto executor = co_await asio::this_coro::executor;
    observation out{.kind = probe_kind::udp_send, .at = wall_now()};
    out.hop_limit = options.flow.hop_limit;
    out.min_ttl = options.flow.min_ttl;
    out.on_link = options.flow.on_link;
    out.decoy = options.decoy;
    const auto begun = steady::now();
    udp::socket socket{executor};
    auto seen = start_exchange(socket, target, way, options);
    const bool unsent = seen && std::holds_alternative<not_measured>(*seen);
    out.packets = unsent ? 0 : 1;
    const int fd = socket.native_handle();
    heard all;
    std::optional<time_point> came;
    while (!seen) {
        auto [how, code] =
            co_await with_deadline(deadline, socket.async_wait(udp::socket::wait_read, asio::deferred));
        for (const auto& one : read_socket(fd, target.address.family, options)) {
            all.add(one);
            came = came.value_or(steady::now());
        }
        const bool over = how == ended::expired || steady::now() >= deadline;
        const bool stopped = how == ended::cancelled || code;
        out.forged = options.decoy && all.is_forged(target.address);
        if (!options.decoy || out.forged || over || stopped) {
            seen = all.first();
        }
        if (!seen && over) {
            seen = no_reply{deadline - begun};
        } else if (!seen && stopped) {
            seen = not_measured{.cause = local_cause::cancelled, .detail = "cancelled"};
        }
    }
    out.took = came.value_or(steady::now()) - begun;
    out.what = std::move(*seen);
    if (socket.is_open()) {
        out.source = local_name(fd);
    }
    co_return out;
}

} // namespace reachd
