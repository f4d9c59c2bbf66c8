// SPDX-License-Identifier: Apache-2.0
// control_server.hpp: serves the control protocol on both sockets.
//
// Use      serve() the listeners once, publish() what happens, stop() before the end. `subscribe` is
//          answered here; every other method goes to the handler as a coroutine of its own, and a
//          connection's answers leave in the order in which they are ready.
// Cancel   stop() cancels the requests under way: they are answered `shutting_down`. A request whose
//          client has gone is carried out all the same; a long one asks gone().
// Lifetime The server outlives its coroutines: destroy it only after stop() has returned.
// Errors   Nothing that a client does ends anything but its own connection. An exception of the handler
//          is answered `internal` and told to `failed`.
// Executor One thread; it does not block and does not log.
// Limits   control_limits. What is over them is refused and counted by reason.
#pragma once

#include "reachd/core/control.hpp"
#include "reachd/core/time.hpp"
#include "reachd/net/control_listener.hpp"
#include "reachd/net/task_group.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>

namespace reachd {

class control_session;
struct control_context; // what the sessions of a server share

// Why these figures: docs/CONTROL.md, "Limits".
struct control_limits {
    std::size_t line_bytes = 64 * 1024;
    std::size_t connections = 32;  // a socket
    std::size_t subscriptions = 8; // a socket, one a connection
    std::size_t requests = 16;     // under way on one connection; reading stops until one is answered
    std::size_t unsent_bytes = 1024 * 1024;
    std::size_t all_unsent_bytes =
        32 * 1024 * 1024;           // a socket: no further large answer is made until it is less
    milliseconds line_time{10'000}; // from the first byte of a line to its end
    milliseconds idle_time{60'000};
    milliseconds stall_time{10'000};  // in which a client with a full queue must take something
    milliseconds answer_time{60'000}; // in which a client must take a line of ours, however little at a time
    milliseconds accept_pause{100};   // after accept() failed, as for want of descriptors
    milliseconds last_word{250};      // in which, at the end, who has just connected is still heard
};

// SO_PEERCRED at accept: for the record only. A pid can be reused, and under PrivateUsers= every uid
// is nobody's.
struct peer_identity {
    uid_t uid = static_cast<uid_t>(-1);
    gid_t gid = static_cast<gid_t>(-1);
    pid_t pid = 0;
};

// Who asks: a value that may outlive the connection.
class control_caller {
public:
    using wait_for_turn = std::function<boost::asio::awaitable<bool>()>;

    control_caller(
        std::weak_ptr<control_session> session, access_level access, peer_identity peer, wait_for_turn turn
    )
        : session_{std::move(session)}, access_{access}, peer_{peer}, turn_{std::move(turn)}
    {
    }

    // Answers that are dear to make are made one at a time. The methods that are nothing else wait by
    // themselves; who makes one after something else waits here, right before; false: none is made until
    // clients have taken theirs.
    [[nodiscard]] boost::asio::awaitable<bool> turn() const { return turn_(); }

    // A notification to this client alone; lost (and counted for it) when it reads too slowly.
    void notify(std::string_view method, json params) const;
    // Nobody will read the answer. Known once the connection failed, at the latest by a notify().
    [[nodiscard]] bool gone() const;
    [[nodiscard]] access_level access() const { return access_; }
    [[nodiscard]] const peer_identity& peer() const { return peer_; }

private:
    std::weak_ptr<control_session> session_;
    access_level access_;
    peer_identity peer_;
    wait_for_turn turn_;
};

using rpc_answer = std::expected<json, rpc_error>;

struct control_callbacks {
    // Answers every method but `subscribe`. Must be set.
    std::function<boost::asio::awaitable<rpc_answer>(rpc_request, control_caller)> handle;
    // The present state for a new subscriber: at once, so that no event falls between the two.
    std::function<json()> snapshot;
    // A method that changes something is about to run.
    std::function<void(const rpc_request&, const control_caller&)> audit;
    // An exception left a handler or a part of the server.
    std::function<void(const std::string& task, const std::exception_ptr& what)> failed;
};

struct control_counters {
    std::map<std::string, std::uint64_t> rejected; // by reason, every known one from the start
    std::uint64_t connections = 0;                 // accepted since the start
    std::uint64_t requests = 0;                    // lines that were not blank
    std::uint64_t lost = 0;                        // notifications that slow readers did not get
    std::uint64_t stalled = 0;                     // connections closed because nothing was taken
    std::uint64_t idle = 0;                        // connections closed because nothing was said
    std::uint64_t accept_failures = 0;
};

class control_server {
public:
    control_server(boost::asio::any_io_executor executor, control_limits limits, control_callbacks callbacks);
    ~control_server();

    void serve(control_listeners listeners);
    // Notification `method` to every subscriber; `params` is an object and gets the member `seq`.
    void publish(std::string_view method, json params);
    // Accepts no more (who connects to an inherited socket waits for the next daemon), answers those who have
    // connected and not been heard yet, closes everything; answers how many coroutines would not end in time.
    boost::asio::awaitable<std::size_t> stop(time_point deadline);

    [[nodiscard]] const control_counters& counters() const;
    [[nodiscard]] std::size_t connections(access_level socket) const;
    [[nodiscard]] std::size_t subscriptions() const;

private:
    struct door; // one listening socket and its connections
    void open_door(access_level access, unique_fd socket);
    boost::asio::awaitable<void> accept_loop(door* at);
    void admit(door& at, boost::asio::local::stream_protocol::socket socket);
    boost::asio::awaitable<void> hear_last_words(time_point deadline);
    boost::asio::awaitable<void> run_session(door* at, std::shared_ptr<control_session> session);

    boost::asio::any_io_executor executor_;
    std::unique_ptr<control_context> context_;
    control_listeners listeners_;
    std::list<door> doors_;
    task_group tasks_;
    bool stopping_ = false;
};

} // namespace reachd
