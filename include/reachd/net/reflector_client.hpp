// SPDX-License-Identifier: Apache-2.0
// reflector_client.hpp: the site's side of docs/WIRE.md on one flow.
//
// Use      One client for each flow: greet() first, and again after a silence; then ask().
// Cancel   Terminal cancellation ends it with an error "cancelled".
// Lifetime The socket outlives the call.
// Errors   No answer, a refusal with its reason, or an ICMP error; never an exception.
// Limits   UDP: a request is sent again every 500 ms until the deadline. What is not signed is not heard.
// Source   docs/WIRE.md.
#pragma once

#include "reachd/core/reflector_wire.hpp"
#include "reachd/net/socket_options.hpp"

#include <boost/asio/awaitable.hpp>
#include <memory>

namespace reachd {

struct stun_pair;

// Where a reflector is, how to get there, and the key that it knows us by; or somebody else's STUN server.
struct reflector_access {
    std::string host; // as the configuration names it
    socket_address where;
    std::string vantage; // whose way it is
    way_out way;
    wire::key key;
    std::shared_ptr<stun_pair> stun{}; // nullptr: a reflector
};

class reflector_client {
public:
    explicit reflector_client(wire::key key);

    // Asks for the cookie that everything else carries.
    boost::asio::awaitable<result<void>> greet(boost::asio::ip::tcp::socket& flow, time_point deadline);
    boost::asio::awaitable<result<void>> greet(boost::asio::ip::udp::socket& flow, time_point deadline);
    boost::asio::awaitable<result<wire::reply_body>>
    ask(boost::asio::ip::tcp::socket& flow, wire::request_body what, time_point deadline);
    boost::asio::awaitable<result<wire::reply_body>>
    ask(boost::asio::ip::udp::socket& flow, wire::request_body what, time_point deadline);

    // A request that needs no cookie, as bytes.
    [[nodiscard]] byte_vector hello() const { return make(wire::hello{}).bytes; }
    // Whether these bytes are the answer that was appointed under this token.
    [[nodiscard]] bool is_answer(byte_view message, std::uint64_t token) const;
    // Reads what waits at a TCP flow; whether the answer is in it.
    bool take_answer(boost::asio::ip::tcp::socket& flow, std::uint64_t token);
    // UDP: how many were sent so far.
    [[nodiscard]] unsigned datagrams() const { return datagrams_; }

private:
    struct question {
        byte_vector bytes;
        std::uint64_t nonce = 0;
    };
    question make(const wire::request_body& what) const;
    template <class Socket>
    boost::asio::awaitable<result<void>> greet_on(Socket& flow, time_point deadline);
    [[nodiscard]] std::optional<wire::reply> read(byte_view message) const;
    [[nodiscard]] std::optional<wire::reply_body> reply_in(byte_view message, std::uint64_t nonce) const;
    bool read_stream(boost::asio::ip::tcp::socket& flow);
    std::optional<byte_vector> next_message();

    std::string id_;
    wire::signer signer_;
    wire::cookie_bytes cookie_{};
    byte_vector unread_;
    unsigned datagrams_ = 0;
};

// An open flow to the reflector: connected, nothing said yet.
boost::asio::awaitable<result<boost::asio::ip::udp::socket>> open_datagram_flow(reflector_access to);

} // namespace reachd
