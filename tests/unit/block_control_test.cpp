// SPDX-License-Identifier: Apache-2.0
// Samples of a block where packets are lost, ways go down, and controls tell.
#include "block_samples.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <utility>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;

TEST(block_sample, tries_silence_three_times_before_it_counts)
{
    const auto out = sampled(make_target_block(), make_world({dropped("17.64.0.0/12")}));
    std::map<ip_address, unsigned> tries;
    for (const auto& one : out.sent) {
        ++tries[one.to];
    }
    for (const auto& [address, count] : tries) {
        if (make_block("17.64.0.0/12").contains(address)) {
            EXPECT_EQ(count, 3U);
        }
    }
    EXPECT_EQ(out.result.blocked, 16U);
    EXPECT_EQ(out.result.clean, 240U);
}

TEST(block_sample, probes_a_control_before_in_between_and_after)
{
    const auto out = sampled(make_target_block(), make_world());
    EXPECT_EQ(out.sent.front().why, probe_reason::positive_control);
    EXPECT_EQ(out.sent.back().why, probe_reason::positive_control);
    unsigned since = 0;
    for (const auto& one : out.sent) {
        since = one.why == probe_reason::positive_control ? 0 : since + 1;
        EXPECT_LE(since, 25U);
    }
    EXPECT_EQ(out.count(probe_reason::positive_control), 1U + 10U + 1U);
}

TEST(block_sample, takes_a_host_that_passed_for_a_control_where_it_was_given_none)
{
    auto target = make_target_block();
    target.passes.reset();
    const auto out = sampled(target, make_world({dropped("17.64.0.0/12")}));
    EXPECT_EQ(out.result.ending, block_ending::complete);
    EXPECT_EQ(out.result.blocked, 16U);
    for (const auto& one : out.sent) {
        if (one.why == probe_reason::positive_control) {
            EXPECT_TRUE(target.block.contains(one.to));
        }
    }
}

TEST(block_sample, blames_nothing_where_no_control_passes)
{
    for (const bool given : {true, false}) {
        SCOPED_TRACE(given);
        auto target = make_target_block();
        auto world = make_world();
        world.loss = 1;
        if (!given) {
            target.passes.reset();
        }
        const auto out = sampled(target, world);
        EXPECT_EQ(out.result.ending, block_ending::no_control);
        EXPECT_EQ(out.result.n(), 0U);
        EXPECT_EQ(out.result.undecided, 256U);
        EXPECT_TRUE(out.result.holes.empty());
        EXPECT_LT(out.sent.size(), 3 * 256U + 50U);
    }
}

TEST(block_sample, blames_the_block_where_only_the_control_passes)
{
    const auto out = sampled(make_target_block("17.57.144.0/22"), make_world({dropped("17.0.0.0/8")}));
    EXPECT_EQ(out.result.blocked, 256U);
    EXPECT_EQ(holes_of(out), texts{"17.57.144.0/22"});
    const auto one = sampled(make_target_block("17.57.144.9/32"), make_world({dropped("17.0.0.0/8")}));
    EXPECT_EQ(one.result.blocked, 1U);
    EXPECT_EQ(holes_of(one), texts{"17.57.144.9/32"});
}

TEST(block_sample, waits_for_the_end_of_an_outage_and_blames_nothing)
{
    for (const auto length : {5s, 30s, 90s}) {
        for (const auto begin : {0s, 60s, 260s}) {
            SCOPED_TRACE(std::to_string(length.count()) + " from " + std::to_string(begin.count()));
            auto world = make_world();
            world.outages.emplace_back(world_begin + begin, world_begin + begin + length);
            const auto out = sampled(make_target_block(), world);
            EXPECT_EQ(out.result.clean, 256U);
            EXPECT_EQ(out.result.undecided + out.result.doubtful, 0U);
        }
    }
}

TEST(block_sample, leaves_undecided_what_an_outage_to_the_end_left_open)
{
    auto world = make_world();
    world.outages.emplace_back(world_begin + 100s, world_begin + 24h);
    const auto out = sampled(make_target_block(), world);
    EXPECT_EQ(out.result.ending, block_ending::no_control);
    EXPECT_EQ(out.result.blocked, 0U);
    EXPECT_TRUE(out.result.holes.empty());
    EXPECT_GT(out.result.clean, 50U);
    EXPECT_EQ(out.result.clean + out.result.undecided, 256U);
}

// Answers at once, by a function of the address and the time.
template <class Answer>
block_result run_scripted(const block_target& target, Answer answer)
{
    block_sample sample{target, 11, {}};
    auto now = world_begin;
    for (auto action = sample.next({}, now); !std::holds_alternative<block_sample::done>(action);
         action = sample.next({}, now)) {
        if (const auto* one = std::get_if<block_sample::probe>(&action)) {
            sample.record(one->to, {answer(one->why, now), make_address(gateway_text)}, now);
        } else if (const auto* wait = std::get_if<block_sample::wait_until>(&action)) {
            now = wait->when;
        }
    }
    return sample.result({});
}

TEST(block_sample, blames_no_router_for_rejections_that_end_with_the_outage)
{
    // As a router without a route does: network unreachable for everything, the control too.
    for (const auto& [from, until] :
         {std::pair{60s, 100s}, std::pair{5s, 12s}}) { // the second: no control in it
        SCOPED_TRACE(from.count());
        const auto out = run_scripted(make_target_block(), [&](probe_reason, time_point now) {
            const bool down = world_begin + from <= now && now < world_begin + until;
            return down ? block_answer::rejected : block_answer::passed;
        });
        EXPECT_EQ(out.clean, 256U);
        EXPECT_TRUE(out.holes.empty());
    }
}

TEST(block_sample, counts_no_try_that_a_failing_control_follows)
{
    for (const auto answer : {block_answer::silent, block_answer::rejected}) {
        SCOPED_TRACE(to_string(answer));
        bool tried = false; // since the last control that passed
        unsigned tries = 0;
        const auto out = run_scripted(make_target_block("17.1.2.3/32"), [&](probe_reason why, time_point) {
            if (why == probe_reason::positive_control) {
                return std::exchange(tried, false) ? block_answer::rejected : block_answer::passed;
            }
            tried = true;
            return ++tries <= 12 ? answer : block_answer::passed;
        });
        EXPECT_EQ(out.clean, 1U);
        EXPECT_EQ(out.blocked, 0U);
    }
}

TEST(block_sample, tries_more_often_where_packets_are_lost)
{
    auto world = make_world();
    world.loss = 0.2;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE(seed);
        world.random.seed(seed);
        const auto out = sampled(make_target_block(), world);
        EXPECT_EQ(out.result.clean, 256U);
        EXPECT_EQ(out.result.blocked + out.result.doubtful + out.result.undecided, 0U);
    }
}

TEST(block_sample, does_not_call_silence_blocked_that_the_loss_may_explain)
{
    auto world = make_world({dropped("17.64.0.0/16")});
    world.loss = 0.5;
    block_sample_options options;
    options.most_tries = 4;
    options.most_extra = 0;
    const auto out = sampled(make_target_block(), world, options);
    EXPECT_EQ(out.result.blocked, 0U);
    EXPECT_GE(out.result.doubtful, 1U);
    EXPECT_FALSE(out.result.is_clean() && out.result.doubtful == 0);
}

} // namespace
} // namespace reachd
