// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/tcp_confirm.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/socket_options.hpp"
#include "reachd/net/tcp_facts.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <sys/socket.h>

namespace reachd {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr milliseconds first_look{1};
constexpr milliseconds longest_look{50};
constexpr std::string_view line_end{"\r\n"};

outcome outcome_of_error(int error_number)
{
    if (error_number == ECONNRESET || error_number == EPIPE) {
        return cut_off{.by_reset = true};
    }
    if (error_number == ETIMEDOUT) {
        return no_reply{}; // the kernel gave up before our own time was over
    }
    return local_failure(error_number, {});
}

// Data, the end or an error that the peer has sent of its own accord; nullopt for nothing.
std::optional<outcome> heard(int fd, acknowledged proof)
{
    char byte = 0;
    const auto size = ::recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    if (size >= 0) {
        return proof;
    }
    return errno == EAGAIN || errno == EINTR ? std::nullopt : std::optional{outcome_of_error(errno)};
}

// Sends what is to be acknowledged; an outcome when it cannot be sent any more.
std::optional<outcome> say(int fd, confirm_with what)
{
    const bool said = what == confirm_with::fin
                        ? ::shutdown(fd, SHUT_WR) == 0
                        : ::send(fd, line_end.data(), line_end.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
    if (said) {
        return std::nullopt;
    }
    const int failed = errno;
    const int pending = take_error(fd); // shutdown() after a RST says ENOTCONN and keeps the reason
    return outcome_of_error(pending != 0 ? pending : failed == ENOTCONN ? ECONNRESET : failed);
}

// First what was acknowledged: a RST that follows it takes nothing back.
std::optional<outcome> look(int fd, acknowledged proof)
{
    return unheard_bytes(fd) == 0 ? std::optional<outcome>{proof} : heard(fd, proof);
}

} // namespace

asio::awaitable<observation> tcp_confirm(tcp::socket& socket, confirm_with what, time_point deadline)
{
    observation out{.kind = probe_kind::tcp_confirm, .at = wall_now()};
    const auto begun = steady::now();
    const int fd = socket.native_handle();
    out.source = local_name(fd);
    const acknowledged proof{.data = what == confirm_with::line_end};
    auto seen = heard(fd, proof);
    if (!seen) {
        seen = say(fd, what);
    }
    duration pause = first_look;
    while (!seen) {
        const auto now = steady::now();
        const bool slept = co_await sleep_until(std::min(deadline, now + pause));
        pause = std::min<duration>(2 * pause, longest_look);
        seen = look(fd, proof);
        if (!seen && !slept) {
            seen = not_measured{.cause = local_cause::cancelled, .detail = "cancelled"};
        } else if (!seen && steady::now() >= deadline) {
            seen = no_reply{deadline - begun};
        }
    }
    out.took = steady::now() - begun;
    if (auto* silence = std::get_if<no_reply>(&*seen); silence && silence->waited == duration::zero()) {
        silence->waited = out.took;
    }
    out.what = std::move(*seen);
    co_return out;
}

asio::awaitable<bool> data_acknowledged(tcp::socket& socket, std::uint64_t before, time_point deadline)
{
    const int fd = socket.native_handle();
    for (duration pause = first_look;; pause = std::min<duration>(2 * pause, longest_look)) {
        const auto facts = read_tcp_facts(fd);
        const bool yes = facts && facts->bytes_acknowledged > before;
        const bool over = !facts || facts->state == tcp_state_close || steady::now() >= deadline;
        if (yes || over) {
            co_return yes;
        }
        const auto when = std::min(deadline, steady::now() + pause);
        const bool slept = co_await sleep_until(when);
        if (!slept) {
            co_return false;
        }
    }
}

} // namespace reachd
