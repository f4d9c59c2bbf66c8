// SPDX-License-Identifier: Apache-2.0
// server.hpp: the reflector as a whole: its sockets, its appointments, its counters.
//
// Use      start(), then run the io_context; stop() ends it.
// Cancel   stop() closes everything and joins with a deadline.
// Errors   start() says which address could not be served and why; nothing is half open then.
// Executor One thread.
#pragma once

#include "reachd/net/task_group.hpp"
#include "reachd/reflector/desk.hpp"
#include "reachd/reflector/tcp_door.hpp"
#include "reachd/reflector/udp_port.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace reachd::reflector {

struct server_listener {
    // The first drop of a source in a minute.
    std::function<void(const socket_address& peer, drop why)> dropped;
    // A task ended by an exception.
    std::function<void(const std::string& task, const std::exception_ptr& what)> failed;
};

class server {
public:
    server(boost::asio::io_context& io, config what, server_listener listener);

    void replace_keys(const std::vector<wire::key>& keys) { desk_.replace_keys(keys); }
    result<void> start();
    // How many tasks did not end in time.
    boost::asio::awaitable<std::size_t> stop(time_point deadline);
    [[nodiscard]] gauges now() const;
    [[nodiscard]] const counters& counted() { return desk_.counted(); }

private:
    void take(handled what);
    boost::asio::awaitable<void> keep_appointments();
    boost::asio::awaitable<void> keep_house();
    boost::asio::awaitable<void> connect_back(connect_back_job job);
    bool send_due(const due_answer& what, time_point now);
    void send_reply(const flow& on, byte_view bytes);
    void wake();

    boost::asio::io_context* io_;
    config config_;
    server_listener listener_;
    desk desk_;
    task_group tasks_;
    tcp_door door_;
    std::vector<std::unique_ptr<udp_port>> ports_;
    boost::asio::steady_timer due_;
    std::uint32_t connect_backs_ = 0;
    bool stopping_ = false;
};

// The UDP sockets that a configuration asks for: one a listen address, and four for each where there is an
// alternate.
std::vector<udp_socket_place> plan_sockets(const config& what);

} // namespace reachd::reflector
