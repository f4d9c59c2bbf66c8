// SPDX-License-Identifier: Apache-2.0
// What samples of blocks mean for their row.
#include "reachd/core/path.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;

block_result make_clean()
{
    block_result out;
    out.block = parse_block("17.0.0.0/8").value();
    out.port = 5223;
    out.ending = block_ending::complete;
    out.strata = 256;
    out.covered.set();
    out.clean = 256;
    return out;
}

hole make_hole_of(block_answer how, std::optional<ip_address> by = {})
{
    const auto block = parse_block("17.64.0.0/10").value();
    return {.where = block, .at_most = block, .how = how, .by = by, .samples = 4, .silent = 4};
}

// A row of a block whose way is the gateway, then `beyond` as the third hop.
scene make_sampled(block_result what)
{
    auto it = make_scene();
    it.add("apns", expectation::path, {});
    std::get<outbound_row>(it.what.rows[0].what).blocks = {what.block};
    it.site.local = make_local();
    const flow walked{"", make_target("17.1.1.1", 5223)};
    auto met = [&](unsigned number, std::string_view box) {
        auto one = make_seen(make_icmp(box, 11, 0));
        one.hop_limit = number;
        it.site.traces[walked].push_back(one);
    };
    met(1, gateway_text);
    met(2, stranger_text);
    it.site.rows[0].samples = {std::move(what)};
    it.site.rows[0].checked = make_wall(seconds{1000});
    it.evaluate();
    return it;
}

const run& only_run(const scene& it)
{
    EXPECT_EQ(it.row("apns").runs.size(), 1U);
    return it.row("apns").runs.front();
}

TEST(block_runs, a_whole_clean_round_passes_its_row_and_a_part_of_one_does_not)
{
    const auto whole = make_sampled(make_clean());
    EXPECT_EQ(only_run(whole).judged.kind, verdict_kind::permitted);
    EXPECT_TRUE(only_run(whole).passes);
    EXPECT_EQ(whole.row("apns").counts, (row_counts{.total = 1, .pass = 1, .fail = 0, .unproven = 0}));
    const auto unproven = [](auto change) {
        auto what = make_clean();
        change(what);
        const auto it = make_sampled(what);
        return only_run(it).judged.kind == verdict_kind::unproven &&
               it.row("apns").state == row_answer::unproven;
    };
    EXPECT_TRUE(unproven([](block_result& what) { what.ending = block_ending::under_way; }));
    EXPECT_TRUE(unproven([](block_result& what) { what.covered.reset(7); }));
    EXPECT_TRUE(unproven([](block_result& what) { what.undecided = 1; }));
    EXPECT_TRUE(unproven([](block_result& what) { what.doubtful = 1; }));
    EXPECT_TRUE(unproven([](block_result& what) { what.strata = 16; })); // a quick one
}

TEST(block_runs, a_small_block_is_proven_by_each_of_its_addresses)
{
    auto what = make_clean();
    what.block = parse_block("192.0.2.0/30").value();
    what.covered.reset();
    for (unsigned i = 0; i < 4; ++i) {
        what.covered.set(i);
    }
    what.strata = 4;
    what.clean = 4;
    EXPECT_TRUE(only_run(make_sampled(what)).passes);
    what.strata = 2;
    EXPECT_FALSE(only_run(make_sampled(what)).passes);
}

TEST(block_runs, a_hole_fails_the_row_and_is_placed_where_the_way_is_known)
{
    auto what = make_clean();
    what.holes = {make_hole_of(block_answer::silent)};
    const auto it = make_sampled(what);
    const auto& one = only_run(it);
    EXPECT_TRUE(one.fails);
    EXPECT_EQ(one.destination, "17.64.0.0/10");
    EXPECT_EQ(one.judged.kind, verdict_kind::blocked);
    EXPECT_EQ(one.judged.blame, blame::edge);
    ASSERT_TRUE(one.judged.where);
    EXPECT_EQ(describe(*one.judged.where), "between hop 1 (10.77.1.1) and hop 2 (81.2.69.1)");
    EXPECT_NE(one.judged.sentence.find(describe(*one.judged.where)), std::string::npos);
    EXPECT_EQ(it.row("apns").state, row_answer::fail);
}

TEST(block_runs, a_hole_that_a_box_rejects_is_that_boxs)
{
    const auto judged = [](std::string_view box) {
        auto what = make_clean();
        what.holes = {make_hole_of(block_answer::rejected, make_address(box))};
        return only_run(make_sampled(what)).judged;
    };
    EXPECT_EQ(judged(gateway_text).blame, blame::site);
    EXPECT_EQ(judged(stranger_text).blame, blame::isp);
    EXPECT_EQ(judged(other_server_text).blame, blame::unknown); // a box that nobody met
    EXPECT_EQ(describe(*judged(stranger_text).where), "at hop 2 (81.2.69.1)");
    auto unsigned_one = make_clean();
    unsigned_one.holes = {make_hole_of(block_answer::rejected)};
    EXPECT_FALSE(only_run(make_sampled(unsigned_one)).judged.where);
}

TEST(block_runs, a_hole_where_something_answers_for_all_is_intercepted)
{
    auto what = make_clean();
    what.holes = {make_hole_of(block_answer::answered)};
    EXPECT_EQ(only_run(make_sampled(what)).judged.kind, verdict_kind::intercepted);
}

// A way in JSON: the dashboard and every client draw it from this.
TEST(path, as_json_has_a_hop_for_each_number_and_says_which_are_the_sites)
{
    path way;
    way.hops = {
        {.address = make_address(gateway_text), .flows = 1, .round_trip = microseconds{76}},
        {},
        {.address = make_address(stranger_text), .flows = 1}
    };
    auto json = to_json(way);
    EXPECT_EQ(json["edge"], nullptr); // not known: nothing is said of any hop
    EXPECT_FALSE(json["hops"][0].contains("site"));
    way.edge = 1;
    json = to_json(way);
    EXPECT_EQ(json["edge"], (nlohmann::json{{"hop", 1}, {"address", gateway_text}}));
    EXPECT_EQ(json["hops"].size(), 3U);
    EXPECT_EQ(
        json["hops"][0],
        (nlohmann::json{{"hop", 1}, {"address", gateway_text}, {"rtt_us", 76}, {"site", true}})
    );
    EXPECT_EQ(
        json["hops"][1],
        (nlohmann::json{{"hop", 2}, {"address", nullptr}, {"rtt_us", nullptr}, {"site", false}})
    );
    way.edge = 2; // known by its number alone
    EXPECT_EQ(to_json(way)["edge"], (nlohmann::json{{"hop", 2}, {"address", nullptr}}));
}

} // namespace
} // namespace reachd
