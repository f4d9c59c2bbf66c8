// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/tcp_confirm.hpp"

#include "hops.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/tcp_facts.hpp"
#include "reachd/net/tcp_probe.hpp"

#include <thread>

namespace reachd {
namespace {

using namespace test;

constexpr std::uint16_t open_port = 8443;
constexpr milliseconds patient{150}; // for an answer that will not come, longer than the longest pause

constexpr auto both_ways = {confirm_with::fin, confirm_with::line_end};

asio::awaitable<void> reset_late(tcp::socket socket)
{
    const auto when = in(milliseconds{20});
    co_await sleep_until(when);
    socket.set_option(asio::socket_base::linger{true, 0});
    socket.close();
}

asio::awaitable<void> hang_up(tcp::socket)
{
    co_return;
}

class tcp_confirm_test : public testing::Test {
protected:
    static void SetUpTestSuite() { way = std::make_unique<hops>(); }
    static void TearDownTestSuite() { way.reset(); }
    void SetUp() override
    {
        if (!*way) {
            GTEST_SKIP() << "no namespaces here";
        }
    }
    void TearDown() override
    {
        for (const std::string where : {"r1", "r2", "srv"}) {
            hops::at(where, [] { return command("nft delete table inet rtest"); });
        }
    }
    std::unique_ptr<server> serve(conversation talk)
    {
        const auto make = [&] { return std::make_unique<server>(io, "0.0.0.0", talk, open_port); };
        return hops::at("srv", make);
    }
    // A proxy at r1 that completes handshakes by itself and then turns to the server.
    static bool syn_proxy()
    {
        const auto make = [] {
            return command("sysctl -qw net.ipv4.tcp_syncookies=1 net.netfilter.nf_conntrack_tcp_loose=0") &&
                   command("nft add table inet rtest") &&
                   command(
                       "nft 'add chain inet rtest pre { type filter hook prerouting priority raw; };"
                       "add rule inet rtest pre tcp dport 8443 tcp flags syn notrack;"
                       "add chain inet rtest onward { type filter hook forward priority 0; };"
                       "add rule inet rtest onward tcp dport 8443 ct state invalid,untracked synproxy mss "
                       "1460 wscale 7 timestamp sack-perm;"
                       "add rule inet rtest onward ct state invalid drop'"
                   );
        };
        return hops::at("r1", make);
    }
    connect_result connect() { return finish(io, tcp_connect(tcp_at("10.91.3.2", open_port), {}, in(late))); }
    // What came after the handshake.
    observation confirm(confirm_with what, milliseconds limit = late)
    {
        auto made = connect();
        EXPECT_TRUE(is<connected>(made.seen));
        if (!made.socket) {
            return made.seen;
        }
        auto seen = finish(io, tcp_confirm(*made.socket, what, in(limit)));
        EXPECT_EQ(seen.kind, probe_kind::tcp_confirm);
        EXPECT_EQ(seen.source, made.seen.source);
        return seen;
    }
    static bool by_data(const observation& seen) { return std::get<acknowledged>(seen.what).data; }

    asio::io_context io;
    static std::unique_ptr<hops> way;
};

std::unique_ptr<hops> tcp_confirm_test::way;

TEST_F(tcp_confirm_test, is_content_with_the_peers_acknowledgement)
{
    const auto peer = serve(listen_only);
    for (const auto what : both_ways) {
        const auto seen = confirm(what);
        ASSERT_TRUE(is<acknowledged>(seen));
        EXPECT_EQ(by_data(seen), what == confirm_with::line_end);
        EXPECT_LT(seen.took, slack);
    }
}

TEST_F(tcp_confirm_test, takes_what_the_peer_says_or_its_end_for_an_acknowledgement)
{
    const auto greeting_peer =
        serve([](tcp::socket socket) { return repeat(std::move(socket), "220 ready"); });
    for (const auto what : both_ways) {
        EXPECT_TRUE(is<acknowledged>(confirm(what)));
    }
}

TEST_F(tcp_confirm_test, takes_the_peers_end_for_an_acknowledgement)
{
    const auto peer = serve(hang_up);
    for (const auto what : both_ways) {
        EXPECT_TRUE(is<acknowledged>(confirm(what)));
    }
}

TEST_F(tcp_confirm_test, is_not_fooled_by_a_syn_proxy_whose_server_is_gone)
{
    const auto peer = serve(listen_only);
    if (!syn_proxy()) {
        GTEST_SKIP() << "no SYN proxy here";
    }
    for (const auto what : both_ways) {
        EXPECT_TRUE(is<acknowledged>(confirm(what))); // its twin: the server is there
    }
    ASSERT_TRUE(hops::rule("r2", "forward", "tcp dport 8443 drop"));
    for (const auto what : both_ways) {
        const auto seen = confirm(what, patient);
        ASSERT_TRUE(is<no_reply>(seen));
        EXPECT_GT(std::get<no_reply>(seen.what).waited, patient - milliseconds{10});
        EXPECT_LE(std::get<no_reply>(seen.what).waited, patient);
    }
}

TEST_F(tcp_confirm_test, tells_a_reset_without_an_acknowledgement)
{
    // As a SYN proxy does whose server is closed: only handshakes and resets of the server's come through.
    const auto peer = serve(reset_late);
    if (!hops::rule("srv", "output", "tcp sport 8443 tcp flags & (syn | rst) == 0 drop")) {
        GTEST_SKIP() << "no packet filter here";
    }
    for (const auto what : both_ways) {
        const auto seen = confirm(what);
        ASSERT_TRUE(is<cut_off>(seen));
        EXPECT_TRUE(std::get<cut_off>(seen.what).by_reset);
    }
}

TEST_F(tcp_confirm_test, says_so_when_the_reset_was_there_before)
{
    const auto peer = serve(reset_late);
    for (const auto what : both_ways) {
        auto made = connect();
        ASSERT_TRUE(made.socket);
        finish(io, sleep_until(in(soon)));
        EXPECT_TRUE(is<cut_off>(finish(io, tcp_confirm(*made.socket, what, in(late)))));
    }
}

TEST_F(tcp_confirm_test, takes_nothing_back_when_a_reset_follows_the_acknowledgement)
{
    const auto peer = serve(reset);
    auto made = connect();
    ASSERT_TRUE(made.socket);
    running task{io, tcp_confirm(*made.socket, confirm_with::line_end, in(late))};
    // The acknowledgement and the reset are both there before anybody looks.
    while (read_tcp_facts(made.socket->native_handle())->state == tcp_state_established) {
        task.advance();
        std::this_thread::yield();
    }
    const auto seen = task.wait();
    ASSERT_TRUE(is<acknowledged>(seen));
    EXPECT_TRUE(by_data(seen));
}

TEST_F(tcp_confirm_test, hears_nothing_through_a_box_that_lets_only_handshakes_pass)
{
    const auto peer = serve(listen_only);
    if (!hops::rule(
            "r1", "forward", "tcp dport 8443 tcp flags & (syn | ack) == ack ct state established drop"
        )) {
        GTEST_SKIP() << "no packet filter here";
    }
    for (const auto what : both_ways) {
        EXPECT_TRUE(is<no_reply>(confirm(what, patient)));
    }
}

TEST_F(tcp_confirm_test, tells_a_box_that_drops_data_alone_by_a_line_end)
{
    const auto peer = serve(listen_only);
    if (!hops::rule("r1", "forward", "tcp dport 8443 tcp flags & psh == psh drop")) {
        GTEST_SKIP() << "no packet filter here";
    }
    EXPECT_TRUE(is<acknowledged>(confirm(confirm_with::fin)));
    EXPECT_TRUE(is<no_reply>(confirm(confirm_with::line_end, patient)));
}

TEST_F(tcp_confirm_test, looks_once_when_the_deadline_has_passed)
{
    const auto peer = serve(listen_only);
    ASSERT_TRUE(hops::rule("r1", "forward", "tcp dport 8443 tcp flags & fin == fin drop"));
    EXPECT_TRUE(is<no_reply>(confirm(confirm_with::fin, milliseconds{-100})));
}

TEST_F(tcp_confirm_test, says_cancelled_when_cancelled_and_does_not_call_it_silence)
{
    const auto peer = serve(listen_only);
    ASSERT_TRUE(hops::rule("r1", "forward", "tcp dport 8443 tcp flags & fin == fin drop"));
    auto made = connect();
    ASSERT_TRUE(made.socket);
    running task{io, tcp_confirm(*made.socket, confirm_with::fin, in(late))};
    task.advance();
    ASSERT_FALSE(task.done());
    task.cancel();
    const auto begun = steady::now();
    EXPECT_TRUE(is_not_measured(task.wait(), local_cause::cancelled));
    EXPECT_LT(steady::now(), begun + slack);
}

TEST(tcp_facts, are_there_for_a_tcp_socket_alone)
{
    asio::io_context io;
    const listener peer{io, "127.0.0.1"};
    auto made = finish(io, tcp_connect(peer.where(), {}, in(late)));
    const auto facts = read_tcp_facts(made.socket.value().native_handle());
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->state, tcp_state_established);
    EXPECT_GT(facts->peer_window.value(), 0U);
    EXPECT_EQ(facts->retransmitted, 0U);
    EXPECT_EQ(unheard_bytes(made.socket->native_handle()), 0);
    udp::socket other{io, udp::v4()};
    EXPECT_FALSE(read_tcp_facts(other.native_handle()));
}

} // namespace
} // namespace reachd
