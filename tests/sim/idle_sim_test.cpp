// SPDX-License-Identifier: Apache-2.0
// Ladders through random boxes: the bracket holds the timer, no pass without the other side's own packet, no
// failure for what was not idle.
#include "idle_world.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>

namespace reachd::test {
namespace {

using namespace std::chrono_literals;

constexpr unsigned worlds = 6000;
constexpr std::uint64_t usual_seed = 41000000;

// A test comes a moment late: a timer of 720 s may be dead at 720.02.
constexpr duration late = 500ms;

struct tally {
    unsigned pass = 0;
    unsigned fail = 0;
    unsigned unproven = 0;
    unsigned at_limit = 0;
    unsigned unstable = 0;
    unsigned one_moment = 0;
    unsigned repeated = 0;
    unsigned lossy = 0;
    unsigned lossy_wrong = 0;
};

// What must hold whatever has happened.
void check_laws(const idle_need& need, const idle_world& world, const ladder_run& run, tally& count)
{
    const auto timer = world.timer(need.which);
    const auto& judged = run.judged;
    const bool pass = judged.answer == idle_answer::pass;
    const bool fail = judged.answer == idle_answer::fail;
    if (pass) {
        EXPECT_GT(timer, need.required);
        EXPECT_TRUE(judged.held && *judged.held >= need.required);
        EXPECT_EQ(judged.grade, idle_grade::inbound);
        EXPECT_TRUE(world.far_side || world.peer_closes || world.peer_speaks);
    }
    if (judged.held && world.evictions_per_s == 0) {
        EXPECT_LT(*judged.held, timer);
    }
    EXPECT_LE(run.turns, most_turns + 1);
    EXPECT_FALSE(judged.sentence.empty());
    if (world.evictions_per_s > 0) {
        return; // a full table has no timer that could be missed
    }
    // Three packets of one test may all get lost; then two flows must do so.
    const bool wrong = (fail && timer > need.required + late) || (judged.lost && *judged.lost + late < timer);
    if (world.loss > 0) {
        ++count.lossy;
        count.lossy_wrong += wrong ? 1U : 0U;
        return;
    }
    EXPECT_FALSE(wrong);
}

// What must be found where nothing stands in the way.
void check_clean(const idle_need& need, const idle_world& world, const ladder_run& run)
{
    const auto timer = world.timer(need.which);
    const duration guard = guard_of(need.required);
    const auto& judged = run.judged;
    EXPECT_FALSE(judged.unstable);
    EXPECT_FALSE(judged.one_moment);
    const bool shows_expiry = world.far_side || std::ranges::all_of(world.boxes, [](const idle_box& box) {
                                  return box.then != after_expiry::recreates;
                              });
    if (!shows_expiry) {
        EXPECT_NE(judged.answer, idle_answer::pass);
        return;
    }
    if (timer <= need.required - guard) {
        EXPECT_EQ(judged.answer, idle_answer::fail);
    } else if (timer <= need.required + guard) {
        EXPECT_TRUE(judged.at_limit);
        EXPECT_EQ(judged.answer, idle_answer::unproven);
    } else {
        EXPECT_EQ(judged.answer, world.far_side ? idle_answer::pass : idle_answer::unproven);
        EXPECT_EQ(judged.grade, world.far_side ? idle_grade::inbound : idle_grade::outbound);
    }
}

void count_up(const ladder_run& run, tally& count)
{
    switch (run.judged.answer) {
    case idle_answer::pass: ++count.pass; break;
    case idle_answer::fail: ++count.fail; break;
    case idle_answer::unproven: ++count.unproven; break;
    }
    count.at_limit += run.judged.at_limit ? 1U : 0U;
    count.unstable += run.judged.unstable ? 1U : 0U;
    count.one_moment += run.judged.one_moment ? 1U : 0U;
    count.repeated += run.turns > 1 ? 1U : 0U;
}

TEST(idle_sim, ladders_tell_the_truth_in_random_worlds)
{
    const auto first = seed_from_environment(usual_seed);
    const bool one_alone = std::getenv("REACHD_SEED") != nullptr;
    const idle_need needs[] = {
        {.which = idle_class::tcp, .required = 720s},
        {.which = idle_class::udp_single, .required = 60s},
        {.which = idle_class::udp_stream, .required = 60s},
        {.which = idle_class::tcp, .required = 300s, .rungs = {30s, 100s, 200s, 298s, 302s, 400s}},
    };
    tally count;
    for (std::uint64_t seed = first; seed < first + (one_alone ? 1 : worlds); ++seed) {
        for (const auto& need : needs) {
            auto world = draw_world(seed);
            const auto run = run_ladder(need, world);
            SCOPED_TRACE(
                "REACHD_SEED=" + std::to_string(seed) + " required " + seconds_text(need.required) + ": " +
                describe(world) + " => " + to_string(run.judged.answer) + ": " + run.judged.sentence
            );
            check_laws(need, world, run, count);
            if (world.is_clean()) {
                check_clean(need, world, run);
            }
            count_up(run, count);
            if (testing::Test::HasFailure()) {
                return; // the first world that goes wrong is enough to look at
            }
        }
    }
    std::printf(
        "%u pass, %u fail, %u unproven (%u at the limit, %u unstable, %u at one moment); %u repeated; "
        "%u of %u with loss wrong\n",
        count.pass, count.fail, count.unproven, count.at_limit, count.unstable, count.one_moment,
        count.repeated, count.lossy_wrong, count.lossy
    );
    if (!one_alone) {
        EXPECT_GT(count.pass, worlds / 4);
        EXPECT_GT(count.fail, worlds / 4);
        EXPECT_GT(count.at_limit, 100U);
        EXPECT_GT(count.unstable, 50U);
        EXPECT_GT(count.one_moment, 50U);
        EXPECT_LE(count.lossy_wrong * 500, count.lossy); // 7 of 17356 in ten times as many worlds
    }
}

TEST(idle_sim, a_table_under_pressure_is_unstable_and_no_timer)
{
    const idle_need need{.which = idle_class::tcp, .required = 720s};
    idle_world world;
    world.random.seed(seed_from_environment(7));
    world.boxes = {{.single = 3600s, .stream = 3600s, .then = after_expiry::drops}};
    world.far_side = true;
    world.evictions_per_s = 1.0 / 3000;
    unsigned unstable = 0;
    for (int i = 0; i < 100; ++i) {
        const auto run = run_ladder(need, world);
        EXPECT_FALSE(run.judged.lost && run.judged.held && *run.judged.lost <= *run.judged.held);
        unstable += run.judged.unstable ? 1U : 0U;
    }
    EXPECT_GT(unstable, 60U);
}

} // namespace
} // namespace reachd::test
