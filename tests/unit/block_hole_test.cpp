// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_hole.hpp"
#include "support/make.hpp"

#include <array>
#include <gtest/gtest.h>
#include <map>
#include <set>

namespace reachd {
namespace {

using namespace test;

ip_block make_block(std::string_view text)
{
    return parse_block(text).value();
}

block_evidence seen(std::string_view address, block_answer answer, unsigned tries = 3)
{
    const bool silent = answer == block_answer::silent;
    const bool pass = answer == block_answer::passed;
    return {
        .address = make_address(address),
        .answer = answer,
        .by = {},
        .silent = silent ? tries : 0,
        .loud = silent || pass ? 0 : tries
    };
}

// Asks until the extent is settled; the world is blocked inside `truth`.
std::pair<hole, unsigned> search(const ip_block& block, const ip_block& truth, std::string_view first)
{
    std::vector<block_evidence> all{seen(first, block_answer::silent)};
    block_random random{7};
    for (unsigned asked = 0; asked < 100; ++asked) {
        const auto found = find_envelopes(block, all);
        EXPECT_EQ(found.size(), 1U);
        const auto place = place_to_ask(found.front());
        if (!place) {
            return {make_hole(found.front()), asked};
        }
        const auto host = random.host_in(*place);
        const bool blocked = truth.contains(host);
        all.push_back(seen(to_text(host), blocked ? block_answer::silent : block_answer::passed));
    }
    ADD_FAILURE() << "has no end";
    return {};
}

TEST(block_draw, is_the_same_for_a_seed_and_fresh_for_another)
{
    block_random one{1};
    block_random same{1};
    block_random other{2};
    const auto block = make_block("17.0.0.0/8");
    const auto host = one.host_in(block);
    EXPECT_EQ(host, same.host_in(block));
    EXPECT_NE(host, other.host_in(block));
    EXPECT_EQ(
        block_random{5489}.below(1'000'000), 14514284786278117030ULL % 1'000'000
    ); // first of the engine
}

TEST(block_draw, stays_in_its_block_and_off_the_ends_of_a_24)
{
    block_random random{3};
    for (const char* text : {"17.0.0.0/8", "17.1.2.0/24", "17.1.2.0/30", "17.1.2.252/30", "17.1.0.0/23"}) {
        SCOPED_TRACE(text);
        const auto block = make_block(text);
        for (int i = 0; i < 2000; ++i) {
            const auto host = random.host_in(block);
            EXPECT_TRUE(block.contains(host));
            EXPECT_NE(host.bytes[3], 0);
            EXPECT_NE(host.bytes[3], 255);
        }
    }
    EXPECT_EQ(random.host_in(make_block("17.1.2.0/32")), make_address("17.1.2.0")); // no choice
    const auto block6 = make_block("2620:149:a44::/48");
    std::set<ip_address> hosts;
    for (int i = 0; i < 1000; ++i) {
        hosts.insert(random.host_in(block6));
        EXPECT_TRUE(block6.contains(*hosts.rbegin()));
    }
    EXPECT_EQ(hosts.size(), 1000U);
}

TEST(block_draw, is_even_over_all_bits)
{
    block_random random{4};
    const auto block = make_block("2001:db8::/32");
    std::array<int, 128> ones{};
    for (int i = 0; i < 4000; ++i) {
        const auto host = random.host_in(block);
        for (unsigned bit = 0; bit < 128; ++bit) {
            ones.at(bit) += bit_at(host, bit) ? 1 : 0;
        }
    }
    for (unsigned bit = 32; bit < 128; ++bit) {
        EXPECT_NEAR(ones.at(bit), 2000, 200) << bit; // more than six standard deviations
    }
    std::map<std::uint64_t, int> counts;
    for (int i = 0; i < 6000; ++i) {
        ++counts[random.below(6)];
    }
    for (const auto& [value, count] : counts) {
        EXPECT_LT(value, 6U);
        EXPECT_NEAR(count, 1000, 200);
    }
}

TEST(block_draw, cuts_blocks_into_parts)
{
    const auto block = make_block("17.0.0.0/8");
    EXPECT_EQ(to_text(part_of(block, 8, 57)), "17.57.0.0/16");
    EXPECT_EQ(to_text(half_of(block, 1)), "17.128.0.0/9");
    EXPECT_EQ(to_text(enclosing(make_address("17.57.145.9"), 22)), "17.57.144.0/22");
    EXPECT_EQ(to_text(common_block(make_address("17.8.0.1"), make_address("17.15.0.1"))), "17.8.0.0/13");
    EXPECT_EQ(to_text(common_block(make_address("::1"), make_address("::1"))), "::1/128");
    EXPECT_TRUE(overlap(block, make_block("17.3.0.0/16")) && overlap(make_block("17.3.0.0/16"), block));
    EXPECT_FALSE(overlap(block, make_block("18.0.0.0/16")));
}

TEST(block_hole, is_nowhere_while_all_pass)
{
    const std::vector all{seen("17.1.2.3", block_answer::passed), seen("17.200.2.3", block_answer::passed)};
    EXPECT_TRUE(find_envelopes(make_block("17.0.0.0/8"), all).empty());
    EXPECT_TRUE(find_envelopes(make_block("17.0.0.0/8"), {}).empty());
}

TEST(block_hole, of_one_aligned_block_is_found_exactly_and_with_few_probes)
{
    const auto block = make_block("17.0.0.0/8");
    for (unsigned prefix = 8; prefix <= 32; ++prefix) {
        const auto truth = enclosing(make_address("17.57.145.77"), prefix);
        SCOPED_TRACE(to_text(truth));
        const auto [found, asked] = search(block, truth, "17.57.145.77");
        EXPECT_EQ(to_text(found.where), to_text(truth));
        EXPECT_EQ(found.at_most, found.where);
        EXPECT_LE(asked, 5U + 3U); // log2 of 24 bits, then the quarters
    }
    for (unsigned prefix = 32; prefix <= 128; prefix += 8) {
        const auto truth = enclosing(make_address("2620:149:a44::77"), prefix);
        SCOPED_TRACE(to_text(truth));
        const auto [found, asked] = search(make_block("2620:149::/32"), truth, "2620:149:a44::77");
        EXPECT_EQ(to_text(found.where), to_text(truth));
        EXPECT_LE(asked, 7U + 3U);
    }
}

TEST(block_hole, never_holds_a_sample_that_passed)
{
    const std::vector all{
        seen("17.1.0.1", block_answer::silent), seen("17.1.128.1", block_answer::passed),
        seen("17.1.200.1", block_answer::silent)
    };
    const auto found = find_envelopes(make_block("17.0.0.0/8"), all);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(to_text(found[0].within), "17.1.0.0/17");
    EXPECT_EQ(to_text(found[1].within), "17.1.192.0/18");
}

TEST(block_hole, asks_in_every_quarter_before_it_is_settled)
{
    std::vector all{
        seen("17.1.0.1", block_answer::silent), seen("17.1.255.1", block_answer::silent),
        seen("17.0.0.1", block_answer::passed)
    };
    const auto place = [&] { return place_to_ask(find_envelopes(make_block("17.0.0.0/15"), all).back()); };
    ASSERT_TRUE(place());
    EXPECT_EQ(to_text(*place()), "17.1.64.0/18");
    all.push_back(seen("17.1.65.1", block_answer::silent));
    EXPECT_EQ(to_text(*place()), "17.1.128.0/18");
    all.push_back(seen("17.1.129.1", block_answer::silent));
    EXPECT_FALSE(place());
    all.back() = seen("17.1.129.1", block_answer::passed); // two holes, not one
    EXPECT_EQ(find_envelopes(make_block("17.0.0.0/15"), all).size(), 2U);
}

TEST(block_hole, is_proven_by_more_silence_than_loss_explains)
{
    const auto with = [](const block_evidence& one) {
        return find_envelopes(make_block("17.0.0.0/8"), std::vector{one}).front();
    };
    EXPECT_TRUE(is_proven(with(seen("17.1.0.1", block_answer::silent, 4)), 0.004, 256));
    EXPECT_FALSE(is_proven(with(seen("17.1.0.1", block_answer::silent, 3)), 0.004, 256)); // 1.6e-5
    EXPECT_FALSE(is_proven(with(seen("17.1.0.1", block_answer::silent, 11)), 0.2, 256));
    EXPECT_TRUE(is_proven(with(seen("17.1.0.1", block_answer::silent, 13)), 0.2, 256));
    EXPECT_FALSE(is_proven(with(seen("17.1.0.1", block_answer::rejected, 1)), 0.004, 256));
    EXPECT_TRUE(is_proven(with(seen("17.1.0.1", block_answer::rejected, 2)), 0.2, 256));
}

TEST(block_hole, names_a_box_only_where_all_that_rejected_are_one)
{
    auto one = seen("17.1.0.1", block_answer::rejected);
    auto other = seen("17.1.128.1", block_answer::rejected);
    one.by = make_address(gateway_text);
    other.by = one.by;
    std::vector all{one, other, seen("17.1.64.1", block_answer::silent)};
    const auto found = [&] { return make_hole(find_envelopes(make_block("17.1.0.0/16"), all).front()); };
    EXPECT_EQ(describe(found()), "17.1.0.0/16 is rejected by 10.77.1.1 (3 of 3 samples, 1 of them silently)");
    all[1].by = make_address(neighbour_text);
    EXPECT_EQ(describe(found()), "17.1.0.0/16 is rejected (3 of 3 samples, 1 of them silently)");
}

TEST(block_hole, has_words_for_each_way_and_for_an_extent_that_is_open)
{
    const auto say = [](block_answer how) {
        const std::vector all{seen("17.1.0.1", how)};
        return describe(make_hole(find_envelopes(make_block("17.1.0.0/31"), all).front()));
    };
    EXPECT_EQ(
        say(block_answer::silent),
        "17.1.0.1/32 is dropped before the first hop past the edge (1 of 1 samples; "
        "it may be as large as 17.1.0.0/31)"
    );
    EXPECT_EQ(say(block_answer::reset).find("17.1.0.1/32 is reset in the destination's name"), 0U);
    EXPECT_EQ(say(block_answer::answered).find("17.1.0.1/32 is answered by a box in its name"), 0U);
}

TEST(block_hole, has_a_word_for_each_answer_that_can_be_read_again)
{
    for (const auto one :
         {block_answer::passed, block_answer::rejected, block_answer::reset, block_answer::answered,
          block_answer::silent, block_answer::not_measured}) {
        EXPECT_EQ(parse_block_answer(to_string(one)), one);
    }
    EXPECT_FALSE(parse_block_answer("fine"));
}

} // namespace
} // namespace reachd
