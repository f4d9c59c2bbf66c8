// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/tcp_probe.hpp"

#include "run.hpp"

namespace reachd {
namespace {

using namespace test;

// An Ethernet link on which nobody answers to ARP or neighbour discovery.
class silent_link {
public:
    explicit silent_link(const std::vector<std::string>& addresses)
    {
        made_ = command("ip link add name rtest0 type veth peer name rtest1") &&
                command("ip link set rtest1 up") && command("ip link set rtest0 up");
        for (const auto& one : addresses) {
            made_ = made_ && command("ip addr add " + one + " dev rtest0 nodad");
        }
        for (const std::string protocol : {"ipv4", "ipv6"}) {
            std::ofstream{"/proc/sys/net/" + protocol + "/neigh/rtest0/retrans_time_ms"} << 10;
        }
    }
    silent_link(const silent_link&) = delete;
    silent_link& operator=(const silent_link&) = delete;
    ~silent_link() { command("ip link del rtest0"); }
    explicit operator bool() const { return made_; }

private:
    bool made_ = false;
};

// Each test with an address of either family.
class tcp_connect_test : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override
    {
        if (!has_ipv6() && !is_v4()) {
            GTEST_SKIP() << "no IPv6 here";
        }
    }
    bool is_v4() const { return ip(GetParam()).is_v4(); }
    std::string ip_tool() const { return is_v4() ? "ip -4 " : "ip -6 "; }
    // An address that is not this machine's and that no route leads to, unless the test adds one.
    std::string elsewhere() const { return is_v4() ? "198.51.100.7" : "2001:db8:7::7"; }
    std::string foreign_loopback() const { return is_v4() ? "::1" : "127.0.0.1"; }

    observation connect(const endpoint& where, const way_out& way = {}, milliseconds limit = late)
    {
        auto result = finish(io, tcp_connect(where, way, in(limit)));
        EXPECT_EQ(result.socket.has_value(), std::holds_alternative<connected>(result.seen.what));
        EXPECT_EQ(result.seen.kind, probe_kind::tcp_connect);
        return std::move(result.seen);
    }

    asio::io_context io;
};

INSTANTIATE_TEST_SUITE_P(
    both_families, tcp_connect_test, testing::Values("127.0.0.1", "::1"),
    [](const auto& one) { return one.index == 0 ? "v4" : "v6"; }
);

TEST_P(tcp_connect_test, hands_back_an_open_socket_and_its_source)
{
    server peer{io, GetParam(), [](tcp::socket socket) { return answer(std::move(socket), "here"); }};
    auto result = finish(io, tcp_connect(peer.where(), {}, in(late)));
    ASSERT_TRUE(is<connected>(result.seen));
    ASSERT_TRUE(result.socket);
    const auto source = result.seen.source;
    EXPECT_TRUE(source.starts_with(is_v4() ? "127.0.0.1:" : "[::1]:")) << source;
    EXPECT_EQ(source, local_name(result.socket->native_handle()));
    EXPECT_GE(result.seen.took, duration::zero());
    EXPECT_LT(result.seen.took, slack);
    EXPECT_EQ(judge_alone(peer.where(), result.seen).kind, verdict_kind::open);

    std::array<char, 4> data{};
    asio::write(*result.socket, asio::buffer("?", 1));
    io.restart();
    io.run_for(soon);
    EXPECT_EQ(result.socket->available(), data.size());
}

TEST_P(tcp_connect_test, says_connected_to_a_peer_that_has_hung_up_before_anybody_looks)
{
    const auto hang_up = [](tcp::socket) -> asio::awaitable<void> { co_return; };
    const server peer{io, GetParam(), hang_up};
    const auto seen = connect(peer.where());
    EXPECT_TRUE(is<connected>(seen));
    EXPECT_LT(seen.took, slack);
}

TEST_P(tcp_connect_test, no_longer_asks_for_icmp_errors_on_a_connection_that_stands)
{
    const listener peer{io, GetParam()};
    auto result = finish(io, tcp_connect(peer.where(), {}, in(late)));
    ASSERT_TRUE(result.socket);
    int wanted = -1;
    socklen_t size = sizeof wanted;
    ::getsockopt(
        result.socket->native_handle(), is_v4() ? int{IPPROTO_IP} : int{IPPROTO_IPV6},
        is_v4() ? IP_RECVERR : IPV6_RECVERR, &wanted, &size
    );
    EXPECT_EQ(wanted, 0);
}

TEST_P(tcp_connect_test, says_refused_to_a_reset)
{
    const closed_port nobody{io, GetParam()};
    const auto seen = connect(nobody.where());
    EXPECT_TRUE(is<refused>(seen));
    EXPECT_EQ(judge_alone(nobody.where(), seen).kind, verdict_kind::closed);
}

TEST_P(tcp_connect_test, says_no_reply_to_silence_when_the_time_is_over)
{
    listener peer{io, GetParam()};
    peer.fall_silent();
    const auto seen = connect(peer.where(), {}, soon);
    ASSERT_TRUE(is<no_reply>(seen));
    const auto waited = std::get<no_reply>(seen.what).waited;
    EXPECT_GT(waited, soon - milliseconds{10});
    EXPECT_LE(waited, soon);
    EXPECT_GE(seen.took, waited);
    EXPECT_LT(seen.took, soon + slack);
    EXPECT_EQ(judge_alone(peer.where(), seen).kind, verdict_kind::blocked);
}

TEST_P(tcp_connect_test, still_looks_once_when_the_deadline_has_passed)
{
    const listener peer{io, GetParam()};
    EXPECT_TRUE(is<connected>(connect(peer.where(), {}, milliseconds{-100})));
    listener silent{io, GetParam()};
    silent.fall_silent();
    EXPECT_TRUE(is<no_reply>(connect(silent.where(), {}, milliseconds{-100})));
}

TEST_P(tcp_connect_test, says_cancelled_when_cancelled_and_does_not_call_it_silence)
{
    listener peer{io, GetParam()};
    peer.fall_silent();
    running task{io, tcp_connect(peer.where(), {}, in(late))};
    task.advance();
    ASSERT_FALSE(task.done());
    task.cancel();
    const auto begun = steady::now();
    const auto result = task.wait();
    EXPECT_TRUE(is_not_measured(result.seen, local_cause::cancelled));
    EXPECT_FALSE(result.socket);
    EXPECT_LT(steady::now(), begun + slack);
    EXPECT_EQ(judge_alone(peer.where(), result.seen).kind, verdict_kind::unproven);
}

TEST_P(tcp_connect_test, keeps_a_result_that_was_there_when_the_cancel_came)
{
    const listener peer{io, GetParam()};
    running task{io, tcp_connect(peer.where(), {}, in(late))};
    io.poll_one(); // the handshake is made, and nobody has looked yet
    task.cancel();
    EXPECT_TRUE(is<connected>(task.wait().seen));
}

TEST_P(tcp_connect_test, says_no_route_at_once_where_the_routing_table_has_none)
{
    const auto target = tcp_at(elsewhere(), 443);
    const auto seen = connect(target);
    EXPECT_TRUE(is_not_measured(seen, local_cause::no_route));
    EXPECT_EQ(std::get<not_measured>(seen.what).error_number, ENETUNREACH);
    EXPECT_LT(seen.took, slack);
    const auto judged = judge_alone(target, seen);
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.blame, blame::host);
}

TEST_P(tcp_connect_test, blames_this_machine_for_routes_that_forbid_the_destination)
{
    const std::string block = is_v4() ? "198.51.100.64/26" : "2001:db8:64::/48";
    const auto target = tcp_at(is_v4() ? "198.51.100.65" : "2001:db8:64::1", 443);
    for (const std::string kind : {"unreachable", "prohibit", "blackhole", "throw"}) {
        SCOPED_TRACE(kind);
        if (!command(ip_tool() + "route replace " + kind + " " + block)) {
            GTEST_SKIP() << "no such route here";
        }
        const auto seen = connect(target);
        EXPECT_TRUE(is<not_measured>(seen));
        EXPECT_LT(seen.took, slack);
        EXPECT_EQ(judge_alone(target, seen).blame, blame::host);
        if (kind == "unreachable" || kind == "throw") {
            EXPECT_TRUE(is_not_measured(seen, local_cause::no_route));
        } else if (kind == "prohibit") {
            EXPECT_TRUE(is_not_measured(seen, local_cause::refused_here));
        }
        command(ip_tool() + "route del " + kind + " " + block);
    }
}

TEST_P(tcp_connect_test, says_no_reply_where_packets_leave_and_vanish)
{
    const silent_link link{{is_v4() ? "203.0.113.1/24" : "2001:db8:113::1/64"}};
    const std::string target = is_v4() ? "203.0.113.9" : "2001:db8:113::9";
    if (!link || !command("ip neigh add " + target + " lladdr 02:00:00:00:00:09 nud permanent dev rtest0")) {
        GTEST_SKIP() << "no veth here";
    }
    const auto seen = connect(tcp_at(target, 443), {}, soon);
    EXPECT_TRUE(is<no_reply>(seen));
    EXPECT_TRUE(seen.source.starts_with(is_v4() ? "203.0.113.1:" : "[2001:db8:113::1]:")) << seen.source;
}

TEST_P(tcp_connect_test, says_no_descriptors_when_the_process_has_none_left)
{
    if (!can_go_without_descriptors) {
        GTEST_SKIP() << "not under a sanitizer";
    }
    const listener peer{io, GetParam()};
    io.poll();
    {
        const no_descriptors_left limit;
        const auto seen = connect(peer.where());
        EXPECT_TRUE(is_not_measured(seen, local_cause::no_descriptors));
        EXPECT_EQ(judge_alone(peer.where(), seen).kind, verdict_kind::unproven);
    }
    EXPECT_TRUE(is<connected>(connect(peer.where())));
}

TEST_P(tcp_connect_test, leaves_by_the_interface_and_the_source_that_are_asked_for)
{
    const listener peer{io, GetParam()};
    const std::string source = is_v4() ? "127.7.7.7" : "::1";
    const auto seen = connect(peer.where(), {.interface = "lo", .source = ip(source)});
    ASSERT_TRUE(is<connected>(seen));
    EXPECT_TRUE(seen.source.starts_with(is_v4() ? "127.7.7.7:" : "[::1]:")) << seen.source;
}

TEST_P(tcp_connect_test, says_no_address_for_a_vantage_that_is_not_there)
{
    const listener peer{io, GetParam()};
    const way_out ways[] = {
        {.interface = "nowhere0", .source = {}},
        {.interface = {}, .source = ip(elsewhere())},
        {.interface = {}, .source = ip(foreign_loopback())},
    };
    for (const auto& way : ways) {
        const auto seen = connect(peer.where(), way);
        EXPECT_TRUE(is_not_measured(seen, local_cause::no_address));
        const auto detail = std::get<not_measured>(seen.what).detail;
        EXPECT_TRUE(detail.starts_with(way.source ? "source " + to_text(*way.source) : "interface nowhere0"))
            << detail;
    }
}

TEST_P(tcp_connect_test, knows_the_kernels_own_complaint_of_a_next_hop_that_does_not_answer)
{
    const silent_link link{{is_v4() ? "203.0.113.1/24" : "2001:db8:113::1/64"}};
    if (!link) {
        GTEST_SKIP() << "no veth here";
    }
    const auto target = tcp_at(is_v4() ? "203.0.113.9" : "2001:db8:113::9", 443);
    const auto seen = connect(target);
    ASSERT_TRUE(is<icmp_error>(seen));
    const auto& error = std::get<icmp_error>(seen.what);
    EXPECT_EQ(error.type, is_v4() ? 3 : 1);
    EXPECT_EQ(error.code, is_v4() ? 1 : 3);
    EXPECT_TRUE(error.sender_is_us);
    const auto judged = judge_alone(target, seen);
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.stage, stage::route);
}

// A packet filter between us and the peer, which answers in the peer's name.
class packet_filter {
public:
    packet_filter(const std::string& match, const std::string& action)
    {
        made_ = command("nft add table inet rtest") &&
                command("nft 'add chain inet rtest in { type filter hook input priority 0; }'") &&
                command("nft add rule inet rtest in " + match + " " + action);
    }
    packet_filter(const packet_filter&) = delete;
    packet_filter& operator=(const packet_filter&) = delete;
    ~packet_filter() { command("nft delete table inet rtest"); }
    explicit operator bool() const { return made_; }

private:
    bool made_ = false;
};

TEST_P(tcp_connect_test, blames_this_machines_own_drop_and_not_that_of_others)
{
    constexpr milliseconds past_a_retransmission{1200};
    listener silent{io, GetParam()};
    silent.fall_silent();
    EXPECT_TRUE(is<no_reply>(connect(silent.where(), {}, past_a_retransmission)));

    const std::string dropped = "tcp dport " + std::to_string(silent.where().port) + " drop";
    const bool made = command("nft add table inet rtest") &&
                      command("nft 'add chain inet rtest out { type filter hook output priority 0; }'") &&
                      command("nft add rule inet rtest out " + dropped);
    if (!made) {
        GTEST_SKIP() << "no packet filter here";
    }
    EXPECT_TRUE(is<no_reply>(connect(silent.where(), {}, soon))); // nothing was sent again: nothing is known
    const auto seen = connect(silent.where(), {}, past_a_retransmission);
    command("nft delete table inet rtest");
    ASSERT_TRUE(is_not_measured(seen, local_cause::refused_here));
    EXPECT_EQ(std::get<not_measured>(seen.what).error_number, EPERM);
    const auto judged = judge_alone(silent.where(), seen);
    EXPECT_EQ(judged.kind, verdict_kind::blocked);
    EXPECT_EQ(judged.blame, blame::host);
}

TEST_P(tcp_connect_test, takes_an_icmp_error_for_what_it_says_and_not_for_a_reset)
{
    struct {
        const char* reject;
        int type;
        int code;
    } const rows[] = {
        {is_v4() ? "icmp type port-unreachable" : "icmpv6 type port-unreachable", is_v4() ? 3 : 1,
         is_v4() ? 3 : 4},
        {is_v4() ? "icmp type admin-prohibited" : "icmpv6 type admin-prohibited", is_v4() ? 3 : 1,
         is_v4() ? 13 : 1},
        {is_v4() ? "icmp type net-unreachable" : "icmpv6 type no-route", is_v4() ? 3 : 1, 0},
    };
    const listener peer{io, GetParam()};
    for (const auto& row : rows) {
        SCOPED_TRACE(row.reject);
        const packet_filter filter{
            "tcp dport " + std::to_string(peer.where().port), std::string{"reject with "} + row.reject
        };
        if (!filter) {
            GTEST_SKIP() << "no packet filter here";
        }
        const auto seen = connect(peer.where());
        ASSERT_TRUE(is<icmp_error>(seen));
        const auto& error = std::get<icmp_error>(seen.what);
        EXPECT_EQ(error.type, row.type);
        EXPECT_EQ(error.code, row.code);
        EXPECT_EQ(error.sender, peer.where().address);
        EXPECT_EQ(error.received_ttl, 64);
    }
}

TEST_P(tcp_connect_test, takes_a_filters_reset_for_a_refusal)
{
    const listener peer{io, GetParam()};
    const packet_filter filter{"tcp dport " + std::to_string(peer.where().port), "reject with tcp reset"};
    if (!filter) {
        GTEST_SKIP() << "no packet filter here";
    }
    EXPECT_TRUE(is<refused>(connect(peer.where())));
}

} // namespace
} // namespace reachd
