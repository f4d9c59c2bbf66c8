// SPDX-License-Identifier: Apache-2.0
// What a record keeps of a row, its endpoints and its runs, and what is left out of it.
#include "reachd/core/history_record.hpp"

#include "support/make.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;
using nlohmann::json;

const wall_time now = make_wall(seconds{1'793'491'200});

// A row whose ports, one in two, are silent: as many runs that fail as ports that are.
scene every_second_port(std::size_t silent)
{
    auto it = make_scene();
    std::vector<endpoint_state> endpoints;
    for (std::size_t i = 0; i < silent; ++i) {
        const auto port = static_cast<std::uint16_t>(4000 + 2 * i);
        endpoints.push_back(make_endpoint(server_text, port, make_silence()));
        endpoints.push_back(make_endpoint(
            server_text, static_cast<std::uint16_t>(port + 1),
            make_greeted(acknowledged{}, probe_kind::tcp_confirm)
        ));
    }
    it.add("row", expectation::service, std::move(endpoints));
    it.evaluate();
    return it;
}

history_record record_of(const scene& it)
{
    return row_record(it.what.rows[0], it.site, it.site.rows[0], "unproven", now);
}

json detail_of(const history_record& one)
{
    return json::parse(one.detail);
}

location at_the_gateway()
{
    return {.at = hop{.number = 1, .address = make_address(gateway_text)}, .after = {}, .before = {}};
}

TEST(history_record, of_a_row_tells_so_many_runs_and_counts_the_others)
{
    const auto whole = detail_of(record_of(every_second_port(most_told_runs)));
    EXPECT_EQ(whole["runs"].size(), most_told_runs);
    EXPECT_FALSE(whole.contains("runs_left_out"));
    const auto longer = detail_of(record_of(every_second_port(most_told_runs + 3)));
    EXPECT_EQ(longer["runs"].size(), most_told_runs);
    EXPECT_EQ(longer["runs_left_out"], 3);
    EXPECT_EQ(longer["evidence"].size(), most_evidence);
    EXPECT_EQ(longer["evidence"][2]["port"], 4004) << "of the first runs";
}

TEST(history_record, of_a_row_that_passes_has_its_counts_alone)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.evaluate();
    const auto detail = detail_of(record_of(it));
    EXPECT_EQ(detail["counts"]["pass"], 1);
    EXPECT_FALSE(detail.contains("runs"));
    EXPECT_FALSE(detail.contains("evidence"));
}

TEST(history_record, says_nothing_of_what_applications_do_not_use)
{
    auto it = every_second_port(2);
    it.site.rows[0].runs[0].needed = false;
    const auto detail = detail_of(record_of(it));
    ASSERT_EQ(detail["runs"].size(), 1U);
    EXPECT_EQ(detail["runs"][0]["ports"], "4002");
    ASSERT_EQ(detail["evidence"].size(), 1U);
    EXPECT_EQ(detail["evidence"][0]["port"], 4002);
}

TEST(history_record, takes_its_evidence_from_the_very_endpoint_of_the_run)
{
    auto it = every_second_port(1);
    auto& row = it.site.rows[0];
    ASSERT_EQ(row.runs.size(), 2U);
    ASSERT_TRUE(row.runs[0].fails);
    const auto evidence = [&] { return detail_of(record_of(it))["evidence"]; };
    auto silent = row.endpoints[0];
    auto other = silent;
    other.seen = {make_seen(refused{})};
    const std::vector<std::pair<const char*, std::function<void(endpoint_state&)>>> unlike = {
        {"a name without an address", [](endpoint_state& one) { one.address.reset(); }},
        {"another address", [](endpoint_state& one) { one.address = make_address(other_server_text); }},
        {"another port", [](endpoint_state& one) { one.port = 5000; }},
        {"another vantage", [](endpoint_state& one) { one.vantage = "wan2"; }},
    };
    for (const auto& [name, change] : unlike) {
        auto stranger = other;
        change(stranger);
        row.endpoints = {stranger, silent};
        ASSERT_EQ(evidence().size(), 1U) << name;
        EXPECT_EQ(evidence()[0]["seen"][0]["outcome"], "no_reply") << name;
        row.endpoints = {stranger};
        EXPECT_TRUE(evidence().empty()) << name;
    }
}

TEST(history_record, names_the_vantage_and_the_place_of_a_run_that_has_them)
{
    auto it = every_second_port(2);
    auto& runs = it.site.rows[0].runs;
    runs[0].vantage = "wan2";
    runs[0].judged.where = at_the_gateway();
    const auto told = detail_of(record_of(it))["runs"];
    EXPECT_EQ(told[0]["vantage"], "wan2");
    EXPECT_EQ(told[0]["where"]["at"]["address"], gateway_text);
    EXPECT_FALSE(told[1].contains("vantage"));
    EXPECT_EQ(told[1]["where"], nullptr);
    EXPECT_EQ(told[0]["result"], "fail");
    runs[0].fails = false;
    EXPECT_EQ(detail_of(record_of(it))["runs"][0]["result"], "unproven");
}

TEST(history_record, of_endpoints_has_what_was_seen_of_one_of_them_and_no_more_than_a_few)
{
    auto it = every_second_port(1);
    auto& one = it.site.rows[0].endpoints[0];
    const auto record = [&] {
        return endpoint_record(it.what.rows[0], it.site, one, make_port_set({4000}), "open", now);
    };
    const auto seen = [&] { return detail_of(record())["evidence"]; };
    EXPECT_EQ(seen().size(), 2U);
    auto hop = make_seen(make_icmp(gateway_text, 11, 0));
    hop.hop_limit = 1;
    it.site.traces[flow{"", make_target(server_text, 4000)}] = {hop};
    ASSERT_EQ(seen().size(), 3U) << "its traces too";
    EXPECT_EQ(seen()[2]["hop_limit"], 1);
    it.site.traces[flow{"", make_target(server_text, 4000)}].resize(20, hop);
    EXPECT_EQ(seen().size(), most_observations);
    one.judged.where = at_the_gateway();
    EXPECT_EQ(detail_of(record())["where"]["at"]["address"], gateway_text);
    EXPECT_EQ(record().target->address, server_text);
    one.address.reset();
    one.name = "a.example";
    EXPECT_EQ(record().target->address, "") << "a name that has none";
    EXPECT_EQ(record().target->name, "a.example");
    EXPECT_EQ(seen().size(), 2U);
}

TEST(history_record, loses_its_evidence_first_and_its_runs_only_when_that_is_not_enough)
{
    auto it = every_second_port(2);
    it.site.rows[0].endpoints[0].seen[0].source = std::string(most_detail, 'x');
    EXPECT_TRUE(detail_of(record_of(it)).contains("runs"));
    EXPECT_FALSE(detail_of(record_of(it)).contains("evidence"));
    it.site.rows[0].runs[0].judged.sentence = std::string(most_detail, 'x');
    EXPECT_FALSE(detail_of(record_of(it)).contains("runs"));
    EXPECT_EQ(detail_of(record_of(it))["counts"]["fail"], 2) << "its counts stay";
    // Of an endpoint there are no runs to lose.
    const auto one = endpoint_record(
        it.what.rows[0], it.site, it.site.rows[0].endpoints[0], make_port_set({4000}), "", now
    );
    EXPECT_EQ(detail_of(one)["stage"], "connect");
    EXPECT_FALSE(detail_of(one).contains("evidence"));
}

// --- whether a restart found the same ---

TEST(runs_digest, is_alike_for_a_row_and_for_the_record_of_it)
{
    for (const std::size_t runs : {1UZ, 3UZ, most_told_runs + 5}) {
        auto it = every_second_port(runs);
        EXPECT_EQ(runs_digest(detail_of(record_of(it))), runs_digest(it.site.rows[0])) << runs;
    }
    auto it = every_second_port(2);
    it.site.rows[0].runs[0].needed = false;
    EXPECT_EQ(runs_digest(detail_of(record_of(it))), runs_digest(it.site.rows[0]));
}

TEST(runs_digest, goes_by_the_verdict_and_not_by_its_words)
{
    auto it = every_second_port(2);
    const auto before = runs_digest(it.site.rows[0]);
    it.site.rows[0].runs[0].judged.sentence = "7 of 9 tries were lost";
    EXPECT_EQ(runs_digest(it.site.rows[0]), before);
    it.site.rows[0].runs[0].judged.blame = blame::isp;
    EXPECT_NE(runs_digest(it.site.rows[0]), before);
}

TEST(runs_digest, of_a_record_that_is_not_ours_is_unlike_any_rows)
{
    const auto row = every_second_port(1).site.rows[0];
    EXPECT_EQ(runs_digest(json::object()), "[]");
    EXPECT_EQ(runs_digest(json{{"runs", "many"}}), "[]");
    EXPECT_EQ(runs_digest(json{{"runs", {1, "two"}}}), R"([1,"two"])");
    EXPECT_NE(runs_digest(row), "[]");
}

// --- samples ---

TEST(round_sample, counts_the_round_as_passed_failed_or_neither)
{
    const auto what = make_plan_row("row", make_outbound(expectation::service));
    struct row {
        row_answer state;
        std::uint64_t pass;
        std::uint64_t fail;
    };
    for (const auto& one :
         {row{row_answer::pass, 1, 0}, row{row_answer::fail, 0, 1}, row{row_answer::unproven, 0, 0}}) {
        row_state state;
        state.state = one.state;
        const auto sample = sample_of(what, state, now);
        EXPECT_EQ(sample.rounds_pass, one.pass) << to_string(one.state);
        EXPECT_EQ(sample.rounds_fail, one.fail) << to_string(one.state);
        EXPECT_FALSE(sample.rtt_min || sample.rtt_median || sample.rtt_max) << "nothing answered";
    }
}

TEST(round_sample, has_the_fastest_the_median_and_the_slowest_of_what_answered)
{
    auto it = every_second_port(3);
    auto& endpoints = it.site.rows[0].endpoints;
    endpoints[1].seen[0].took = milliseconds{40};
    endpoints[3].seen[0].took = milliseconds{10};
    endpoints[5].seen[0].took = milliseconds{20};
    const auto sample = sample_of(it.what.rows[0], it.site.rows[0], now);
    EXPECT_EQ(sample.rtt_min, milliseconds{10});
    EXPECT_EQ(sample.rtt_median, milliseconds{20});
    EXPECT_EQ(sample.rtt_max, milliseconds{40});
}

TEST(history_record, of_a_new_address_is_about_its_row)
{
    const auto one = address_record(
        make_plan_row("apns", make_outbound(expectation::path)), "a.example has a new address", now
    );
    EXPECT_EQ(one.kind, record_kind::address);
    EXPECT_EQ(one.requirement, "apns");
    EXPECT_EQ(one.sentence, "a.example has a new address");
}

} // namespace
} // namespace reachd
