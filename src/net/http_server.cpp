// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/http_server.hpp"

#include "http_session.hpp"
#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cassert>
#include <cerrno>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;
using protocol = asio::generic::stream_protocol;

// A plain descriptor: Asio has no acceptor for a protocol that is chosen at run time.
struct http_server::door {
    door(const asio::any_io_executor& executor, http_listener what)
        : file{std::move(what.file)}, socket{executor, what.socket.release()}
    {
    }
    bound_file file;
    asio::posix::stream_descriptor socket;
};

namespace {

constexpr int accepted_at_once = 16; // then others have their turn

sa_family_t family_of(int socket)
{
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    return ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) == 0 ? own.ss_family : AF_UNSPEC;
}

// What connections of one client have in common: its address, or its user on a Unix socket.
std::string peer_of(int socket)
{
    sockaddr_storage other{};
    socklen_t size = sizeof other;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&other), &size) != 0) {
        return "";
    }
    if (other.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(other);
        return std::to_string(v4.sin_addr.s_addr);
    }
    if (other.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(other);
        return {reinterpret_cast<const char*>(&v6.sin6_addr), sizeof v6.sin6_addr};
    }
    ucred seen{};
    size = sizeof seen;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &seen, &size) == 0 ? fmt::format("uid {}", seen.uid)
                                                                            : "";
}

} // namespace

http_server::http_server(
    asio::any_io_executor executor, http_limits limits, http_callbacks callbacks, std::string boot
)
    : executor_{std::move(executor)},
      context_{std::make_unique<http_context>()},
      tasks_{executor_, callbacks.failed}
{
    assert(callbacks.handle);
    context_->limits = limits;
    context_->callbacks = std::move(callbacks);
    context_->boot = std::move(boot);
    for (const auto* reason : http_reasons::all) {
        context_->counters.refused[reason->word] = 0;
    }
}

http_server::~http_server() = default;

void http_server::listen(http_listener listener)
{
    if (door_) {
        boost::system::error_code ignored;
        door_->socket.close(ignored);
        door_ = nullptr;
    }
    const auto before = sessions_;
    for (const auto& session : before) {
        session->stop();
    }
    if (listener.socket) {
        context_->any_host = family_of(listener.socket.get()) == AF_UNIX;
        door_ = std::make_shared<door>(executor_, std::move(listener));
        tasks_.spawn("http socket", accept_loop(door_));
    }
}

void http_server::allow_hosts(std::vector<std::string> names)
{
    context_->hosts = std::move(names);
}

asio::awaitable<void> http_server::accept_loop(std::shared_ptr<door> at)
{
    using descriptor = asio::posix::stream_descriptor;
    while (!stopping_ && at->socket.is_open()) {
        auto [code] =
            co_await at->socket.async_wait(descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
        if (code || !at->socket.is_open()) {
            co_return;
        }
        for (int i = 0; i < accepted_at_once; ++i) {
            const int socket =
                ::accept4(at->socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (socket >= 0) {
                try {
                    admit(socket);
                } catch (...) { // for want of memory: this connection is closed, the next one may have luck
                    if (context_->callbacks.failed) {
                        context_->callbacks.failed("http socket", std::current_exception());
                    }
                }
                continue;
            }
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
                // As for want of descriptors: the connection still waits, so trying at once would spin.
                ++context_->counters.accept_failures;
                co_await sleep_until(steady::now() + context_->limits.accept_pause);
            }
            break;
        }
    }
}

// False when there is no room, even without those that only keep a connection open.
bool http_server::make_room(const std::string& peer)
{
    const auto of_peer = [&](const auto& one) { return one->peer() == peer; };
    const bool peer_full = static_cast<std::size_t>(std::ranges::count_if(sessions_, of_peer)) >=
                           context_->limits.connections_of_peer;
    if (!peer_full && sessions_.size() < context_->limits.connections) {
        return true;
    }
    std::shared_ptr<http_session> longest;
    for (const auto& one : sessions_) {
        if (one->idle() && (!peer_full || of_peer(one)) && (!longest || one->active() < longest->active())) {
            longest = one;
        }
    }
    if (!longest) {
        return false;
    }
    ++context_->counters.evicted;
    longest->abort();
    sessions_.remove(longest);
    return true;
}

void http_server::admit(int socket)
{
    ++context_->counters.connections;
    const auto peer = peer_of(socket);
    const auto family = family_of(socket);
    if (!make_room(peer)) {
        const auto& why = http_reasons::too_many_connections;
        ++context_->counters.refused[why.word];
        ++context_->counters.answers[why.status];
        auto answer = plain_response(why.status, "there are too many connections already");
        answer.headers.emplace_back("Retry-After", "10");
        const auto text =
            encode_head(answer, body_length::known, after_answer::close, wall_now()) + *answer.body;
        // A new connection's buffer has room for it; if not, closing says enough.
        static_cast<void>(::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
        ::shutdown(socket, SHUT_WR);
        const unique_fd closing{socket};
        return;
    }
    if (family != AF_UNIX) {
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // events are small and wanted now
    }
    http_session::socket_type wrapped{
        executor_, protocol{family, family == AF_UNIX ? 0 : IPPROTO_TCP}, socket
    };
    auto session = std::make_shared<http_session>(std::move(wrapped), peer, *context_);
    sessions_.push_back(session);
    tasks_.spawn("http connection", run_session(std::move(session)));
}

asio::awaitable<void> http_server::run_session(std::shared_ptr<http_session> session)
{
    // stop() ends sessions itself: they have answers to send.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const auto leave = [this, session] { sessions_.remove(session); };
    const at_exit left{leave};
    co_await session->run();
}

void http_server::publish(const json& data)
{
    const auto sequence = ++context_->sequence;
    const auto id = fmt::format("{}-{}", context_->boot, sequence);
    const auto text = std::make_shared<const std::string>(encode_event(id, "", data));
    context_->kept.push_back({sequence, text});
    if (context_->kept.size() > context_->limits.kept_events) {
        context_->kept.pop_front();
    }
    for (const auto& session : sessions_) {
        session->notify(text);
    }
}

asio::awaitable<std::size_t> http_server::stop(time_point deadline)
{
    stopping_ = true;
    listen({});
    tasks_.cancel();
    const auto now = steady::now();
    auto left = co_await tasks_.join(now + (deadline - now) / 2); // for clients that read their answers
    if (left > 0) {
        const auto still = sessions_;
        for (const auto& session : still) {
            session->abort();
        }
        left = co_await tasks_.join(deadline);
    }
    co_return left;
}

const http_counters& http_server::counters() const
{
    return context_->counters;
}

std::size_t http_server::streams() const
{
    return context_->streams;
}

} // namespace reachd
