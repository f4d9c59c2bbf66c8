// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_result.hpp"
#include "reachd/core/json.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;

hole make_hole_at(std::string_view where, unsigned samples = 4)
{
    const auto block = parse_block(where).value();
    return {.where = block, .at_most = block, .by = {}, .samples = samples, .silent = samples};
}

// 256 strata of 17.0.0.0/8, of which `blocked` are.
block_result make_round(unsigned blocked = 0, std::vector<hole> holes = {})
{
    block_result out;
    out.block = parse_block("17.0.0.0/8").value();
    out.port = 5223;
    out.edge = {.number = 3, .address = make_address(stranger_text)};
    out.seed = 18446744073709551615ULL;
    out.ending = block_ending::complete;
    out.strata = 256;
    out.covered.set();
    out.clean = 256 - blocked;
    out.blocked = blocked;
    out.since = make_wall(1'000'000s);
    out.holes = std::move(holes);
    return out;
}

TEST(block_result, says_what_a_clean_round_proves_and_what_it_does_not)
{
    EXPECT_EQ(
        sentence(make_round()),
        "no blocked address in 256 samples of 17.0.0.0/8 port 5223, all 256 strata (/16) covered: with 95 % "
        "confidence less than 1.2 % of the block is blocked; holes smaller than a /16 are not excluded"
    );
    EXPECT_TRUE(make_round().is_clean());
}

TEST(block_result, counts_strata_without_a_result_as_neither)
{
    auto round = make_round();
    round.covered.reset(3);
    round.clean = 255;
    round.undecided = 1;
    EXPECT_EQ(
        sentence(round),
        "no blocked address in 255 samples of 17.0.0.0/8 port 5223, 255 of 256 strata (/16) covered: with 95 "
        "% "
        "confidence less than 1.2 % of the block is blocked; holes smaller than a /16 are not excluded; "
        "1 strata undecided"
    );
}

TEST(block_result, counts_what_is_in_doubt_as_blocked_for_the_bound)
{
    auto round = make_round();
    round.clean = 255;
    round.doubtful = 1;
    EXPECT_NEAR(round.bound(), 0.018396, 1e-6);
    EXPECT_NE(sentence(round).find("; 1 silent one is in doubt"), std::string::npos);
    EXPECT_NE(sentence(round).find("less than 1.9 %"), std::string::npos);
}

TEST(block_result, names_holes_and_bounds_the_whole)
{
    EXPECT_EQ(
        sentence(make_round(128, {make_hole_at("17.128.0.0/9", 128)})),
        "17.128.0.0/9 is dropped before the first hop past the edge (128 of 128 samples); in all 128 of 256 "
        "samples of 17.0.0.0/8 port 5223 blocked, all 256 strata (/16) covered: with 95 % confidence less "
        "than "
        "56 % of the block is blocked"
    );
    std::vector<hole> many;
    for (int i = 0; i < 7; ++i) {
        many.push_back(make_hole_at("17." + std::to_string(i * 2) + ".0.0/16"));
    }
    EXPECT_NE(sentence(make_round(7, many)).find("; and 3 more holes"), std::string::npos);
}

TEST(block_result, of_an_exhausted_block_leaves_nothing_to_chance)
{
    auto round = make_round();
    round.block = parse_block("17.1.2.0/28").value();
    round.strata = 16;
    round.clean = 16;
    round.covered = 0xffff;
    EXPECT_EQ(round.bound(), 0);
    EXPECT_EQ(sentence(round), "every address of 17.1.2.0/28 port 5223 passes the edge (16 of 16)");
    round.covered.reset(1);
    round.clean = 15;
    EXPECT_GT(round.bound(), 0.1);
}

TEST(block_result, claims_nothing_where_everything_is_answered_or_no_control_passes)
{
    block_result none = make_round();
    none.clean = 0;
    none.covered.reset();
    none.undecided = 256;
    none.ending = block_ending::no_control;
    EXPECT_EQ(sentence(none), "nothing is known of 17.0.0.0/8 port 5223: no address passed as a control");
    EXPECT_FALSE(none.is_clean());
    EXPECT_EQ(none.bound(), 1);
    none.ending = block_ending::answers_for_all;
    EXPECT_EQ(sentence(none).find("something answers for every address"), 0U);
    EXPECT_FALSE(none.is_clean());
}

TEST(block_result, adds_up_over_rounds_and_keeps_since_when)
{
    auto sum = make_round();
    for (int day = 1; day <= 3; ++day) {
        auto round = make_round();
        round.since = make_wall(1'000'000s + day * 86400s);
        round.seed = static_cast<std::uint64_t>(day);
        sum = accumulate(sum, round);
    }
    EXPECT_EQ(sum.n(), 1024U);
    EXPECT_EQ(sum.rounds, 4U);
    EXPECT_EQ(sum.since, make_wall(1'000'000s));
    EXPECT_EQ(sum.seed, 3U);
    EXPECT_NEAR(sum.bound(), 0.002921, 1e-6);
    EXPECT_EQ(
        sentence(sum).find("no blocked address in 1024 samples (4 rounds since 1970-01-12T13:46:40.000Z)"), 0U
    );
}

TEST(block_result, fills_strata_that_an_earlier_round_left_out)
{
    auto first = make_round();
    first.covered.reset(7);
    first.clean = 255;
    first.undecided = 1;
    auto second = make_round();
    second.covered.reset(9);
    second.clean = 255;
    second.undecided = 1;
    const auto sum = accumulate(first, second);
    EXPECT_EQ(sum.covered.count(), 256U);
    EXPECT_EQ(sum.undecided, 0U);
}

TEST(block_result, starts_anew_where_the_policy_or_the_path_changed)
{
    const auto clean = make_round();
    const auto holed = make_round(1, {make_hole_at("17.3.0.0/16")});
    auto later = clean;
    later.since = make_wall(2'000'000s);
    auto moved = later;
    moved.edge.number = 4;
    auto elsewhere = later;
    elsewhere.edge.address = make_address("81.2.69.2");
    auto coarse = later;
    coarse.strata = 128;
    auto both = make_round(2, {make_hole_at("17.3.0.0/16"), make_hole_at("17.9.0.0/16")});
    const struct {
        const char* what;
        block_result before, round;
        std::uint64_t rounds;
    } rows[] = {
        {"nothing", clean, later, 2},        {"a hole came", clean, holed, 1},
        {"a hole went", holed, later, 1},    {"the hole stayed", holed, holed, 2},
        {"a second came", holed, both, 1},   {"one of two went", both, holed, 1},
        {"the edge moved", clean, moved, 1}, {"another box at the edge", clean, elsewhere, 1},
        {"other strata", clean, coarse, 1},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.what);
        const auto sum = accumulate(row.before, row.round);
        EXPECT_EQ(sum.rounds, row.rounds);
        EXPECT_EQ(sum.since, row.rounds == 1 ? row.round.since : row.before.since);
        EXPECT_EQ(sum.n(), 256 * row.rounds);
    }
}

TEST(block_result, takes_no_round_cut_short_for_the_end_of_a_hole)
{
    const auto holed = make_round(1, {make_hole_at("17.3.0.0/16")});
    auto part = make_round();
    part.ending = block_ending::cut_short;
    part.clean = 10;
    const auto sum = accumulate(holed, part);
    EXPECT_EQ(sum.rounds, 2U);
    EXPECT_EQ(sum.holes, holed.holes);
}

TEST(block_result, is_left_as_it_is_by_a_round_without_a_result_and_voided_by_a_proxy)
{
    const auto clean = make_round();
    auto none = make_round();
    none.clean = 0;
    none.ending = block_ending::no_control;
    EXPECT_EQ(accumulate(clean, none), clean);
    none.ending = block_ending::answers_for_all;
    EXPECT_EQ(accumulate(clean, none), none);
    EXPECT_EQ(accumulate(none, clean), clean);
}

// --- JSON ---

TEST(block_result, survives_its_json)
{
    auto full = make_round(3, {make_hole_at("17.3.0.0/16"), make_hole_at("17.9.1.0/24")});
    full.vantage = "voice";
    full.covered.reset(255);
    full.clean = 250;
    full.doubtful = 2;
    full.undecided = 1;
    full.rounds = 3;
    full.holes[1].at_most = parse_block("17.9.0.0/20").value();
    full.holes[1].how = block_answer::rejected;
    full.holes[1].by = make_address(gateway_text);
    full.holes[1].silent = 1;
    auto small = make_round();
    small.block = parse_block("2620:149:a44::1/128").value();
    small.edge = {};
    small.strata = 1;
    small.covered = 1;
    small.clean = 1;
    for (const auto& one : {make_round(), full, small}) {
        const auto text = dump(to_json(one));
        SCOPED_TRACE(text);
        const auto again = parse_block_result(text, "state");
        ASSERT_TRUE(again) << to_text(again.error().front());
        EXPECT_EQ(*again, one);
    }
}

TEST(block_result, tells_its_figures_in_json)
{
    const auto out = to_json(make_round(1, {make_hole_at("17.3.0.0/16")}));
    EXPECT_EQ(out["n"], 256);
    EXPECT_EQ(out["strata"], 256);
    EXPECT_EQ(out["seed"], "18446744073709551615");
    EXPECT_NEAR(out["bound"].get<double>(), 0.018396, 1e-6);
    EXPECT_EQ(out["since"], "1970-01-12T13:46:40.000Z");
    EXPECT_EQ(out["holes"][0]["block"], "17.3.0.0/16");
    EXPECT_EQ(out["holes"][0]["how"], "silent");
    EXPECT_TRUE(out["holes"][0]["by"].is_null());
}

TEST(block_result, refuses_what_it_would_not_have_written)
{
    const auto good = to_json(make_round(1, {make_hole_at("17.3.0.0/16")}));
    ASSERT_TRUE(parse_block_result(dump(good), "state"));
    const std::pair<const char*, json> rows[] = {
        {"/block", "17.0.0.1/8"},
        {"/block", 17},
        {"/block", "0.0.0.0/33"},
        {"/port", 0},
        {"/port", 70000},
        {"/seed", 5},
        {"/seed", "-1"},
        {"/seed", "18446744073709551616"},
        {"/ending", "fine"},
        {"/strata", 0},
        {"/strata", 3},
        {"/strata", 512},
        {"/strata", -8},
        {"/covered", "ff"},
        {"/covered", std::string(64, 'g')},
        {"/clean", -1},
        {"/clean", 1e30},
        {"/clean", 18446744073709551615ULL},
        {"/clean", 3},
        {"/undecided", 4},
        {"/rounds", 0},
        {"/since", "yesterday"},
        {"/since", "2026-02-30T00:00:00.000Z"},
        {"/since", "2026-02-03T25:00:00.000Z"},
        {"/since", "2026-02-03T05:00:00.00-Z"},
        {"/edge", 3},
        {"/edge/hop", 0},
        {"/edge/address", "here"},
        {"/holes", "none"},
        {"/holes/0", 4},
        {"/holes/0/block", "18.0.0.0/16"},
        {"/holes/0/at_most", "17.3.0.0/17"},
        {"/holes/0/at_most", "0.0.0.0/0"},
        {"/holes/0/block", "::/16"},
        {"/holes/0/how", "passed"},
        {"/holes/0/how", "odd"},
        {"/holes/0/by", 9},
        {"/holes/0/samples", 0},
        {"/holes/0/silent", 5},
        {"/colour", "red"},
    };
    for (const auto& [where, value] : rows) {
        SCOPED_TRACE(std::string{where} + " " + value.dump());
        auto bad = good;
        bad[json::json_pointer{where}] = value;
        const auto refused = parse_block_result(dump(bad), "state");
        ASSERT_FALSE(refused);
        EXPECT_FALSE(refused.error().empty());
    }
    for (const char* key :
         {"block", "port", "seed", "ending", "strata", "covered", "clean", "blocked", "doubtful", "undecided",
          "rounds", "since"}) {
        auto bad = good;
        bad.erase(key);
        EXPECT_FALSE(parse_block_result(dump(bad), "state")) << key;
    }
    for (const char* text : {"", "{", "[]", "null", "{\"block\":{}}", "\xff"}) {
        EXPECT_FALSE(parse_block_result(text, "state")) << text;
    }
}

TEST(block_result, stands_any_cut_and_any_changed_byte_of_its_json)
{
    const auto text = dump(to_json(make_round(1, {make_hole_at("17.3.0.0/16")})));
    for (std::size_t at = 0; at < text.size(); ++at) {
        static_cast<void>(parse_block_result(text.substr(0, at), "state"));
        for (const char byte : {'9', '"', '-'}) {
            auto changed = text;
            changed[at] = byte;
            if (const auto read = parse_block_result(changed, "state")) {
                static_cast<void>(sentence(*read)); // what is accepted can be told
                EXPECT_LE(read->bound(), 1);
            }
        }
    }
}

} // namespace
} // namespace reachd
