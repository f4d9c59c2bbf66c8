// SPDX-License-Identifier: Apache-2.0
// Binding requests to servers that do RFC 5780, and to those that do not.
#include "reachd/net/stun_client.hpp"

#include "reachd/net/reflector_client.hpp"
#include "run.hpp"

namespace reachd {
namespace {

using namespace test;

constexpr milliseconds quick{1300}; // two repetitions
constexpr const char* own = "127.0.0.1";

// What a server does with RESPONSE-PORT.
enum class manner : std::uint8_t {
    honours,
    ignores,
    refuses,
    drops,
};

struct fake_server {
    fake_server(asio::io_context& io, manner what) : socket{io, udp::endpoint{udp::v4(), 0}}, how{what}
    {
        asio::co_spawn(io, serve(*this), asio::detached);
    }
    [[nodiscard]] socket_address where() const { return {ip(own), socket.local_endpoint().port()}; }

    static asio::awaitable<void> serve(fake_server& it)
    {
        byte_vector data(1500);
        while (true) {
            udp::endpoint from;
            const auto size =
                co_await it.socket.async_receive_from(asio::buffer(data), from, asio::use_awaitable);
            const auto asked = stun::decode(byte_view{data}.first(size));
            if (!asked || it.deaf-- > 0) {
                continue;
            }
            it.answer(asked->message, from);
        }
    }
    void answer(const stun::message& asked, udp::endpoint from)
    {
        stun::message out;
        out.transaction = asked.transaction;
        out.kind = refuses_all ? stun::message_class::error : stun::message_class::success;
        out.xor_mapped = socket_address{ip(own), from.port()};
        if (asked.response_port) {
            if (how == manner::drops) {
                return;
            }
            if (how == manner::refuses) {
                out.kind = stun::message_class::error;
            }
            if (how == manner::honours) {
                from.port(*asked.response_port);
            }
        }
        if (out.kind == stun::message_class::error) {
            out.xor_mapped.reset();
            out.error = stun::error_reply{.code = 420, .reason = "Unknown Attribute"};
        }
        socket.send_to(asio::buffer(stun::encode(out)), from);
    }

    udp::socket socket;
    manner how;
    bool refuses_all = false;
    int deaf = 0; // datagrams that it does not hear
};

asio::awaitable<std::optional<stun_client>> opened(reflector_access to)
{
    auto socket = co_await open_datagram_flow(to);
    co_return socket ? std::optional{stun_client{std::move(*socket)}} : std::nullopt;
}

class stun_client_test : public testing::Test {
protected:
    stun_client open(const socket_address& where)
    {
        auto client = finish(io, opened({"stun", where, "", {}, {}}));
        return std::move(client.value());
    }
    std::optional<calibration> tried(fake_server& server)
    {
        stun_pair pair{open(server.where()), open(server.where())};
        const auto got = finish(io, calibrate(pair, quick));
        return got ? std::optional{*got} : std::nullopt;
    }

    asio::io_context io;
};

TEST_F(stun_client_test, learns_how_it_is_seen)
{
    fake_server server{io, manner::honours};
    auto client = open(server.where());
    const auto got = finish(io, client.ask(in(late)));
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(to_text(*got->mapped), client.local_name());
    EXPECT_EQ(client.datagrams(), 1U);
}

TEST_F(stun_client_test, asks_again_where_a_request_is_lost)
{
    fake_server server{io, manner::honours};
    server.deaf = 1;
    auto client = open(server.where());
    EXPECT_TRUE(finish(io, client.ask(in(late))));
    EXPECT_EQ(client.datagrams(), 2U);
}

TEST_F(stun_client_test, says_what_came_instead_of_an_answer)
{
    fake_server silent{io, manner::honours};
    silent.deaf = 100;
    const auto nothing = finish(io, open(silent.where()).ask(in(soon)));
    EXPECT_NE(nothing.error().detail.find("does not answer"), std::string::npos) << nothing.error().detail;

    fake_server refusing{io, manner::honours};
    refusing.refuses_all = true;
    const auto no = finish(io, open(refusing.where()).ask(in(late)));
    EXPECT_NE(no.error().detail.find("420"), std::string::npos) << no.error().detail;

    const auto nobody = finish(io, open({ip(own), 9}).ask(in(late)));
    EXPECT_NE(nobody.error().detail.find("unreachable"), std::string::npos) << nobody.error().detail;
}

TEST_F(stun_client_test, ends_when_it_is_cancelled)
{
    fake_server silent{io, manner::honours};
    silent.deaf = 100;
    auto client = open(silent.where());
    running<result<binding_answer>> task{io, client.ask(in(late))};
    task.advance();
    task.cancel();
    EXPECT_EQ(task.wait().error().detail, "cancelled");
}

TEST_F(stun_client_test, finds_out_what_a_server_does_with_response_port)
{
    struct {
        manner how;
        redirected expected;
    } const cases[] = {
        {manner::honours, redirected::arrived},
        {manner::ignores, redirected::came_back},
        {manner::refuses, redirected::refused},
        {manner::drops, redirected::silent},
    };
    for (const auto& one : cases) {
        fake_server server{io, one.how};
        const auto got = tried(server);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->what, one.expected) << static_cast<int>(one.how);
    }
}

TEST_F(stun_client_test, T23_believes_no_answer_to_another_request)
{
    fake_server server{io, manner::ignores};
    auto asker = open(server.where());
    auto named = open(server.where());
    const auto port = parse_socket_address(named.local_name())->port;
    // An answer of the flow's own lies there already; it is no redirected one.
    running<result<binding_answer>> mine{io, named.ask(in(late))};
    running<redirected> task{io, redirect(asker, named, port, in(late))};
    EXPECT_TRUE(mine.wait());
    EXPECT_EQ(task.wait(), redirected::came_back);
}

TEST_F(stun_client_test, tells_when_its_pair_of_flows_has_ended)
{
    fake_server server{io, manner::honours};
    unsigned told = 0;
    {
        stun_pair pair{open(server.where()), open(server.where())};
        pair.at_end = [&told](const stun_pair& it) { told = it.asker.datagrams() + it.control.datagrams(); };
        EXPECT_TRUE(finish(io, calibrate(pair, quick)));
    }
    EXPECT_EQ(told, 2U);
}

} // namespace
} // namespace reachd
