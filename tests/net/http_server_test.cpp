// SPDX-License-Identifier: Apache-2.0
// The HTTP server with clients that behave and clients that do not, on loopback. Limits are short here.
#include "net/control_fixture.hpp"
#include "reachd/net/http_server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace reachd {
namespace {

using namespace test;

constexpr const char* get = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";

http_limits quick()
{
    http_limits out;
    out.header_bytes = 1024;
    out.connections = 4;
    out.connections_of_peer = 4;
    out.streams = 2;
    out.stream_bytes = 4096;
    out.kept_events = 4;
    out.request_time = milliseconds{300};
    out.idle_time = milliseconds{600};
    out.stall_time = milliseconds{300};
    out.heartbeat = milliseconds{200};
    out.linger_time = milliseconds{100};
    return out;
}

// A client that knows bytes only.
class web_client {
public:
    explicit web_client(std::uint16_t port) : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}
    {
        sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    }
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
    void say_no_more() const { ::shutdown(socket_.get(), SHUT_WR); }
    void take_little(int size = 2048) const
    {
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    // Everything until `wanted` is in it, or until the end of the stream.
    std::string hear(std::string_view wanted = "\x01 nothing", milliseconds within = patience)
    {
        const auto deadline = steady::now() + within;
        while (heard_.find(wanted) == std::string::npos && !ended_) {
            const auto left = std::chrono::ceil<milliseconds>(deadline - steady::now()).count();
            pollfd one{socket_.get(), POLLIN, 0};
            if (left <= 0 || ::poll(&one, 1, static_cast<int>(left)) <= 0) {
                break;
            }
            std::vector<char> chunk(64 * 1024);
            const auto size = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
            ended_ = size <= 0;
            reset_ = size < 0;
            heard_.append(chunk.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        }
        return heard_;
    }
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] bool reset() const { return reset_; }
    void forget() { heard_.clear(); }

private:
    unique_fd socket_;
    std::string heard_;
    bool ended_ = false;
    bool reset_ = false;
};

// Answers /small, /large (8 MiB), /throws and /events.
class web_server {
public:
    explicit web_server(http_limits limits = quick())
        : server_{io_.get_executor(), limits, callbacks(), "boot"}
    {
        listen();
        thread_ = std::thread{[this] { io_.run(); }};
    }
    web_server(const web_server&) = delete;
    web_server& operator=(const web_server&) = delete;
    ~web_server()
    {
        const auto left =
            boost::asio::co_spawn(io_, server_.stop(steady::now() + patience), boost::asio::use_future).get();
        EXPECT_EQ(left, 0U);
        work_.reset();
        thread_.join();
    }
    template <class Action>
    auto on_loop(Action action)
    {
        std::packaged_task<decltype(action())()> task{std::move(action)};
        auto answer = task.get_future();
        boost::asio::post(io_, [&task] { task(); });
        return answer.get();
    }
    void publish(int number)
    {
        on_loop([&] {
            server_.publish({{"n", number}});
            return 0;
        });
    }
    // On the server's thread only.
    void publish_here(int number) { server_.publish({{"n", number}}); }
    std::uint64_t refused(const char* why)
    {
        return on_loop([&] { return server_.counters().refused.at(why); });
    }
    http_counters counters()
    {
        return on_loop([&] { return server_.counters(); });
    }
    void move()
    {
        on_loop([&] {
            listen();
            return 0;
        });
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    std::size_t streams()
    {
        return on_loop([&] { return server_.streams(); });
    }
    std::size_t connections()
    {
        return on_loop([&] { return server_.connections(); });
    }
    std::vector<std::string> failures()
    {
        return on_loop([&] { return failures_; });
    }

private:
    void listen()
    {
        http_listener at;
        at.socket = unique_fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        sockaddr_in own{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t size = sizeof own;
        EXPECT_EQ(::bind(at.socket.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
        EXPECT_EQ(::listen(at.socket.get(), 64), 0);
        ::getsockname(at.socket.get(), reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin_port);
        server_.listen(std::move(at));
    }
    boost::asio::awaitable<http_reply> answer(http_request request)
    {
        const auto path = request.target.path;
        if (path == "/events") {
            co_return http_stream{};
        }
        if (path == "/throws") {
            throw std::runtime_error{"a fault in the handler"};
        }
        if (path == "/large") {
            http_response out;
            out.body = large_;
            co_return out;
        }
        co_return plain_response(200, "small");
    }
    http_callbacks callbacks()
    {
        return {
            .handle = [this](http_request request) { return answer(std::move(request)); },
            .snapshot = [] { return json{{"state", "ready"}}; },
            .failed =
                [this](const std::string& task, const std::exception_ptr&) { failures_.push_back(task); },
        };
    }

    std::shared_ptr<const std::string> large_ = std::make_shared<const std::string>(8 * 1024 * 1024, 'x');
    std::uint16_t port_ = 0;
    std::vector<std::string> failures_;
    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
    http_server server_;
    std::thread thread_;
};

std::string answer_to(web_server& server, std::string_view request)
{
    web_client client{server.port()};
    client.say(request);
    client.say_no_more();
    auto answer = client.hear();
    EXPECT_FALSE(client.reset()) << answer;
    return answer;
}

TEST(http_server, answers_requests_one_after_the_other_on_one_connection)
{
    web_server server;
    web_client client{server.port()};
    for (int i = 0; i < 3; ++i) {
        client.say(get);
        EXPECT_TRUE(client.hear("\r\n\r\nsmall\n").starts_with("HTTP/1.1 200 OK\r\n"));
        EXPECT_FALSE(client.ended());
        client.forget();
    }
    EXPECT_EQ(server.counters().connections, 1U);
}

TEST(http_server, answers_what_was_asked_before_the_client_closed_its_side)
{
    web_server server;
    const auto answer = answer_to(server, std::string{get} + get);
    EXPECT_NE(answer.rfind("HTTP/1.1 200"), 0U) << "the second request was not answered: " << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\nsmall\n"));
}

TEST(http_server, head_has_the_length_and_no_body)
{
    web_server server;
    const auto answer = answer_to(server, "HEAD /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_NE(answer.find("Content-Length: 8388608\r\n"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST(http_server, older_clients_get_an_answer_and_the_end)
{
    web_server server;
    web_client client{server.port()};
    client.say("GET /small HTTP/1.0\r\n\r\n");
    EXPECT_NE(client.hear().find("Connection: close\r\n"), std::string::npos);
    EXPECT_TRUE(client.ended());
}

struct refused_request {
    const char* request;
    const char* status;
    const char* reason;
};

TEST(http_server, T06_refuses_what_could_change_smuggle_or_rebind_and_counts_why)
{
    const std::string long_field(2000, 'a');
    const std::string huge = "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + long_field + "\r\n\r\n";
    const std::string endless = "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + long_field;
    const refused_request rows[] = {
        {"POST /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", "405", "method"},
        {"DELETE /small HTTP/1.1\r\nHost: localhost\r\n\r\n", "405", "method"},
        {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "405", "method"},
        {"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", "405", "method"},
        {"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n", "405", "method"},
        {"GET /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", "413", "body"},
        {"GET /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", "413", "body"},
        {"GET /small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "413",
         "body"},
        {"GET /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         "4", nullptr},
        {"GET /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n", "4",
         nullptr},
        {"GET /small HTTP/1.1\r\nHost : localhost\r\n\r\n", "400", "malformed"},
        {"GET /small HTTP/1.1\nHost: localhost\n\n", "400", "malformed"},
        {"GET /small HTTP/1.1\r\n\r\n", "400", "malformed"},
        {"GET /small HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "400", "malformed"},
        {"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "400", "malformed"},
        {"GET /a%0d%0aX:y HTTP/1.1\r\nHost: localhost\r\n\r\n", "400", "malformed"},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS here\r\n\r\n", "400", "malformed"},
        {"GET /small HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421", "host"},
        {"GET /small HTTP/1.1\r\nHost: localhost.evil.example:80\r\n\r\n", "421", "host"},
        {huge.c_str(), "431", "header_too_large"},
        {endless.c_str(), "431", "header_too_large"},
    };
    web_server server;
    for (const auto& row : rows) {
        const auto before = server.counters();
        const auto answer = answer_to(server, row.request);
        const std::string expected = std::string{"HTTP/1.1 "} + row.status;
        EXPECT_TRUE(answer.starts_with(expected)) << row.request << "\n-> " << answer;
        EXPECT_EQ(answer.find("small\n"), std::string::npos) << row.request;
        EXPECT_EQ(answer.rfind("HTTP/1.1 "), 0U) << "two answers to " << row.request;
        if (row.reason != nullptr) {
            EXPECT_EQ(server.refused(row.reason), before.refused.at(row.reason) + 1) << row.request;
        }
    }
    EXPECT_TRUE(answer_to(server, get).starts_with("HTTP/1.1 200"));
}

TEST(http_server, T03_a_request_that_drips_is_ended_and_others_are_answered_meanwhile)
{
    web_server server;
    web_client slow{server.port()};
    const auto begun = steady::now();
    const std::string_view request =
        "GET /small HTTP/1.1\r\nHost: localhost\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    std::size_t said = 0;
    while (!slow.ended() && said < request.size() && steady::now() - begun < patience) {
        slow.say(request.substr(said++, 1));
        EXPECT_TRUE(answer_to(server, get).starts_with("HTTP/1.1 200"));
        slow.hear("\x01", milliseconds{30});
    }
    EXPECT_TRUE(slow.hear().starts_with("HTTP/1.1 408")) << slow.hear();
    EXPECT_LT(said, request.size());
    EXPECT_EQ(server.refused("too_slow"), 1U);
}

TEST(http_server, silence_is_ended_without_a_word)
{
    web_server server;
    web_client never{server.port()};
    EXPECT_EQ(never.hear(), "");
    EXPECT_TRUE(never.ended());
    web_client once{server.port()};
    once.say(get);
    once.hear("small\n");
    once.forget();
    EXPECT_EQ(once.hear(), "");
    EXPECT_TRUE(once.ended());
}

TEST(http_server, T04_a_client_that_does_not_read_is_ended_and_others_are_answered_meanwhile)
{
    web_server server;
    web_client lazy{server.port()};
    lazy.take_little();
    lazy.say("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto begun = steady::now();
    while (server.counters().stalled == 0 && steady::now() - begun < patience) {
        EXPECT_TRUE(answer_to(server, get).starts_with("HTTP/1.1 200"));
    }
    EXPECT_EQ(server.counters().stalled, 1U);
    EXPECT_EQ(server.connections(), 0U);
}

TEST(http_server, answers_that_nobody_takes_are_limited_in_all)
{
    auto limits = quick();
    limits.unsent_bytes = 9 * 1024 * 1024;
    limits.stall_time = patience;
    web_server server{limits};
    const std::string_view ask = "GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    web_client lazy{server.port()};
    lazy.take_little(256 * 1024);
    lazy.say(ask);
    EXPECT_NE(lazy.hear("\r\n\r\n"), "");
    const auto refused = answer_to(server, ask);
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 503")) << refused.substr(0, 200);
    EXPECT_NE(refused.find("Retry-After: "), std::string::npos);
    EXPECT_TRUE(answer_to(server, get).starts_with("HTTP/1.1 200"));
    lazy.hear(); // takes it all
    EXPECT_TRUE(answer_to(server, ask).starts_with("HTTP/1.1 200"));
}

TEST(http_server, T05_connections_over_the_limit_are_told_so_and_idle_ones_make_room)
{
    auto limits = quick();
    limits.request_time = patience;
    limits.idle_time = patience;
    web_server server{limits};
    std::list<web_client> held;
    for (std::size_t i = 0; i < limits.connections; ++i) {
        held.emplace_back(server.port()).say("GET /sm"); // under way: no room is made of these
    }
    EXPECT_TRUE(web_client{server.port()}.hear().starts_with("HTTP/1.1 503"));
    EXPECT_EQ(server.refused("too_many_connections"), 1U);
    held.front().say("all HTTP/1.1\r\nHost: localhost\r\n\r\n");
    held.front().hear("small\n");
    // The server learns that its answer has gone a moment after the client has it.
    const auto begun = steady::now();
    while (!answer_to(server, get).starts_with("HTTP/1.1 200")) {
        ASSERT_LT(steady::now() - begun, patience) << "the idle one should have made room";
    }
    held.front().hear();
    EXPECT_TRUE(held.front().ended());
    EXPECT_EQ(server.counters().evicted, 1U);
}

TEST(http_server, an_exception_of_the_handler_is_500_and_told)
{
    web_server server;
    const auto answer = answer_to(server, "GET /throws HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 500"));
    EXPECT_EQ(answer.find("a fault"), std::string::npos);
    EXPECT_EQ(server.failures(), std::vector<std::string>{"http /throws"});
}

TEST(http_server, moving_to_another_address_ends_idle_connections)
{
    web_server server;
    web_client client{server.port()};
    client.say(get);
    client.hear("small\n");
    const auto before = server.port();
    server.move();
    ASSERT_NE(server.port(), before);
    client.hear();
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(answer_to(server, get).starts_with("HTTP/1.1 200"));
}

// ---- events

constexpr const char* follow = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST(http_events, begin_with_the_state_and_follow_with_ids)
{
    web_server server;
    web_client client{server.port()};
    client.say(follow);
    const auto begin = client.hear("ready\"}\n\n");
    EXPECT_NE(begin.find("Content-Type: text/event-stream"), std::string::npos);
    EXPECT_NE(
        begin.find("retry: 3000\n\nid: boot-0\nevent: snapshot\ndata: {\"state\":\"ready\"}\n\n"),
        std::string::npos
    );
    server.publish(1);
    EXPECT_NE(client.hear("id: boot-1\ndata: {\"n\":1}\n\n").find("boot-1"), std::string::npos);
}

TEST(http_events, continue_after_the_last_one_that_was_seen)
{
    web_server server;
    for (int i = 1; i <= 6; ++i) {
        server.publish(i);
    }
    const auto resumed = [&](const std::string& id) {
        web_client client{server.port()};
        client.say("GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: " + id + "\r\n\r\n");
        return client.hear("event: tick");
    };
    const auto two = resumed("boot-4");
    EXPECT_EQ(two.find("snapshot"), std::string::npos);
    EXPECT_EQ(two.find("boot-4\n"), std::string::npos);
    EXPECT_NE(two.find("id: boot-5\ndata: {\"n\":5}\n\nid: boot-6\n"), std::string::npos) << two;
    EXPECT_EQ(resumed("boot-6").find("id: "), std::string::npos) << "nothing was missed";
    for (const char* unknown :
         {"boot-1", "boot-7", "other-5", "boot-", "boot-5x", "boot-99999999999999999999"}) {
        EXPECT_NE(resumed(unknown).find("event: snapshot"), std::string::npos) << unknown;
    }
}

TEST(http_events, T04_a_slow_reader_loses_events_and_is_told_how_many)
{
    auto limits = quick();
    limits.stall_time = patience;
    web_server server{limits};
    web_client lazy{server.port()};
    lazy.take_little();
    lazy.say(follow);
    lazy.hear("ready\"}\n\n");
    int published = 0;
    while (server.counters().lost < 10 && published < 2'000'000) {
        server.on_loop([&] {
            for (int i = 0; i < 500; ++i) {
                server.publish_here(++published);
            }
            return 0;
        });
    }
    const auto lost = server.counters().lost;
    ASSERT_GE(lost, 10U);
    const auto heard = lazy.hear("event: lost\ndata: {\"count\":" + std::to_string(lost) + "}\n\n");
    EXPECT_NE(heard.find("event: lost\ndata: {\"count\":" + std::to_string(lost) + "}"), std::string::npos);
}

TEST(http_events, streams_over_the_limit_are_told_so_and_a_closed_one_makes_room_at_once)
{
    web_server server;
    auto one = std::make_unique<web_client>(server.port());
    web_client two{server.port()};
    for (auto* client : {one.get(), &two}) {
        client->say(follow);
        client->hear("ready");
    }
    EXPECT_TRUE(answer_to(server, follow).starts_with("HTTP/1.1 503"));
    EXPECT_EQ(server.refused("too_many_streams"), 1U);
    one = nullptr;
    const auto begun = steady::now();
    while (server.streams() == 2 && steady::now() - begun < patience) {
        std::this_thread::yield();
    }
    web_client three{server.port()};
    three.say(follow);
    EXPECT_NE(three.hear("ready").find("snapshot"), std::string::npos);
}

} // namespace
} // namespace reachd
