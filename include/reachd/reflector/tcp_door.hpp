// SPDX-License-Identifier: Apache-2.0
// tcp_door.hpp: the TCP side of the reflector: connections that wait for hours, and cost little.
//
// Cancel   close() ends everything; join the task group afterwards.
// Lifetime The desk and the task group outlive it.
// Limits   limits.tcp_connections in all and tcp_connections_per_address of one; before a message that is
// trusted:
//          5 s for each step and 4 KiB in all (anti-abuse rule 9). A peer that does not read is cut off.
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/net/task_group.hpp"
#include "reachd/reflector/desk.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <unordered_map>

namespace reachd::reflector {

class tcp_door {
public:
    using handler = std::function<void(handled what)>;

    tcp_door(boost::asio::io_context& io, task_group& tasks, const limits& bounds, desk& at, handler done);
    tcp_door(const tcp_door&) = delete;
    tcp_door& operator=(const tcp_door&) = delete;
    ~tcp_door();

    result<void> listen(const socket_address& where);
    // Ends connections whose time has passed; to be called about once a second.
    void sweep(time_point now);
    // An answer on a connection: data, or one keepalive.
    wire::sending answer(const flow& on, wire::answer_kind how, byte_view bytes, time_point now);
    // A reply; false when the connection is gone.
    bool send(const flow& on, byte_view bytes);
    // Brings what the kernel knows of the connection into the records.
    void inspect(const flow& on, time_point now);
    void close();
    [[nodiscard]] std::size_t connections() const { return connections_.size(); }

private:
    struct connection;
    boost::asio::awaitable<void> accept(std::shared_ptr<boost::asio::ip::tcp::acceptor> at);
    boost::asio::awaitable<void> serve(std::uint64_t number);
    boost::asio::awaitable<void> rest(std::uint64_t number);
    void admit(boost::asio::ip::tcp::socket socket);
    // What can be read now; false when the connection is to end.
    bool read(connection& from);
    bool handle_messages(connection& from);
    bool handle_one(connection& from, byte_view message);
    void tell_end(connection& of, int error_number);
    void end(std::uint64_t number);
    [[nodiscard]] connection* find(const flow& on);

    boost::asio::io_context* io_;
    task_group* tasks_;
    limits bounds_;
    desk* desk_;
    handler done_;
    std::vector<std::shared_ptr<boost::asio::ip::tcp::acceptor>> acceptors_;
    std::unordered_map<std::uint64_t, std::unique_ptr<connection>> connections_;
    std::unordered_map<std::string, std::uint32_t> by_address_;
    std::uint64_t next_number_ = 1;
    bool closed_ = false;
};

} // namespace reachd::reflector
