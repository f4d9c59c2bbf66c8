// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/hop_pacer.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <limits>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;

const time_point origin{1h};
constexpr unsigned one_each = 1;   // ICMP error a second and hop
constexpr unsigned far_apart = 32; // hops that flows share
constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

hop_order order(unsigned hop, std::uint16_t port = 443, std::string_view to = server_text)
{
    hop_order out;
    out.which = {"", {make_address(to), port, transport::tcp}};
    out.hop_limit = hop;
    out.needs_icmp = true;
    return out;
}

limits_config at_rates(unsigned per_s, unsigned per_destination)
{
    limits_config out;
    out.new_flows_per_s = per_s;
    out.new_flows_per_destination_per_s = per_destination;
    return out;
}

// How long all of these take, sent as early as may be.
duration time_for(hop_pacer& hops, pacer& flows, std::vector<hop_order> wanted)
{
    auto now = origin;
    while (true) {
        const auto chosen = hops.choose(wanted, far_apart, {unlimited, flows}, now);
        for (const auto& one : chosen.now) {
            std::erase(wanted, one);
        }
        if (wanted.empty()) {
            return now - origin;
        }
        now = chosen.look_again.value_or(now + 1h);
    }
}

TEST(hop_pacer_rates, probes_of_new_flows_keep_to_the_rate_of_new_flows)
{
    std::vector<hop_order> wanted;
    for (std::uint16_t i = 0; i < 17; ++i) {
        wanted.push_back(order(i + 1U, static_cast<std::uint16_t>(2001 + i)));
    }
    hop_pacer hops{one_each};
    pacer flows{at_rates(8, 0), 1};
    EXPECT_NEAR(std::chrono::duration<double>(time_for(hops, flows, wanted)).count(), 2.0, 0.3);
    hop_pacer again{one_each};
    pacer lifted{at_rates(0, 0), 1};
    EXPECT_EQ(time_for(again, lifted, wanted), 0s);
}

// How many of many a hop is sent in ten seconds of looks that are this far apart.
std::size_t sent_in_ten_seconds(unsigned per_s, duration between)
{
    const std::vector<hop_order> wanted(20, order(1));
    hop_pacer hops{per_s};
    pacer flows{at_rates(0, 0), 1};
    std::size_t sent = 0;
    for (auto now = origin; now < origin + 10s; now += between) {
        const auto chosen = hops.choose(wanted, far_apart, {unlimited, flows}, now);
        EXPECT_LE(chosen.now.size(), 5U) << "a Linux router's bucket";
        sent += chosen.now.size();
    }
    return sent;
}

TEST(hop_pacer_rates, a_rate_is_reached_though_looks_are_seldom)
{
    EXPECT_NEAR(static_cast<double>(sent_in_ten_seconds(200, 25ms)), 2000, 20);
    EXPECT_NEAR(static_cast<double>(sent_in_ten_seconds(30, 150ms)), 300, 10);
    EXPECT_NEAR(static_cast<double>(sent_in_ten_seconds(200, 150ms)), 335, 5) << "five each look";
}

TEST(hop_pacer_rates, one_a_second_stays_one_at_once)
{
    EXPECT_EQ(sent_in_ten_seconds(1, 150ms), 10U);
    EXPECT_EQ(sent_in_ten_seconds(1, 3s), 4U);
}

TEST(hop_pacer_rates, repeats_of_a_flow_count_as_a_quarter_of_a_new_one)
{
    std::vector<hop_order> wanted;
    for (unsigned hop = 1; hop <= 17; ++hop) {
        wanted.push_back(order(hop));
    }
    hop_pacer hops{one_each};
    pacer flows{at_rates(8, 0), 1};
    EXPECT_NEAR(std::chrono::duration<double>(time_for(hops, flows, wanted)).count(), 0.5, 0.2);
}

TEST(hop_pacer_rates, one_address_gets_its_own_rate_and_does_not_hold_up_others)
{
    hop_pacer hops{one_each};
    pacer flows{at_rates(100, 1), 1};
    const std::vector<hop_order> wanted = {
        order(1, 1), order(2, 2), order(3, 3), order(4, 4, other_server_text)
    };
    const auto chosen = hops.choose(wanted, far_apart, {unlimited, flows}, origin + 1s);
    EXPECT_EQ(chosen.now.size(), 2U) << "one early is lent, not two";
    const auto later = hops.choose(wanted, far_apart, {unlimited, flows}, origin + 1020ms);
    ASSERT_EQ(later.now.size(), 1U);
    EXPECT_EQ(later.now[0].which.target.address, make_address(other_server_text));
}

TEST(hop_pacer_rates, what_it_sends_is_taken_from_the_rows_flows)
{
    hop_pacer hops{one_each};
    pacer flows{at_rates(8, 0), 1};
    static_cast<void>(hops.choose({order(1)}, far_apart, {unlimited, flows}, origin));
    flows.add(1, make_address(other_server_text));
    const auto next = flows.next(origin);
    const auto* wait = std::get_if<pacer::wait_until>(&next);
    ASSERT_TRUE(wait);
    EXPECT_EQ(wait->when, origin + 125ms);
}

TEST(hop_pacer_rates, sends_no_more_than_there_is_room_for_and_looks_again)
{
    hop_pacer hops{one_each};
    pacer flows{at_rates(0, 0), 1};
    const std::vector<hop_order> wanted = {order(1), order(2), order(3)};
    const auto chosen = hops.choose(wanted, far_apart, {2, flows}, origin);
    EXPECT_EQ(chosen.now.size(), 2U);
    ASSERT_TRUE(chosen.look_again);
    EXPECT_GT(*chosen.look_again, origin);
    const auto full = hops.choose({order(4)}, far_apart, {0, flows}, origin);
    EXPECT_TRUE(full.now.empty());
    // No budget of a hop was used up by what could not go.
    EXPECT_EQ(hops.choose({order(4)}, far_apart, {1, flows}, origin).now.size(), 1U);
}

} // namespace
} // namespace reachd
