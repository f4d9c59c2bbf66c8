// SPDX-License-Identifier: Apache-2.0
#include "support/make.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

verdict make_verdict(verdict_kind kind)
{
    return {.kind = kind};
}

std::vector<observation> answered()
{
    return {make_seen(connected{})};
}

std::vector<observation> unrouted()
{
    return {make_seen(make_unmeasured(local_cause::no_route))};
}

std::vector<observation> rejected_by(std::string_view sender)
{
    return {make_seen(make_icmp(sender, 3, 13))};
}

// --- what a verdict means for its row ---

TEST(expectation, weighs_every_verdict)
{
    using enum verdict_kind;
    using enum endpoint_answer;
    struct row {
        verdict_kind kind;
        endpoint_answer service;
        endpoint_answer path;
        endpoint_answer blocked;
    };
    for (const auto& [kind, service, path, shut] : {
             row{open, pass, pass, fail},
             row{closed, fail, pass, fail},
             row{permitted, fail, pass, fail},
             row{blocked, fail, fail, undecided}, // without a place: silence
             row{intercepted, fail, fail, fail},
             row{unresolved, fail, fail, undecided},
             row{unproven, undecided, undecided, undecided},
         }) {
        SCOPED_TRACE(to_string(kind));
        EXPECT_EQ(weigh(expectation::service, make_verdict(kind)), service);
        EXPECT_EQ(weigh(expectation::path, make_verdict(kind)), path);
        EXPECT_EQ(weigh(expectation::blocked, make_verdict(kind)), shut);
    }
}

TEST(expectation, to_be_blocked_is_met_by_a_named_box_or_culprit_and_never_by_silence)
{
    auto named = make_verdict(verdict_kind::blocked);
    named.where =
        location{.at = hop{.number = {}, .address = make_address(stranger_text)}, .after = {}, .before = {}};
    EXPECT_EQ(weigh(expectation::blocked, named), endpoint_answer::pass);
    auto blamed = make_verdict(verdict_kind::blocked);
    blamed.blame = blame::host;
    EXPECT_EQ(weigh(expectation::blocked, blamed), endpoint_answer::pass);
    auto it = make_scene();
    it.add("silent", expectation::blocked, {make_endpoint(server_text, 23, make_silence())});
    it.add("rejected", expectation::blocked, {make_endpoint(server_text, 24, rejected_by(gateway_text))});
    it.add("answering", expectation::blocked, {make_endpoint(server_text, 25, answered())});
    it.evaluate();
    EXPECT_EQ(it.row("silent").state, row_answer::unproven);
    EXPECT_EQ(it.row("rejected").state, row_answer::pass);
    EXPECT_EQ(it.row("answering").state, row_answer::fail);
}

// --- which endpoints are needed ---

TEST(needed, is_not_an_address_of_a_family_without_route_while_the_other_is_measured)
{
    for (const auto& twin : {answered(), make_silence()}) {
        auto it = make_scene();
        it.add(
            "row", expectation::service,
            {make_named("a.example", server6_text, 443, unrouted()),
             make_named("a.example", server_text, 443, twin)}
        );
        it.evaluate();
        const auto& row = it.row("row");
        EXPECT_FALSE(row.endpoints[0].needed);
        EXPECT_TRUE(row.endpoints[1].needed);
        EXPECT_EQ(row.counts.total, 1U);
        EXPECT_EQ(row.state, twin == answered() ? row_answer::pass : row_answer::fail);
        EXPECT_NE(row.endpoints[0].judged.sentence.find("not used here"), std::string::npos);
    }
}

TEST(needed, is_an_address_without_route_if_nothing_stands_in_for_it)
{
    struct row {
        const char* about;
        endpoint_state other;
    };
    auto voice = make_named("a.example", server_text, 443, answered());
    voice.vantage = "voice";
    auto forged = make_named("a.example", "10.0.0.1", 443, {});
    forged.without_probing = verdict{.kind = verdict_kind::intercepted, .stage = stage::resolve};
    const std::vector<row> rows{
        {"another name", make_named("b.example", server_text, 443, answered())},
        {"another port", make_named("a.example", server_text, 80, answered())},
        {"another vantage", voice},
        {"the same family", make_named("a.example", "2600:1f00::11", 443, answered())},
        {"no route either", make_named("a.example", server_text, 443, unrouted())},
        {"not probed yet", make_named("a.example", server_text, 443, {})},
        {"a forged one", forged},
    };
    for (const auto& [about, other] : rows) {
        SCOPED_TRACE(about);
        auto it = make_scene();
        it.add("row", expectation::service, {make_named("a.example", server6_text, 443, unrouted()), other});
        it.evaluate();
        EXPECT_TRUE(it.row("row").endpoints[0].needed);
        EXPECT_NE(it.row("row").state, row_answer::pass);
    }
}

TEST(needed, is_a_literal_without_route_as_it_was_asked_for_by_number)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server6_text, 443, unrouted()), make_endpoint(server_text, 443, answered())}
    );
    it.evaluate();
    EXPECT_TRUE(it.row("row").endpoints[0].needed);
    EXPECT_EQ(it.row("row").state, row_answer::unproven);
}

TEST(needed, is_an_address_that_could_not_be_measured_for_any_other_reason)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_named("a.example", server6_text, 443, {make_seen(make_unmeasured(local_cause::link_down))}),
         make_named("a.example", server_text, 443, answered())}
    );
    it.evaluate();
    EXPECT_TRUE(it.row("row").endpoints[0].needed);
    EXPECT_EQ(it.row("row").state, row_answer::unproven);
}

TEST(needed, comes_back_with_the_route)
{
    auto it = make_scene();
    auto& row = it.add(
        "row", expectation::service,
        {make_named("a.example", server6_text, 443, unrouted()),
         make_named("a.example", server_text, 443, answered())}
    );
    it.evaluate();
    row.endpoints[0].seen = make_silence();
    it.evaluate();
    EXPECT_TRUE(it.row("row").endpoints[0].needed);
    EXPECT_EQ(it.row("row").state, row_answer::fail);
}

// --- rows ---

TEST(row, passes_only_if_every_endpoint_does)
{
    struct row {
        const char* about;
        std::vector<std::vector<observation>> seen;
        row_answer state;
        row_counts counts;
    };
    const std::vector<row> rows{
        {"all answer", {answered(), answered()}, row_answer::pass, {2, 2, 0, 0}},
        {"one refuses", {answered(), {make_seen(refused{})}}, row_answer::fail, {2, 1, 1, 0}},
        {"one is undecided", {answered(), unrouted()}, row_answer::unproven, {2, 1, 0, 1}},
        {"one not probed", {answered(), {}}, row_answer::unproven, {2, 1, 0, 1}},
        {"one of each", {answered(), unrouted(), make_silence()}, row_answer::fail, {3, 1, 1, 1}},
        {"none at all", {}, row_answer::unproven, {0, 0, 0, 0}},
    };
    for (const auto& [about, seen, state, counts] : rows) {
        SCOPED_TRACE(about);
        auto it = make_scene();
        std::vector<endpoint_state> endpoints;
        for (const auto& one : seen) {
            endpoints.push_back(
                make_endpoint(server_text, static_cast<std::uint16_t>(80 + endpoints.size()), one)
            );
        }
        it.add("row", expectation::service, endpoints);
        it.evaluate();
        EXPECT_EQ(it.row("row").state, state);
        EXPECT_EQ(it.row("row").counts, counts);
    }
}

TEST(row, of_a_block_does_not_pass_on_its_names_alone_but_fails_on_them)
{
    for (const auto& seen : {answered(), make_silence()}) {
        auto it = make_scene();
        it.add("apns", expectation::path, {make_named("a.example", server_text, 5223, seen)});
        std::get<outbound_row>(it.what.rows[0].what).blocks = {parse_block("17.0.0.0/8").value()};
        it.evaluate();
        EXPECT_EQ(it.row("apns").state, seen == answered() ? row_answer::unproven : row_answer::fail);
    }
}

TEST(row, that_was_left_out_does_not_pass_on_what_was_seen_before)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, answered())}).not_run = "--quick";
    it.evaluate();
    EXPECT_EQ(it.row("row").state, row_answer::unproven);
    EXPECT_EQ(it.row("row").sentence, "not run: --quick");
}

TEST(row, that_is_not_configured_says_so_whatever_else_is_known)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, make_silence())});
    it.what.rows[0].not_configured = "ask the vendor";
    it.evaluate();
    EXPECT_EQ(it.row("row").state, row_answer::not_configured);
    EXPECT_EQ(it.row("row").sentence, "ask the vendor");
    EXPECT_EQ(it.site.state, site_answer::unproven);
}

TEST(row, that_does_not_apply_here_reads_as_not_configured_and_does_not_keep_the_site_from_being_ready)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, answered())});
    it.what.rows.push_back(make_plan_row("inbound", inbound{}));
    it.what.rows.back().not_configured = "not needed here, says the configuration: it is cloud-hosted";
    it.site.rows.resize(2);
    it.evaluate();
    EXPECT_EQ(it.site.state, site_answer::unproven);
    it.what.rows.back().needed = false;
    it.evaluate();
    EXPECT_STREQ(to_string(it.row("inbound").state), "not_configured");
    EXPECT_EQ(it.row("inbound").sentence, "not needed here, says the configuration: it is cloud-hosted");
    EXPECT_EQ(it.site.state, site_answer::ready);
    EXPECT_EQ(it.site.sentence, "All 1 requirements pass.");
}

TEST(row, of_an_idle_timer_or_an_inbound_service_is_unproven)
{
    auto it = make_scene();
    it.what.rows = {
        make_plan_row("idle", idle_timer{.hold = seconds{720}}), make_plan_row("inbound", inbound{})
    };
    it.site.rows.resize(2);
    it.evaluate();
    EXPECT_EQ(it.row("idle").state, row_answer::unproven);
    EXPECT_EQ(it.row("inbound").state, row_answer::unproven);
}

TEST(row, lists_the_findings_of_its_names)
{
    auto it = make_scene();
    auto& row = it.add("row", expectation::service, {make_named("a.example", server_text, 443, answered())});
    row.lookups = {make_lookup("a.example", {server_text})};
    row.lookups[0].servers.push_back(make_dns_failure("9.9.9.9", dns_status::server_failure));
    it.evaluate();
    ASSERT_EQ(it.row("row").findings.size(), 1U);
    EXPECT_EQ(it.row("row").findings[0], "a.example: DNS server 9.9.9.9 says: server failure (SERVFAIL)");
    EXPECT_TRUE(it.site.findings.empty());
    row.lookups[0].servers.pop_back();
    it.evaluate();
    EXPECT_TRUE(it.row("row").findings.empty());
}

TEST(site, says_once_of_a_server_that_it_fails_for_several_names)
{
    auto it = make_scene();
    for (const char* name : {"a.example", "b.example"}) {
        auto& row = it.add(name, expectation::service, {make_named(name, server_text, 443, answered())});
        row.lookups = {make_lookup(name, {server_text})};
        row.lookups[0].servers.push_back(make_dns_failure("9.9.9.9", dns_status::server_failure));
    }
    it.evaluate();
    ASSERT_EQ(it.site.findings.size(), 1U);
    EXPECT_EQ(it.site.findings[0], "DNS server 9.9.9.9 fails for 2 names: server failure (SERVFAIL)");
    EXPECT_TRUE(it.row("a.example").findings.empty());
    EXPECT_TRUE(it.row("b.example").findings.empty());
}

TEST(row, takes_a_verdict_that_needs_no_packet_as_it_is)
{
    auto one = make_named("a.example", "10.0.0.1", 443, {});
    one.without_probing =
        verdict{.kind = verdict_kind::intercepted, .stage = stage::resolve, .sentence = "forged name"};
    EXPECT_EQ(judge_alone(one), *one.without_probing);
}

// --- the site ---

TEST(site, is_ready_only_if_all_rows_pass)
{
    struct row {
        std::vector<std::vector<observation>> rows;
        site_answer state;
    };
    const std::vector<row> rows{
        {{answered(), answered()}, site_answer::ready},
        {{answered(), make_silence()}, site_answer::not_ready},
        {{answered(), unrouted()}, site_answer::unproven},
        {{make_silence(), unrouted()}, site_answer::not_ready},
        {{}, site_answer::unproven},
    };
    for (const auto& [seen, state] : rows) {
        SCOPED_TRACE(to_string(state));
        auto it = make_scene();
        for (const auto& one : seen) {
            it.add(
                std::to_string(it.what.rows.size()), expectation::service,
                {make_endpoint(server_text, 443, one)}
            );
        }
        it.evaluate();
        EXPECT_EQ(it.site.state, state);
    }
}

TEST(site, is_not_ready_if_a_disaster_recovery_row_fails)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, answered())});
    it.add("dr", expectation::service, {make_endpoint(other_server_text, 443, {make_seen(refused{})})});
    it.what.rows[1].role = role::disaster_recovery;
    it.evaluate();
    EXPECT_EQ(it.site.state, site_answer::not_ready);
}

// --- changes and their times ---

TEST(evaluation, reports_a_row_when_its_state_or_its_runs_change_and_only_then)
{
    auto it = make_scene();
    auto& row = it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, answered()), make_endpoint(server_text, 443, answered())}
    );
    const auto first = it.evaluate();
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(first[0].before, row_answer::unproven);
    EXPECT_EQ(first[0].now, row_answer::pass);
    EXPECT_TRUE(it.evaluate().empty());

    row.endpoints[0].seen = make_silence();
    const auto failed = it.evaluate();
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].now, row_answer::fail);

    row.endpoints[1].seen = make_silence(); // still fails, but more of it
    const auto worse = it.evaluate();
    ASSERT_EQ(worse.size(), 1U);
    EXPECT_EQ(worse[0].before, row_answer::fail);
    EXPECT_EQ(worse[0].now, row_answer::fail);

    for (auto& one : row.endpoints) { // fails in another way
        one.seen = rejected_by(gateway_text);
    }
    EXPECT_EQ(it.evaluate().size(), 1U);
}

TEST(evaluation, does_not_take_a_reworded_sentence_for_a_change)
{
    auto it = make_scene();
    auto& row = it.add("row", expectation::service, {make_endpoint(server_text, 443, make_silence())});
    it.evaluate(seconds{1000});
    const auto sentence = it.judged("row").sentence;
    row.endpoints[0].seen = {make_seen(no_reply{seconds{5}})};
    EXPECT_TRUE(it.evaluate(seconds{2000}).empty());
    EXPECT_NE(it.judged("row").sentence, sentence);
    EXPECT_EQ(it.row("row").endpoints[0].since, make_wall(seconds{1000}));
}

TEST(evaluation, dates_each_answer_from_when_it_became_so)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, answered()), make_endpoint(server_text, 443, answered())}
    );
    it.add("other", expectation::service, {make_endpoint(server_text, 81, answered())});
    auto& row = it.site.rows[0];
    it.evaluate(seconds{1000});
    it.evaluate(seconds{2000});
    EXPECT_EQ(row.since, make_wall(seconds{1000}));
    EXPECT_EQ(it.site.since, make_wall(seconds{1000}));
    row.endpoints[1].seen = make_silence();
    it.evaluate(seconds{3000});
    EXPECT_EQ(it.row("row").since, make_wall(seconds{3000}));
    EXPECT_EQ(it.row("row").endpoints[0].since, make_wall(seconds{1000}));
    EXPECT_EQ(it.row("row").endpoints[1].since, make_wall(seconds{3000}));
    EXPECT_EQ(it.row("other").since, make_wall(seconds{1000}));
    EXPECT_EQ(it.site.since, make_wall(seconds{3000}));
    row.endpoints[0].seen = make_silence(); // the row fails as before
    it.evaluate(seconds{4000});
    EXPECT_EQ(it.row("row").since, make_wall(seconds{3000}));
    EXPECT_EQ(it.row("row").endpoints[0].since, make_wall(seconds{4000}));
}

TEST(evaluation, dates_a_verdict_anew_when_only_its_place_or_blame_changes)
{
    auto it = make_scene();
    auto& row =
        it.add("row", expectation::service, {make_endpoint(server_text, 443, rejected_by(gateway_text))});
    it.evaluate(seconds{1000});
    row.endpoints[0].seen = rejected_by(neighbour_text); // the same blame, another box
    it.evaluate(seconds{2000});
    EXPECT_EQ(it.row("row").endpoints[0].since, make_wall(seconds{2000}));
}

TEST(evaluate, a_row_in_the_middle_of_its_round_keeps_what_the_round_before_proved)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 443, {make_seen(connected{})}), make_endpoint(server_text, 80, {})}
    );
    it.evaluate();
    it.site.rows[0].measuring = true;
    it.site.rows[0].endpoints[0].seen = make_silence(); // the other half may show why
    it.site.rows[0].endpoints[1].seen = {make_seen(connected{})};
    it.evaluate();
    EXPECT_EQ(it.judged("row", 0).kind, verdict_kind::open);
    EXPECT_EQ(it.judged("row", 1).sentence, "not probed yet");
    it.site.rows[0].measuring = false;
    it.evaluate();
    EXPECT_EQ(it.judged("row", 0).kind, verdict_kind::blocked);
    EXPECT_EQ(it.judged("row", 1).kind, verdict_kind::open);
}

} // namespace
} // namespace reachd
