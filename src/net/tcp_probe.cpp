// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/tcp_probe.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/tcp_facts.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <cerrno>

namespace reachd {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

// connect() itself failed: nothing was sent, so the reason is this machine's.
outcome outcome_of_start(int error_number)
{
    return error_number == ECONNREFUSED ? outcome{refused{}} : outcome{local_failure(error_number, {})};
}

// The handshake ended with an error that left no entry in the queue: a RST, or a kernel that does not
// queue ICMP errors for TCP.
outcome outcome_of_end(int error_number)
{
    if (error_number == ECONNREFUSED) {
        return refused{};
    }
    auto failure = local_failure(error_number, "an error whose sender this kernel does not tell");
    failure.cause = local_cause::other;
    return failure;
}

// A peer that hangs up at once has completed the handshake all the same.
bool has_stood(int fd)
{
    const int state = tcp_state(fd);
    return state == tcp_state_established || state == tcp_state_close_wait;
}

// What the socket shows now; nullopt while the handshake is still under way.
std::optional<outcome> read_socket(int fd, family protocol)
{
    const int error_number = take_error(fd); // before draining, which would clear it
    if (error_number == 0 && has_stood(fd)) {
        return connected{};
    }
    if (error_number == ECONNRESET || error_number == EPIPE) {
        // Accepted and reset before we looked, as a SYN proxy does whose server is gone: no answer of a
        // service.
        return cut_off{.by_reset = true};
    }
    if (const auto errors = drain_errors(fd, protocol); !errors.empty()) {
        return errors.front();
    }
    if (error_number == ETIMEDOUT) {
        return no_reply{}; // the kernel gave up before our own time was over
    }
    if (error_number != 0) {
        return outcome_of_end(error_number);
    }
    return std::nullopt;
}

// A SYN that the output chain drops looks silent to connect(). But a retransmission that was refused on its
// way out counts as made and not as in flight, while one that left is in flight (tcp_retransmit_skb() adds
// to retrans_out only where sending succeeded). Measured with nft in output and postrouting, Linux 6.18.
// Every time-out must have come as far as that: none does while ARP is unanswered.
bool was_dropped_here(int fd)
{
    const auto facts = read_tcp_facts(fd);
    return facts && facts->state == tcp_state_syn_sent && facts->retransmitted > 0 &&
           facts->retransmitted == facts->timeouts && facts->in_flight_again == 0;
}

outcome outcome_of_silence(int fd, duration waited)
{
    if (!was_dropped_here(fd)) {
        return no_reply{waited};
    }
    return not_measured{
        .cause = local_cause::refused_here,
        .error_number = EPERM,
        .detail = "the packet filter of this machine drops it",
    };
}

// What the kernel has sent of it: counted, but for a socket that an error inside connect() has emptied.
void count_packets(int fd, observation& seen)
{
    const auto* failure = std::get_if<not_measured>(&seen.what);
    const auto* error = std::get_if<icmp_error>(&seen.what);
    const bool unsent =
        failure && failure->cause != local_cause::cancelled && failure->cause != local_cause::other;
    if (fd < 0 || unsent || (error && error->sender_is_us)) {
        return; // it never left: no route, the own packet filter, no answer to ARP
    }
    const auto facts = read_tcp_facts(fd);
    const unsigned least = failure ? 0 : 1;
    seen.packets = std::max(least, facts ? facts->segments : 0);
    seen.syns = std::min(seen.packets, 1 + (facts ? facts->retransmitted : 0));
}

// As the kernel measured it: our own clock also counts what the event loop did meanwhile. It takes no time of
// a SYN that it sent twice (RFC 6298 section 3).
duration handshake_time(int fd, duration ours)
{
    const auto facts = read_tcp_facts(fd);
    const bool measured = facts && facts->rtt_us > 0 && facts->retransmitted == 0;
    return measured ? std::min<duration>(ours, microseconds{facts->rtt_us}) : ours;
}

// Makes the socket ready and starts the handshake; an outcome when it ends there and then.
std::optional<outcome>
start_connect(tcp::socket& socket, const endpoint& target, const way_out& way, const flow_options& flow)
{
    if (auto failure = open_probe_socket(socket, target, way, flow)) {
        return failure;
    }
    const int fd = socket.native_handle();
    const auto to = tcp_endpoint(target);
    if (::connect(fd, to.data(), static_cast<socklen_t>(to.size())) != 0 && errno != EINPROGRESS) {
        return outcome_of_start(errno);
    }
    // An ICMP error that came inside connect() waits in the queue and may never wake us up.
    if (const auto errors = drain_errors(fd, target.address.family); !errors.empty()) {
        return errors.front();
    }
    return std::nullopt;
}

} // namespace

asio::awaitable<connect_result> tcp_connect(endpoint target, way_out way, time_point deadline)
{
    return tcp_connect(target, std::move(way), flow_options{}, deadline);
}

asio::awaitable<connect_result>
tcp_connect(endpoint target, way_out way, flow_options flow, time_point deadline)
{
    const auto executor = co_await asio::this_coro::executor;
    connect_result out;
    out.seen.kind = probe_kind::tcp_connect;
    out.seen.at = wall_now();
    out.seen.hop_limit = flow.hop_limit;
    out.seen.min_ttl = flow.min_ttl;
    out.seen.on_link = flow.on_link;
    const auto begun = steady::now();
    tcp::socket socket{executor};
    auto seen = start_connect(socket, target, way, flow);
    const int fd = socket.native_handle();
    while (!seen) {
        auto [how, code] =
            co_await with_deadline(deadline, socket.async_wait(tcp::socket::wait_write, asio::deferred));
        seen = read_socket(fd, target.address.family);
        if (!seen && (how == ended::expired || steady::now() >= deadline)) {
            seen = outcome_of_silence(fd, deadline - begun);
        } else if (!seen && (how == ended::cancelled || code)) {
            seen = not_measured{.cause = local_cause::cancelled, .detail = "cancelled"};
        }
    }
    out.seen.took = steady::now() - begun;
    if (auto* silence = std::get_if<no_reply>(&*seen); silence && silence->waited == duration::zero()) {
        silence->waited = out.seen.took;
    }
    out.seen.what = std::move(*seen);
    if (socket.is_open()) {
        out.seen.source = local_name(fd);
        count_packets(fd, out.seen);
    }
    if (std::holds_alternative<connected>(out.seen.what)) {
        out.seen.took = handshake_time(fd, out.seen.took);
        refuse_icmp_errors(fd, target.address.family);
        out.socket = std::move(socket);
    }
    co_return out;
}

} // namespace reachd
