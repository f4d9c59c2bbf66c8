// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/rules.hpp"
#include "reachd/core/site_report.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;

// "54.215.171.160 17.0.0.0/8 vendor.example"
plan_row make_row(std::string id, std::string_view destinations, std::string_view ports = "443")
{
    auto what = make_outbound(expectation::service, ports);
    while (!destinations.empty()) {
        const auto word = destinations.substr(0, destinations.find(' '));
        destinations.remove_prefix(std::min(word.size() + 1, destinations.size()));
        if (const auto address = parse_address(word)) {
            what.addresses.push_back(*address);
        } else if (const auto block = parse_block(word)) {
            what.blocks.push_back(*block);
        } else {
            what.names.emplace_back(word);
        }
    }
    return make_plan_row(std::move(id), std::move(what));
}

found_run
make_run(std::string destination, std::string_view address, std::string_view ports, std::string verdict)
{
    found_run out;
    out.destination = std::move(destination);
    if (!address.empty()) {
        out.addresses = {make_address(address)};
    }
    out.ports = parse_ports(ports).value();
    out.verdict = std::move(verdict);
    out.stage = "connect";
    out.blame = "unknown";
    out.result = out.verdict == "open" ? "pass" : "fail";
    return out;
}

findings_of_report make_findings(std::string state, std::vector<found_run> runs)
{
    return {"lab", "2026-11-21T12:00:00.000Z", {{"cat/row", {std::move(state), std::move(runs)}}}};
}

rule_set failing_of(plan_row row, const findings_of_report& known)
{
    return make_rules(make_plan_of({std::move(row)}), &known, {.scope = rule_scope::failing, .only = {}});
}

std::vector<std::string> texts(const allow_rule& rule)
{
    std::vector<std::string> out;
    for (const auto& one : rule.addresses) {
        out.push_back(to_text(one));
    }
    for (const auto& one : rule.blocks) {
        out.push_back(to_text(one));
    }
    for (const auto& one : rule.names) {
        out.push_back(one.name);
        for (const auto& address : one.addresses) {
            out.push_back(to_text(address));
        }
    }
    return out;
}

using words = std::vector<std::string>;

TEST(rules, of_all_rows_are_those_of_the_document_with_names_that_stay_names)
{
    const auto rules =
        make_rules(make_plan_of({make_row("row", "54.215.171.160 17.0.0.0/8 vendor.example")}), nullptr, {});
    ASSERT_EQ(rules.allow.size(), 1U);
    EXPECT_EQ(texts(rules.allow[0]), (words{server_text, "17.0.0.0/8", "vendor.example"}));
    EXPECT_EQ(to_text(rules.allow[0].ports), "443");
    EXPECT_EQ(rules.extent, rule_extent::whole);
    EXPECT_EQ(rules.known_at, "");
}

TEST(rules, have_the_addresses_that_the_report_found_for_a_name)
{
    auto known = make_findings(
        "pass", {make_run("vendor.example", server_text, "443", "open"),
                 make_run("vendor.example", server6_text, "443", "open"),
                 make_run("other.example", other_server_text, "443", "open")}
    );
    const auto rules = make_rules(make_plan_of({make_row("row", "vendor.example")}), &known, {});
    ASSERT_EQ(rules.allow.size(), 1U);
    EXPECT_EQ(texts(rules.allow[0]), (words{"vendor.example", server_text, server6_text}));
    EXPECT_EQ(rules.known_at, known.generated);
}

TEST(rules, never_open_the_way_to_an_address_that_was_taken_for_forged)
{
    auto forged = make_run("vendor.example", "192.0.2.66", "443", "intercepted");
    forged.stage = "resolve";
    const auto known = make_findings("fail", {forged});
    const auto all = make_rules(make_plan_of({make_row("row", "vendor.example")}), &known, {});
    EXPECT_EQ(texts(all.allow.at(0)), (words{"vendor.example"}));
    const auto failing = failing_of(make_row("row", "vendor.example"), known);
    EXPECT_TRUE(failing.allow.empty());
    ASSERT_EQ(failing.notes.size(), 1U);
    EXPECT_EQ(failing.notes[0].kind, note_kind::no_rule_helps);
}

TEST(rules, leave_out_names_whose_addresses_the_rows_block_holds)
{
    const auto row = make_row("row", "17.0.0.0/8 courier.example");
    const auto inside = make_findings("pass", {make_run("courier.example", "17.1.2.3", "443", "open")});
    EXPECT_EQ(texts(make_rules(make_plan_of({row}), &inside, {}).allow.at(0)), (words{"17.0.0.0/8"}));
    // Its twin: a name with an address elsewhere needs that one as well.
    const auto outside = make_findings(
        "pass", {make_run("courier.example", "17.1.2.3", "443", "open"),
                 make_run("courier.example", server6_text, "443", "open")}
    );
    EXPECT_EQ(
        texts(make_rules(make_plan_of({row}), &outside, {}).allow.at(0)),
        (words{"17.0.0.0/8", "courier.example", server6_text})
    );
}

TEST(rules, of_failing_rows_hold_only_the_destinations_and_ports_that_fail)
{
    const auto known = make_findings(
        "fail", {make_run(server_text, server_text, "80", "blocked"),
                 make_run(server_text, server_text, "443", "open"),
                 make_run(other_server_text, other_server_text, "80", "blocked"),
                 make_run("vendor.example", server6_text, "80", "blocked"),
                 make_run("vendor.example", server6_text, "443", "blocked")}
    );
    const auto rules =
        failing_of(make_row("row", "54.215.171.160 54.219.138.108 vendor.example", "80,443"), known);
    ASSERT_EQ(rules.allow.size(), 2U);
    EXPECT_EQ(texts(rules.allow[0]), (words{server_text, other_server_text}));
    EXPECT_EQ(to_text(rules.allow[0].ports), "80");
    EXPECT_EQ(texts(rules.allow[1]), (words{"vendor.example", server6_text}));
    EXPECT_EQ(to_text(rules.allow[1].ports), "80,443");
    EXPECT_EQ(rules.extent, rule_extent::part);
}

TEST(rules, of_a_failing_name_in_a_block_ask_for_the_block_of_the_document)
{
    const auto known = make_findings("fail", {make_run("courier.example", "17.1.2.3", "443", "blocked")});
    const auto rules = failing_of(make_row("row", "17.0.0.0/8 courier.example"), known);
    EXPECT_EQ(texts(rules.allow.at(0)), (words{"17.0.0.0/8"}));
}

TEST(rules, of_failing_rows_leave_out_what_no_rule_would_mend_and_say_why)
{
    struct {
        std::string verdict;
        std::string blame;
        std::string why;
    } const cases[] = {
        {"closed", "service", "nothing listens there"},
        {"unresolved", "site", "DNS"},
        {"blocked", "host", "on this machine itself"},
    };
    for (const auto& one : cases) {
        SCOPED_TRACE(one.verdict);
        auto run = make_run("vendor.example", server_text, "443", one.verdict);
        run.blame = one.blame;
        const auto rules = failing_of(make_row("row", "vendor.example"), make_findings("fail", {run}));
        EXPECT_TRUE(rules.allow.empty());
        ASSERT_EQ(rules.notes.size(), 1U);
        EXPECT_EQ(rules.notes[0].kind, note_kind::no_rule_helps);
        EXPECT_NE(rules.notes[0].text.find(one.why), std::string::npos) << rules.notes[0].text;
    }
}

TEST(rules, for_intercepted_destinations_say_that_a_rule_alone_is_not_enough)
{
    const auto rules = failing_of(
        make_row("row", server_text),
        make_findings("fail", {make_run(server_text, server_text, "443", "intercepted")})
    );
    EXPECT_EQ(rules.allow.size(), 1U);
    ASSERT_EQ(rules.notes.size(), 1U);
    EXPECT_NE(rules.notes[0].text.find("inspection"), std::string::npos);
}

TEST(rules, of_failing_rows_say_what_is_undecided_or_not_in_the_report)
{
    const auto undecided = failing_of(make_row("row", server_text), make_findings("unproven", {}));
    ASSERT_EQ(undecided.notes.size(), 1U);
    EXPECT_NE(undecided.notes[0].text.find("undecided"), std::string::npos);
    const auto absent = failing_of(make_row("other", server_text), make_findings("fail", {}));
    ASSERT_EQ(absent.notes.size(), 1U);
    EXPECT_NE(absent.notes[0].text.find("does not have this row"), std::string::npos);
    EXPECT_TRUE(failing_of(make_row("row", server_text), make_findings("pass", {})).notes.empty());
}

TEST(rules, never_allow_what_must_stay_shut)
{
    auto row = make_row("row", server_text);
    std::get<outbound_row>(row.what).expect = expectation::blocked;
    const auto rules = make_rules(make_plan_of({row}), nullptr, {});
    EXPECT_TRUE(rules.allow.empty());
    EXPECT_EQ(
        rules.notes, (std::vector<rule_note>{
                         {note_kind::shut, "cat/row", "outbound tcp 443 to 54.215.171.160 must stay shut"}
                     })
    );
}

TEST(rules, say_whom_to_ask_for_a_blank_row_and_who_connects_to_the_site)
{
    auto blank = make_row("blank", "");
    blank.not_configured = "ask the vendor for it";
    inbound from;
    from.sources = {make_address(server_text)};
    from.service = "the ticket system";
    const auto rules = make_rules(make_plan_of({blank, make_plan_row("in", from)}), nullptr, {});
    EXPECT_TRUE(rules.allow.empty());
    ASSERT_EQ(rules.notes.size(), 2U);
    EXPECT_EQ(rules.notes[0], (rule_note{note_kind::not_configured, "cat/blank", "ask the vendor for it"}));
    EXPECT_EQ(rules.notes[1].kind, note_kind::inbound);
    EXPECT_NE(rules.notes[1].text.find("tcp from 54.215.171.160"), std::string::npos);
}

TEST(rules, keep_idle_flows_of_the_rows_that_the_idle_row_names)
{
    idle_timer timer;
    timer.hold = std::chrono::seconds{720};
    timer.over = {"row"};
    const auto rows = {
        make_row("row", server_text), make_row("other", other_server_text), make_plan_row("idle", timer)
    };
    const auto rules = make_rules(make_plan_of(rows), nullptr, {.only = {"cat/idle"}});
    EXPECT_TRUE(rules.allow.empty());
    ASSERT_EQ(rules.idle.size(), 1U);
    EXPECT_EQ(rules.idle[0].hold, timer.hold);
    ASSERT_EQ(rules.idle[0].over.size(), 1U);
    EXPECT_EQ(texts(rules.idle[0].over[0]), (words{server_text}));
    EXPECT_EQ(rules.extent, rule_extent::part);
}

TEST(rules, do_not_ask_for_an_idle_timer_of_rows_that_are_all_blank)
{
    auto blank = make_row("row", "");
    blank.not_configured = "ask the vendor for it";
    idle_timer timer;
    timer.over = {"row"};
    const auto rules = make_rules(make_plan_of({blank, make_plan_row("idle", timer)}), nullptr, {});
    EXPECT_TRUE(rules.idle.empty());
    EXPECT_EQ(rules.notes.size(), 2U);
}

TEST(rules, read_the_report_that_a_check_writes)
{
    auto one = make_scene();
    auto& row = one.add("row", expectation::service, {make_endpoint(server_text, 443, make_silence())});
    row.endpoints.push_back(make_endpoint(other_server_text, 443, {make_seen(connected{})}));
    one.evaluate();
    const auto known = parse_findings(site_report(one.what, one.site, {}, make_wall(seconds{1000})));
    ASSERT_TRUE(known);
    EXPECT_EQ(known->site, "lab");
    EXPECT_EQ(known->rows.at("cat/row").state, "fail");
    const auto rules = make_rules(one.what, &*known, {.scope = rule_scope::failing, .only = {}});
    ASSERT_EQ(rules.allow.size(), 1U);
    EXPECT_EQ(texts(rules.allow[0]), (words{server_text}));
}

TEST(rules, refuse_what_is_no_report_and_overlook_odd_members_of_one)
{
    for (const char* text :
         {"[]", "{}", "7", R"({"schema": 1})", R"({"schema": 1, "site": "x", "catalogues": 3})",
          R"({"catalogues": [], "site": "x"})"}) {
        const auto refused = parse_findings(nlohmann::json::parse(text));
        ASSERT_FALSE(refused) << text;
        EXPECT_NE(refused.error().detail.find("no site report"), std::string::npos);
    }
    const auto odd = parse_findings(
        nlohmann::json::parse(R"({"schema": 1, "site": 3, "catalogues": [7, {"requirements": [4, {"runs": [
            {"ports": "99999"}, {"ports": "80", "addresses": ["x", 5, "10.0.0.1; drop"]}]}]}]})")
    );
    ASSERT_TRUE(odd);
    const auto& runs = odd->rows.at("/").runs;
    ASSERT_EQ(runs.size(), 1U);
    EXPECT_TRUE(runs[0].addresses.empty());
}

TEST(rules, of_failing_rows_ask_for_the_blocks_that_hold_what_fails_and_for_names_elsewhere)
{
    struct row {
        const char* about;
        std::vector<found_run> runs;
        words wanted;
    };
    const std::vector<row> rows{
        {"a sample of the block itself", {make_run("17.0.0.0/8", "", "443", "blocked")}, {"17.0.0.0/8"}},
        {"a name in one of two blocks",
         {make_run("a.example", "18.1.2.3", "443", "blocked")},
         {"18.0.0.0/8"}},
        {"a name elsewhere",
         {make_run("a.example", server6_text, "443", "blocked")},
         {"a.example", server6_text}},
        {"a name in a block and elsewhere",
         {make_run("a.example", "17.1.2.3", "443", "blocked"),
          make_run("a.example", server6_text, "443", "blocked")},
         {"17.0.0.0/8", "a.example", server6_text}},
        {"another name is in a block",
         {make_run("b.example", "17.1.2.3", "443", "open"),
          make_run("a.example", server6_text, "443", "blocked")},
         {"a.example", server6_text}},
        {"a name of which no address is known", {make_run("a.example", "", "443", "blocked")}, {"a.example"}},
    };
    for (const auto& [about, runs, wanted] : rows) {
        SCOPED_TRACE(about);
        const auto rules = failing_of(
            make_row("row", "17.0.0.0/8 18.0.0.0/8 a.example b.example"), make_findings("fail", runs)
        );
        ASSERT_EQ(rules.allow.size(), 1U);
        EXPECT_EQ(texts(rules.allow[0]), wanted);
    }
}

} // namespace
} // namespace reachd
