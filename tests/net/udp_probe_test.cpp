// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/udp_probe.hpp"

#include "run.hpp"

#include <chrono>
#include <thread>

namespace reachd {
namespace {

using namespace test;

// Receives on a port of its own and answers when it is told to.
class udp_peer {
public:
    udp_peer(asio::io_context& io, const std::string& address) : socket_{io, udp_endpoint(udp_at(address, 0))}
    {
    }

    [[nodiscard]] endpoint where() const
    {
        const auto own = socket_.local_endpoint();
        return {from_asio(own.address()), own.port(), transport::udp};
    }
    // What arrived since the last call, as bytes of the first datagram; nullopt for nothing.
    std::optional<std::string> take()
    {
        std::string data(2048, '?');
        boost::system::error_code code;
        socket_.non_blocking(true);
        data.resize(socket_.receive_from(asio::buffer(data), from_, 0, code));
        return code ? std::nullopt : std::optional{data};
    }
    void reply(const std::string& text) { socket_.send_to(asio::buffer(text), from_); }
    // Answers whom `other` has heard, from this port.
    void reply_to(const udp_peer& other, const std::string& text)
    {
        socket_.send_to(asio::buffer(text), other.from_);
    }

private:
    udp::socket socket_;
    udp::endpoint from_;
};

class udp_exchange_test : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override
    {
        if (!has_ipv6() && !is_v4()) {
            GTEST_SKIP() << "no IPv6 here";
        }
    }
    bool is_v4() const { return ip(GetParam()).is_v4(); }
    std::string ip_tool() const { return is_v4() ? "ip -4 " : "ip -6 "; }
    std::string elsewhere() const { return is_v4() ? "198.51.100.7" : "2001:db8:7::7"; }

    observation exchange(const endpoint& where, const way_out& way = {}, milliseconds limit = late)
    {
        auto seen = finish(io, udp_exchange(where, way, in(limit)));
        EXPECT_EQ(seen.kind, probe_kind::udp_send);
        return seen;
    }
    // A port that had a socket a moment ago and has none now.
    endpoint closed() { return udp_peer{io, GetParam()}.where(); }

    asio::io_context io;
};

INSTANTIATE_TEST_SUITE_P(
    both_families, udp_exchange_test, testing::Values("127.0.0.1", "::1"),
    [](const auto& one) { return one.index == 0 ? "v4" : "v6"; }
);

TEST_P(udp_exchange_test, sends_one_zero_byte_and_counts_the_answer)
{
    udp_peer peer{io, GetParam()};
    running task{io, udp_exchange(peer.where(), {}, in(late))};
    task.advance();
    EXPECT_EQ(peer.take(), std::string(1, '\0'));
    EXPECT_FALSE(peer.take());
    peer.reply("hello");
    const auto seen = task.wait();
    ASSERT_TRUE(is<replied>(seen));
    EXPECT_EQ(std::get<replied>(seen.what).bytes, 5U);
    EXPECT_TRUE(seen.source.starts_with(is_v4() ? "127.0.0.1:" : "[::1]:")) << seen.source;
    EXPECT_EQ(judge_alone(peer.where(), seen).kind, verdict_kind::open);
}

TEST_P(udp_exchange_test, takes_an_empty_datagram_for_an_answer)
{
    udp_peer peer{io, GetParam()};
    running task{io, udp_exchange(peer.where(), {}, in(late))};
    task.advance();
    peer.take();
    peer.reply("");
    const auto seen = task.wait();
    ASSERT_TRUE(is<replied>(seen));
    EXPECT_EQ(std::get<replied>(seen.what).bytes, 0U);
}

TEST_P(udp_exchange_test, does_not_take_the_datagram_of_somebody_else)
{
    udp_peer peer{io, GetParam()};
    running task{io, udp_exchange(peer.where(), {}, in(soon))};
    task.advance();
    peer.take();
    udp_peer stranger{io, GetParam()};
    stranger.reply_to(peer, "from another port");
    EXPECT_TRUE(is<no_reply>(task.wait()));
}

TEST_P(udp_exchange_test, says_closed_to_the_destinations_own_port_unreachable)
{
    const auto target = closed();
    const auto seen = exchange(target);
    ASSERT_TRUE(is<icmp_error>(seen));
    const auto& error = std::get<icmp_error>(seen.what);
    EXPECT_EQ(error.type, is_v4() ? 3 : 1);
    EXPECT_EQ(error.code, is_v4() ? 3 : 4);
    EXPECT_EQ(error.sender, target.address);
    EXPECT_EQ(error.received_ttl, 64);
    // The sender is this machine as well as the destination: that is no complaint of a next hop.
    const auto judged = judge_alone(target, seen);
    EXPECT_EQ(judged.kind, verdict_kind::closed);
    EXPECT_EQ(judged.blame, blame::service);
    EXPECT_EQ(judged.sentence.find("next hop"), std::string::npos) << judged.sentence;
}

TEST_P(udp_exchange_test, says_no_reply_to_silence_when_the_time_is_over)
{
    const udp_peer peer{io, GetParam()};
    const auto seen = exchange(peer.where(), {}, soon);
    ASSERT_TRUE(is<no_reply>(seen));
    const auto waited = std::get<no_reply>(seen.what).waited;
    EXPECT_GT(waited, soon - milliseconds{10});
    EXPECT_LE(waited, soon);
    EXPECT_LT(seen.took, soon + slack);
    EXPECT_EQ(judge_alone(peer.where(), seen).kind, verdict_kind::unproven);
}

TEST_P(udp_exchange_test, says_cancelled_when_cancelled_and_does_not_call_it_silence)
{
    const udp_peer peer{io, GetParam()};
    running task{io, udp_exchange(peer.where(), {}, in(late))};
    task.advance();
    ASSERT_FALSE(task.done());
    task.cancel();
    const auto begun = steady::now();
    EXPECT_TRUE(is_not_measured(task.wait(), local_cause::cancelled));
    EXPECT_LT(steady::now(), begun + slack);
}

TEST_P(udp_exchange_test, keeps_an_answer_that_was_there_when_the_cancel_came)
{
    udp_peer peer{io, GetParam()};
    running task{io, udp_exchange(peer.where(), {}, in(late))};
    task.advance();
    peer.take();
    peer.reply("in time");
    task.cancel();
    EXPECT_TRUE(is<replied>(task.wait()));
}

TEST_P(udp_exchange_test, keeps_an_answer_that_was_there_when_the_deadline_came)
{
    udp_peer peer{io, GetParam()};
    const auto deadline = in(milliseconds{20});
    running task{io, udp_exchange(peer.where(), {}, deadline)};
    task.advance();
    peer.take();
    peer.reply("in time");
    std::this_thread::sleep_until(deadline); // the loop was busy elsewhere: both are there now
    EXPECT_TRUE(is<replied>(task.wait()));
}

TEST_P(udp_exchange_test, says_no_route_at_once_where_the_routing_table_has_none)
{
    const auto target = udp_at(elsewhere(), 53);
    const auto seen = exchange(target);
    EXPECT_TRUE(is_not_measured(seen, local_cause::no_route));
    EXPECT_LT(seen.took, slack);
    EXPECT_EQ(judge_alone(target, seen).blame, blame::host);
}

TEST_P(udp_exchange_test, blames_this_machine_for_routes_that_forbid_the_destination)
{
    const std::string block = is_v4() ? "198.51.100.64/26" : "2001:db8:64::/48";
    const auto target = udp_at(is_v4() ? "198.51.100.65" : "2001:db8:64::1", 53);
    for (const std::string kind : {"unreachable", "prohibit", "blackhole"}) {
        SCOPED_TRACE(kind);
        if (!command(ip_tool() + "route replace " + kind + " " + block)) {
            GTEST_SKIP() << "no such route here";
        }
        const auto seen = exchange(target);
        EXPECT_TRUE(is<not_measured>(seen));
        EXPECT_EQ(judge_alone(target, seen).blame, blame::host);
        command(ip_tool() + "route del " + kind + " " + block);
    }
}

TEST_P(udp_exchange_test, blames_this_machines_own_packet_filter)
{
    const udp_peer peer{io, GetParam()};
    const auto port = std::to_string(peer.where().port);
    const bool made = command("nft add table inet rtest") &&
                      command("nft 'add chain inet rtest out { type filter hook output priority 0; }'") &&
                      command("nft add rule inet rtest out udp dport " + port + " drop");
    if (!made) {
        GTEST_SKIP() << "no packet filter here";
    }
    const auto seen = exchange(peer.where());
    command("nft delete table inet rtest");
    EXPECT_TRUE(is_not_measured(seen, local_cause::refused_here));
    const auto judged = judge_alone(peer.where(), seen);
    EXPECT_EQ(judged.kind, verdict_kind::blocked);
    EXPECT_EQ(judged.blame, blame::host);
}

TEST_P(udp_exchange_test, says_no_descriptors_when_the_process_has_none_left)
{
    if (!can_go_without_descriptors) {
        GTEST_SKIP() << "not under a sanitizer";
    }
    const udp_peer peer{io, GetParam()};
    io.poll();
    const no_descriptors_left limit;
    EXPECT_TRUE(is_not_measured(exchange(peer.where()), local_cause::no_descriptors));
}

TEST_P(udp_exchange_test, leaves_by_the_interface_and_the_source_that_are_asked_for)
{
    udp_peer peer{io, GetParam()};
    const std::string source = is_v4() ? "127.7.7.7" : "::1";
    running task{io, udp_exchange(peer.where(), {.interface = "lo", .source = ip(source)}, in(late))};
    task.advance();
    EXPECT_TRUE(peer.take());
    peer.reply("x");
    const auto seen = task.wait();
    EXPECT_TRUE(seen.source.starts_with(is_v4() ? "127.7.7.7:" : "[::1]:")) << seen.source;
}

TEST_P(udp_exchange_test, says_no_address_for_a_vantage_that_is_not_there)
{
    const udp_peer peer{io, GetParam()};
    EXPECT_TRUE(is_not_measured(
        exchange(peer.where(), {.interface = "nowhere0", .source = {}}), local_cause::no_address
    ));
    EXPECT_TRUE(is_not_measured(
        exchange(peer.where(), {.interface = {}, .source = ip(elsewhere())}), local_cause::no_address
    ));
}

} // namespace
} // namespace reachd
