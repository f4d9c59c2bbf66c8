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
constexpr unsigned lifted = 0;
constexpr unsigned shared = 3; // hops, where the test is not about that

// A walk's probe: the hop's ICMP error is what it asks for.
hop_order walk(unsigned limit, std::uint16_t port = 443, const char* address = server_text)
{
    return {.which = {"", make_target(address, port)}, .hop_limit = limit, .payload = {}, .needs_icmp = true};
}

// A search's probe: an answer of the destination's or none.
hop_order search(unsigned limit, std::uint16_t port = 443)
{
    auto out = walk(limit, port);
    out.needs_icmp = false;
    return out;
}

hop_pacer::choice choose(
    hop_pacer& paced, const std::vector<hop_order>& wanted, unsigned shared_hops = shared,
    time_point now = origin
)
{
    limits_config lifted_rates;
    lifted_rates.new_flows_per_s = 0;
    lifted_rates.new_flows_per_destination_per_s = 0;
    pacer flows{lifted_rates, 1};
    return paced.choose(wanted, shared_hops, {std::numeric_limits<std::size_t>::max(), flows}, now);
}

std::size_t granted(hop_pacer& paced, const std::vector<hop_order>& wanted, time_point now = origin)
{
    return choose(paced, wanted, shared, now).now.size();
}

TEST(hop_pacer, asks_one_hop_once_a_second_whoever_the_packet_is_for)
{
    hop_pacer paced{1};
    const std::vector<hop_order> both{walk(2), walk(2, 443, other_server_text)};
    const auto first = choose(paced, both);
    ASSERT_EQ(first.now.size(), 1U);
    EXPECT_EQ(first.now[0], both[0]);
    ASSERT_TRUE(first.look_again);
    EXPECT_GE(*first.look_again, origin + 1s);
    EXPECT_LE(*first.look_again, origin + 1s + 2ms);
    EXPECT_EQ(granted(paced, {both[1]}, origin + 900ms), 0U);
    EXPECT_EQ(granted(paced, {both[1]}, origin + 1s), 1U);
}

TEST(hop_pacer, T24_who_follows_upon_another_asks_no_hop_sooner)
{
    hop_pacer older{1};
    EXPECT_EQ(granted(older, {walk(2)}), 1U);
    hop_pacer paced{1}; // as after a reload
    paced.inherit(older);
    EXPECT_EQ(granted(paced, {walk(2)}, origin + 900ms), 0U);
    EXPECT_EQ(granted(paced, {walk(2)}, origin + 1s), 1U);
    EXPECT_EQ(granted(paced, {walk(3)}, origin + 1s), 1U);
}

TEST(hop_pacer, does_not_save_up_what_was_not_asked)
{
    hop_pacer paced{1};
    EXPECT_EQ(granted(paced, {walk(2)}), 1U);
    EXPECT_EQ(granted(paced, {walk(2, 1), walk(2, 2), walk(2, 3)}, origin + 1h), 1U);
}

TEST(hop_pacer, asks_at_the_rate_that_the_site_says_its_routers_give)
{
    hop_pacer paced{10};
    EXPECT_EQ(granted(paced, {walk(2)}), 1U);
    EXPECT_EQ(granted(paced, {walk(2)}, origin + 90ms), 0U);
    EXPECT_EQ(granted(paced, {walk(2)}, origin + 100ms), 1U);
}

TEST(hop_pacer, gives_each_hop_family_and_vantage_a_budget_of_its_own)
{
    hop_pacer paced{1};
    auto voice = walk(1);
    voice.which.vantage = "voice";
    EXPECT_EQ(granted(paced, {walk(1), walk(2), walk(1, 443, server6_text), voice, walk(1, 80)}), 4U);
}

TEST(hop_pacer, takes_hops_past_the_shared_ones_for_boxes_of_their_own_by_destination)
{
    const std::vector<hop_order> far{walk(4), walk(4, 443, other_server_text), walk(4, 80)};
    hop_pacer apart{1};
    EXPECT_EQ(choose(apart, far, 3).now.size(), 2U);
    hop_pacer alike{1};
    EXPECT_EQ(choose(alike, far, 4).now.size(), 1U);
}

// Samples of a block go to new addresses for as long as the daemon runs.
TEST(hop_pacer, forgets_hops_that_nobody_asks_any_more_and_no_other)
{
    hop_pacer paced{1};
    auto now = origin;
    for (unsigned i = 0; i < 10000; ++i, now += 100ms) {
        const auto address = "17." + std::to_string(i / 200) + "." + std::to_string(i % 200) + ".1";
        const std::vector<hop_order> both{walk(shared + 1, 443, address.c_str()), walk(1)};
        // The first hop is asked all the time: its second is never forgotten.
        EXPECT_EQ(granted(paced, both, now), i % 10 == 0 ? 2U : 1U) << i;
    }
    EXPECT_LE(paced.known(), 4097U);
    EXPECT_GT(paced.known(), 100U);
}

TEST(hop_pacer, holds_nothing_back_that_asks_no_hop)
{
    hop_pacer paced{1};
    std::vector<hop_order> wanted;
    for (std::uint16_t port = 1; port <= 50; ++port) {
        wanted.push_back({.which = {"", make_target(server_text, port)}, .min_ttl = 60, .payload = {}});
    }
    const auto chosen = choose(paced, wanted);
    EXPECT_EQ(chosen.now.size(), 50U);
    EXPECT_FALSE(chosen.look_again);
}

TEST(hop_pacer, lifted_asks_what_a_linux_router_gives_less_one)
{
    hop_pacer paced{lifted};
    std::vector<hop_order> wanted;
    for (std::uint16_t port = 1; port <= 9; ++port) {
        wanted.push_back(walk(2, port));
    }
    EXPECT_EQ(granted(paced, wanted), 5U);
    EXPECT_EQ(granted(paced, wanted, origin + 500ms), 0U);
    EXPECT_EQ(granted(paced, wanted, origin + 1s), 1U);
    EXPECT_EQ(
        granted(paced, wanted, origin + 60s), 5U
    ); // and no more than that, however long it was left alone
}

TEST(hop_pacer, lifted_sends_at_once_where_silence_is_expected)
{
    hop_pacer paced{lifted};
    std::vector<hop_order> wanted;
    for (std::uint16_t port = 1; port <= 9; ++port) {
        wanted.push_back(walk(2, port));
        wanted.back().expects_silence = true;
    }
    EXPECT_EQ(granted(paced, wanted), 9U);
    EXPECT_EQ(granted(paced, {walk(2, 1), walk(2, 2)}), 2U); // and that costs the hop nothing
    hop_pacer polite{1};
    EXPECT_EQ(granted(polite, wanted), 1U);
}

TEST(hop_pacer, lifted_sends_answers_at_once_behind_those_that_need_the_hop)
{
    hop_pacer paced{lifted};
    const auto chosen = choose(paced, {search(2, 1), search(2, 2), walk(2, 3)});
    ASSERT_EQ(chosen.now.size(), 3U);
    EXPECT_EQ(chosen.now[0], walk(2, 3)) << "the hop's errors are for who needs them";
}

TEST(hop_pacer, lifted_keeps_answers_back_while_others_wait_for_the_hop)
{
    hop_pacer paced{lifted};
    std::vector<hop_order> wanted;
    for (std::uint16_t port = 1; port <= 5; ++port) {
        wanted.push_back(walk(2, port));
    }
    EXPECT_EQ(granted(paced, wanted), 5U);
    EXPECT_EQ(granted(paced, {walk(2, 6), search(2, 7), search(3, 8)}, origin + 500ms), 1U) << "another hop";
    EXPECT_EQ(granted(paced, {walk(2, 6), search(2, 7)}, origin + 1s), 2U);
}

TEST(hop_pacer, lifted_counts_the_budget_as_gone_after_answers_were_asked_for)
{
    hop_pacer paced{lifted};
    EXPECT_EQ(granted(paced, {search(2, 1)}), 1U);
    EXPECT_EQ(granted(paced, {walk(2)}), 0U);
    EXPECT_EQ(granted(paced, {walk(2)}, origin + 1s), 0U)
        << "the last of many comes to the hop a little later";
    EXPECT_EQ(granted(paced, {walk(2)}, origin + 1200ms), 1U);
}

} // namespace
} // namespace reachd
