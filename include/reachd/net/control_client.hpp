// SPDX-License-Identifier: Apache-2.0
// control_client.hpp: asks the daemon, blocking, each step with a deadline.
//
// Use      connect_control(), then call() as often as wanted; next_notification() after `subscribe`.
// Errors   `link` says that there was no answer and why, in a sentence that says what to do; otherwise
//          the daemon refused and `refused` holds its words.
// Lifetime One request at a time. After an error with `link` the client is of no more use.
// Limits   An answer of at most 64 MiB; notifications that nobody fetched, as much again.
// Source   A blocking connect() to a daemon that does not accept never returns (measured, Linux 6.1),
//          hence the non-blocking one.
#pragma once

#include "reachd/core/control.hpp"
#include "reachd/core/line_buffer.hpp"
#include "reachd/core/time.hpp"
#include "reachd/net/control_listener.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <string>

namespace reachd {

inline constexpr std::size_t max_answer_bytes = 64 * 1024 * 1024;

// Why there was no answer.
enum class link_fault : std::uint8_t {
    not_running,   // no socket there, or nobody listens
    no_permission, // the socket is not for this user
    not_accepting, // the daemon runs but takes no connections
    bad_path,      // too long, or no socket
    timed_out,     // the deadline passed
    closed,        // the daemon closed the connection
    malformed,     // the answer is not of this protocol
    other,         // the system's own words
};
const char* to_string(link_fault value);

struct call_error {
    std::optional<link_fault> link; // nullopt: the daemon answered with an error
    std::string sentence;           // for a person; always set
    rpc_error refused;              // when link is nullopt
};

struct control_notification {
    std::string method;
    json params;
};

class control_client {
public:
    using listener = std::function<void(const control_notification&)>;

    // The `result` of the answer. Notifications that arrive before it go to `heard`, or wait for
    // next_notification() when that is empty.
    std::expected<json, call_error>
    call(std::string_view method, json params, time_point deadline, const listener& heard = {});
    std::expected<control_notification, call_error> next_notification(time_point deadline);
    // For poll(); a notification may also wait here: has_notification().
    [[nodiscard]] int native_handle() const { return socket_.get(); }
    [[nodiscard]] bool has_notification() const { return !waiting_.empty(); }

private:
    friend std::expected<control_client, call_error> connect_control(const std::string&, time_point);
    explicit control_client(unique_fd socket) : socket_{std::move(socket)} {}

    std::expected<void, call_error> send_line(std::string_view line, time_point deadline);
    // The next line that is not blank, as an object.
    std::expected<json, call_error> receive(time_point deadline);
    std::expected<void, call_error> receive_bytes(time_point deadline);
    std::expected<void, call_error> keep(control_notification heard, std::size_t bytes);

    unique_fd socket_;
    line_buffer input_{max_answer_bytes};
    std::deque<std::pair<control_notification, std::size_t>> waiting_; // with its size on the wire
    std::size_t waiting_bytes_ = 0;
    std::size_t last_line_bytes_ = 0;
    std::int64_t last_id_ = 0;
};

std::expected<control_client, call_error> connect_control(const std::string& path, time_point deadline);

} // namespace reachd
