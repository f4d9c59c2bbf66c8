// SPDX-License-Identifier: Apache-2.0
// The site's side of an idle flow against a real reflector, through a real NAT whose timers are known.
#include "net/hops.hpp"
#include "net/run.hpp"
#include "peer.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/idle_datagrams.hpp"
#include "reachd/net/idle_mapping.hpp"
#include "reachd/net/reflector_speaker.hpp"
#include "reachd/net/tcp_probe.hpp"
#include "reachd/reflector/server.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

using namespace reachd::test;
using reflector::test::other_key;
using reflector::test::our_key;

constexpr std::uint16_t port = 3999;
constexpr milliseconds below{500};
constexpr milliseconds above{1400};
constexpr milliseconds quick{300};
const char* const no_answers = "ct state new,invalid iifname far drop";

asio::awaitable<std::optional<wire::reported>> nobody(std::uint64_t /*token*/)
{
    co_return std::nullopt;
}

asio::awaitable<std::optional<wire::reported>> ask_again(reflector_access to, std::uint64_t token)
{
    auto flow = co_await open_datagram_flow(to);
    if (!flow) {
        co_return std::nullopt;
    }
    reflector_client client{to.key};
    const auto deadline = in(late);
    auto greeted = co_await client.greet(*flow, deadline);
    if (!greeted) {
        co_return std::nullopt;
    }
    const wire::request_body what{wire::report{.token = token}};
    auto reply = co_await client.ask(*flow, what, deadline);
    const auto* told = reply ? std::get_if<wire::reported>(&*reply) : nullptr;
    co_return told ? std::optional{*told} : std::nullopt;
}

class idle_client_test : public testing::Test {
protected:
    static void SetUpTestSuite() { way = std::make_unique<hops>(); }
    static void TearDownTestSuite() { way.reset(); }
    void SetUp() override
    {
        if (!*way) {
            GTEST_SKIP() << "no namespaces here";
        }
        server.emplace(io, server_config(), reflector::server_listener{});
        server->replace_keys({our_key});
        const auto started = hops::at("srv", [&] { return server->start(); });
        ASSERT_TRUE(started) << started.error().detail;
    }
    void TearDown() override
    {
        if (server) {
            end_server();
        }
        hops::at("r1", [] { return command("nft flush ruleset"); });
    }
    virtual reflector::config server_config()
    {
        reflector::config what;
        what.listen = {reflector::test::at("10.91.3.2:3999")};
        return what;
    }
    void end_server()
    {
        finish(io, server->stop(in(late)));
        server.reset();
    }
    // A NAT at r1 that answers nobody outside, with these timers in seconds.
    static bool nat(int single, int stream, int tcp, const std::string& how = "masquerade")
    {
        const auto make = [&] {
            return command(
                       "nft 'add table ip rnat; add chain ip rnat post { type nat hook postrouting priority "
                       "100; }; add rule ip rnat post oifname far " +
                       how + "'"
                   ) &&
                   command(
                       fmt::format(
                           "sysctl -qw net.netfilter.nf_conntrack_udp_timeout={} "
                           "net.netfilter.nf_conntrack_udp_timeout_stream={} "
                           "net.netfilter.nf_conntrack_tcp_timeout_established={} "
                           "net.netfilter.nf_conntrack_tcp_loose=1",
                           single, stream, tcp
                       )
                   );
        };
        return hops::at("r1", make) && hops::rule("r1", "input", no_answers);
    }
    static reflector_access access(const wire::key& key = our_key)
    {
        return {"srv", reflector::test::at("10.91.3.2:3999"), "", {}, key};
    }
    running<idle_seen> begin(idle_class which, milliseconds hold, const reflector_access& to = access())
    {
        datagram_idle_order order{
            .to = to, .which = which, .hold = hold, .look_every = quick, .answer_time = quick
        };
        order.report = [to](std::uint64_t token) { return ask_again(to, token); };
        return {io, leave_datagrams_alone(std::move(order), watch)};
    }
    idle_reading leave(idle_class which, milliseconds hold)
    {
        auto seen = begin(which, hold).wait();
        EXPECT_EQ(seen.readings.size(), 1U);
        EXPECT_FALSE(seen.source.empty());
        return seen.readings.empty() ? idle_reading{} : seen.readings.front();
    }
    idle_reading leave_connection(milliseconds hold, ask_report report)
    {
        auto made = finish(io, tcp_connect(tcp_at("10.91.3.2", port), {}, in(late)));
        EXPECT_TRUE(is<connected>(made.seen));
        idle_order order{
            .target = tcp_at("10.91.3.2", port), .hold = hold, .look_every = quick, .answer_time = quick
        };
        order.speaker = std::make_shared<reflector_speaker>(our_key, std::move(report));
        auto seen = finish(io, leave_alone(std::move(*made.socket), std::move(order), watch));
        EXPECT_EQ(seen.readings.size(), 1U);
        return seen.readings.empty() ? idle_reading{} : seen.readings.front();
    }
    static ask_report asking()
    {
        return [](std::uint64_t token) { return ask_again(access(), token); };
    }

    asio::io_context io;
    local_change_watch watch;
    std::optional<reflector::server> server;
    static std::unique_ptr<hops> way;
};

std::unique_ptr<hops> idle_client_test::way;

TEST_F(idle_client_test, hears_the_answer_of_a_mapping_that_holds)
{
    ASSERT_TRUE(nat(60, 60, 60));
    for (const auto which : {idle_class::udp_single, idle_class::udp_stream}) {
        const auto seen = leave(which, below);
        EXPECT_EQ(seen.grade, idle_grade::inbound) << seen.reason;
        EXPECT_EQ(seen.idle, below);
    }
    const auto seen = leave_connection(below, asking());
    EXPECT_EQ(seen.grade, idle_grade::inbound) << seen.reason;
    EXPECT_GE(seen.idle, below);
}

TEST_F(idle_client_test, sends_two_requests_for_a_single_exchange_and_no_more)
{
    ASSERT_TRUE(nat(60, 60, 60));
    const auto seen = begin(idle_class::udp_single, below).wait();
    EXPECT_EQ(seen.packets, 2U);
}

TEST_F(idle_client_test, misses_the_answer_of_a_mapping_that_is_gone_and_says_what_comes_then)
{
    ASSERT_TRUE(nat(1, 60, 1));
    const auto single = leave(idle_class::udp_single, above);
    EXPECT_EQ(single.grade, idle_grade::inbound_lost) << single.reason;
    EXPECT_EQ(single.then, after_expiry::recreates);
    const auto tcp = leave_connection(above, asking());
    EXPECT_EQ(tcp.grade, idle_grade::inbound_lost) << tcp.reason;
    EXPECT_EQ(tcp.then, after_expiry::recreates);
}

TEST_F(idle_client_test, tells_the_timer_of_a_stream_from_that_of_a_single_exchange)
{
    ASSERT_TRUE(nat(3, 1, 60)); // the first is above the 2.5 s after which a flow becomes a stream
    const auto single = leave(idle_class::udp_single, above);
    EXPECT_EQ(single.grade, idle_grade::inbound) << single.reason;
    const auto stream = leave(idle_class::udp_stream, above);
    EXPECT_EQ(stream.grade, idle_grade::inbound_lost) << stream.reason;
}

TEST_F(idle_client_test, knows_another_port_after_the_expiry)
{
    ASSERT_TRUE(nat(1, 60, 60, "masquerade fully-random"));
    const auto seen = leave(idle_class::udp_single, above);
    EXPECT_EQ(seen.grade, idle_grade::inbound_lost) << seen.reason;
    EXPECT_EQ(seen.then, after_expiry::remaps);
}

TEST_F(idle_client_test, calls_nothing_lost_when_the_reflector_has_ended)
{
    ASSERT_TRUE(nat(60, 60, 60));
    auto task = begin(idle_class::udp_single, above);
    task.advance();
    finish(io, sleep_until(in(milliseconds{400})));
    end_server();
    const auto seen = task.wait();
    ASSERT_EQ(seen.readings.size(), 1U);
    EXPECT_EQ(seen.readings[0].grade, idle_grade::none);
    EXPECT_NE(seen.readings[0].reason.find("cannot be asked"), std::string::npos) << seen.readings[0].reason;
}

TEST_F(idle_client_test, calls_nothing_lost_that_the_reflector_is_not_asked_about)
{
    ASSERT_TRUE(nat(1, 60, 1));
    const auto seen = leave_connection(above, nobody);
    EXPECT_EQ(seen.grade, idle_grade::none);
}

TEST_F(idle_client_test, says_why_a_flow_could_not_be_made)
{
    const auto seen = begin(idle_class::udp_single, below, access(other_key)).wait();
    ASSERT_EQ(seen.readings.size(), 1U);
    EXPECT_EQ(seen.readings[0].grade, idle_grade::none);
    EXPECT_NE(seen.readings[0].reason.find("another key"), std::string::npos);
}

asio::awaitable<std::optional<stun_client>> opened(reflector_access to)
{
    auto socket = co_await open_datagram_flow(to);
    co_return socket ? std::optional{stun_client{std::move(*socket)}} : std::nullopt;
}

// The reflector as somebody else's STUN server: nobody has a key.
class idle_mapping_test : public idle_client_test {
protected:
    reflector::config server_config() override
    {
        auto what = idle_client_test::server_config();
        what.stun = reflector::stun_access::discovery;
        what.stun_padding_required = false;
        return what;
    }
    stun_client open()
    {
        auto client = finish(io, opened(access()));
        return std::move(client.value());
    }
    reflector_access calibrated()
    {
        auto to = access();
        to.stun = std::make_shared<stun_pair>(open(), open());
        const auto now = finish(io, calibrate(*to.stun, milliseconds{500}));
        EXPECT_TRUE(now && now->what == redirected::arrived);
        return to;
    }
    running<mapping_seen> begin_mapping(idle_class which, milliseconds hold, const reflector_access& to)
    {
        mapping_idle_order order{
            .to = to, .which = which, .hold = hold, .look_every = quick, .answer_time = milliseconds{600}
        };
        return {io, leave_mapping_alone(std::move(order), watch)};
    }
    idle_reading leave_mapping(idle_class which, milliseconds hold)
    {
        auto seen = begin_mapping(which, hold, calibrated()).wait();
        EXPECT_EQ(seen.flow.readings.size(), 1U);
        EXPECT_EQ(seen.address, parse_address("10.91.2.1")) << "the public side of the NAT";
        return seen.flow.readings.empty() ? idle_reading{} : seen.flow.readings.front();
    }
};

TEST_F(idle_mapping_test, hears_what_another_flow_has_sent_to_a_mapping_that_holds)
{
    ASSERT_TRUE(nat(60, 60, 60));
    for (const auto which : {idle_class::udp_single, idle_class::udp_stream}) {
        const auto seen = leave_mapping(which, below);
        EXPECT_EQ(seen.grade, idle_grade::inbound) << seen.reason;
        EXPECT_GE(seen.idle, below);
    }
}

TEST_F(idle_mapping_test, misses_it_where_the_mapping_alone_is_gone)
{
    ASSERT_TRUE(nat(1, 60, 60));
    const auto single = leave_mapping(idle_class::udp_single, above);
    EXPECT_EQ(single.grade, idle_grade::inbound_lost) << single.reason;
    EXPECT_GE(single.idle, above);
    EXPECT_EQ(single.then, after_expiry::recreates);
}

TEST_F(idle_mapping_test, knows_another_port_after_the_expiry)
{
    ASSERT_TRUE(nat(1, 60, 60, "masquerade fully-random"));
    EXPECT_EQ(leave_mapping(idle_class::udp_single, above).then, after_expiry::remaps);
}

TEST_F(idle_mapping_test, tells_the_timer_of_a_stream_from_that_of_a_single_exchange)
{
    ASSERT_TRUE(nat(3, 1, 60));
    EXPECT_EQ(leave_mapping(idle_class::udp_single, above).grade, idle_grade::inbound);
    EXPECT_EQ(leave_mapping(idle_class::udp_stream, above).grade, idle_grade::inbound_lost);
}

TEST_F(idle_mapping_test, calls_nothing_lost_when_the_server_has_ended)
{
    ASSERT_TRUE(nat(1, 60, 60)); // short: what is lost cannot be told from the server's end
    auto task = begin_mapping(idle_class::udp_single, above, calibrated());
    task.advance();
    finish(io, sleep_until(in(milliseconds{400})));
    end_server();
    const auto seen = task.wait();
    ASSERT_EQ(seen.flow.readings.size(), 1U);
    EXPECT_EQ(seen.flow.readings[0].grade, idle_grade::none);
    EXPECT_NE(seen.flow.readings[0].reason.find("cannot be asked any more"), std::string::npos)
        << seen.flow.readings[0].reason;
}

TEST(word_of_a_report, is_yes_only_for_what_was_sent_on_time_and_not_acknowledged_by_another)
{
    const auto told = [](wire::sending state, std::uint8_t events, std::uint32_t late_us) {
        return word_of(wire::reported{.state = state, .events = events, .late_us = late_us});
    };
    using word = far_side::word;
    EXPECT_EQ(told(wire::sending::sent, 0, 1000), word::yes);
    EXPECT_EQ(told(wire::sending::sent, wire::event_reset, 1000), word::yes);
    EXPECT_EQ(told(wire::sending::sent, wire::event_icmp, 1000), word::yes);
    EXPECT_EQ(told(wire::sending::sent, wire::event_acknowledged, 1000), word::unknown) << "a proxy's";
    EXPECT_EQ(told(wire::sending::sent, wire::event_acknowledged, 900'000), word::unknown) << "a proxy's";
    EXPECT_EQ(told(wire::sending::sent, 0, 900'000), word::late);
    EXPECT_EQ(told(wire::sending::flow_ended, wire::event_reset, 0), word::cut);
    EXPECT_EQ(told(wire::sending::flow_ended, 0, 0), word::no) << "the reflector itself has ended it";
    EXPECT_EQ(told(wire::sending::waiting, 0, 0), word::no);
    EXPECT_EQ(told(wire::sending::unknown, 0, 0), word::no);
    EXPECT_EQ(told(wire::sending::failed, 0, 0), word::no);
    EXPECT_EQ(word_of(std::nullopt), word::unknown);
}

} // namespace
} // namespace reachd
