// SPDX-License-Identifier: Apache-2.0
// stun_client.hpp: Binding requests on one UDP flow to somebody else's STUN server.
//
// Use      ask() says what the flow is seen as; redirect() has the server answer to another flow's mapping.
// Cancel   Terminal cancellation ends it with an error "cancelled", or as `silent`.
// Lifetime Both clients outlive the call.
// Errors   No answer, an error response, or an ICMP error; never an exception.
// Limits   A request is sent again every 500 ms until the deadline: below the 10 transactions a second of
//          RFC 5780 section 4.
// Source   RFC 8489 section 6.2.1; RFC 5780 sections 4.6 and 7.5.
#pragma once

#include "reachd/core/stun_server.hpp"
#include "reachd/core/time.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <utility>
#include <vector>

namespace reachd {

class stun_client {
public:
    // A connected socket.
    explicit stun_client(boost::asio::ip::udp::socket socket)
        : socket_{std::move(socket)},
          fd_{socket_.native_handle()},
          family_{socket_.local_endpoint().address().is_v4() ? family::v4 : family::v6}
    {
    }

    // The first success; its `mapped` is there.
    boost::asio::awaitable<result<binding_answer>> ask(time_point deadline);
    // Connects the same port to another address of the server.
    bool turn_to(const socket_address& where);
    // Reads what waits; how many responses there are that nobody has taken.
    std::size_t listen();

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] unsigned datagrams() const { return datagrams_; }
    // How many were sent since there were `before`, which are counted elsewhere from now on.
    unsigned forget_datagrams_after(unsigned before) { return std::exchange(datagrams_, before) - before; }
    [[nodiscard]] std::string local_name() const;

private:
    friend boost::asio::awaitable<redirected>
    redirect(stun_client& asker, stun_client& named, std::uint16_t port, time_point deadline);
    stun::transaction_id send(std::optional<std::uint16_t> answer_to = {});
    std::optional<binding_answer> take(const std::vector<stun::transaction_id>& of);

    boost::asio::ip::udp::socket socket_;
    int fd_;
    family family_;
    std::vector<binding_answer> heard_; // several may ask at the same time
    unsigned datagrams_ = 0;
};

// Has the server answer requests of `asker` to this port of our public address, which is that of `named`.
boost::asio::awaitable<redirected>
redirect(stun_client& asker, stun_client& named, std::uint16_t port, time_point deadline);

// The two flows that the mappings of a ladder are tested by.
struct stun_pair {
    stun_client asker;
    stun_client control; // whose mapping is fresh whenever it is used
    stun_view view;
    std::function<void(stun_pair&)> at_end;

    stun_pair(stun_client one, stun_client other) : asker{std::move(one)}, control{std::move(other)} {}
    stun_pair(const stun_pair&) = delete;
    stun_pair& operator=(const stun_pair&) = delete;
    ~stun_pair();
};

// Whether the server answers to another flow's mapping when nothing has been idle.
struct calibration {
    binding_answer seen; // of the control flow
    redirected what = redirected::silent;
};
boost::asio::awaitable<result<calibration>> calibrate(stun_pair& flows, duration answer_time);

} // namespace reachd
