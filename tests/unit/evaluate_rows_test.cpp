// SPDX-License-Identifier: Apache-2.0
// Rows that are not plain outbound ones, and what evaluate() makes of their words and findings.
#include "support/make.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

constexpr const char* allowed_text = "174.129.157.90";

// A service inside, tried from outside with this outcome, with a visit of who may connect.
scene published(wire::inbound_outcome outcome)
{
    auto it = make_scene();
    it.what.rows = {make_plan_row(
        "tickets",
        inbound{.transport = transport::tcp, .sources = {make_address(allowed_text)}, .service = "tickets"}
    )};
    it.what.rows[0].here = inbound_config{
        parse_socket_address("10.0.0.5:8443").value(), parse_socket_address("203.0.113.9:443").value()
    };
    it.site.rows.resize(1);
    auto& row = it.site.rows[0];
    row.inbound.inside = {make_seen(connected{}), make_seen(acknowledged{}, probe_kind::tcp_confirm)};
    row.inbound.knock = inbound_knock{
        .by = "r.example",
        .from = make_address("198.51.100.1"),
        .to = *it.what.rows[0].here->published,
        .waited = seconds{4}
    };
    row.inbound.knock->seen.outcome = outcome;
    row.inbound.knock->at = make_wall(seconds{1000});
    row.inbound.visits = {{make_address(allowed_text), make_wall(seconds{990})}};
    it.evaluate();
    return it;
}

TEST(row, of_an_inbound_service_stands_as_it_is_judged)
{
    using outcome = wire::inbound_outcome;
    const auto kept_out = published(outcome::refused);
    EXPECT_EQ(kept_out.row("tickets").state, row_answer::pass);
    EXPECT_EQ(kept_out.site.state, site_answer::ready);
    auto let_in = published(outcome::connected);
    EXPECT_EQ(let_in.row("tickets").state, row_answer::fail);
    EXPECT_NE(let_in.row("tickets").advice, "");
    let_in.what.rows[0].needed = false;
    let_in.what.rows[0].not_configured = "not needed here, says the configuration";
    let_in.evaluate();
    EXPECT_EQ(let_in.row("tickets").state, row_answer::not_needed) << "whatever is known of it";
    EXPECT_EQ(let_in.row("tickets").advice, "");
}

TEST(row, of_an_inbound_service_or_a_timer_that_was_left_out_is_unproven)
{
    auto it = published(wire::inbound_outcome::refused);
    it.what.rows.push_back(
        make_plan_row("idle", idle_timer{.transport = transport::tcp, .hold = seconds{720}})
    );
    it.site.rows.resize(2);
    idle_result held{
        .which = idle_class::tcp, .required = seconds{720}, .via = "line", .target = make_target(server_text)
    };
    held.judged.answer = idle_answer::pass;
    it.site.rows[1].idle = {held};
    it.evaluate();
    EXPECT_EQ(it.row("idle").state, row_answer::pass);
    for (auto& row : it.site.rows) {
        row.not_run = "--quick";
    }
    it.evaluate();
    for (const char* id : {"tickets", "idle"}) {
        EXPECT_EQ(it.row(id).state, row_answer::unproven) << id;
        EXPECT_EQ(it.row(id).sentence, "not run: --quick") << id;
        EXPECT_EQ(it.row(id).advice, "run the check again without what left it out") << id;
    }
}

TEST(remembered, an_inbound_service_that_is_here_is_measured_anew_after_a_start_too)
{
    auto it = published(wire::inbound_outcome::refused);
    const remembered<site_answer> before{site_answer::ready, make_wall(seconds{77})};
    it.site.before_start = before;
    it.site.rows[0].measured_once = false;
    it.site.rows[0].checked.reset();
    it.evaluate();
    EXPECT_TRUE(it.site.before_start);
    it.what.rows[0].here.reset(); // nobody has said where it is: no round is made of it
    it.evaluate();
    EXPECT_FALSE(it.site.before_start);
}

TEST(remembered, a_timer_is_not_waited_for_after_a_start)
{
    auto it = make_scene();
    it.what.rows = {make_plan_row("idle", idle_timer{.hold = seconds{720}})};
    it.what.rows[0].here = inbound_config{};
    it.site.rows.resize(1);
    it.site.before_start = remembered<site_answer>{site_answer::ready, make_wall(seconds{77})};
    it.evaluate();
    EXPECT_FALSE(it.site.before_start);
}

TEST(row_answer, is_read_by_its_word)
{
    for (const auto one :
         {row_answer::pass, row_answer::fail, row_answer::unproven, row_answer::not_configured}) {
        EXPECT_EQ(parse_row_answer(to_string(one)), one);
    }
    EXPECT_EQ(parse_row_answer("not_needed"), std::nullopt) << "it is told as not_configured";
    EXPECT_EQ(parse_row_answer(""), std::nullopt);
}

TEST(evaluation, takes_the_same_verdict_at_another_destination_for_a_change)
{
    auto it = make_scene();
    auto& row = it.add("row", expectation::service, {make_endpoint(server_text, 443, make_silence())});
    it.evaluate();
    EXPECT_TRUE(it.evaluate().empty());
    row.endpoints[0].address = make_address(other_server_text);
    EXPECT_EQ(it.evaluate().size(), 1U);
    row.endpoints[0].port = 444;
    EXPECT_EQ(it.evaluate().size(), 1U);
    row.endpoints[0].vantage = "voice";
    EXPECT_EQ(it.evaluate().size(), 1U);
}

TEST(evaluation, of_a_row_that_was_never_measured_says_so_in_the_middle_of_its_round)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.site.rows[0].measuring = true;
    it.evaluate();
    EXPECT_EQ(it.judged("row").kind, verdict_kind::unproven);
    EXPECT_EQ(it.judged("row").sentence, "not probed yet");
}

TEST(advice, where_nothing_gets_out_is_the_same_for_every_row_that_fails_and_for_no_other)
{
    auto it = make_scene();
    const auto no_route = make_seen(make_icmp(gateway_text, 3, 0));
    it.add("one", expectation::service, {make_endpoint(server_text, 443, {no_route})});
    it.add("other", expectation::service, {make_endpoint(other_server_text, 443, {no_route})});
    it.what.rows.push_back(make_plan_row("idle", idle_timer{.hold = seconds{720}}));
    it.site.rows.emplace_back();
    it.evaluate();
    for (const char* id : {"one", "other"}) {
        EXPECT_EQ(it.row(id).advice, "bring the way out of this site up first, then check again") << id;
    }
    EXPECT_EQ(it.row("idle").advice, "");
}

TEST(needed, is_no_port_that_clients_merely_fall_back_to)
{
    auto it = make_scene();
    it.add(
        "apns", expectation::path,
        {make_endpoint(server_text, 5223, make_silence()),
         make_endpoint(server_text, 443, {make_seen(connected{})})}
    );
    auto& what = std::get<outbound_row>(it.what.rows[0].what);
    what.ports = make_port_set({5223});
    what.fallback_ports = make_port_set({443});
    it.evaluate();
    const auto& row = it.row("apns");
    EXPECT_TRUE(row.endpoints[0].needed);
    EXPECT_FALSE(row.endpoints[1].needed);
    EXPECT_EQ(row.state, row_answer::fail);
    EXPECT_NE(row.sentence.find("clients fall back to 443"), std::string::npos) << row.sentence;
    what.ports = make_port_set({443, 5223});
    it.evaluate();
    EXPECT_TRUE(it.row("apns").endpoints[1].needed) << "the row asks for it itself";
}

} // namespace
} // namespace reachd
