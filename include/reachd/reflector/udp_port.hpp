// SPDX-License-Identifier: Apache-2.0
// udp_port.hpp: one UDP socket of the reflector: what arrives goes to the desk, its ICMP errors to the
// records.
//
// Cancel   close() ends serve().
// Lifetime The desk outlives it.
// Errors   A socket that cannot be opened or bound is `unavailable` or `in_use`.
// Source   ip(7): IP_PKTINFO (a wildcard socket answers from the address that was asked), IP_RECVTTL,
// IP_RECVERR.
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/reflector/desk.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <functional>

namespace reachd::reflector {

class udp_port {
public:
    // Called with what the desk made of each datagram that it did not drop.
    using handler = std::function<void(handled what)>;

    static result<std::unique_ptr<udp_port>> open(
        boost::asio::io_context& io, std::uint32_t number, const socket_address& where, desk& at, handler done
    );

    boost::asio::awaitable<void> serve();
    // False, with errno set, when the kernel did not take it.
    bool send(byte_view bytes, const socket_address& to, const ip_address& from);
    void close();

private:
    udp_port(
        boost::asio::ip::udp::socket socket, std::uint32_t number, const socket_address& where, desk& at,
        handler done
    );
    bool receive(std::span<std::uint8_t> room);
    bool receive_error();
    [[nodiscard]] int fd() { return socket_.native_handle(); }

    boost::asio::ip::udp::socket socket_;
    std::uint32_t number_;
    socket_address where_;
    desk* desk_;
    handler done_;
};

} // namespace reachd::reflector
