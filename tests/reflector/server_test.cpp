// SPDX-License-Identifier: Apache-2.0
// The reflector on real sockets of a namespace of its own, with slow and hostile clients.
#include "reachd/reflector/server.hpp"

#include "peer.hpp"

#include <arpa/inet.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <list>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace reachd::reflector {
namespace {

using namespace test;
namespace asio = boost::asio;

constexpr std::uint16_t port = 3999;
constexpr int patience_ms = 2000;
constexpr int silence_ms = 300;

// A blocking socket, so that the client shares nothing with what is tested.
class client {
public:
    explicit client(int type) : fd_{::socket(AF_INET, type, 0)}
    {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
        connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    }
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    ~client() { close(); }
    void close()
    {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = -1;
    }
    void send(byte_view bytes) { static_cast<void>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL)); }
    // nullopt: nothing came; empty: the end of the connection.
    std::optional<byte_vector> receive(int wait_ms = patience_ms)
    {
        pollfd one{.fd = fd_, .events = POLLIN, .revents = 0};
        if (::poll(&one, 1, wait_ms) <= 0) {
            return std::nullopt;
        }
        byte_vector out(4096);
        const auto size = ::recv(fd_, out.data(), out.size(), 0);
        out.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return out;
    }
    bool ended(int wait_ms = patience_ms)
    {
        const auto got = receive(wait_ms);
        return got && got->empty();
    }
    byte_vector make(const wire::request_body& body)
    {
        return wire::encode_request(
            {.nonce = random_number(), .key_id = our_key.id, .cookie = cookie, .body = body},
            signer_of(our_key)
        );
    }
    template <class Reply>
    std::optional<Reply> ask(const wire::request_body& body)
    {
        send(make(body));
        return read<Reply>();
    }
    template <class Reply>
    std::optional<Reply> read(int wait_ms = patience_ms)
    {
        const auto bytes = receive(wait_ms);
        const auto got = bytes ? wire::decode_reply(*bytes) : wire::decode_reply({});
        if (!got || !std::holds_alternative<Reply>(got->body)) {
            return std::nullopt;
        }
        return std::get<Reply>(got->body);
    }
    bool hello()
    {
        const auto got = ask<wire::cookie>(wire::hello{});
        cookie = got ? got->value : wire::cookie_bytes{};
        return got.has_value();
    }
    [[nodiscard]] int fd() const { return fd_; }
    wire::cookie_bytes cookie{};

private:
    int fd_;
    bool connected_ = false;
};

class server_test : public testing::Test {
protected:
    void start(config what = {})
    {
        what.listen = {at("127.0.0.1:3999")};
        running.emplace(io, what, server_listener{});
        running->replace_keys({our_key});
        const auto started = running->start();
        ASSERT_TRUE(started) << started.error().detail;
        thread = std::thread{[this] { io.run(); }};
    }
    void TearDown() override
    {
        asio::co_spawn(
            io, running->stop(steady::now() + seconds{5}),
            [this](const std::exception_ptr&, std::size_t left) { left_behind = left; }
        );
        thread.join();
        EXPECT_EQ(left_behind, 0U) << "tasks that would not end";
    }
    // Runs on the server's own thread.
    template <class Question>
    auto look(Question question)
    {
        std::promise<decltype(question())> answer;
        asio::post(io, [&] { answer.set_value(question()); });
        return answer.get_future().get();
    }
    gauges now()
    {
        return look([this] { return running->now(); });
    }
    bool soon(const std::function<bool()>& holds)
    {
        for (int i = 0; i < 200; ++i) {
            if (holds()) {
                return true;
            }
            std::this_thread::sleep_for(milliseconds{10});
        }
        return false;
    }

    asio::io_context io{1};
    std::optional<server> running;
    std::thread thread;
    std::size_t left_behind = 99;
};

TEST_F(server_test, each_message_is_answered_on_both_transports)
{
    start();
    for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
        client peer{type};
        ASSERT_TRUE(peer.hello());
        EXPECT_EQ(peer.ask<wire::observed>(wire::observe{})->destination, at("127.0.0.1:3999"));
        EXPECT_TRUE(peer.ask<wire::echo>(wire::ping{}));
        EXPECT_EQ(peer.ask<wire::reported>(wire::report{.token = 4})->state, wire::sending::unknown);
        EXPECT_EQ(
            peer.ask<wire::refused>(wire::connect_back{.token = 1, .port = 80})->reason,
            wire::refusal::not_enabled
        );
        const std::uint64_t token = random_number();
        const auto began = steady::now();
        ASSERT_TRUE(peer.ask<wire::appointed>(wire::answer_after{.token = token, .delay_ms = 250}));
        EXPECT_FALSE(peer.receive(200));
        EXPECT_EQ(peer.read<wire::answer>()->token, token);
        const auto took = steady::now() - began;
        EXPECT_GE(took, milliseconds{250});
        EXPECT_LT(took, milliseconds{350});
        client other{SOCK_DGRAM};
        ASSERT_TRUE(other.hello());
        const auto told = other.ask<wire::reported>(wire::report{.token = token});
        EXPECT_EQ(told->state, wire::sending::sent);
        EXPECT_EQ(told->events, type == SOCK_STREAM ? wire::event_acknowledged : 0);
    }
}

TEST_F(server_test, a_later_appointment_that_is_due_earlier_is_kept_first)
{
    start();
    client one{SOCK_DGRAM};
    client two{SOCK_DGRAM};
    ASSERT_TRUE(one.hello() && two.hello());
    ASSERT_TRUE(one.ask<wire::appointed>(wire::answer_after{.token = 1, .delay_ms = 60000}));
    ASSERT_TRUE(two.ask<wire::appointed>(wire::answer_after{.token = 2, .delay_ms = 100}));
    EXPECT_TRUE(two.read<wire::answer>(1000));
}

TEST_F(server_test, a_port_that_has_gone_shows_as_icmp_in_the_report)
{
    start();
    client gone{SOCK_DGRAM};
    ASSERT_TRUE(gone.hello());
    ASSERT_TRUE(gone.ask<wire::appointed>(wire::answer_after{.token = 5, .delay_ms = 200}));
    gone.close();
    client other{SOCK_DGRAM};
    ASSERT_TRUE(other.hello());
    std::this_thread::sleep_for(milliseconds{500});
    const auto told = other.ask<wire::reported>(wire::report{.token = 5});
    EXPECT_EQ(told->events, wire::event_icmp);
    EXPECT_EQ(told->icmp_type, 3);
    EXPECT_EQ(told->icmp_code, 3);
}

TEST_F(server_test, a_reset_after_the_answer_is_told)
{
    start();
    client peer{SOCK_STREAM};
    ASSERT_TRUE(peer.hello());
    ASSERT_TRUE(peer.ask<wire::appointed>(wire::answer_after{.token = 5, .delay_ms = 100}));
    ASSERT_TRUE(peer.receive());
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer.close();
    client other{SOCK_DGRAM};
    ASSERT_TRUE(other.hello());
    EXPECT_TRUE(soon([&] {
        return (other.ask<wire::reported>(wire::report{.token = 5})->events & wire::event_reset) != 0;
    }));
}

TEST_F(server_test, messages_may_come_in_pieces_and_several_at_once)
{
    start();
    client peer{SOCK_STREAM};
    for (const auto byte : peer.make(wire::hello{})) {
        peer.send(byte_vector{byte});
    }
    const auto got = peer.read<wire::cookie>();
    ASSERT_TRUE(got);
    peer.cookie = got->value;
    auto two = peer.make(wire::ping{});
    const auto second = peer.make(wire::ping{});
    two.insert(two.end(), second.begin(), second.end());
    peer.send(two);
    std::size_t bytes = 0;
    while (bytes < 256) {
        const auto more = peer.receive();
        ASSERT_TRUE(more && !more->empty());
        bytes += more->size();
    }
}

TEST_F(server_test, T16_rule_09_text_ends_the_connection_and_is_not_echoed)
{
    start();
    for (const std::string text : {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "EHLO x\r\n"}) {
        client peer{SOCK_STREAM};
        peer.send(byte_vector(text.begin(), text.end()));
        EXPECT_TRUE(peer.ended()) << text;
    }
}

TEST_F(server_test, T16_rule_09_a_hello_without_the_right_mac_gets_not_one_byte)
{
    start();
    client peer{SOCK_STREAM};
    auto bytes = peer.make(wire::hello{});
    bytes.back() ^= 1U;
    peer.send(bytes);
    EXPECT_TRUE(peer.ended());
    client first{SOCK_STREAM}; // a right request without a cookie of this flow
    first.send(first.make(wire::observe{}));
    EXPECT_TRUE(first.ended());
}

TEST_F(server_test, rule_09_who_says_nothing_or_dawdles_is_cut_off_after_5_seconds)
{
    start();
    client silent{SOCK_STREAM};
    client slow{SOCK_STREAM};
    client after_hello{SOCK_STREAM};
    client good{SOCK_STREAM};
    ASSERT_TRUE(after_hello.hello());
    ASSERT_TRUE(good.hello());
    ASSERT_TRUE(good.ask<wire::observed>(wire::observe{}));
    const auto bytes = slow.make(wire::hello{});
    for (int i = 0; i < 12; ++i) { // a byte in half a second does not prolong it
        slow.send(byte_view{bytes}.subspan(static_cast<std::size_t>(i), 1));
        std::this_thread::sleep_for(milliseconds{500});
    }
    EXPECT_TRUE(silent.ended(1500));
    EXPECT_TRUE(slow.ended(1500));
    EXPECT_TRUE(after_hello.ended(1500));
    EXPECT_TRUE(good.ask<wire::observed>(wire::observe{})) << "the one that was trusted stays";
}

TEST_F(server_test, rule_09_more_than_4_kib_before_trust_ends_the_connection)
{
    start();
    client peer{SOCK_STREAM};
    int cookies = 0;
    for (int i = 0; i < 40; ++i) { // 40 * 128 bytes: each alone is a good hello
        cookies += peer.hello() ? 1 : 0;
    }
    EXPECT_EQ(cookies, 32);
    EXPECT_TRUE(peer.ended());
}

TEST_F(server_test, T21_rule_09_connections_of_one_address_and_in_all_are_bounded)
{
    config what;
    what.limits.tcp_connections_per_address = 5;
    start(what);
    std::list<client> all;
    int answered = 0;
    for (int i = 0; i < 8; ++i) {
        all.emplace_back(SOCK_STREAM);
        answered += all.back().hello() ? 1 : 0;
    }
    EXPECT_EQ(answered, 5);
    EXPECT_EQ(now().connections, 5U);
    all.clear();
    EXPECT_TRUE(soon([&] { return now().connections == 0; }));
    EXPECT_TRUE(client{SOCK_STREAM}.hello()) << "places come back";
}

TEST_F(server_test, T21_rule_09_a_client_that_does_not_read_is_cut_off_and_holds_no_memory)
{
    config what;
    what.limits.source_packets_per_s = what.limits.source_burst = 10000000;
    what.limits.total_packets_per_s = 10000000;
    what.limits.total_bytes_per_s = 1000000000;
    what.limits.nonces_per_key = 10000000;
    start(what);
    client peer{SOCK_STREAM};
    ASSERT_TRUE(peer.hello());
    ASSERT_TRUE(peer.ask<wire::observed>(wire::observe{}));
    const timeval briefly{.tv_sec = 0, .tv_usec = 200000};
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_SNDTIMEO, &briefly, sizeof briefly);
    EXPECT_TRUE(soon([&] {
        for (int i = 0; i < 2000; ++i) {
            auto bytes = wire::encode_request(
                {.nonce = random_number(),
                 .key_id = our_key.id,
                 .cookie = peer.cookie,
                 .body = wire::ping{},
                 .length = 1200},
                signer_of(our_key)
            );
            peer.send(bytes);
        }
        return now().connections == 0;
    }));
}

TEST_F(server_test, T20_rule_06_an_icmp_error_makes_it_send_nothing)
{
    start();
    client gone{SOCK_DGRAM};
    ASSERT_TRUE(gone.hello());
    gone.send(gone.make(wire::ping{}));
    gone.close(); // the echo meets a closed port
    std::this_thread::sleep_for(milliseconds{silence_ms});
    const auto before = look([this] { return running->counted().sent; });
    std::this_thread::sleep_for(milliseconds{silence_ms});
    EXPECT_EQ(look([this] { return running->counted().sent; }), before);
    EXPECT_TRUE(client{SOCK_DGRAM}.hello()) << "and it serves on";
}

TEST_F(server_test, garbage_of_every_size_is_survived)
{
    config what;
    what.limits.source_packets_per_s = what.limits.source_burst = 10000000;
    start(what);
    client peer{SOCK_DGRAM};
    for (std::size_t size = 0; size < 4000; size += 3) {
        auto bytes = random_bytes(size);
        if (size % 2 == 0 && size > 0) {
            bytes[0] = wire::first_byte;
        }
        peer.send(bytes);
    }
    client good{SOCK_DGRAM};
    EXPECT_TRUE(good.hello());
}

} // namespace
} // namespace reachd::reflector
