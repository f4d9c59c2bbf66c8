// SPDX-License-Identifier: Apache-2.0
// Which box rejects by ICMP, how far away it is, and whose it is.
#include "walked_site.hpp"

#include <functional>

namespace reachd {
namespace {

using namespace test;

using attribution_rejection = walked_site;

constexpr std::uint8_t host_unreachable = 1;
constexpr std::uint8_t prohibited = 13;

observation rejected_by(std::string_view sender, std::uint8_t code)
{
    return make_seen(make_icmp(sender, 3, code));
}

std::optional<unsigned> number_of(const verdict& one)
{
    return one.where && one.where->at ? one.where->at->number : std::nullopt;
}

// --- how far away ---

TEST_F(attribution_rejection, is_counted_by_what_the_box_said_of_other_flows)
{
    passed(make_target(server_text, 80), 3);
    const auto& one = judged(rejected_by(hops[1], prohibited));
    EXPECT_EQ(number_of(one), 2U);
    EXPECT_EQ(one.blame, blame::isp);
}

TEST_F(attribution_rejection, by_the_gateway_is_at_hop_1_though_no_hop_said_anything)
{
    see(make_target(server_text, 443), 5, make_icmp(gateway_text, 3, prohibited));
    const auto& one = judged(rejected_by(gateway_text, prohibited));
    EXPECT_EQ(number_of(one), 1U);
    EXPECT_EQ(one.blame, blame::site);
}

TEST_F(attribution_rejection, by_a_box_that_never_says_time_exceeded_is_where_it_begins)
{
    struct row {
        const char* about;
        unsigned seen_up_to;
        unsigned begins;
        std::optional<unsigned> number;
    };
    for (const auto& [about, seen_up_to, begins, number] :
         {row{"right after the last hop", 2, 3, 3U}, row{"at the first hop", 0, 1, 1U},
          row{"somewhere after it", 1, 3, std::nullopt}}) {
        SCOPED_TRACE(about);
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
        passed(make_target(server_text, 443), seen_up_to);
        see(make_target(server_text, 443), begins, make_icmp(stranger_text, 3, prohibited));
        EXPECT_EQ(number_of(judged(rejected_by(stranger_text, prohibited))), number);
    }
}

TEST_F(attribution_rejection, by_one_box_is_not_placed_where_another_one_rejects)
{
    passed(make_target(server_text, 443), 2);
    see(make_target(server_text, 443), 3, make_icmp("203.0.113.9", 3, prohibited));
    const auto& one = judged(rejected_by(stranger_text, prohibited));
    EXPECT_EQ(number_of(one), std::nullopt);
    EXPECT_EQ(one.blame, blame::unknown);
}

// --- whose it is ---

TEST_F(attribution_rejection, by_a_box_with_an_address_of_the_site_is_the_sites_unless_its_edge_is_known)
{
    for (const bool edge_is_known : {false, true}) {
        it = make_scene();
        if (edge_is_known) {
            it.what.config.path.edge = make_address(gateway_text);
        }
        // Behind the provider's box there is one with a private address.
        passed(make_target(server_text, 80), 2);
        see(make_target(server_text, 80), 3, make_icmp("10.200.0.1", 11, 0));
        const auto& one = judged(rejected_by("10.200.0.1", prohibited));
        EXPECT_EQ(number_of(one), 3U);
        EXPECT_EQ(one.blame, edge_is_known ? blame::isp : blame::site);
    }
}

TEST_F(attribution_rejection, of_a_host_that_is_down_is_not_the_providers)
{
    struct row {
        const char* about;
        std::uint8_t code;
        std::function<void()> others;
        blame who;
    };
    const auto other = make_target(server_text, 80);
    const std::vector<row> rows{
        {"nobody gets there", host_unreachable, [] {}, blame::unknown},
        {"prohibited", prohibited, [] {}, blame::isp},
        {"network unreachable", 0, [] {}, blame::isp},
        {"the host itself speaks to a control", host_unreachable, [this] { control(3, true); }, blame::isp},
        {"another port passes that router", host_unreachable,
         [&] { see(other, 4, make_icmp(hops[3], 11, 0)); }, blame::isp},
        {"another port is answered farther on", host_unreachable, [&] { see(other, 5, connected{}); },
         blame::isp},
        {"another port is answered right behind it: by that router, it may be", host_unreachable,
         [&] { see(other, 4, connected{}); }, blame::unknown},
    };
    for (const auto& [about, code, others, who] : rows) {
        SCOPED_TRACE(about);
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
        passed(other, 3);
        others();
        const auto& one = judged(rejected_by(hops[2], code));
        EXPECT_EQ(number_of(one), 3U);
        EXPECT_EQ(one.blame, who);
    }
}

TEST_F(attribution_rejection, of_an_ipv6_host_that_is_down_is_not_the_providers)
{
    constexpr const char* gateway = "fd77::1";
    constexpr const char* router = "2001:db8::1";
    for (const auto& [code, who] : {std::pair{3, blame::unknown}, std::pair{1, blame::isp}}) {
        it = make_scene();
        it.what.config.path.edge = make_address(gateway);
        see(make_target(server6_text, 80), 1, make_icmp(gateway, 3, 0));
        see(make_target(server6_text, 80), 2, make_icmp(router, 3, 0));
        const auto seen = make_seen(make_icmp(router, 1, static_cast<std::uint8_t>(code)));
        it.add("row", expectation::path, {make_endpoint(server6_text, 443, {seen})});
        it.evaluate();
        EXPECT_EQ(number_of(it.judged("row")), 2U);
        EXPECT_EQ(it.judged("row").blame, who) << "ICMPv6 1/" << code;
    }
}

TEST_F(attribution_rejection, of_one_flow_is_not_judged_by_what_was_said_of_another)
{
    passed(make_target(server_text, 80), 3);
    const auto down = rejected_by(hops[2], host_unreachable);
    auto datagram = make_endpoint(server_text, 443, {rejected_by(hops[2], prohibited)});
    datagram.transport = transport::udp;
    auto voice = make_endpoint(server_text, 443, {rejected_by(hops[2], prohibited)});
    voice.vantage = "voice";
    const auto elsewhere = make_endpoint(other_server_text, 443, {rejected_by(hops[2], prohibited)});
    const auto other_port = make_endpoint(server_text, 444, {rejected_by(hops[2], prohibited)});
    const auto not_probed = make_endpoint(server_text, 443, {});
    it.add("others", expectation::path, {voice, elsewhere, other_port, not_probed});
    it.add("datagram", expectation::path, {datagram});
    it.add("row", expectation::path, {make_endpoint(server_text, 443, {down})});
    it.evaluate();
    EXPECT_EQ(it.judged("row").blame, blame::unknown) << "the host may be down";
    EXPECT_EQ(it.judged("datagram").blame, blame::isp);
    EXPECT_EQ(it.judged("others", 2).blame, blame::isp);
}

TEST_F(attribution_rejection, is_no_reason_to_place_what_this_machine_could_not_send)
{
    passed(make_target(server_text, 80), 3);
    it.add(
        "rejected", expectation::path, {make_endpoint(server_text, 443, {rejected_by(hops[2], prohibited)})}
    );
    for (const auto cause : {local_cause::no_memory, local_cause::refused_here}) {
        it.add(
            to_string(cause), expectation::path,
            {make_endpoint(server_text, 443, {make_seen(make_unmeasured(cause))})}
        );
    }
    it.evaluate();
    EXPECT_EQ(number_of(it.judged("rejected")), 3U);
    for (const auto cause : {local_cause::no_memory, local_cause::refused_here}) {
        EXPECT_EQ(it.judged(to_string(cause)).blame, blame::host);
        EXPECT_FALSE(it.judged(to_string(cause)).where);
    }
}

// --- rejected aloud later, after silence ---

TEST_F(attribution_rejection, that_comes_late_is_the_first_boxs_that_rejects)
{
    const auto target = make_target(server_text, 443);
    passed(target, 2);
    see(target, 4, make_icmp(stranger_text, 3, prohibited));
    see(target, 3, make_icmp(hops[2], 3, host_unreachable));
    const auto& one = judged(make_silence());
    EXPECT_EQ(one.kind, verdict_kind::blocked);
    EXPECT_NE(one.sentence.find("rejected by 203.0.113.2"), std::string::npos) << one.sentence;
    EXPECT_EQ(number_of(one), 3U);
    EXPECT_EQ(one.blame, blame::unknown) << "by its own word: the host may be down";
}

TEST_F(attribution_rejection, of_a_datagram_counts_before_its_answer_was_waited_for)
{
    const auto target = make_target(server_text, 5000, transport::udp);
    passed(target, 1);
    see(target, 2, make_icmp(hops[1], 3, prohibited));
    auto waiting = make_endpoint(server_text, 5000, {});
    waiting.transport = transport::udp;
    it.add("row", expectation::path, {waiting});
    it.evaluate();
    EXPECT_EQ(it.judged("row").kind, verdict_kind::blocked);
    EXPECT_EQ(it.judged("row").blame, blame::isp);
    EXPECT_EQ(number_of(it.judged("row")), 2U);
}

} // namespace
} // namespace reachd
