// SPDX-License-Identifier: Apache-2.0
// http_server.hpp: HTTP/1.1 for GET and HEAD on one listening socket, with server-sent events.
//
// Use      listen() at start and whenever the address changes, publish() what happens, stop() before the
//          end. The handler answers a request with a response, or with a stream of events.
// Cancel   stop() closes idle connections and streams at once and lets answers end.
// Lifetime The server outlives its coroutines: destroy it only after stop() has returned.
// Errors   Nothing that a client does ends anything but its own connection. An exception of the handler
//          is answered 500 and told to `failed`.
// Executor One thread; it does not block and does not log. A client has one answer under way at most, so
//          that none waits for another's slow reading.
// Limits   http_limits. What is over them is refused and counted by reason (docs/HTTP.md).
#pragma once

#include "reachd/core/http_text.hpp"
#include "reachd/core/json.hpp"
#include "reachd/net/control_listener.hpp"
#include "reachd/net/task_group.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <variant>

namespace reachd {

class http_session;
struct http_context; // what the sessions of a server share

// Why these figures: docs/HTTP.md, "Limits".
struct http_limits {
    std::size_t header_bytes = 8 * 1024;
    std::size_t connections = 64;
    std::size_t connections_of_peer = 32; // of one address
    std::size_t streams = 16;
    std::size_t stream_bytes = 256 * 1024;       // of events that one client has not taken
    std::size_t unsent_bytes = 64 * 1024 * 1024; // of all answers under way
    std::size_t kept_events = 256;               // for clients that come back
    milliseconds request_time{10'000};           // to complete a request's header
    milliseconds idle_time{120'000};             // between two requests: longer than scrapers pause
    milliseconds stall_time{10'000};             // in which a client must take something
    milliseconds answer_time{60'000};            // in which it must have taken the whole answer
    milliseconds heartbeat{15'000};              // of a stream where nothing happens
    milliseconds linger_time{1'000};             // to read what a refused client still sends
    milliseconds accept_pause{100};              // after accept() failed, as for want of descriptors
};

struct http_request {
    http_target target;
};

// Answered by the server itself: a stream of what publish() is told from now on.
struct http_stream {};

using http_reply = std::variant<http_response, http_stream>;

struct http_callbacks {
    // Must be set.
    std::function<boost::asio::awaitable<http_reply>(http_request)> handle;
    // The present state, for a stream that does not continue an earlier one.
    std::function<json()> snapshot;
    // An exception left the handler or a part of the server.
    std::function<void(const std::string& task, const std::exception_ptr& what)> failed;
};

struct http_counters {
    std::map<unsigned, std::uint64_t> answers;    // by status
    std::map<std::string, std::uint64_t> refused; // by reason, every known one from the start
    std::uint64_t connections = 0;                // accepted since the start
    std::uint64_t lost = 0;                       // events that slow readers did not get
    std::uint64_t stalled = 0;                    // connections closed because too little was taken
    std::uint64_t evicted = 0;                    // idle connections closed to make room
    std::uint64_t accept_failures = 0;
};

// What is listened on; an empty one serves nothing.
struct http_listener {
    unique_fd socket;
    bound_file file; // of a Unix socket
};

// `where` is of the form of http_config::listen. Errors: in_use, invalid, unavailable.
result<http_listener> bind_http(const std::string& where);

class http_server {
public:
    // `boot` names this run of the daemon in the ids of events: an id of another run does not continue.
    http_server(
        boost::asio::any_io_executor executor, http_limits limits, http_callbacks callbacks, std::string boot
    );
    ~http_server();

    // Replaces what was listened on; its connections end, answers under way apart.
    void listen(http_listener listener);
    // Names that a Host header may have.
    void allow_hosts(std::vector<std::string> names);
    // One event to every stream.
    void publish(const json& data);
    // Closes everything; answers how many coroutines would not end in time.
    boost::asio::awaitable<std::size_t> stop(time_point deadline);

    [[nodiscard]] const http_counters& counters() const;
    [[nodiscard]] std::size_t connections() const { return sessions_.size(); }
    [[nodiscard]] std::size_t streams() const;

private:
    struct door; // the listening socket
    boost::asio::awaitable<void> accept_loop(std::shared_ptr<door> at);
    void admit(int socket);
    bool make_room(const std::string& peer);
    boost::asio::awaitable<void> run_session(std::shared_ptr<http_session> session);

    boost::asio::any_io_executor executor_;
    std::unique_ptr<http_context> context_;
    std::shared_ptr<door> door_;
    std::list<std::shared_ptr<http_session>> sessions_; // the longest there first
    task_group tasks_;
    bool stopping_ = false;
};

} // namespace reachd
