// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/control_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace reachd {
namespace {

constexpr milliseconds retry_pause{20}; // between two attempts at a daemon whose backlog is full

std::unexpected<call_error> link_error(link_fault why, std::string sentence)
{
    return std::unexpected{call_error{.link = why, .sentence = std::move(sentence), .refused = {}}};
}

std::unexpected<call_error> refused_by_daemon(rpc_error error)
{
    auto sentence = error.message;
    if (!error.hint.empty()) {
        sentence += "; " + error.hint;
    }
    return std::unexpected{call_error{std::nullopt, std::move(sentence), std::move(error)}};
}

std::unexpected<call_error> not_connected(const std::string& path, int error_number)
{
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        return link_error(
            link_fault::not_running,
            fmt::format("there is no socket {}: start reachd, or name its runtime directory", path)
        );
    case ECONNREFUSED:
        return link_error(
            link_fault::not_running, fmt::format("nobody listens on {}: reachd is not running", path)
        );
    case EACCES:
    case EPERM:
        return link_error(
            link_fault::no_permission,
            fmt::format("{} is not open to you: use status.sock for reading, or join the group reachd", path)
        );
    case EAGAIN:
        return link_error(
            link_fault::not_accepting,
            fmt::format("reachd does not accept connections on {}: it may hang", path)
        );
    case ENOTSOCK:
    case EPROTOTYPE: return link_error(link_fault::bad_path, fmt::format("{} is no socket of reachd", path));
    default:
        return link_error(
            link_fault::other, fmt::format("cannot connect to {}: {}", path, std::strerror(error_number))
        );
    }
}

std::unexpected<call_error> timed_out()
{
    return link_error(link_fault::timed_out, "reachd did not answer in time");
}

std::unexpected<call_error> hung_up()
{
    return link_error(link_fault::closed, "reachd closed the connection without an answer");
}

int milliseconds_until(time_point deadline)
{
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000)); // poll() takes an int; we loop
}

// Waits for the socket; false when the deadline came first.
bool wait_for(int fd, short events, time_point deadline)
{
    while (true) {
        pollfd one{fd, events, 0};
        const int ready = ::poll(&one, 1, milliseconds_until(deadline));
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return true; // the next call on the socket says what is wrong with it
        }
        if (steady::now() >= deadline) {
            return false;
        }
    }
}

bool is_blank(std::string_view line)
{
    return line.find_first_not_of(" \t") == std::string_view::npos;
}

bool is_notification(const json& message)
{
    const auto method = message.find("method");
    return !message.contains("id") && method != message.end() && method->is_string();
}

control_notification notification_in(json& message)
{
    control_notification out;
    out.method = message["method"].get<std::string>();
    out.params = std::move(message["params"]);
    return out;
}

} // namespace

const char* to_string(link_fault value)
{
    switch (value) {
    case link_fault::not_running: return "not_running";
    case link_fault::no_permission: return "no_permission";
    case link_fault::not_accepting: return "not_accepting";
    case link_fault::bad_path: return "bad_path";
    case link_fault::timed_out: return "timed_out";
    case link_fault::closed: return "closed";
    case link_fault::malformed: return "malformed";
    case link_fault::other: return "other";
    }
    return "?";
}

std::expected<control_client, call_error> connect_control(const std::string& path, time_point deadline)
{
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (path.empty() || path.size() > max_socket_path_bytes) {
        return link_error(
            link_fault::bad_path, fmt::format(
                                      "'{}' has {} bytes, and a Unix socket's path 1 to {}", path,
                                      path.size(), max_socket_path_bytes
                                  )
        );
    }
    std::memcpy(to.sun_path, path.data(), path.size());
    unique_fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) {
        return link_error(link_fault::other, fmt::format("cannot make a socket: {}", std::strerror(errno)));
    }
    while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        const int failed = errno;
        const bool again = failed == EINTR || (failed == EAGAIN && steady::now() < deadline);
        if (!again) {
            return not_connected(path, failed);
        }
        ::poll(nullptr, 0, std::min(static_cast<int>(retry_pause.count()), milliseconds_until(deadline)));
    }
    return control_client{std::move(socket)};
}

std::expected<void, call_error> control_client::send_line(std::string_view line, time_point deadline)
{
    while (!line.empty()) {
        const auto sent = ::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            line.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            if (!wait_for(socket_.get(), POLLOUT, deadline)) {
                return timed_out();
            }
        } else if (errno == EPIPE) {
            return {}; // what the daemon said before it hung up is still to be read
        } else if (errno != EINTR) {
            return link_error(
                link_fault::other, fmt::format("cannot write to reachd: {}", std::strerror(errno))
            );
        }
    }
    return {};
}

std::expected<void, call_error> control_client::receive_bytes(time_point deadline)
{
    std::array<char, 64 * 1024> chunk; // not initialised on purpose: recv() says how much of it counts
    while (true) {
        const auto size = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
        if (size > 0) {
            input_.append({chunk.data(), static_cast<std::size_t>(size)});
            return {};
        }
        if (size == 0 || errno == ECONNRESET) {
            return hung_up();
        }
        if (errno == EAGAIN) {
            if (!wait_for(socket_.get(), POLLIN, deadline)) {
                return timed_out();
            }
        } else if (errno != EINTR) {
            return link_error(
                link_fault::other, fmt::format("cannot read from reachd: {}", std::strerror(errno))
            );
        }
    }
}

std::expected<json, call_error> control_client::receive(time_point deadline)
{
    while (true) {
        while (const auto line = input_.next()) {
            if (is_blank(*line)) {
                continue;
            }
            auto document = parse_json(*line, "answer", comments::refused);
            if (!document || !document->value.is_object()) {
                return link_error(
                    link_fault::malformed, "what answers on the socket does not speak as reachd does"
                );
            }
            last_line_bytes_ = line->size();
            return std::move(document->value);
        }
        if (input_.overflown()) {
            return link_error(
                link_fault::malformed, fmt::format("an answer is longer than {} MiB", max_answer_bytes >> 20U)
            );
        }
        if (auto more = receive_bytes(deadline); !more) {
            return std::unexpected{std::move(more.error())};
        }
    }
}

std::expected<void, call_error> control_client::keep(control_notification heard, std::size_t bytes)
{
    if (waiting_bytes_ + bytes > max_answer_bytes) {
        return link_error(link_fault::malformed, "reachd sent more notifications than were fetched");
    }
    waiting_bytes_ += bytes;
    waiting_.emplace_back(std::move(heard), bytes);
    return {};
}

std::expected<json, call_error>
control_client::call(std::string_view method, json params, time_point deadline, const listener& heard)
{
    const json id = ++last_id_;
    if (auto sent = send_line(encode_request(id, method, std::move(params)), deadline); !sent) {
        return std::unexpected{std::move(sent.error())};
    }
    while (true) {
        auto message = receive(deadline);
        if (!message) {
            return message;
        }
        if (is_notification(*message)) {
            auto news = notification_in(*message);
            if (heard) {
                heard(news);
            } else if (auto kept = keep(std::move(news), last_line_bytes_); !kept) {
                return std::unexpected{std::move(kept.error())};
            }
            continue;
        }
        if (auto error = decode_error(message->value("error", json{}))) {
            return refused_by_daemon(std::move(*error)); // id null: it concerns the connection, hence us
        }
        if (message->value("id", json{}) == id && message->contains("result")) {
            return std::move((*message)["result"]);
        }
        return link_error(link_fault::malformed, "the answer is to another question");
    }
}

std::expected<control_notification, call_error> control_client::next_notification(time_point deadline)
{
    if (!waiting_.empty()) {
        auto [next, bytes] = std::move(waiting_.front());
        waiting_.pop_front();
        waiting_bytes_ -= bytes;
        return std::move(next);
    }
    auto message = receive(deadline);
    if (!message) {
        return std::unexpected{std::move(message.error())};
    }
    if (is_notification(*message)) {
        return notification_in(*message);
    }
    if (auto error = decode_error(message->value("error", json{}))) {
        return refused_by_daemon(std::move(*error));
    }
    return link_error(link_fault::malformed, "an answer came to no question");
}

} // namespace reachd
