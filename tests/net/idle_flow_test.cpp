// SPDX-License-Identifier: Apache-2.0
// Idle connections through a real NAT whose timer is known: r1 of the three hops, Linux conntrack.
#include "reachd/net/idle_flow.hpp"

#include "hops.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/tcp_probe.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

using namespace test;

constexpr std::uint16_t open_port = 8443;
constexpr milliseconds below{1200};
constexpr milliseconds above{1600};
constexpr milliseconds quick_look{100};
constexpr milliseconds quick_answer{300};

asio::awaitable<void> close_after(tcp::socket socket, milliseconds age)
{
    const auto when = in(age);
    co_await sleep_until(when);
    socket.close();
}

asio::awaitable<void> reset_after(tcp::socket socket, milliseconds age)
{
    const auto when = in(age);
    co_await sleep_until(when);
    socket.set_option(asio::socket_base::linger{true, 0});
    socket.close();
}

asio::awaitable<void> speak_after(tcp::socket socket, milliseconds age)
{
    const auto when = in(age);
    co_await sleep_until(when);
    co_await asio::async_write(socket, asio::buffer("news", 4), asio::use_awaitable);
    co_await listen_only(std::move(socket));
}

asio::awaitable<void> keep_alive(tcp::socket socket)
{
    const int on = 1;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &on, sizeof on);
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    co_await listen_only(std::move(socket));
}

// What the server and the far side of the test share.
struct appointment {
    bool spoken = false;
    bool tells = true;
};

// Does as it is told on the connection: "speak after so many milliseconds".
asio::awaitable<void> speak_on_time(tcp::socket socket, std::shared_ptr<appointment> what)
{
    std::uint32_t wait = 0;
    co_await asio::async_read(socket, asio::buffer(&wait, sizeof wait), asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer("ok", 2), asio::use_awaitable);
    const auto when = in(milliseconds{wait});
    co_await sleep_until(when);
    what->spoken = true;
    co_await asio::async_write(socket, asio::buffer("now", 3), asio::use_awaitable);
    co_await listen_only(std::move(socket));
}

class cooperating_server : public far_side {
public:
    explicit cooperating_server(std::shared_ptr<appointment> what) : what_{std::move(what)} {}
    asio::awaitable<result<void>> arrange(tcp::socket& flow, duration after) override
    {
        const auto wait = static_cast<std::uint32_t>(std::chrono::duration_cast<milliseconds>(after).count());
        co_await asio::async_write(flow, asio::buffer(&wait, sizeof wait), asio::use_awaitable);
        std::array<char, 2> ready;
        co_await asio::async_read(flow, asio::buffer(ready), asio::use_awaitable);
        co_return result<void>{};
    }
    asio::awaitable<word> has_spoken() override
    {
        co_return !what_->tells ? word::unknown : what_->spoken ? word::yes : word::no;
    }

private:
    std::shared_ptr<appointment> what_;
};

asio::awaitable<bool> say(bool what)
{
    co_return what;
}

class idle_flow_test : public testing::Test {
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
        hops::at("r1", [] { return command("nft flush ruleset"); });
    }
    // A NAT at r1 that forgets connections after so many seconds. A filter may follow: nft rules of its
    // forward hook.
    static bool nat(seconds timer, bool loose, const std::string& filter = {})
    {
        const auto make = [&] {
            bool made =
                command(
                    "nft 'add table ip rnat; add chain ip rnat post { type nat hook postrouting priority "
                    "100; }; add rule ip rnat post oifname far masquerade'"
                ) &&
                command(
                    fmt::format(
                        "sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_established={} "
                        "net.netfilter.nf_conntrack_tcp_loose={}",
                        timer.count(), loose ? 1 : 0
                    )
                );
            if (!filter.empty()) {
                made = made &&
                       command(
                           "nft 'add chain ip rnat onward { type filter hook forward priority 0; }; add rule "
                           "ip rnat onward " +
                           filter + "'"
                       );
            }
            return made;
        };
        return hops::at("r1", make);
    }
    void serve(conversation talk)
    {
        peer = hops::at("srv", [&] { return std::make_unique<server>(io, "0.0.0.0", talk, open_port); });
    }
    running<idle_seen> begin(milliseconds hold, std::shared_ptr<far_side> speaker = {})
    {
        auto made = finish(io, tcp_connect(tcp_at("10.91.3.2", open_port), {}, in(late)));
        EXPECT_TRUE(is<connected>(made.seen));
        idle_order order{
            .target = tcp_at("10.91.3.2", open_port),
            .hold = hold,
            .turn = 1,
            .look_every = quick_look,
            .answer_time = quick_answer,
            .speaker = std::move(speaker),
            .fresh_flow_works = [this] { return say(fresh_works); },
        };
        return {io, leave_alone(std::move(*made.socket), std::move(order), watch)};
    }
    std::vector<idle_reading> leave(milliseconds hold, std::shared_ptr<far_side> speaker = {})
    {
        return begin(hold, std::move(speaker)).wait().readings;
    }
    // The only reading, which is of that grade, and after that silence.
    static void expect_one(const std::vector<idle_reading>& seen, idle_grade grade, milliseconds hold)
    {
        ASSERT_EQ(seen.size(), 1U);
        EXPECT_EQ(seen[0].grade, grade) << to_string(seen[0].grade) << " " << seen[0].reason;
        EXPECT_GE(seen[0].idle, hold);
        EXPECT_LT(seen[0].idle, hold + slack);
        EXPECT_EQ(seen[0].turn, 1U);
        EXPECT_EQ(seen[0].tested - seen[0].begun, seen[0].idle);
    }
    // The server spoke: what that proves, and that the planned silence did not come about.
    static void
    expect_heard(const std::vector<idle_reading>& seen, milliseconds age, const std::string& words)
    {
        ASSERT_EQ(seen.size(), 2U);
        EXPECT_EQ(seen[0].grade, idle_grade::inbound);
        EXPECT_LE(seen[0].idle, age);
        EXPECT_GE(seen[0].idle, age - 3 * quick_look);
        EXPECT_EQ(seen[1].grade, idle_grade::none);
        EXPECT_NE(seen[1].reason.find(words), std::string::npos) << seen[1].reason;
    }

    asio::io_context io;
    local_change_watch watch;
    std::unique_ptr<server> peer;
    bool fresh_works = true;
    static std::unique_ptr<hops> way;
};

std::unique_ptr<hops> idle_flow_test::way;

TEST_F(idle_flow_test, is_answered_where_the_mapping_holds)
{
    ASSERT_TRUE(nat(seconds{60}, false, "ct state invalid drop"));
    serve(listen_only);
    expect_one(leave(below), idle_grade::outbound, below);
}

TEST_F(idle_flow_test, is_answered_by_a_nat_that_makes_an_expired_mapping_anew)
{
    ASSERT_TRUE(nat(seconds{1}, true));
    serve(listen_only);
    expect_one(leave(above), idle_grade::outbound, above); // and so proves nothing
}

TEST_F(idle_flow_test, is_lost_in_silence_behind_a_box_that_drops_what_it_has_forgotten)
{
    ASSERT_TRUE(nat(seconds{1}, false, "ct state invalid drop"));
    serve(listen_only);
    const auto seen = leave(above);
    expect_one(seen, idle_grade::outbound_lost, above);
    EXPECT_EQ(seen[0].then, after_expiry::drops);
}

TEST_F(idle_flow_test, is_lost_to_a_reset_of_a_box_that_says_so)
{
    ASSERT_TRUE(nat(seconds{1}, false, "ct state invalid reject with tcp reset"));
    serve(listen_only);
    const auto seen = leave(above);
    expect_one(seen, idle_grade::outbound_lost, above);
    EXPECT_EQ(seen[0].then, after_expiry::resets);
}

TEST_F(idle_flow_test, shows_nothing_where_a_fresh_flow_does_not_work_either)
{
    ASSERT_TRUE(nat(seconds{1}, false, "ct state invalid drop"));
    serve(listen_only);
    fresh_works = false;
    const auto seen = leave(above);
    expect_one(seen, idle_grade::none, above);
    EXPECT_NE(seen[0].reason.find("fresh flow"), std::string::npos);
}

TEST_F(idle_flow_test, hears_the_servers_end_and_takes_it_for_inbound_evidence_of_that_age)
{
    serve([](tcp::socket socket) { return close_after(std::move(socket), milliseconds{700}); });
    expect_heard(leave(below), milliseconds{700}, "the server closed it");
}

TEST_F(idle_flow_test, hears_the_servers_data_and_keep_alives)
{
    serve([](tcp::socket socket) { return speak_after(std::move(socket), milliseconds{600}); });
    expect_heard(leave(below), milliseconds{600}, "the server sent data");
    peer.reset();
    serve(keep_alive);
    expect_heard(leave(milliseconds{1800}), milliseconds{1050}, "the server sent a keep-alive");
}

TEST_F(idle_flow_test, takes_a_reset_in_the_middle_for_no_evidence)
{
    serve([](tcp::socket socket) { return reset_after(std::move(socket), milliseconds{400}); });
    const auto seen = leave(below);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].grade, idle_grade::none);
    EXPECT_NE(seen[0].reason.find("reset"), std::string::npos);
}

TEST_F(idle_flow_test, does_not_hear_the_servers_end_through_a_mapping_that_is_gone)
{
    ASSERT_TRUE(nat(seconds{1}, false, "ct state invalid drop"));
    serve([](tcp::socket socket) { return close_after(std::move(socket), milliseconds{1300}); });
    expect_one(leave(above), idle_grade::outbound_lost, above);
}

TEST_F(idle_flow_test, hears_a_far_side_that_speaks_on_time)
{
    ASSERT_TRUE(nat(seconds{60}, true));
    const auto made = std::make_shared<appointment>();
    serve([made](tcp::socket socket) { return speak_on_time(std::move(socket), made); });
    expect_one(leave(below, std::make_shared<cooperating_server>(made)), idle_grade::inbound, below);
}

TEST_F(idle_flow_test, misses_a_far_side_behind_a_mapping_that_is_gone_though_its_own_packet_is_answered)
{
    ASSERT_TRUE(nat(seconds{1}, true));
    const auto made = std::make_shared<appointment>();
    serve([made](tcp::socket socket) { return speak_on_time(std::move(socket), made); });
    // An input policy of drop, as sites have; without one the NAT itself resets the server.
    ASSERT_TRUE(hops::rule("r1", "input", "iifname far drop"));
    const auto seen = leave(above, std::make_shared<cooperating_server>(made));
    expect_one(seen, idle_grade::inbound_lost, above);
    EXPECT_EQ(seen[0].then, after_expiry::recreates);
}

TEST_F(idle_flow_test, calls_nothing_lost_that_may_not_have_been_sent)
{
    ASSERT_TRUE(nat(seconds{1}, true));
    ASSERT_TRUE(hops::rule("r1", "input", "iifname far drop"));
    const auto made = std::make_shared<appointment>(appointment{.tells = false});
    serve([made](tcp::socket socket) { return speak_on_time(std::move(socket), made); });
    expect_one(leave(above, std::make_shared<cooperating_server>(made)), idle_grade::none, above);
}

TEST_F(idle_flow_test, is_void_when_its_own_address_was_gone_for_a_moment)
{
    serve(listen_only);
    auto task = begin(below);
    task.advance();
    finish(io, sleep_until(in(milliseconds{300})));
    ASSERT_TRUE(command(
        "sh -ec 'ip addr del 10.91.1.2/24 dev rh0; ip addr add 10.91.1.2/24 dev rh0; "
        "ip route add 10.91.0.0/16 via 10.91.1.1'"
    ));
    const auto seen = task.wait().readings;
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].grade, idle_grade::none);
    EXPECT_EQ(seen[0].reason, "this machine lost its address 10.91.1.2");
}

TEST_F(idle_flow_test, does_not_care_for_an_address_of_others)
{
    serve(listen_only);
    auto task = begin(below);
    task.advance();
    finish(io, sleep_until(in(milliseconds{300})));
    ASSERT_TRUE(command("sh -ec 'ip addr add 10.91.1.77/24 dev rh0; ip addr del 10.91.1.77/24 dev rh0'"));
    expect_one(task.wait().readings, idle_grade::outbound, below);
}

TEST_F(idle_flow_test, ends_without_a_reading_when_cancelled)
{
    serve(listen_only);
    auto task = begin(below);
    task.advance();
    finish(io, sleep_until(in(milliseconds{200})));
    task.cancel();
    EXPECT_TRUE(task.wait().readings.empty());
}

} // namespace
} // namespace reachd
