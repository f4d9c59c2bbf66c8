// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/hop_probe.hpp"

#include "hops.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/probe_socket.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

using namespace test;

constexpr std::uint16_t open_port = 8443;
constexpr std::uint16_t shut_port = 8081;
constexpr unsigned system_ttl = 64;

// How the other side ended the connection.
asio::awaitable<void> note_end(tcp::socket socket, std::shared_ptr<boost::system::error_code> end)
{
    std::array<char, 16> data;
    const auto [code, size] =
        co_await socket.async_read_some(asio::buffer(data), asio::as_tuple(asio::use_awaitable));
    *end = code;
}

class hop_probe_test : public testing::TestWithParam<const char*> {
protected:
    static void SetUpTestSuite() { way = std::make_unique<hops>(); }
    static void TearDownTestSuite() { way.reset(); }
    void SetUp() override
    {
        if (!*way || (!is_v4() && !has_ipv6())) {
            GTEST_SKIP() << "no namespaces, or no IPv6, here";
        }
    }
    void TearDown() override
    {
        for (const std::string where : {"", "r1", "srv"}) {
            hops::at(where, [] { return command("nft delete table inet rtest"); });
        }
    }
    bool is_v4() const { return ip(GetParam()).is_v4(); }
    ip_address router(int number) const
    {
        return number == 1 ? ip(is_v4() ? "10.91.1.1" : "fd91:1::1")
                           : ip(is_v4() ? "10.91.2.2" : "fd91:2::2");
    }
    endpoint there(std::uint16_t port, transport kind = transport::tcp) const
    {
        return {ip(GetParam()), port, kind};
    }
    std::unique_ptr<server> serve(conversation talk = listen_only)
    {
        const auto make = [&] {
            return std::make_unique<server>(io, is_v4() ? "0.0.0.0" : "::", talk, open_port);
        };
        return hops::at("srv", make);
    }
    observation probe(const endpoint& target, hop_options options, milliseconds limit = late)
    {
        return finish(io, hop_probe(target, {}, std::move(options), in(limit)));
    }
    static const icmp_error& error_of(const observation& seen) { return std::get<icmp_error>(seen.what); }

    asio::io_context io;
    static std::unique_ptr<hops> way;
};

std::unique_ptr<hops> hop_probe_test::way;

INSTANTIATE_TEST_SUITE_P(
    both_families, hop_probe_test, testing::Values("10.91.3.2", "fd91:3::2"),
    [](const auto& one) { return one.index == 0 ? "v4" : "v6"; }
);

TEST_P(hop_probe_test, hears_the_router_at_which_the_hops_run_out)
{
    const auto peer = serve();
    for (const auto kind : {transport::tcp, transport::udp}) {
        for (unsigned number : {1U, 2U}) {
            SCOPED_TRACE(number);
            const auto seen = probe(there(open_port, kind), {.hop_limit = number, .payload = {}});
            ASSERT_TRUE(is<icmp_error>(seen));
            EXPECT_EQ(error_of(seen).type, is_v4() ? 11 : 3);
            EXPECT_EQ(error_of(seen).sender, router(static_cast<int>(number)));
            EXPECT_FALSE(error_of(seen).sender_is_us);
            EXPECT_EQ(seen.kind, kind == transport::tcp ? probe_kind::tcp_connect : probe_kind::udp_send);
            EXPECT_EQ(seen.hop_limit, number);
            EXPECT_EQ(seen.min_ttl, std::nullopt);
            EXPECT_FALSE(seen.source.empty());
        }
    }
    EXPECT_TRUE(is<connected>(probe(there(open_port), {.hop_limit = 3, .payload = {}})));
    EXPECT_TRUE(is<refused>(probe(there(shut_port), {.hop_limit = 3, .payload = {}})));
}

TEST_P(hop_probe_test, T23_tells_the_servers_reset_from_one_that_a_near_box_forges)
{
    // The server's answer has crossed two routers: it arrives with two hops less.
    const auto far = probe(there(shut_port), {.min_ttl = system_ttl - 2, .payload = {}});
    EXPECT_TRUE(is<refused>(far));
    EXPECT_EQ(far.min_ttl, system_ttl - 2);
    EXPECT_TRUE(is<no_reply>(probe(there(shut_port), {.min_ttl = system_ttl - 1, .payload = {}}, soon)));
    if (!hops::rule("r1", "forward", "tcp dport 8081 reject with tcp reset")) {
        GTEST_SKIP() << "no packet filter here";
    }
    EXPECT_TRUE(is<refused>(probe(there(shut_port), {.min_ttl = system_ttl, .payload = {}})));
}

// --- decoys: the kernel checks addresses and ports of what comes to a datagram, and nothing else ---

// To every port of a few, from the server's own port: what a forger sends who knows the addresses.
std::size_t forge_replies(std::uint16_t from, std::uint16_t first, std::uint16_t count, std::string_view to)
{
    const auto send = [&] {
        asio::io_context own;
        const auto address = asio::ip::make_address(std::string{to});
        std::size_t sent = 0;
        udp::socket forger{own, udp::endpoint{address.is_v4() ? udp::v4() : udp::v6(), from}};
        for (std::uint16_t i = 0; i < count; ++i) {
            boost::system::error_code ignored;
            const auto port = static_cast<std::uint16_t>(first + i);
            sent += forger.send_to(asio::buffer("forged", 6), {address, port}, 0, ignored);
        }
        return sent;
    };
    return hops::at("srv", send);
}

TEST_P(hop_probe_test, T23_decoy_hears_what_is_forged_after_its_datagram_has_ended)
{
    constexpr std::uint16_t own_port = 45200;
    hop_options options{.hop_limit = 2, .payload = {}, .source_port = own_port, .decoy = true};
    running task{io, hop_probe(there(4200, transport::udp), {}, options, in(late))};
    task.advance();
    finish(io, sleep_until(in(milliseconds{200}))); // until the router has spoken
    ASSERT_FALSE(task.done());
    ASSERT_GT(forge_replies(4200, own_port - 3, 7, is_v4() ? "10.91.1.2" : "fd91:1::2"), 0U);
    const auto seen = task.wait();
    ASSERT_TRUE(is<icmp_error>(seen));
    EXPECT_EQ(error_of(seen).sender, router(2));
    EXPECT_TRUE(seen.decoy);
    EXPECT_TRUE(seen.forged);
    EXPECT_LT(seen.took, late);
}

TEST_P(hop_probe_test, T23_decoy_that_nobody_forges_an_answer_to_is_silent_until_its_time_is_over)
{
    const auto begun = steady::now();
    const auto seen =
        probe(there(4200, transport::udp), {.hop_limit = 2, .payload = {}, .decoy = true}, soon);
    ASSERT_TRUE(is<icmp_error>(seen));
    EXPECT_EQ(error_of(seen).sender, router(2));
    EXPECT_TRUE(seen.decoy);
    EXPECT_FALSE(seen.forged);
    EXPECT_GE(steady::now() - begun, soon - milliseconds{10});
}

TEST_P(hop_probe_test, T23_decoy_that_gets_there_and_is_refused_is_no_forgery)
{
    const auto seen =
        probe(there(4200, transport::udp), {.hop_limit = 3, .payload = {}, .decoy = true}, soon);
    ASSERT_TRUE(is<icmp_error>(seen));
    EXPECT_EQ(error_of(seen).sender, ip(GetParam())) << "port unreachable, by the server itself";
    EXPECT_FALSE(seen.forged);
}

// What a router sees of two probes with one source port is one flow.
TEST_P(hop_probe_test, leaves_from_the_same_port_again_and_again)
{
    const auto peer = serve();
    constexpr std::uint16_t own_port = 45123;
    for (const auto kind : {transport::tcp, transport::udp}) {
        for (const unsigned limit : {1U, 2U, 3U, 3U, 1U}) {
            SCOPED_TRACE(limit);
            const auto seen =
                probe(there(open_port, kind), {.hop_limit = limit, .payload = {}, .source_port = own_port});
            EXPECT_TRUE(limit < 3 ? is<icmp_error>(seen) : !is<not_measured>(seen)) << describe(seen.what);
            EXPECT_TRUE(seen.source.ends_with(":45123")) << seen.source;
        }
    }
}

TEST_P(hop_probe_test, says_so_when_another_socket_has_the_port)
{
    asio::ip::tcp::acceptor taken{io, {is_v4() ? tcp::v4() : tcp::v6(), 45124}};
    const auto seen = probe(there(open_port), {.hop_limit = 1, .payload = {}, .source_port = 45124});
    ASSERT_TRUE(is<not_measured>(seen));
    EXPECT_EQ(std::get<not_measured>(seen.what).error_number, EADDRINUSE);
}

TEST_P(hop_probe_test, discards_datagrams_from_too_far)
{
    const auto make = [&] {
        return std::make_shared<udp::socket>(io, udp_endpoint(udp_at(is_v4() ? "0.0.0.0" : "::", open_port)));
    };
    const auto peer = hops::at("srv", make);
    for (const unsigned lowest : {system_ttl - 2, system_ttl - 1}) {
        running task{
            io,
            hop_probe(there(open_port, transport::udp), {}, {.min_ttl = lowest, .payload = {}}, in(2 * soon))
        };
        task.advance();
        std::array<char, 16> data{};
        udp::endpoint from;
        EXPECT_EQ(peer->receive_from(asio::buffer(data), from), 1U);
        EXPECT_EQ(data[0], '\0');
        peer->send_to(asio::buffer("yes", 3), from);
        const auto seen = task.wait();
        EXPECT_TRUE(lowest == system_ttl - 2 ? is<replied>(seen) : is<no_reply>(seen));
    }
}

TEST_P(hop_probe_test, sends_the_payload_that_was_asked_for)
{
    const auto make = [&] {
        return std::make_shared<udp::socket>(io, udp_endpoint(udp_at(is_v4() ? "0.0.0.0" : "::", open_port)));
    };
    const auto peer = hops::at("srv", make);
    running task{io, hop_probe(there(open_port, transport::udp), {}, {.payload = "who?"}, in(late))};
    task.advance();
    std::string data(16, '?');
    udp::endpoint from;
    data.resize(peer->receive_from(asio::buffer(data), from));
    EXPECT_EQ(data, "who?");
    peer->send_to(asio::buffer("me", 2), from);
    EXPECT_TRUE(is<replied>(task.wait()));
}

TEST_P(hop_probe_test, does_not_hear_this_machines_own_packet_filter_when_on_the_link)
{
    const auto peer = serve();
    EXPECT_TRUE(is<connected>(probe(there(open_port), {.on_link = true, .payload = {}})));
    for (const std::string reject : {"tcp reset", "icmpx type admin-prohibited"}) {
        SCOPED_TRACE(reject);
        if (!hops::rule("", "output", "tcp dport 8443 reject with " + reject)) {
            GTEST_SKIP() << "no packet filter here";
        }
        const auto heard = probe(there(open_port), {.payload = {}});
        EXPECT_TRUE(reject == "tcp reset" ? is<refused>(heard) : is<icmp_error>(heard));
        const auto seen = probe(there(open_port), {.on_link = true, .payload = {}}, soon);
        // Its own ICMP error is heard all the same over IPv4, but says whose it is.
        const bool owned = std::holds_alternative<icmp_error>(seen.what) && error_of(seen).sender_is_us;
        EXPECT_TRUE(owned || is<no_reply>(seen)) << describe(seen.what);
        EXPECT_TRUE(seen.on_link);
        command("nft delete table inet rtest");
    }
}

TEST_P(hop_probe_test, does_not_hear_this_machines_own_proxy_when_on_the_link)
{
    const listener proxy{io, is_v4() ? "0.0.0.0" : "::", open_port};
    const bool made = command("nft add table inet rtest") &&
                      command("nft 'add chain inet rtest nat { type nat hook output priority -100; }'") &&
                      command("nft add rule inet rtest nat tcp dport 8443 redirect");
    if (!made) {
        GTEST_SKIP() << "no packet filter here";
    }
    EXPECT_TRUE(is<connected>(probe(there(open_port), {.payload = {}})));
    EXPECT_TRUE(is<no_reply>(probe(there(open_port), {.on_link = true, .payload = {}}, soon)));
}

TEST_P(hop_probe_test, hears_others_when_on_the_link)
{
    EXPECT_TRUE(is<refused>(probe(there(shut_port), {.on_link = true, .payload = {}})));
    const auto seen = probe(there(shut_port), {.hop_limit = 1, .on_link = true, .payload = {}});
    ASSERT_TRUE(is<icmp_error>(seen));
    EXPECT_EQ(error_of(seen).sender, router(1));
}

TEST_P(hop_probe_test, finds_the_link_by_the_routing_table)
{
    EXPECT_EQ(link_towards(there(1), {}), "rh0");
    EXPECT_EQ(link_towards(tcp_at(is_v4() ? "127.0.0.1" : "::1", 1), {}), "lo");
    EXPECT_EQ(link_towards(tcp_at(is_v4() ? "198.51.100.7" : "2001:db8:7::7", 1), {}), "");
    EXPECT_EQ(link_towards(there(1), {.interface = "lo", .source = {}}), "lo");
}

TEST_P(hop_probe_test, sends_one_syn_however_long_it_may_wait)
{
    if (!hops::rule("r1", "forward", "tcp dport 8443 counter drop")) {
        GTEST_SKIP() << "no packet filter here";
    }
    const auto seen = probe(there(open_port), {.payload = {}});
    ASSERT_TRUE(is<no_reply>(seen));
    EXPECT_GT(std::get<no_reply>(seen.what).waited, syn_alone - milliseconds{50});
    EXPECT_LE(std::get<no_reply>(seen.what).waited, syn_alone);
    finish(io, sleep_until(in(milliseconds{300}))); // past the first retransmission
    EXPECT_EQ(hops::counted("r1", "forward"), 1);
}

TEST_P(hop_probe_test, leaves_no_connection_behind)
{
    auto end = std::make_shared<boost::system::error_code>();
    const auto peer = serve([end](tcp::socket socket) { return note_end(std::move(socket), end); });
    const auto seen = probe(there(open_port), {.payload = {}});
    ASSERT_TRUE(is<connected>(seen));
    finish(io, sleep_until(in(soon)));
    EXPECT_EQ(peer->accepted(), 1U);
    EXPECT_EQ(*end, asio::error::connection_reset);
    const auto port = std::stoi(seen.source.substr(seen.source.rfind(':') + 1));
    const auto own = fmt::format(":{:04X} ", port);
    std::ifstream table{is_v4() ? "/proc/thread-self/net/tcp" : "/proc/thread-self/net/tcp6"};
    for (std::string line; std::getline(table, line);) {
        EXPECT_EQ(line.find(own), std::string::npos) << line; // not in TIME_WAIT either
    }
}

TEST_P(hop_probe_test, names_the_option_that_this_kernel_does_not_take)
{
    constexpr unsigned impossible = 999;
    const auto limit = probe(there(open_port), {.hop_limit = impossible, .payload = {}});
    ASSERT_TRUE(is_not_measured(limit, local_cause::other));
    const std::string limit_word = is_v4() ? "IP_TTL: " : "IPV6_UNICAST_HOPS: ";
    EXPECT_TRUE(std::get<not_measured>(limit.what).detail.starts_with(limit_word)) << describe(limit.what);
    const auto least = probe(there(open_port), {.min_ttl = impossible, .payload = {}});
    ASSERT_TRUE(is_not_measured(least, local_cause::other));
    const std::string least_word = is_v4() ? "IP_MINTTL: " : "IPV6_MINHOPCOUNT: ";
    EXPECT_TRUE(std::get<not_measured>(least.what).detail.starts_with(least_word)) << describe(least.what);
}

TEST_P(hop_probe_test, says_cancelled_when_cancelled_and_does_not_call_it_silence)
{
    if (!hops::rule("r1", "forward", "drop")) {
        GTEST_SKIP() << "no packet filter here";
    }
    for (const auto kind : {transport::tcp, transport::udp}) {
        running task{io, hop_probe(there(open_port, kind), {}, {.payload = {}}, in(late))};
        task.advance();
        ASSERT_FALSE(task.done());
        task.cancel();
        EXPECT_TRUE(is_not_measured(task.wait(), local_cause::cancelled));
    }
}

} // namespace
} // namespace reachd
