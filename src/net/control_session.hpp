// SPDX-License-Identifier: Apache-2.0
// control_session.hpp: one connection of the control server.
//
// Use      run() once; it returns when the connection has ended and nothing of it runs any more.
// Cancel   stop() ends it politely, abort() at once; run() itself is not cancellable.
// Lifetime Held by a shared_ptr; the context outlives it.
// Executor One thread.
#pragma once

#include "answer_turns.hpp"
#include "reachd/core/line_buffer.hpp"
#include "reachd/net/control_server.hpp"
#include "send_queue.hpp"

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <optional>

namespace reachd {

struct control_context {
    explicit control_context(const boost::asio::any_io_executor& executor)
        : of_control{executor}, of_status{executor}
    {
    }

    // The line for answers of this method; null where they cost nothing.
    answer_turns* turns(access_level socket, std::string_view method);

    control_limits limits;
    control_callbacks callbacks;
    control_counters counters;
    std::uint64_t sequence = 0;      // of the last notification to subscribers
    std::uint64_t subscriptions = 0; // since the start; names them
    struct turns_of_socket {
        explicit turns_of_socket(const boost::asio::any_io_executor& executor)
            : whole{executor}, other{executor}
        {
        }
        answer_turns whole; // made of all endpoints there are
        answer_turns other;
        std::size_t unsent = 0; // bytes, of all its connections
    };
    turns_of_socket& of(access_level socket)
    {
        return socket == access_level::change ? of_control : of_status;
    }
    turns_of_socket of_control; // each socket has its own, as it has its own places
    turns_of_socket of_status;
};

class control_session : public std::enable_shared_from_this<control_session> {
public:
    using socket_type = boost::asio::local::stream_protocol::socket;
    using shared_line = send_queue::shared_line;

    // `subscribers` counts those of the same listening socket.
    control_session(
        socket_type socket, access_level access, peer_identity peer, control_context& context,
        std::size_t& subscribers
    );

    boost::asio::awaitable<void> run();
    // Reads no more; what is under way is cancelled, what is to be said is still sent.
    void stop();
    void abort();
    // Lost when too much waits already.
    void notify(const shared_line& line);
    [[nodiscard]] bool subscribed() const { return subscribed_; }
    [[nodiscard]] bool gone() const { return closed_; }
    // Its first line, or the rest of one, has not been read yet.
    [[nodiscard]] bool has_more_to_say() const;

private:
    boost::asio::awaitable<void> read_loop();
    boost::asio::awaitable<void> take_lines();
    boost::asio::awaitable<void> ready_to_read();
    [[nodiscard]] time_point read_deadline() const;
    void on_silence();
    void take_line(std::string_view line);
    boost::asio::awaitable<void> carry_out(rpc_request request);
    boost::asio::awaitable<void>
    handle_into(rpc_request request, rpc_answer* answer, std::optional<answer_turns::place>* place);
    // False where the clients of this socket have not taken what was made for them: no more is made then.
    boost::asio::awaitable<bool> take_turn(answer_turns* turns, std::optional<answer_turns::place>* place);
    rpc_answer subscribe();
    void unsubscribe();
    void deliver(json id, answer_wanted wanted, rpc_answer answer);
    void refuse_and_end(const reason_info& why, std::string message);

    boost::asio::awaitable<void> write_loop();
    void on_sent(std::size_t bytes);
    void push(std::string line);
    void count_unsent(std::size_t bytes);
    void discard_input();

    boost::asio::awaitable<void> changed();
    void wake() { changed_.cancel(); }
    void tell_failure(const std::string& task, const std::exception_ptr& what);
    [[nodiscard]] bool reading() const { return !closed_ && !ending_; }

    socket_type socket_;
    access_level access_;
    peer_identity peer_;
    control_context* context_;
    std::size_t* subscribers_;
    boost::asio::steady_timer changed_; // cancelled when something that others wait for has changed

    line_buffer input_;
    std::array<char, 8192> chunk_{};
    time_point line_begun_{};
    time_point active_; // the last time that anything went in or out

    send_queue queue_;
    std::size_t unsent_ = 0;
    time_point answer_begun_{}; // when the first byte of the line that is being sent was offered
    std::size_t under_way_ = 0;
    bool dear_under_way_ = false;  // an answer that is dear to make
    bool large_under_way_ = false; // one of them has an answer that is large and must be waited for
    bool heard_ = false;           // a line of it
    bool subscribed_ = false;
    bool ending_ = false; // reads no more
    bool stopping_ = false;
    bool closed_ = false;
    task_group requests_;
    task_group writer_;
};

} // namespace reachd
