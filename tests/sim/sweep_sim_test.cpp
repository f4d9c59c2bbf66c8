// SPDX-License-Identifier: Apache-2.0
// A range of 500 ports at several addresses over many sweeps: what changes is seen within one sweep, and
// what is wrong is probed in every round.
#include "reachd/core/expand.hpp"
#include "reachd/core/rotation.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <random>

namespace reachd::test {
namespace {

constexpr std::size_t rounds_per_sweep = 60;
constexpr const char* host = "connect.vendor.test";

// Which ports are dropped at this moment; all others refuse, as no session is on.
using rule = std::function<bool(const endpoint_state&)>;

class range {
public:
    explicit range(std::initializer_list<std::string_view> addresses) : site_{make_scene()}
    {
        auto row = make_outbound(expectation::path, "2001-2500");
        row.names = {host};
        site_.what.rows.push_back(make_plan_row("session", row));
        site_.site.rows.emplace_back();
        move_to(addresses);
    }

    // The name has these addresses from now on.
    void move_to(std::initializer_list<std::string_view> addresses)
    {
        const auto& row = std::get<outbound_row>(site_.what.rows[0].what);
        state().lookups = {make_lookup(host, addresses)};
        auto endpoints = expand(row, state().lookups, site_.what.vantages, state().endpoints);
        state().endpoints = std::move(endpoints);
        probed_in_.resize(state().endpoints.size(), 0);
    }

    // Probes what the rotation chooses; answers how many endpoints that were.
    std::size_t round(const rule& dropped)
    {
        ++now_;
        const auto chosen = select_round(expectation::path, state().endpoints, turn_);
        for (const auto index : chosen) {
            auto& one = state().endpoints[index];
            one.seen = dropped(one) ? make_silence() : std::vector{make_seen(refused{})};
            longest_wait_ = std::max(longest_wait_, now_ - probed_in_[index]);
            probed_in_[index] = now_;
        }
        site_.evaluate(seconds{static_cast<int>(1000 + now_ * 60)});
        return chosen.size();
    }

    row_state& state() { return site_.site.rows[0]; }
    [[nodiscard]] std::size_t longest_wait() const
    {
        const auto oldest = *std::ranges::min_element(probed_in_);
        return std::max(longest_wait_, now_ - oldest);
    }

private:
    scene site_;
    rotation turn_{.cursor = 0, .rounds_per_sweep = rounds_per_sweep};
    std::vector<std::size_t> probed_in_; // the round of each endpoint's last probe
    std::size_t now_ = 0;
    std::size_t longest_wait_ = 0;
};

bool nothing(const endpoint_state&)
{
    return false;
}

rule ports(std::uint16_t first, std::uint16_t last)
{
    return [=](const endpoint_state& one) { return one.port >= first && one.port <= last; };
}

TEST(sweep_sim, probes_everything_at_first_and_then_a_share_in_turn)
{
    range it{server_text, other_server_text};
    EXPECT_EQ(it.round(nothing), 1000U);
    EXPECT_EQ(it.state().state, row_answer::pass);
    for (std::size_t i = 0; i < 3 * rounds_per_sweep; ++i) {
        EXPECT_LE(it.round(nothing), 1000 / rounds_per_sweep + 1 + 4); // and the ends of two runs
    }
    EXPECT_LE(it.longest_wait(), rounds_per_sweep);
}

TEST(sweep_sim, sees_any_new_hole_within_one_sweep_and_its_whole_width_within_another)
{
    const auto seed = seed_from_environment(20330000);
    SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
    std::mt19937_64 random{seed};
    for (int i = 0; i < 5; ++i) {
        range it{server_text};
        it.round(nothing);
        const auto first = static_cast<std::uint16_t>(2001 + random() % 400);
        const auto last = static_cast<std::uint16_t>(first + random() % 100);
        SCOPED_TRACE(std::to_string(first) + "-" + std::to_string(last));
        std::size_t rounds = 0;
        while (it.state().state == row_answer::pass && rounds <= rounds_per_sweep) {
            it.round(ports(first, last));
            ++rounds;
        }
        EXPECT_LE(rounds, rounds_per_sweep);
        for (std::size_t k = 0; k < rounds_per_sweep; ++k) {
            it.round(ports(first, last));
        }
        EXPECT_EQ(it.state().counts.fail, static_cast<std::size_t>(last - first + 1));
        EXPECT_LE(it.longest_wait(), rounds_per_sweep);
    }
}

TEST(sweep_sim, sees_the_end_of_a_hole_at_once_up_to_what_trouble_may_cost)
{
    range it{server_text};
    it.round(ports(2101, 2150));
    EXPECT_EQ(it.state().counts.fail, 50U);
    it.round(nothing); // 50 are probed in every round
    EXPECT_EQ(it.state().state, row_answer::pass);

    range wide{server_text};
    wide.round(ports(2101, 2400));
    EXPECT_EQ(wide.state().counts.fail, 300U);
    wide.round(nothing);
    EXPECT_LE(wide.state().counts.fail, 300U - most_troubled);
    for (int i = 0; i < 5; ++i) {
        wide.round(nothing);
    }
    EXPECT_EQ(wide.state().state, row_answer::pass); // 300 at 64 a round, and the share
}

TEST(sweep_sim, tells_a_shifting_hole_as_runs)
{
    range it{server_text, other_server_text};
    it.round(ports(2100, 2199));
    const auto& runs = it.state().runs;
    ASSERT_EQ(runs.size(), 3U);
    EXPECT_EQ(to_text(runs[0].ports), "2001-2099");
    EXPECT_EQ(to_text(runs[1].ports), "2100-2199");
    EXPECT_TRUE(runs[1].fails);
    EXPECT_EQ(to_text(runs[2].ports), "2200-2500");
    EXPECT_EQ(runs[1].addresses.size(), 2U);
    EXPECT_EQ(it.state().counts, (row_counts{.total = 1000, .pass = 800, .fail = 200, .unproven = 0}));
}

TEST(sweep_sim, does_not_let_a_new_address_pass_before_it_was_probed)
{
    range it{server_text};
    it.round(nothing);
    EXPECT_EQ(it.state().state, row_answer::pass);
    it.move_to({server_text, other_server_text});
    EXPECT_GE(
        it.round([](const endpoint_state& one) { return one.address == make_address(other_server_text); }),
        500U
    );
    EXPECT_EQ(it.state().state, row_answer::fail);
    EXPECT_EQ(it.state().counts.fail, 500U);
}

} // namespace
} // namespace reachd::test
