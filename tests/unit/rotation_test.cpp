// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/rotation.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <set>

namespace reachd {
namespace {

using namespace test;

// Ports 2001, 2002, ... of one address, all probed and closed: they pass where a path is expected.
std::vector<endpoint_state> make_range(std::size_t count)
{
    std::vector<endpoint_state> endpoints;
    for (std::size_t i = 0; i < count; ++i) {
        endpoints.push_back(
            make_endpoint(server_text, static_cast<std::uint16_t>(2001 + i), {make_seen(refused{})})
        );
        endpoints.back().judged.kind = verdict_kind::closed;
    }
    return endpoints;
}

std::set<std::size_t> select(const std::vector<endpoint_state>& endpoints, rotation& turn)
{
    const auto chosen = select_round(expectation::path, endpoints, turn);
    EXPECT_TRUE(std::ranges::is_sorted(chosen));
    const std::set<std::size_t> once{chosen.begin(), chosen.end()};
    EXPECT_EQ(once.size(), chosen.size());
    return once;
}

bool has(const std::set<std::size_t>& chosen, std::size_t index)
{
    return chosen.contains(index);
}

TEST(rotation, takes_short_rows_whole_and_longer_ones_in_part)
{
    rotation turn{.cursor = 0, .rounds_per_sweep = 60};
    EXPECT_EQ(select(make_range(64), turn).size(), 64U);
    EXPECT_EQ(turn.cursor, 0U);
    EXPECT_LT(select(make_range(65), turn).size(), 65U);
}

TEST(rotation, of_one_round_a_sweep_takes_everything)
{
    rotation turn;
    EXPECT_EQ(select(make_range(500), turn).size(), 500U);
    EXPECT_EQ(select_round(expectation::path, {}, turn), std::vector<std::size_t>{});
}

TEST(rotation, visits_every_endpoint_in_every_sweep_whatever_its_size)
{
    for (const std::size_t count : {65U, 100U, 499U, 500U, 1001U}) {
        for (const std::size_t rounds : {2U, 7U, 60U, 1000U}) {
            SCOPED_TRACE(std::to_string(count) + " in " + std::to_string(rounds));
            const auto endpoints = make_range(count);
            rotation turn{.cursor = 0, .rounds_per_sweep = rounds};
            for (int sweep = 0; sweep < 3; ++sweep) {
                std::set<std::size_t> visited;
                for (std::size_t i = 0; i < rounds; ++i) {
                    visited.merge(select(endpoints, turn));
                }
                EXPECT_EQ(visited.size(), count);
            }
        }
    }
}

TEST(rotation, moves_its_share_on_so_that_no_port_waits_for_more_than_a_sweep)
{
    const auto endpoints = make_range(500);
    rotation turn{.cursor = 0, .rounds_per_sweep = 50};
    EXPECT_EQ(select(endpoints, turn).size(), 11U); // ten, and the end of the run
    EXPECT_EQ(turn.cursor, 10U);
    const auto second = select(endpoints, turn);
    EXPECT_TRUE(has(second, 10) && has(second, 19));
    EXPECT_FALSE(has(second, 9) || has(second, 20));
    turn.cursor = 495;
    const auto last = select(endpoints, turn);
    EXPECT_TRUE(has(last, 499) && has(last, 4));
    EXPECT_EQ(turn.cursor, 5U);
}

TEST(rotation, probes_all_that_does_not_pass_in_every_round)
{
    for (const auto kind : {verdict_kind::blocked, verdict_kind::unproven, verdict_kind::intercepted}) {
        SCOPED_TRACE(to_string(kind));
        auto endpoints = make_range(500);
        for (std::size_t i = 300; i < 320; ++i) {
            endpoints[i].judged.kind = kind;
        }
        rotation turn{.cursor = 0, .rounds_per_sweep = 60};
        for (int round = 0; round < 3; ++round) {
            const auto chosen = select(endpoints, turn);
            for (std::size_t i = 300; i < 320; ++i) {
                EXPECT_TRUE(has(chosen, i)) << i;
            }
        }
    }
}

TEST(rotation, probes_both_ends_of_each_run)
{
    auto endpoints = make_range(500);
    for (std::size_t i = 200; i < 300; ++i) {
        endpoints[i].judged.kind = verdict_kind::open; // passes too, but is another run
    }
    rotation turn{.cursor = 50, .rounds_per_sweep = 60};
    const auto chosen = select(endpoints, turn);
    for (const std::size_t end : {0U, 199U, 200U, 299U, 300U, 499U}) {
        EXPECT_TRUE(has(chosen, end)) << end;
    }
    for (const std::size_t inside : {1U, 198U, 201U, 298U, 301U, 498U}) {
        EXPECT_FALSE(has(chosen, inside)) << inside;
    }
}

TEST(rotation, takes_addresses_names_and_vantages_for_the_ends_of_runs)
{
    for (const int what : {0, 1, 2}) {
        SCOPED_TRACE(what);
        auto endpoints = make_range(200);
        for (std::size_t i = 100; i < 200; ++i) {
            if (what == 0) {
                endpoints[i].address = make_address(other_server_text);
            } else {
                (what == 1 ? endpoints[i].name : endpoints[i].vantage) = "other";
            }
        }
        rotation turn{.cursor = 0, .rounds_per_sweep = 60};
        const auto chosen = select(endpoints, turn);
        EXPECT_TRUE(has(chosen, 99) && has(chosen, 100));
        EXPECT_FALSE(has(chosen, 98) || has(chosen, 101));
    }
}

TEST(rotation, probes_what_was_never_probed_but_not_what_needs_no_packet)
{
    auto endpoints = make_range(500);
    for (std::size_t i = 100; i < 250; ++i) {
        endpoints[i].seen.clear();
    }
    rotation turn{.cursor = 0, .rounds_per_sweep = 60};
    auto chosen = select(endpoints, turn);
    EXPECT_TRUE(has(chosen, 100) && has(chosen, 175) && has(chosen, 249));
    for (std::size_t i = 100; i < 250; ++i) {
        endpoints[i].without_probing = verdict{.kind = verdict_kind::closed};
    }
    turn = {.cursor = 0, .rounds_per_sweep = 60};
    chosen = select(endpoints, turn);
    EXPECT_FALSE(has(chosen, 175));
}

TEST(rotation, limits_what_trouble_may_cost)
{
    auto endpoints = make_range(1000);
    for (auto& one : endpoints) {
        one.judged.kind = verdict_kind::blocked;
    }
    rotation turn{.cursor = 500, .rounds_per_sweep = 100};
    EXPECT_EQ(select(endpoints, turn).size(), most_troubled + 10);
    for (std::size_t i = 0; i < endpoints.size(); i += 2) { // every port its own run
        endpoints[i].judged.kind = verdict_kind::open;
        endpoints[i + 1].judged.kind = verdict_kind::closed;
    }
    turn.cursor = 500;
    EXPECT_EQ(select(endpoints, turn).size(), most_ends + 10);
}

TEST(rotation, goes_on_when_the_row_gets_shorter)
{
    rotation turn{.cursor = 900, .rounds_per_sweep = 10};
    const auto chosen = select(make_range(100), turn);
    EXPECT_LT(*chosen.rbegin(), 100U);
    EXPECT_LT(turn.cursor, 100U);
}

} // namespace
} // namespace reachd
