// SPDX-License-Identifier: Apache-2.0
// http_session.hpp: one connection of the HTTP server.
//
// Use      run() once; it returns when the connection has ended and nothing of it runs any more.
// Cancel   stop() ends it after the answer under way, abort() at once; run() itself is not cancellable.
// Lifetime Held by a shared_ptr; the context outlives it.
// Executor One thread.
#pragma once

#include "reachd/net/http_server.hpp"
#include "send_queue.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace reachd {

struct http_reason {
    const char* word;
    unsigned status;
};

namespace http_reasons {
inline constexpr http_reason malformed{"malformed", 400};
inline constexpr http_reason method{"method", 405};
inline constexpr http_reason too_slow{"too_slow", 408};
inline constexpr http_reason body{"body", 413};
inline constexpr http_reason host{"host", 421};
inline constexpr http_reason cross_site{"cross_site", 403}; // asked for by a page of somebody else
inline constexpr http_reason header_too_large{"header_too_large", 431};
inline constexpr http_reason too_many_connections{"too_many_connections", 503};
inline constexpr http_reason too_many_streams{"too_many_streams", 503};
inline constexpr http_reason too_much_unsent{"too_much_unsent", 503};
inline constexpr http_reason version{"version", 505};
inline constexpr const http_reason* all[] = {
    &malformed,
    &method,
    &too_slow,
    &body,
    &host,
    &header_too_large,
    &too_many_connections,
    &too_many_streams,
    &too_much_unsent,
    &version,
    &cross_site,
};
} // namespace http_reasons

struct http_context {
    http_limits limits;
    http_callbacks callbacks;
    http_counters counters;
    std::vector<std::string> hosts;
    std::string boot;
    bool any_host = false;  // a Unix socket: no page of others can reach it
    std::size_t unsent = 0; // bytes of the answers under way
    std::size_t streams = 0;
    std::uint64_t sequence = 0; // of the last event
    struct kept_event {
        std::uint64_t sequence;
        send_queue::shared_line text;
    };
    std::deque<kept_event> kept;
};

class http_session : public std::enable_shared_from_this<http_session> {
public:
    using socket_type = boost::asio::generic::stream_protocol::socket;

    http_session(socket_type socket, std::string peer, http_context& context);

    boost::asio::awaitable<void> run();
    void stop();
    void abort();
    // An event, where this is a stream; lost when too much waits already.
    void notify(const send_queue::shared_line& event);
    // Waits for a request of which nothing has come yet, the first one apart.
    [[nodiscard]] bool idle() const { return idle_; }
    [[nodiscard]] bool gone() const { return closed_; }
    [[nodiscard]] const std::string& peer() const { return peer_; }
    [[nodiscard]] time_point active() const { return active_; }

private:
    using parser_type = boost::beast::http::request_parser<boost::beast::http::empty_body>;
    struct refusal {
        const http_reason* why;
        std::string sentence;
    };
    // What has become of reading a request.
    enum class reading : std::uint8_t {
        complete,
        refused, // refused_ says why
        ended,   // the client said no more, or nothing in time
    };

    boost::asio::awaitable<reading> read_request();
    reading on_silence();
    reading refuse(const http_reason& why, std::string sentence);
    [[nodiscard]] std::optional<refusal> fault_of_request() const;
    boost::asio::awaitable<void> answer_request();
    boost::asio::awaitable<http_reply> ask_handler(http_request request);
    boost::asio::awaitable<void> send_response(http_response what);
    boost::asio::awaitable<bool> send(std::string_view head, std::string_view body);
    boost::asio::awaitable<void> send_refusal();
    boost::asio::awaitable<void> linger();

    boost::asio::awaitable<void> stream_events();
    boost::asio::awaitable<void> drain_queue();
    boost::asio::awaitable<void> await_end();
    void greet_stream();

    socket_type socket_;
    std::string peer_;
    http_context* context_;
    boost::asio::steady_timer changed_; // cancelled when a stream has something to do
    boost::beast::flat_buffer input_;
    std::optional<parser_type> parser_;
    std::optional<refusal> refused_;
    std::string last_event_id_;
    time_point begun_; // of the request that is read
    time_point active_;
    send_queue queue_;
    bool head_only_ = false;
    bool first_ = true;
    bool idle_ = false;
    bool streaming_ = false;
    bool ending_ = false; // after the answer under way
    bool closed_ = false;
    task_group watcher_;
};

} // namespace reachd
