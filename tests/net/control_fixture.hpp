// SPDX-License-Identifier: Apache-2.0
// control_fixture.hpp: a control server on a thread of its own, and plain clients for it.
#pragma once

#include "reachd/core/line_buffer.hpp"
#include "reachd/net/control_server.hpp"
#include "reachd/net/deadline.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <vector>

namespace reachd::test {

// Longer than anything here takes, even under sanitizers on a busy machine; nobody waits for it to pass.
inline constexpr seconds patience{20};

class temporary_directory {
public:
    temporary_directory()
    {
        std::string name = std::filesystem::temp_directory_path() / "reachd-test-XXXXXX";
        path_ = ::mkdtemp(name.data()) == nullptr ? "" : name;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(std::string_view name) const
    {
        return path_ + "/" + std::string{name};
    }

private:
    std::string path_;
};

inline sockaddr_un socket_address(const std::string& path)
{
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    std::memcpy(out.sun_path, path.data(), std::min(path.size(), sizeof out.sun_path - 1));
    return out;
}

// A client as plain as socat: it knows bytes only.
class plain_client {
public:
    plain_client() : socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {}
    explicit plain_client(const std::string& path) : plain_client{} { connect(path); }

    void connect(const std::string& path)
    {
        const auto to = socket_address(path);
        connected_ = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    }

    [[nodiscard]] bool connected() const { return connected_; }
    [[nodiscard]] int fd() const { return socket_.get(); }
    void say(std::string_view text) const
    {
        while (!text.empty()) {
            const auto sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return;
            }
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    void ask(std::string_view method, int id) const { say(encode_request(id, method, json::object())); }
    void say_no_more() const { ::shutdown(socket_.get(), SHUT_WR); }

    // The next line as JSON; null at the end of the stream or when nothing came in time.
    json hear(milliseconds within = patience)
    {
        const auto deadline = steady::now() + within;
        auto line = input_.next();
        while (!line && read_some(deadline)) {
            line = input_.next();
        }
        return line ? json::parse(*line, nullptr, false) : json{};
    }
    // Nothing more comes and the stream ends in time.
    bool ends(milliseconds within = patience) { return hear(within).is_null() && ended_; }
    bool silent(milliseconds within) { return hear(within).is_null() && !ended_; }

private:
    bool read_some(time_point deadline)
    {
        const auto left = std::chrono::ceil<milliseconds>(deadline - steady::now()).count();
        pollfd one{socket_.get(), POLLIN, 0};
        if (::poll(&one, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) <= 0) {
            return false;
        }
        std::vector<char> chunk(64 * 1024);
        const auto size = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
        if (size <= 0) {
            ended_ = true;
            return false;
        }
        input_.append({chunk.data(), static_cast<std::size_t>(size)});
        return true;
    }

    unique_fd socket_;
    bool connected_ = false;
    bool ended_ = false;
    line_buffer input_{64 * 1024 * 1024};
};

inline std::string reason_of(const json& answer)
{
    return answer.is_object() && answer.contains("error") ? answer["error"]["data"].value("reason", "?")
                                                          : "answered: " + dump(answer).substr(0, 200);
}

// What the test's methods do:
//   version   answers {"version": 1}
//   health    waits until release(), then answers {"waited": true}
//   report    answers a text of `report_bytes`
//   config    throws
//   probe     sends a notification "progress", waits until release(), answers {"probed": true}
//   all other answer {"method": NAME}
class running_server {
public:
    explicit running_server(control_limits limits = {})
        : gate_{io_, time_point::max()}, server_{io_.get_executor(), limits, callbacks()}
    {
        auto listeners = bind_listeners({.directory = directory_.path(), .control_group = {}});
        EXPECT_TRUE(listeners) << listeners.error().detail;
        server_.serve(std::move(*listeners));
        thread_ = std::thread{[this] { io_.run(); }};
    }
    running_server(const running_server&) = delete;
    running_server& operator=(const running_server&) = delete;
    ~running_server()
    {
        if (!stopped_) {
            EXPECT_EQ(stop(), 0U);
        }
        work_.reset();
        thread_.join();
    }

    std::size_t stop(milliseconds within = patience)
    {
        stopped_ = true;
        return boost::asio::co_spawn(io_, server_.stop(steady::now() + within), boost::asio::use_future)
            .get();
    }
    // Runs on the server's thread and answers what `action` answers.
    template <class Action>
    auto on_loop(Action action)
    {
        std::packaged_task<decltype(action())()> task{std::move(action)};
        auto answer = task.get_future();
        boost::asio::post(io_, [&task] { task(); });
        return answer.get();
    }
    // Looks again and again on the server's thread.
    template <class Question>
    bool becomes_true(Question question)
    {
        const auto deadline = steady::now() + patience;
        while (!on_loop(question)) {
            if (steady::now() > deadline) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }
    void release()
    {
        on_loop([this] {
            released_ = true;
            return gate_.cancel();
        });
    }
    void publish(json params)
    {
        on_loop([&] {
            server_.publish("event", std::move(params));
            return 0;
        });
    }
    control_counters counters()
    {
        return on_loop([this] { return server_.counters(); });
    }
    std::uint64_t rejected(const reason_info& why) { return counters().rejected.at(why.word); }
    control_server& server() { return server_; }
    [[nodiscard]] std::string control() const { return directory_ / "control.sock"; }
    [[nodiscard]] std::string status() const { return directory_ / "status.sock"; }
    std::vector<std::string> audited()
    {
        return on_loop([this] { return audited_; });
    }
    std::vector<std::string> failures()
    {
        return on_loop([this] { return failures_; });
    }
    std::size_t carried_out()
    {
        return on_loop([this] { return carried_out_; });
    }

    // On the server's thread only.
    [[nodiscard]] std::size_t carried_out_here() const { return carried_out_; }

    std::size_t report_bytes = 3 * 1024 * 1024;
    json present_state = {{"state", "ready"}};

private:
    control_callbacks callbacks()
    {
        control_callbacks out;
        out.handle = [this](rpc_request request, control_caller caller) {
            return answer(std::move(request), std::move(caller));
        };
        out.snapshot = [this] { return present_state; };
        out.audit = [this](const rpc_request& request, const control_caller& caller) {
            audited_.push_back(
                std::string{request.method->name} + " by " + std::to_string(caller.peer().uid)
            );
        };
        out.failed = [this](const std::string& task, const std::exception_ptr&) {
            failures_.push_back(task);
        };
        return out;
    }

    boost::asio::awaitable<rpc_answer> answer(rpc_request request, control_caller caller)
    {
        const auto name = request.method->name;
        if (name == "probe") {
            caller.notify("progress", {{"done", 1}});
        }
        if (name == "health" || name == "probe" || name == "history") {
            while (!released_) {
                co_await gate_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
            }
        }
        if (name == "config") {
            throw std::runtime_error{"a fault in a handler"};
        }
        ++carried_out_;
        if (name == "report" || name == "history") {
            co_return json{{"text", std::string(report_bytes, 'x')}};
        }
        co_return name == "version" ? json{{"version", 1}}
        : name == "health"          ? json{{"waited", true}}
        : name == "probe"           ? json{{"probed", true}}
                                    : json{{"method", name}};
    }

    temporary_directory directory_;
    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
    boost::asio::steady_timer gate_;
    bool released_ = false;
    bool stopped_ = false;
    std::vector<std::string> audited_;
    std::vector<std::string> failures_;
    std::size_t carried_out_ = 0;
    control_server server_;
    std::thread thread_;
};

} // namespace reachd::test
