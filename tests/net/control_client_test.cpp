// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/control_client.hpp"

#include "control_fixture.hpp"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reachd::test {
namespace {

constexpr milliseconds soon{50};

time_point in_time()
{
    return steady::now() + patience;
}

control_client connected(const std::string& path)
{
    auto client = connect_control(path, in_time());
    if (!client) {
        throw std::runtime_error{client.error().sentence};
    }
    return std::move(*client);
}

std::string fault_of(const std::expected<control_client, call_error>& client)
{
    return client ? "connected" : client.error().link ? to_string(*client.error().link) : "refused";
}

std::string fault_of(const std::expected<json, call_error>& answer)
{
    return answer              ? "answered"
         : answer.error().link ? to_string(*answer.error().link)
                               : answer.error().refused.reason;
}

// A daemon that says `answer` to whoever connects, after it has heard something, and hangs up.
class scripted_daemon {
public:
    explicit scripted_daemon(std::string answer)
        : socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)}, answer_{std::move(answer)}
    {
        const auto at = socket_address(path());
        EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
        EXPECT_EQ(::listen(socket_.get(), 1), 0);
        thread_ = std::thread{[this] { serve(); }};
    }
    scripted_daemon(const scripted_daemon&) = delete;
    scripted_daemon& operator=(const scripted_daemon&) = delete;
    ~scripted_daemon() { thread_.join(); }
    [[nodiscard]] std::string path() const { return directory_ / "sock"; }

private:
    void serve()
    {
        const unique_fd client{::accept(socket_.get(), nullptr, nullptr)};
        std::array<char, 1000> heard{};
        EXPECT_GT(::recv(client.get(), heard.data(), heard.size(), 0), 0);
        ::send(client.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }

    temporary_directory directory_;
    unique_fd socket_;
    std::string answer_;
    std::thread thread_;
};

std::string fault_after(std::string answer)
{
    const scripted_daemon daemon{std::move(answer)};
    auto client = connected(daemon.path());
    return fault_of(client.call("version", json::object(), in_time()));
}

TEST(control_client, gets_the_result_of_a_call)
{
    running_server running;
    auto client = connected(running.status());
    EXPECT_EQ(client.call("version", json::object(), in_time()).value(), (json{{"version", 1}}));
    EXPECT_EQ(client.call("catalogues", json::object(), in_time()).value()["method"], "catalogues");
}

TEST(control_client, gets_an_answer_of_several_megabytes)
{
    running_server running;
    auto client = connected(running.status());
    const auto answer = client.call("report", json::object(), in_time());
    ASSERT_TRUE(answer);
    EXPECT_EQ((*answer)["text"].get_ref<const std::string&>().size(), running.report_bytes);
}

TEST(control_client, hands_out_the_daemons_own_words_for_a_refusal)
{
    running_server running;
    auto client = connected(running.status());
    const auto answer = client.call("report", {{"catalog", "x"}}, in_time());
    ASSERT_FALSE(answer);
    EXPECT_FALSE(answer.error().link);
    EXPECT_EQ(answer.error().refused.reason, "unknown_parameter");
    EXPECT_EQ(answer.error().sentence, "'report' has no parameter 'catalog'; did you mean 'catalogue'?");
    EXPECT_TRUE(client.call("version", json::object(), in_time())); // and goes on
}

TEST(control_client, hears_progress_while_it_waits_for_the_answer)
{
    running_server running;
    auto client = connected(running.control());
    int heard = 0;
    const auto answer =
        client.call("probe", json::object(), in_time(), [&](const control_notification& news) {
            EXPECT_EQ(news.method, "progress");
            ++heard;
            running.release();
        });
    EXPECT_EQ(fault_of(answer), "answered");
    EXPECT_EQ(heard, 1);
}

TEST(control_client, keeps_notifications_that_nobody_listened_for)
{
    running_server running;
    running.release();
    auto client = connected(running.control());
    EXPECT_TRUE(client.call("probe", json::object(), in_time()));
    EXPECT_TRUE(client.has_notification());
    EXPECT_EQ(client.next_notification(in_time())->method, "progress");
    EXPECT_FALSE(client.has_notification());
}

TEST(control_client, gets_events_after_it_subscribed)
{
    running_server running;
    auto client = connected(running.status());
    const auto state = client.call("subscribe", json::object(), in_time());
    ASSERT_TRUE(state);
    EXPECT_EQ((*state)["snapshot"], running.present_state);
    running.publish({{"number", 1}});
    const auto event = client.next_notification(in_time());
    ASSERT_TRUE(event);
    EXPECT_EQ(event->params, (json{{"number", 1}, {"seq", 1}}));
    EXPECT_EQ(client.next_notification(steady::now() + soon).error().link, link_fault::timed_out);
}

TEST(control_client, gives_up_at_its_deadline)
{
    running_server running;
    auto client = connected(running.status());
    const auto begun = steady::now();
    EXPECT_EQ(fault_of(client.call("health", json::object(), begun + soon)), "timed_out");
    EXPECT_GE(steady::now() - begun, soon);
}

TEST(control_client, reads_the_reason_when_the_daemon_has_no_place_for_it)
{
    running_server running{{.connections = 0}};
    auto client = connected(running.status());
    EXPECT_EQ(fault_of(client.call("version", json::object(), in_time())), "too_many_connections");
}

TEST(control_client, says_that_the_daemon_does_not_run_where_there_is_no_socket_or_nobody_listens)
{
    const temporary_directory directory;
    const auto path = directory / "status.sock";
    const auto none = connect_control(path, in_time());
    EXPECT_EQ(fault_of(none), "not_running");
    EXPECT_NE(none.error().sentence.find("start reachd"), std::string::npos);
    const unique_fd stale{::socket(AF_UNIX, SOCK_STREAM, 0)};
    const auto at = socket_address(path);
    ASSERT_EQ(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(fault_of(connect_control(path, in_time())), "not_running");
    EXPECT_EQ(fault_of(connect_control(directory / "a/b/c", in_time())), "not_running");
}

// Makes the process somebody without groups or privileges for a scope.
class stranger {
public:
    stranger()
    {
        groups_.resize(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
        const int known = ::getgroups(static_cast<int>(groups_.size()), groups_.data());
        became_ =
            known >= 0 && ::setgroups(0, nullptr) == 0 && ::setegid(nobody) == 0 && ::seteuid(nobody) == 0;
    }
    stranger(const stranger&) = delete;
    stranger& operator=(const stranger&) = delete;
    ~stranger()
    {
        EXPECT_EQ(::seteuid(::getuid()), 0);
        EXPECT_EQ(::setegid(::getgid()), 0);
        EXPECT_TRUE(::setgroups(groups_.size(), groups_.data()) == 0 || !became_);
    }
    [[nodiscard]] bool became() const { return became_; }

private:
    static constexpr uid_t nobody = 65534;
    std::vector<gid_t> groups_;
    bool became_ = false;
};

TEST(control_client, T07_says_which_socket_is_open_to_it_where_it_lacks_permission)
{
    running_server running;
    ::chmod(running.control().substr(0, running.control().rfind('/')).c_str(), 0755);
    const auto [client, reader] = [&] {
        const stranger now;
        return now.became()
                 ? std::
                       pair{connect_control(running.control(), in_time()), connect_control(running.status(), in_time())}
                 : std::pair{connect_control("", in_time()), connect_control("", in_time())};
    }();
    if (fault_of(client) == "bad_path") {
        GTEST_SKIP() << "needs root to become somebody without permission";
    }
    ASSERT_EQ(fault_of(client), "no_permission");
    EXPECT_NE(client.error().sentence.find("status.sock"), std::string::npos);
    EXPECT_EQ(fault_of(reader), "connected");
}

TEST(control_client, does_not_hang_on_a_daemon_that_does_not_accept)
{
    const temporary_directory directory;
    const auto path = directory / "status.sock";
    const unique_fd listener{::socket(AF_UNIX, SOCK_STREAM, 0)};
    const auto at = socket_address(path);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    ASSERT_EQ(::listen(listener.get(), 0), 0);
    std::vector<std::expected<control_client, call_error>> clients;
    do {
        clients.push_back(connect_control(path, steady::now() + soon));
    } while (clients.back() && clients.size() < 10);
    EXPECT_EQ(fault_of(clients.back()), "not_accepting");
}

TEST(control_client, refuses_paths_that_cannot_be_a_socket)
{
    const temporary_directory directory;
    EXPECT_EQ(fault_of(connect_control("", in_time())), "bad_path");
    EXPECT_EQ(fault_of(connect_control("/" + std::string(107, 'x'), in_time())), "bad_path");
    EXPECT_EQ(fault_of(connect_control("/" + std::string(106, 'x'), in_time())), "not_running");
    const auto datagrams = directory / "datagrams";
    const unique_fd socket{::socket(AF_UNIX, SOCK_DGRAM, 0)};
    const auto at = socket_address(datagrams);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(fault_of(connect_control(datagrams, in_time())), "bad_path");
}

TEST(control_client, tells_apart_what_can_be_wrong_with_an_answer)
{
    EXPECT_EQ(fault_after("\n{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":1}\n"), "answered");
    EXPECT_EQ(fault_after(""), "closed");
    EXPECT_EQ(fault_after("{\"id\":1,\"result\":1}"), "closed"); // not a whole line
    EXPECT_EQ(fault_after("HTTP/1.1 400 Bad Request\r\n"), "malformed");
    EXPECT_EQ(fault_after("[1]\n"), "malformed");
    EXPECT_EQ(fault_after("{\"id\":2,\"jsonrpc\":\"2.0\",\"result\":1}\n"), "malformed");
    EXPECT_EQ(fault_after("{\"id\":1,\"jsonrpc\":\"2.0\"}\n"), "malformed");
    EXPECT_EQ(fault_after("{\"method\":\"event\"}\n"), "closed");
    EXPECT_EQ(
        fault_after(
            "{\"id\":1,\"error\":{\"code\":-32603,\"message\":\"x\",\"data\":{\"reason\":\"internal\"}}}\n"
        ),
        "internal"
    );
}

} // namespace
} // namespace reachd::test
