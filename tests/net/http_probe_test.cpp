// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/http_probe.hpp"

#include "reachd/net/tcp_probe.hpp"
#include "run.hpp"

namespace reachd {
namespace {

using namespace test;

asio::awaitable<observation> connect_and_ask(endpoint where, std::string host, milliseconds limit)
{
    const way_out way; // GCC 12 destroys a temporary of a co_await expression twice
    auto made = co_await tcp_connect(where, way, in(late));
    auto seen = co_await http_head(made.socket.value(), host, in(limit));
    co_return seen;
}

conversation answering(const std::string& text)
{
    return [text](tcp::socket socket) { return answer(std::move(socket), text); };
}

conversation answering_by_bytes(const std::string& text)
{
    return [text](tcp::socket socket) { return answer_by_bytes(std::move(socket), text); };
}

conversation repeating(const std::string& text)
{
    return [text](tcp::socket socket) { return repeat(std::move(socket), text); };
}

asio::awaitable<void> note_request(tcp::socket socket, std::string* request)
{
    std::array<char, 2048> data;
    while (!request->ends_with("\r\n\r\n")) {
        const auto size = co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
        request->append(data.data(), size);
    }
    co_await answer(std::move(socket), "");
}

class http_head_test : public testing::Test {
protected:
    observation ask(const conversation& talk, milliseconds limit = late)
    {
        const server peer{io, "127.0.0.1", talk};
        auto seen = finish(io, connect_and_ask(peer.where(), "service.example", limit));
        EXPECT_EQ(seen.kind, probe_kind::http_head);
        judged = judge_alone(peer.where(), seen);
        return seen;
    }

    asio::io_context io;
    verdict judged;
};

TEST_F(http_head_test, asks_for_the_root_of_the_host_without_its_body)
{
    std::string request;
    const server peer{io, "127.0.0.1", [&request](tcp::socket socket) {
                          return note_request(std::move(socket), &request);
                      }};
    finish(io, connect_and_ask(peer.where(), "service.example", soon));
    EXPECT_TRUE(request.starts_with("HEAD / HTTP/1.1\r\n")) << request;
    EXPECT_NE(request.find("\r\nHost: service.example\r\n"), std::string::npos) << request;
    EXPECT_NE(request.find("\r\nConnection: close\r\n"), std::string::npos) << request;
}

TEST_F(http_head_test, reads_status_and_server)
{
    const auto seen = ask(answering("HTTP/1.1 200 OK\r\nServer: lab\r\nContent-Length: 123456\r\n\r\n"));
    ASSERT_TRUE(is<http_answer>(seen));
    EXPECT_EQ(
        std::get<http_answer>(seen.what), (http_answer{.status = 200, .location = {}, .server = "lab"})
    );
    EXPECT_EQ(judged.kind, verdict_kind::open);
}

TEST_F(http_head_test, reads_where_a_redirect_leads)
{
    const auto seen = ask(answering("HTTP/1.1 302 Found\r\nlocation: http://portal.example/login\r\n\r\n"));
    ASSERT_TRUE(is<http_answer>(seen));
    EXPECT_EQ(std::get<http_answer>(seen.what).status, 302U);
    EXPECT_EQ(std::get<http_answer>(seen.what).location, "http://portal.example/login");
}

TEST_F(http_head_test, tells_a_captive_portal_by_status_511_and_no_other_failure)
{
    ask(answering("HTTP/1.1 511 Network Authentication Required\r\n\r\n"));
    EXPECT_EQ(judged.kind, verdict_kind::intercepted);
    ask(answering("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
    EXPECT_EQ(judged.kind, verdict_kind::open);
}

TEST_F(http_head_test, accepts_an_old_server_and_an_answer_without_headers)
{
    EXPECT_TRUE(is<http_answer>(ask(answering("HTTP/1.0 404 Not Found\r\n\r\n"))));
}

TEST_F(http_head_test, does_not_wait_for_a_body)
{
    const auto seen = ask(answering_by_bytes("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"));
    EXPECT_TRUE(is<http_answer>(seen));
    EXPECT_LT(seen.took, slack);
}

TEST_F(http_head_test, reads_an_answer_that_comes_byte_by_byte)
{
    const auto seen =
        ask(answering_by_bytes("HTTP/1.1 302 Found\r\nServer: slow\r\nLocation: /there\r\n\r\n"));
    ASSERT_TRUE(is<http_answer>(seen));
    EXPECT_EQ(
        std::get<http_answer>(seen.what), (http_answer{.status = 302, .location = "/there", .server = "slow"})
    );
}

TEST_F(http_head_test, T23_says_garbled_to_what_is_not_http)
{
    for (const char* text :
         {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "\x15\x03\x01 a record of another protocol", "HTTP/1.1 OK\r\n\r\n",
          "<html>no header at all</html>\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"}) {
        SCOPED_TRACE(text);
        const auto seen = ask(answering(text));
        ASSERT_TRUE(is<http_garbled>(seen));
        EXPECT_NE(std::get<http_garbled>(seen.what).detail, "");
        EXPECT_EQ(judged.kind, verdict_kind::unproven);
    }
}

TEST_F(http_head_test, T23_gives_an_endless_header_up_at_its_limit)
{
    for (const char* text : {"x", "a: b\r\n", "HTTP/1.1 200 OK\r\na: b\r\n"}) {
        SCOPED_TRACE(text);
        const auto seen = ask(repeating(text));
        EXPECT_TRUE(is<http_garbled>(seen));
        EXPECT_LT(seen.took, slack);
    }
    const auto many_headers = [](tcp::socket socket) {
        std::string text = "HTTP/1.1 200 OK\r\n";
        while (text.size() < 20000) {
            text += "x-filler: 0123456789\r\n";
        }
        return answer(std::move(socket), text + "\r\n");
    };
    EXPECT_TRUE(is<http_garbled>(ask(many_headers)));
}

TEST_F(http_head_test, accepts_a_header_below_its_limit)
{
    EXPECT_TRUE(
        is<http_answer>(ask(answering("HTTP/1.1 200 OK\r\nx: " + std::string(8000, 'y') + "\r\n\r\n")))
    );
}

TEST_F(http_head_test, says_no_reply_to_a_peer_that_never_answers)
{
    const auto seen = ask(listen_only, soon);
    ASSERT_TRUE(is<no_reply>(seen));
    EXPECT_GE(seen.took, soon - milliseconds{10});
    EXPECT_LT(seen.took, soon + slack);
    EXPECT_EQ(judged.kind, verdict_kind::blocked);
    EXPECT_EQ(judged.stage, stage::reply);
}

asio::awaitable<void> begin_and_stop(tcp::socket socket)
{
    const std::string begin = "HTTP/1.1 200 OK\r\nServer";
    co_await asio::async_write(socket, asio::buffer(begin), asio::use_awaitable);
    co_await listen_only(std::move(socket));
}

TEST_F(http_head_test, T23_says_no_reply_to_half_an_answer)
{
    EXPECT_TRUE(is<no_reply>(ask(begin_and_stop, soon)));
}

TEST_F(http_head_test, tells_a_reset_from_a_close)
{
    const auto by_reset = ask(reset);
    ASSERT_TRUE(is<cut_off>(by_reset));
    EXPECT_TRUE(std::get<cut_off>(by_reset.what).by_reset);
    for (const char* text : {"", "HTTP/1.1 200 OK\r\nServer"}) {
        const auto by_close = ask(answering(text));
        ASSERT_TRUE(is<cut_off>(by_close)) << text;
        EXPECT_FALSE(std::get<cut_off>(by_close.what).by_reset);
        EXPECT_EQ(judged.kind, verdict_kind::blocked);
    }
}

TEST_F(http_head_test, says_cancelled_when_cancelled)
{
    const server peer{io, "127.0.0.1", listen_only};
    running task{io, connect_and_ask(peer.where(), "service.example", late)};
    task.advance();
    ASSERT_FALSE(task.done());
    task.cancel();
    const auto begun = steady::now();
    EXPECT_TRUE(is_not_measured(task.wait(), local_cause::cancelled));
    EXPECT_LT(steady::now(), begun + slack);
}

} // namespace
} // namespace reachd
