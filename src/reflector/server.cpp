// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/server.hpp"

#include "connect_back.hpp"
#include "reachd/net/deadline.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reachd::reflector {

namespace asio = boost::asio;

namespace {

constexpr int answers_a_turn = 128;        // then others have theirs
constexpr milliseconds congested_pause{5}; // when the bucket of everything is empty
constexpr seconds house_interval{1};

} // namespace

std::vector<udp_socket_place> plan_sockets(const config& what)
{
    std::vector<udp_socket_place> out;
    const auto place = [&out](const ip_address& address, std::uint16_t port) {
        const socket_address where{.address = address, .port = port};
        const auto there = std::ranges::find(out, where, &udp_socket_place::local);
        if (there == out.end()) {
            out.push_back({.local = where, .siblings = {}});
            return static_cast<std::uint32_t>(out.size() - 1);
        }
        return static_cast<std::uint32_t>(there - out.begin());
    };
    for (const auto& one : what.listen) {
        const auto here = place(one.address, one.port);
        if (!what.alternate) {
            continue;
        }
        const auto other_port = place(one.address, what.alternate->port);
        const auto other_address = place(what.alternate->address, one.port);
        const auto other_both = place(what.alternate->address, what.alternate->port);
        out[here].siblings = stun_siblings{other_port, other_address, other_both};
        out[other_port].siblings = stun_siblings{here, other_both, other_address};
        out[other_address].siblings = stun_siblings{other_both, here, other_port};
        out[other_both].siblings = stun_siblings{other_address, other_port, here};
    }
    return out;
}

server::server(asio::io_context& io, config what, server_listener listener)
    : io_{&io},
      config_{std::move(what)},
      listener_{std::move(listener)},
      desk_{config_, plan_sockets(config_), steady::now()},
      tasks_{
          io.get_executor(),
          [this](const std::string& task, const std::exception_ptr& why) {
              if (listener_.failed) {
                  listener_.failed(task, why);
              }
          }
      },
      door_{io, tasks_, config_.limits, desk_, [this](handled done) { take(std::move(done)); }},
      due_{io}
{
    desk_.inspect = [this](const flow& on) { door_.inspect(on, steady::now()); };
    desk_.tell_drop = [this](const socket_address& peer, drop why) {
        if (listener_.dropped) {
            listener_.dropped(peer, why);
        }
    };
    due_.expires_at(time_point::max());
}

result<void> server::start()
{
    const auto& places = desk_.sockets();
    for (std::uint32_t i = 0; i < places.size(); ++i) {
        auto port =
            udp_port::open(*io_, i, places[i].local, desk_, [this](handled done) { take(std::move(done)); });
        if (!port) {
            return std::unexpected(port.error());
        }
        ports_.push_back(std::move(*port));
    }
    for (const auto& one : config_.listen) {
        if (auto listening = door_.listen(one); !listening) {
            return listening;
        }
    }
    for (auto& port : ports_) {
        tasks_.spawn("udp", port->serve());
    }
    tasks_.spawn("appointments", keep_appointments());
    tasks_.spawn("house", keep_house());
    return {};
}

asio::awaitable<std::size_t> server::stop(time_point deadline)
{
    stopping_ = true;
    for (auto& port : ports_) {
        port->close();
    }
    door_.close();
    due_.cancel();
    tasks_.cancel();
    co_return co_await tasks_.join(deadline);
}

gauges server::now() const
{
    auto& records = const_cast<desk&>(desk_).appointments();
    return {
        .connections = door_.connections(),
        .waiting = records.waiting(),
        .records = records.records(),
        .keys = desk_.keys().size()
    };
}

// What remains to be done for a message that was handled: a reply by another socket, a connection back, and a
// look at whether the next answer is due earlier than was thought.
void server::take(handled what)
{
    if (!what.reply.empty()) {
        ports_.at(what.socket)->send(what.reply, what.to, desk_.sockets().at(what.socket).local.address);
    }
    if (what.job && connect_backs_ < config_.limits.connect_backs) {
        tasks_.spawn("connect back", connect_back(std::move(*what.job)));
    }
    wake();
}

void server::wake()
{
    const auto next = desk_.appointments().next_due();
    if (next && *next < due_.expiry()) {
        due_.cancel();
    }
}

asio::awaitable<void> server::keep_appointments()
{
    while (!stopping_) {
        const auto next = desk_.appointments().next_due();
        due_.expires_at(next.value_or(time_point::max()));
        if (!next || *next > steady::now()) {
            co_await due_.async_wait(asio::as_tuple(asio::use_awaitable));
        }
        bool room = true;
        for (int i = 0; i < answers_a_turn && room && !stopping_; ++i) {
            const auto now = steady::now();
            const auto due = desk_.appointments().next_due();
            if (!due || *due > now) {
                break;
            }
            room = desk_.may_answer(now);
            if (!room) {
                break;
            }
            if (const auto what = desk_.appointments().take_due(now)) {
                send_due(*what, now);
            }
        }
        if (!room) {
            co_await sleep_until(steady::now() + congested_pause);
        } else {
            co_await asio::post(asio::use_awaitable);
        }
    }
}

bool server::send_due(const due_answer& what, time_point now)
{
    const auto bytes = desk_.encode_answer(what);
    auto how = wire::sending::failed;
    if (what.to.transport == transport::tcp) {
        how = door_.answer(what.to, what.how, bytes, now);
    } else if (ports_.at(what.to.socket)->send(bytes, what.to.peer, what.to.local.address)) {
        how = wire::sending::sent;
    }
    desk_.answer_sent(what, how, bytes.size(), steady::now());
    return how == wire::sending::sent;
}

void server::send_reply(const flow& on, byte_view bytes)
{
    if (bytes.empty()) {
        return;
    }
    if (on.transport == transport::tcp) {
        door_.send(on, bytes);
    } else {
        ports_.at(on.socket)->send(bytes, on.peer, on.local.address);
    }
}

asio::awaitable<void> server::connect_back(connect_back_job job)
{
    ++connect_backs_;
    const auto seen = co_await try_connect_back(job.on.peer.address, job.what);
    --connect_backs_;
    if (!stopping_) {
        const auto bytes = desk_.answer_connect_back(job, seen, steady::now());
        send_reply(job.on, bytes);
    }
}

asio::awaitable<void> server::keep_house()
{
    while (!stopping_) {
        const bool awake = co_await sleep_until(steady::now() + house_interval);
        if (!awake) {
            co_return;
        }
        door_.sweep(steady::now());
    }
}

} // namespace reachd::reflector
