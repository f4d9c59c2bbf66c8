// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/control_server.hpp"

#include "control_session.hpp"
#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cassert>
#include <fmt/format.h>
#include <sys/socket.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;
using protocol = asio::local::stream_protocol;

struct control_server::door {
    door(const asio::any_io_executor& executor, access_level what) : acceptor{executor}, access{what} {}

    protocol::acceptor acceptor;
    access_level access;
    std::list<std::shared_ptr<control_session>> sessions;
    std::size_t subscribers = 0;
};

namespace {

peer_identity identity_of(int fd)
{
    ucred seen{};
    socklen_t size = sizeof seen;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &seen, &size) != 0) {
        return {};
    }
    return {.uid = seen.uid, .gid = seen.gid, .pid = seen.pid};
}

} // namespace

void control_caller::notify(std::string_view method, json params) const
{
    if (const auto session = session_.lock(); session && !session->gone()) {
        session->notify(std::make_shared<const std::string>(encode_notification(method, std::move(params))));
    }
}

bool control_caller::gone() const
{
    const auto session = session_.lock();
    return !session || session->gone();
}

control_server::control_server(
    asio::any_io_executor executor, control_limits limits, control_callbacks callbacks
)
    : executor_{std::move(executor)},
      context_{std::make_unique<control_context>(executor_)},
      tasks_{executor_, callbacks.failed}
{
    assert(callbacks.handle);
    context_->limits = limits;
    context_->callbacks = std::move(callbacks);
    for (const auto& reason : control_reasons()) {
        context_->counters.rejected[reason.word] = 0;
    }
}

control_server::~control_server() = default;

void control_server::serve(control_listeners listeners)
{
    listeners_ = std::move(listeners);
    open_door(access_level::change, std::move(listeners_.control));
    open_door(access_level::read, std::move(listeners_.status));
}

void control_server::open_door(access_level access, unique_fd socket)
{
    if (socket) {
        auto& made = doors_.emplace_back(executor_, access);
        made.acceptor.assign(protocol{}, socket.release());
        tasks_.spawn(fmt::format("control socket ({})", to_string(access)), accept_loop(&made));
    }
}

asio::awaitable<void> control_server::accept_loop(door* at)
{
    while (!stopping_) {
        auto [code, socket] = co_await at->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
        if (!code) {
            try {
                admit(*at, std::move(socket));
            } catch (...) { // for want of memory: this connection is closed, the next one may have luck
                if (context_->callbacks.failed) {
                    context_->callbacks.failed("control socket", std::current_exception());
                }
            }
        } else if (stopping_ || code == asio::error::operation_aborted) {
            co_return;
        } else {
            // As for want of descriptors: the connection still waits, so trying again at once would spin.
            ++context_->counters.accept_failures;
            co_await sleep_until(steady::now() + context_->limits.accept_pause);
        }
    }
}

void control_server::admit(door& at, protocol::socket socket)
{
    ++context_->counters.connections;
    if (at.sessions.size() >= context_->limits.connections) {
        auto message = fmt::format("there are {} connections already", at.sessions.size());
        ++context_->counters.rejected[reasons::too_many_connections.word];
        const auto line =
            encode_error(nullptr, make_error(reasons::too_many_connections, std::move(message)));
        // A new connection's buffer has room for a line; if not, closing says enough.
        static_cast<void>(
            ::send(socket.native_handle(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
        );
        return;
    }
    const auto who = identity_of(socket.native_handle());
    auto session =
        std::make_shared<control_session>(std::move(socket), at.access, who, *context_, at.subscribers);
    at.sessions.push_back(session);
    tasks_.spawn("control connection", run_session(&at, std::move(session)));
}

asio::awaitable<void> control_server::run_session(door* at, std::shared_ptr<control_session> session)
{
    // stop() ends sessions itself: they have answers to send.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const auto leave = [at, session] { at->sessions.remove(session); };
    const at_exit left{leave};
    co_await session->run();
}

void control_server::publish(std::string_view method, json params)
{
    params["seq"] = ++context_->sequence;
    if (subscriptions() == 0) {
        return;
    }
    const auto line = std::make_shared<const std::string>(encode_notification(method, std::move(params)));
    for (const auto& one : doors_) {
        for (const auto& session : one.sessions) {
            if (session->subscribed()) {
                session->notify(line);
            }
        }
    }
}

// A client connects and then writes: between the two it has been accepted and not been heard.
asio::awaitable<void> control_server::hear_last_words(time_point deadline)
{
    constexpr milliseconds look_again{5};
    const auto somebody_speaks = [this] {
        return std::ranges::any_of(doors_, [](const door& one) {
            return std::ranges::any_of(one.sessions, &control_session::has_more_to_say);
        });
    };
    while (somebody_speaks() && steady::now() < deadline) {
        co_await sleep_until(std::min(deadline, steady::now() + look_again));
    }
}

asio::awaitable<std::size_t> control_server::stop(time_point deadline)
{
    stopping_ = true;
    tasks_.cancel();
    for (auto& one : doors_) {
        boost::system::error_code ignored;
        one.acceptor.close(ignored);
    }
    co_await hear_last_words(std::min(deadline, steady::now() + context_->limits.last_word));
    for (const auto& one : doors_) {
        for (const auto& session : one.sessions) {
            session->stop();
        }
    }
    listeners_ = {};
    const auto now = steady::now();
    auto left = co_await tasks_.join(now + (deadline - now) / 2); // for clients that read their answers
    if (left > 0) {
        for (const auto& one : doors_) {
            for (const auto& session : one.sessions) {
                session->abort();
            }
        }
        left = co_await tasks_.join(deadline);
    }
    if (left == 0) {
        doors_.clear();
    }
    co_return left;
}

const control_counters& control_server::counters() const
{
    return context_->counters;
}

std::size_t control_server::connections(access_level socket) const
{
    std::size_t count = 0;
    for (const auto& one : doors_) {
        count += one.access == socket ? one.sessions.size() : 0;
    }
    return count;
}

std::size_t control_server::subscriptions() const
{
    std::size_t count = 0;
    for (const auto& one : doors_) {
        count += one.subscribers;
    }
    return count;
}

} // namespace reachd
