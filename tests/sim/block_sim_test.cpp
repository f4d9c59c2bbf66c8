// SPDX-License-Identifier: Apache-2.0
// Samples of a block through random firewalls: no false blame, no false green, and the extent of each hole.
#include "reachd/core/json.hpp"
#include "support/block_world.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace reachd::test {
namespace {

using namespace std::chrono_literals;

unsigned pick(block_random& random, unsigned least, unsigned most)
{
    return least + static_cast<unsigned>(random.below(most - least + 1U));
}

struct trial {
    block_target target;
    block_sample_options options;
    block_world world;
};

trial make_trial(block_random& random, std::uint64_t seed)
{
    trial out;
    const bool is_v4 = pick(random, 0, 3) != 0;
    const unsigned prefix = is_v4 ? pick(random, 0, 5) == 0 ? pick(random, 24, 32) : pick(random, 8, 16)
                          : pick(random, 0, 5) == 0 ? pick(random, 120, 128)
                                                    : pick(random, 32, 56);
    out.target.block = enclosing(make_address(is_v4 ? "17.57.145.9" : "2620:149:a44:9::9"), prefix);
    out.target.port = 5223;
    if (pick(random, 0, 3) != 0) {
        out.target.passes = make_address(is_v4 ? server_text : server6_text);
    }
    out.world.random.seed(seed);
    const unsigned spread = std::min(20U, address_bits(out.target.block.base.family) - prefix);
    for (unsigned holes = pick(random, 0, 2) == 0 ? 0 : pick(random, 1, 4); holes > 0; --holes) {
        const auto where = enclosing(random.host_in(out.target.block), prefix + pick(random, 0, spread));
        const auto how = static_cast<block_answer>(pick(random, 1, 4));
        const bool named = how == block_answer::rejected;
        out.world.holes.push_back(
            {where, how, named ? std::optional{make_address(gateway_text)} : std::nullopt}
        );
    }
    out.world.loss = pick(random, 0, 2) == 0 ? 0 : pick(random, 0, 20) / 100.0;
    out.world.limits_icmp = pick(random, 0, 1) == 0;
    if (pick(random, 0, 2) == 0) {
        const auto begin = world_begin + seconds{pick(random, 0, 300)};
        out.world.outages.emplace_back(begin, begin + seconds{pick(random, 1, 90)});
    }
    if (pick(random, 0, 7) == 0) { // faster than the routers answer
        out.options.spacing = milliseconds{pick(random, 100, 900)};
    }
    return out;
}

double size_in(const ip_block& part, const ip_block& whole)
{
    return std::pow(0.5, static_cast<double>(part.prefix) - static_cast<double>(whole.prefix));
}

// The share of `where` that is blocked; the world's holes nest or are apart.
double truly_blocked(const block_world& world, const ip_block& where)
{
    double sum = 0;
    for (std::size_t i = 0; i < world.holes.size(); ++i) {
        const auto& one = world.holes[i].where;
        if (one.contains(where.base) && one.prefix <= where.prefix) {
            return 1;
        }
        bool counted = !overlap(one, where);
        for (std::size_t k = 0; k < world.holes.size(); ++k) {
            const auto& other = world.holes[k].where;
            counted = counted || (k != i && overlap(one, other) &&
                                  (other.prefix < one.prefix || (other.prefix == one.prefix && k < i)));
        }
        sum += counted ? 0 : size_in(one, where);
    }
    return sum;
}

struct counts {
    unsigned worlds = 0;
    unsigned clean = 0;
    unsigned with_holes = 0;
    unsigned holes = 0;
    unsigned exact = 0;
    unsigned large = 0; // holes that must be found
};

void check(const trial& what, const block_run& run, counts& count)
{
    const auto& result = run.result;
    const auto& world = what.world;
    const auto options = what.options;
    SCOPED_TRACE(sentence(result));
    ++count.worlds;
    EXPECT_LE(run.sent.size(), options.most_probes);
    EXPECT_EQ(result.covered.count() + result.undecided, result.strata);
    EXPECT_EQ(result.n() + result.undecided, result.strata);
    const auto again = parse_block_result(dump(to_json(result)), "state");
    ASSERT_TRUE(again) << to_text(again.error().front());
    EXPECT_EQ(*again, result);

    // No false blame.
    for (const auto& one : result.holes) {
        const double share = truly_blocked(world, one.where);
        EXPECT_GE(share, 0.25) << describe(one);
        ++count.holes;
        const bool exact =
            std::ranges::any_of(world.holes, [&](const world_hole& hit) { return hit.where == one.where; });
        count.exact += exact ? 1U : 0U;
        if (one.by) {
            EXPECT_EQ(to_text(*one.by), gateway_text);
        }
    }
    // No false green: a sample in a hole is blocked, in doubt or undecided, and never clean.
    std::set<ip_address> hit;
    for (const auto& one : run.sent) {
        const bool control = one.why == probe_reason::positive_control;
        if (!control && world.hole_at(one.to) != nullptr) {
            hit.insert(one.to);
        }
    }
    if (!hit.empty()) {
        EXPECT_TRUE(result.blocked + result.doubtful + result.undecided > 0 || !result.holes.empty());
        EXPECT_FALSE(result.is_clean() && result.undecided + result.doubtful == 0);
    }
    if (world.holes.empty()) {
        EXPECT_EQ(result.blocked, 0U);
    }
    // Every large hole is found.
    const bool calm = world.outages.empty() && options.spacing > 1s;
    if (calm && what.target.passes) {
        EXPECT_EQ(result.ending, block_ending::complete);
        EXPECT_EQ(result.undecided, 0U);
        EXPECT_EQ(result.doubtful, 0U);
        for (const auto& one : world.holes) {
            if (one.where.prefix > result.block.prefix + 6) {
                continue;
            }
            ++count.large;
            EXPECT_TRUE(std::ranges::any_of(result.holes, [&](const hole& found) {
                return overlap(found.where, one.where);
            })) << to_text(one.where);
        }
        EXPECT_EQ(result.blocked > 0, std::ranges::any_of(run.sent, [&](const sent_probe& one) {
                      return one.why == probe_reason::stratum && world.hole_at(one.to) != nullptr;
                  }));
    }
    count.clean += result.is_clean() ? 1U : 0U;
    count.with_holes += result.holes.empty() ? 0U : 1U;
}

TEST(block_sim, blames_nothing_that_passes_and_passes_nothing_that_is_blocked)
{
    const auto first = seed_from_environment(20350000);
    counts count;
    for (std::uint64_t seed = first; seed < first + 2000 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
        block_random random{seed};
        auto what = make_trial(random, seed);
        block_sample sample{what.target, seed, what.options};
        const auto run = run_block(sample, what.world);
        check(what, run, count);
    }
    // The worlds are worth something only while they are of all kinds.
    if (!testing::Test::HasFailure() && count.worlds >= 1000) {
        EXPECT_GT(count.clean, count.worlds / 4);
        EXPECT_GT(count.with_holes, count.worlds / 4);
        EXPECT_GT(count.large, count.worlds / 5);
        EXPECT_GE(count.exact, count.holes * 95 / 100); // the others are parts of holes, or two in one
    }
}

TEST(block_sim, adds_rounds_up_from_the_last_change_of_the_policy_and_no_further)
{
    const auto first = seed_from_environment(20360000);
    for (std::uint64_t seed = first; seed < first + 50 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
        block_random random{seed};
        block_target target;
        target.block = make_block("17.0.0.0/8");
        target.port = 5223;
        target.passes = make_address(server_text);
        block_world world;
        world.random.seed(seed);
        world.loss = pick(random, 0, 10) / 100.0;
        std::optional<block_result> sum;
        std::uint64_t same = 0; // rounds since the last change
        for (unsigned round = 0; round < 10; ++round) {
            ++same;
            if (pick(random, 0, 3) == 0) { // a hole comes, or all go
                same = 1;
                if (!world.holes.empty()) {
                    world.holes.clear();
                } else {
                    world.holes.push_back(
                        {enclosing(random.host_in(target.block), pick(random, 9, 14)),
                         static_cast<block_answer>(pick(random, 1, 4)),
                         {}}
                    );
                }
            }
            target.revisit.clear();
            for (const auto& known : sum ? sum->holes : std::vector<hole>{}) {
                target.revisit.push_back(known.where);
            }
            block_sample sample{target, seed * 100 + round, {.strata = 64}};
            const auto out = run_block(sample, world).result;
            sum = sum ? accumulate(*sum, out) : out;
            EXPECT_EQ(sum->rounds, same) << sentence(*sum);
            EXPECT_EQ(sum->n(), same * 64);
            EXPECT_EQ(sum->is_clean(), world.holes.empty());
        }
    }
}

} // namespace
} // namespace reachd::test
