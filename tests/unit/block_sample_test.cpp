// SPDX-License-Identifier: Apache-2.0
#include "block_samples.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <utility>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;

// --- what is drawn ---

TEST(block_sample, tries_one_host_in_each_stratum_once_while_all_pass)
{
    const auto out = sampled(make_target_block(), make_world());
    std::set<unsigned> strata;
    for (const auto& one : out.sent) {
        if (one.why == probe_reason::stratum) {
            EXPECT_TRUE(strata.insert(one.to.bytes[1]).second) << to_text(one.to);
            EXPECT_TRUE(one.to.bytes[3] != 0 && one.to.bytes[3] != 255);
        }
    }
    EXPECT_EQ(strata.size(), 256U);
    EXPECT_EQ(out.count(probe_reason::retry) + out.count(probe_reason::hole), 0U);
    EXPECT_EQ(out.result.clean, 256U);
    EXPECT_EQ(out.result.ending, block_ending::complete);
    EXPECT_TRUE(out.result.covered.all());
    EXPECT_NEAR(out.result.bound(), 0.0116, 1e-4);
    EXPECT_TRUE(out.result.is_clean());
}

TEST(block_sample, spreads_a_part_of_a_round_over_the_block)
{
    const auto out = sampled(make_target_block(), make_world());
    std::map<unsigned, unsigned> eighths;
    unsigned taken = 0;
    for (const auto& one : out.sent) {
        if (one.why == probe_reason::stratum && ++taken <= 64) {
            ++eighths[one.to.bytes[1] / 32U];
        }
    }
    ASSERT_EQ(eighths.size(), 8U);
    for (const auto& [eighth, count] : eighths) {
        EXPECT_LE(count, 18U) << eighth; // 8 on average
    }
}

TEST(block_sample, is_the_same_for_a_seed_and_fresh_for_another)
{
    const auto hosts = [](std::uint64_t seed) {
        block_sample sample{make_target_block(), seed, {}};
        auto world = make_world({dropped("17.64.0.0/12")});
        texts all;
        for (const auto& one : run_block(sample, world).sent) {
            all.push_back(to_text(one.to));
        }
        return all;
    };
    EXPECT_EQ(hosts(5), hosts(5));
    std::set<std::string> once;
    for (const auto seed : {5U, 6U, 7U}) {
        for (const auto& one : hosts(seed)) {
            once.insert(one);
        }
    }
    EXPECT_GT(once.size(), 3 * 256U);
}

TEST(block_sample, cuts_blocks_of_any_size_of_both_families)
{
    const struct {
        const char* block;
        unsigned asked, strata;
    } rows[] = {
        {"17.1.2.3/32", 256, 1},   {"17.1.2.2/31", 256, 2},    {"17.1.2.0/28", 256, 16},
        {"17.1.2.0/24", 256, 256}, {"17.1.2.0/24", 100, 64},   {"17.0.0.0/8", 1, 1},
        {"17.0.0.0/8", 0, 1},      {"17.0.0.0/8", 9999, 256},  {"0.0.0.0/0", 256, 256},
        {"::1/128", 256, 1},       {"2620:149::/126", 256, 4}, {"2620:149:a44::/48", 256, 256},
        {"::/0", 256, 256},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.block);
        auto target = make_target_block(row.block);
        const auto out = sampled(target, make_world(), {.strata = row.asked});
        EXPECT_EQ(out.result.strata, row.strata);
        EXPECT_EQ(out.result.clean, row.strata);
        EXPECT_EQ(out.count(probe_reason::stratum), row.strata);
        for (const auto& one : out.sent) {
            EXPECT_TRUE(one.why == probe_reason::positive_control || target.block.contains(one.to));
        }
    }
}

TEST(block_sample, is_paced_below_what_a_router_answers)
{
    auto world = make_world({dropped("17.64.0.0/12")});
    world.limits_icmp = true;
    const auto out = sampled(make_target_block(), world);
    std::map<ip_address, time_point> last;
    for (std::size_t i = 1; i < out.sent.size(); ++i) {
        EXPECT_GE(out.sent[i].when - out.sent[i - 1].when, 1050ms);
    }
    for (const auto& one : out.sent) {
        if (const auto before = last.find(one.to); before != last.end()) {
            EXPECT_GE(one.when - before->second, 1100ms) << to_text(one.to);
        }
        last[one.to] = one.when;
    }
    EXPECT_EQ(out.result.clean, 240U);
    EXPECT_EQ(holes_of(out), texts{"17.64.0.0/12"});
}

TEST(block_sample, spaces_the_tries_of_an_address_when_probes_follow_each_other_fast)
{
    const auto out =
        sampled(make_target_block("17.1.2.0/30"), make_world({dropped("17.1.2.2/31")}), {.spacing = 10ms});
    std::map<ip_address, time_point> last;
    for (const auto& one : out.sent) {
        if (one.why == probe_reason::retry) { // counted from the end of the try before, two seconds after it
            EXPECT_GE(one.when - last.at(one.to), 2s + 1100ms) << to_text(one.to);
        }
        last[one.to] = one.when;
    }
    EXPECT_EQ(holes_of(out), texts{"17.1.2.2/31"});
}

// --- holes ---

TEST(block_sample, finds_the_prefix_of_a_hole_with_few_more_probes)
{
    const struct {
        const char* hole;
        unsigned most_extra; // addresses
    } rows[] = {{"17.128.0.0/9", 0}, {"17.0.0.0/9", 0},   {"17.16.0.0/12", 0}, {"17.0.0.0/8", 0},
                {"17.64.0.0/14", 0}, {"17.64.0.0/15", 8}, {"17.64.0.0/16", 8}};
    for (const auto& row : rows) {
        SCOPED_TRACE(row.hole);
        const auto out = sampled(make_target_block(), make_world({dropped(row.hole)}));
        EXPECT_EQ(holes_of(out), texts{row.hole});
        std::set<ip_address> extra;
        for (const auto& one : out.sent) {
            if (one.why == probe_reason::hole) {
                extra.insert(one.to);
            }
        }
        EXPECT_LE(extra.size(), row.most_extra);
    }
}

TEST(block_sample, finds_a_24_that_a_sample_hit)
{
    // Which host of 17.64.0.0/16 this seed draws.
    const auto before = sampled(make_target_block(), make_world());
    const auto hit = std::ranges::find_if(before.sent, [](const sent_probe& one) {
        return make_block("17.64.0.0/16").contains(one.to);
    });
    ASSERT_NE(hit, before.sent.end());
    for (const unsigned prefix : {17U, 20U, 24U, 27U, 32U}) {
        const auto truth = enclosing(hit->to, prefix);
        SCOPED_TRACE(to_text(truth));
        const auto out = sampled(make_target_block(), make_world({dropped(to_text(truth))}));
        EXPECT_EQ(holes_of(out), texts{to_text(truth)});
        EXPECT_EQ(out.result.blocked, 1U);
    }
}

TEST(block_sample, tells_several_holes_apart_and_how_each_is_made)
{
    const auto gateway = make_address(gateway_text);
    auto world = make_world(
        {{make_block("17.16.0.0/12"), block_answer::rejected, gateway},
         dropped("17.64.0.0/13"),
         {make_block("17.128.0.0/14"), block_answer::reset, {}},
         {make_block("17.192.0.0/14"), block_answer::answered, {}}}
    );
    world.limits_icmp = true;
    const auto out = sampled(make_target_block(), world);
    ASSERT_EQ(holes_of(out), (texts{"17.16.0.0/12", "17.64.0.0/13", "17.128.0.0/14", "17.192.0.0/14"}));
    const auto& holes = out.result.holes;
    EXPECT_EQ(holes[0].how, block_answer::rejected);
    EXPECT_EQ(holes[0].by, gateway);
    EXPECT_EQ(holes[1].how, block_answer::silent);
    EXPECT_FALSE(holes[1].by);
    EXPECT_EQ(holes[2].how, block_answer::reset);
    EXPECT_EQ(holes[3].how, block_answer::answered);
    EXPECT_EQ(out.result.blocked, 32U);
}

TEST(block_sample, keeps_to_its_limit_of_further_addresses_and_says_how_large_a_hole_may_be)
{
    block_sample_options options;
    options.most_extra = 2;
    const auto out =
        sampled(make_target_block(), make_world({dropped("17.64.0.0/17"), dropped("17.66.0.0/17")}), options);
    std::set<ip_address> extra;
    for (const auto& one : out.sent) {
        if (one.why == probe_reason::hole) {
            extra.insert(one.to);
        }
    }
    EXPECT_EQ(extra.size(), 2U);
    ASSERT_FALSE(out.result.holes.empty());
    const auto& last = out.result.holes.back();
    EXPECT_LT(last.at_most.prefix, last.where.prefix);
}

TEST(block_sample, looks_at_known_holes_again)
{
    auto target = make_target_block();
    target.revisit = {make_block("17.64.9.0/24"), make_block("18.0.0.0/24"), make_block("16.0.0.0/6")};
    const auto still = sampled(target, make_world({dropped("17.64.9.0/24")}));
    EXPECT_EQ(holes_of(still), texts{"17.64.9.0/24"});
    EXPECT_EQ(still.result.clean, 256U); // what is revisited was not drawn by chance
    EXPECT_EQ(still.count(probe_reason::revisit), 4U);
    EXPECT_EQ(holes_of(sampled(target, make_world())), texts{});
}

// --- boxes that answer for all ---

TEST(block_sample, is_void_when_an_address_answers_that_cannot)
{
    for (const auto answer : {block_answer::answered, block_answer::reset}) {
        SCOPED_TRACE(to_string(answer));
        auto target = make_target_block();
        target.not_answered = make_address("192.0.2.1");
        auto world = make_world();
        world.for_all = answer;
        const auto out = sampled(target, world);
        EXPECT_EQ(out.result.ending, block_ending::answers_for_all);
        EXPECT_EQ(out.result.n(), 0U);
        EXPECT_EQ(out.sent.size(), 1U);
    }
}

TEST(block_sample, is_not_void_when_it_is_silent_rejected_or_let_through)
{
    for (const auto answer : {block_answer::silent, block_answer::rejected, block_answer::passed}) {
        SCOPED_TRACE(to_string(answer));
        auto target = make_target_block();
        target.not_answered = make_address("192.0.2.1");
        auto world = make_world();
        if (answer != block_answer::passed) {
            world.holes.push_back({make_block("192.0.2.0/24"), answer, {}});
        }
        const auto out = sampled(target, world);
        EXPECT_EQ(out.result.clean, 256U);
        EXPECT_EQ(out.count(probe_reason::negative_control), answer == block_answer::silent ? 3U : 1U);
    }
}

// --- trouble of the caller ---

TEST(block_sample, counts_nothing_that_could_not_be_sent)
{
    auto world = make_world({{make_block("17.64.0.0/12"), block_answer::not_measured, {}}});
    const auto out = sampled(make_target_block(), world);
    EXPECT_EQ(out.result.clean, 240U);
    EXPECT_EQ(out.result.undecided, 16U);
    EXPECT_TRUE(out.result.holes.empty());
}

TEST(block_sample, probes_again_what_was_cancelled_and_ignores_what_it_did_not_ask)
{
    block_sample sample{make_target_block("17.1.2.0/30"), 1, {}};
    sample.record(make_address("17.1.2.1"), {block_answer::rejected, {}}, world_begin);
    auto now = world_begin;
    unsigned probes = 0;
    std::map<ip_address, unsigned> tries;
    for (auto action = sample.next({}, now); !std::holds_alternative<block_sample::done>(action);
         action = sample.next({}, now)) {
        if (const auto* one = std::get_if<block_sample::probe>(&action)) {
            ++probes;
            if (++tries[one->to] > 1 || one->why == probe_reason::positive_control) { // the first is lost
                sample.record(one->to, {block_answer::passed, {}}, now);
            }
        } else if (const auto* wait = std::get_if<block_sample::wait_until>(&action)) {
            ASSERT_GT(wait->when, now);
            now = wait->when;
        }
        ASSERT_LT(probes, 100U);
    }
    EXPECT_EQ(sample.result({}).clean, 4U);
    EXPECT_EQ(sample.result({}).ending, block_ending::complete);
}

TEST(block_sample, ends_at_its_limit_of_probes)
{
    block_sample_options options;
    options.most_probes = 100;
    const auto out = sampled(make_target_block(), make_world({dropped("17.64.0.0/12")}), options);
    EXPECT_EQ(out.sent.size(), 100U);
    EXPECT_EQ(out.result.ending, block_ending::cut_short);
    EXPECT_EQ(out.result.clean + out.result.undecided, 256U);
}

TEST(block_sample, says_nothing_new_after_its_end)
{
    block_sample sample{make_target_block("17.1.2.3/32"), 1, {}};
    auto world = make_world();
    const auto out = run_block(sample, world);
    sample.record(make_address("17.1.2.3"), {block_answer::rejected, {}}, out.end);
    EXPECT_EQ(sample.result(out.result.since), out.result);
    EXPECT_TRUE(std::holds_alternative<block_sample::done>(sample.next({}, out.end + 1h)));
}

} // namespace
} // namespace reachd
