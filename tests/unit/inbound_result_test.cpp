// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/inbound_result.hpp"

#include "reachd/core/site_report.hpp"
#include "support/make.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;
using met = wire::inbound_outcome;

constexpr const char* allowed_text = "174.129.157.90";
constexpr const char* also_allowed_text = "54.146.159.96";

socket_address at(std::string_view text)
{
    return parse_socket_address(text).value();
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

// A ticket system that answers inside, at a site that has said where it is.
struct service {
    inbound what{
        .transport = transport::tcp,
        .sources = {make_address(allowed_text), make_address(also_allowed_text)},
        .service = "the tickets"
    };
    std::optional<inbound_config> here = inbound_config{at("10.0.0.5:8443"), at("203.0.113.9:443")};
    inbound_seen seen{.inside = {make_seen(connected{}), make_seen(acknowledged{}, probe_kind::tcp_confirm)}};
    wall_time now = make_wall(1'000'000s);

    service& knocked(wire::inbound_outcome outcome, std::string_view said = "")
    {
        seen.knock = inbound_knock{
            .by = "r.example", .from = make_address("198.51.100.1"), .to = at("203.0.113.9:443"), .waited = 4s
        };
        seen.knock->seen.outcome = outcome;
        seen.knock->seen.icmp_type = 3;
        seen.knock->seen.icmp_code = 13;
        seen.knock->seen.took_us = 21000;
        seen.knock->seen.banner = {said.begin(), said.end()};
        seen.knock->at = now;
        return *this;
    }
    service& visited(seconds ago = 60s)
    {
        note_visit(what, seen, make_address(allowed_text), now - ago);
        note_visit(what, seen, make_address(also_allowed_text), now - ago);
        return *this;
    }
    service& shut_down()
    {
        seen.inside = {make_seen(refused{})};
        return *this;
    }
    [[nodiscard]] inbound_judgement judge() const { return judge_inbound(what, here, seen, now); }
};

TEST(inbound, passes_where_a_stranger_is_kept_out_and_an_allowed_source_was_let_in)
{
    for (const auto outcome : {met::refused, met::silent, met::icmp}) {
        auto it = service{}.knocked(outcome).visited();
        const auto judged = it.judge();
        EXPECT_EQ(judged.answer, inbound_answer::pass) << wire::to_string(outcome);
        EXPECT_TRUE(has(judged.sentence, "174.129.157.90 was connected to it at 1970-01-12"))
            << judged.sentence;
        EXPECT_TRUE(has(judged.sentence, "from reflector r.example (198.51.100.1) to 203.0.113.9:443"));
        EXPECT_EQ(judged.advice, "");
        EXPECT_TRUE(judged.findings.empty());
    }
    EXPECT_TRUE(has(service{}.knocked(met::icmp).visited().judge().sentence, "administratively prohibited"));
}

TEST(inbound, is_unproven_by_a_stranger_kept_out_alone)
{
    const auto judged = service{}.knocked(met::silent).judge();
    EXPECT_EQ(judged.answer, inbound_answer::unproven);
    EXPECT_TRUE(has(judged.sentence, "no connection of 174.129.157.90 and 54.146.159.96 was seen"));
    EXPECT_TRUE(has(judged.advice, "reachd on the machine that runs the service would see a connection"));
    EXPECT_FALSE(has(judged.advice, "reflector")) << judged.advice;
}

TEST(inbound, is_unproven_by_an_allowed_source_alone)
{
    auto it = service{}.visited();
    it.seen.no_knock = "no reflector is configured";
    const auto judged = it.judge();
    EXPECT_EQ(judged.answer, inbound_answer::unproven);
    EXPECT_TRUE(has(judged.sentence, "not tried: no reflector is configured; 174.129.157.90 was connected"));
    EXPECT_TRUE(has(judged.advice, "a reflector outside the site that is not an allowed source"));
    EXPECT_FALSE(has(judged.advice, "would see a connection")) << judged.advice;
}

TEST(inbound, is_unproven_by_nothing_and_says_what_both_need)
{
    const auto judged = service{}.judge();
    EXPECT_EQ(judged.answer, inbound_answer::unproven);
    EXPECT_TRUE(has(judged.advice, "a reflector outside") && has(judged.advice, "would see a connection"));
    auto here = service{};
    here.seen.listens_here = true;
    EXPECT_TRUE(has(here.judge().advice, "the daemon, which keeps looking, sees it")) << here.judge().advice;
    here.seen.no_watch = "it is refused";
    EXPECT_FALSE(has(here.judge().advice, "keeps looking"));
    here.here->published.reset();
    EXPECT_TRUE(has(here.judge().advice, "name the published port as `public`"));
}

TEST(inbound, fails_where_a_stranger_is_let_in_whoever_else_is)
{
    for (const auto& one : {service{}, service{}.visited()}) {
        auto it = one;
        const auto judged = it.knocked(met::connected).judge();
        EXPECT_EQ(judged.answer, inbound_answer::fail);
        EXPECT_TRUE(has(judged.sentence, "over-exposed: 203.0.113.9:443 lets in others than"));
        ASSERT_FALSE(judged.findings.empty());
        EXPECT_TRUE(
            has(judged.findings[0], "after 21 ms: it said nothing within 4 s; whether that is the service")
        );
        EXPECT_TRUE(
            has(judged.advice, "let only 174.129.157.90 and 54.146.159.96 through to 203.0.113.9 port 443")
        );
    }
}

TEST(inbound, names_what_answered_a_stranger)
{
    EXPECT_TRUE(has(service{}.knocked(met::connected, "220 hi\r\n").judge().findings[0], "it said \"220 hi"));
    EXPECT_FALSE(has(service{}.knocked(met::connected, "220 hi").judge().findings[0], "does not show"));
    EXPECT_FALSE(has(service{}.knocked(met::connected, "\x1b[2J").judge().findings[0], "\x1b"));
    auto ours = service{}.knocked(met::connected);
    ours.seen.knock->arrived = true;
    EXPECT_TRUE(has(ours.judge().findings[0], "reached the service's own socket"));
    const auto other = service{}.shut_down().knocked(met::connected).judge();
    EXPECT_EQ(other.answer, inbound_answer::fail);
    EXPECT_TRUE(has(other.findings[0], "so something else answers there"));
}

TEST(inbound, does_not_take_the_silence_of_a_dead_service_for_a_shut_port)
{
    for (const auto outcome : {met::refused, met::silent, met::icmp}) {
        const auto judged = service{}.shut_down().visited().knocked(outcome).judge();
        EXPECT_EQ(judged.answer, inbound_answer::unproven);
        EXPECT_TRUE(has(judged.sentence, "10.0.0.5:8443 does not answer inside the site: refused (RST)"));
        EXPECT_TRUE(has(judged.sentence, "which shows nothing while the service does not answer"));
        EXPECT_TRUE(has(judged.advice, "start the service, or correct `service`"));
    }
    auto never = service{}.visited().knocked(met::silent);
    never.seen.inside.clear();
    EXPECT_EQ(never.judge().answer, inbound_answer::unproven);
    auto proxied = service{}.visited().knocked(met::silent);
    proxied.seen.inside.back() = make_seen(no_reply{3s}, probe_kind::tcp_confirm);
    EXPECT_EQ(proxied.judge().answer, inbound_answer::unproven)
        << "a handshake that a box makes is no service";
}

TEST(inbound, takes_a_listener_of_this_machine_for_a_service_that_answers_only_allowed_sources)
{
    auto it = service{}.shut_down().visited().knocked(met::silent);
    it.seen.listens_here = true;
    EXPECT_EQ(it.judge().answer, inbound_answer::pass);
}

TEST(inbound, passes_only_when_each_allowed_source_was_let_in)
{
    auto it = service{}.knocked(met::refused);
    note_visit(it.what, it.seen, make_address(allowed_text), it.now);
    EXPECT_EQ(it.judge().answer, inbound_answer::unproven);
    EXPECT_TRUE(has(it.judge().sentence, std::string{"no connection of "} + also_allowed_text + " was seen"))
        << it.judge().sentence;
    EXPECT_FALSE(has(it.judge().advice, allowed_text)) << it.judge().advice;
    note_visit(it.what, it.seen, make_address(also_allowed_text), it.now);
    EXPECT_EQ(it.judge().answer, inbound_answer::pass);
}

TEST(inbound, forgets_a_connection_after_days)
{
    EXPECT_EQ(service{}.knocked(met::silent).visited(visit_counts_for).judge().answer, inbound_answer::pass);
    EXPECT_EQ(
        service{}.knocked(met::silent).visited(visit_counts_for + 1s).judge().answer, inbound_answer::unproven
    );
}

TEST(inbound, keeps_what_a_stranger_met_over_rounds_without_one_and_says_from_when_it_is)
{
    for (const auto outcome : {met::connected, met::silent}) {
        auto it = service{}.knocked(outcome).visited();
        const auto before = it.judge();
        it.seen.no_knock = "no reflector answers";
        it.now += 24h;
        const auto after = it.judge();
        // A stranger that got in stays a fault; one that was kept out yesterday proves nothing of today.
        EXPECT_EQ(before.answer, outcome == met::silent ? inbound_answer::pass : inbound_answer::fail);
        EXPECT_EQ(after.answer, outcome == met::silent ? inbound_answer::unproven : inbound_answer::fail);
        ASSERT_FALSE(after.findings.empty());
        EXPECT_TRUE(has(after.findings.back(), "is of 1970-01-12")) << after.findings.back();
        EXPECT_TRUE(has(after.findings.back(), "the last round had none: no reflector answers"));
    }
}

TEST(inbound, forgets_a_stranger_after_days_and_at_another_address)
{
    auto old = service{}.knocked(met::connected);
    old.now += visit_counts_for + 1s;
    EXPECT_EQ(old.judge().answer, inbound_answer::unproven);
    auto moved = service{}.knocked(met::connected);
    moved.here->published = at("203.0.113.10:443");
    EXPECT_EQ(moved.judge().answer, inbound_answer::unproven);
}

TEST(inbound, counts_connections_of_allowed_sources_alone_and_tells_the_first_of_days)
{
    service it;
    EXPECT_FALSE(note_visit(it.what, it.seen, make_address(stranger_text), it.now));
    EXPECT_TRUE(it.seen.visits.empty());
    EXPECT_TRUE(note_visit(it.what, it.seen, make_address(allowed_text), it.now));
    EXPECT_FALSE(note_visit(it.what, it.seen, make_address(allowed_text), it.now + 1s));
    EXPECT_TRUE(note_visit(it.what, it.seen, make_address(also_allowed_text), it.now + 2s));
    EXPECT_EQ(it.seen.visits.size(), 2U);
    EXPECT_TRUE(
        note_visit(it.what, it.seen, make_address(allowed_text), it.now + 2s + visit_counts_for + 1s)
    );
}

TEST(inbound, takes_no_allowed_source_for_a_stranger)
{
    EXPECT_TRUE(has(why_no_stranger(service{}.what, make_address(allowed_text)), "an allowed source itself"));
    EXPECT_EQ(why_no_stranger(service{}.what, make_address(stranger_text)), "");
}

TEST(inbound, row_of_the_site_shows_it_with_its_evidence)
{
    const auto it = service{}.knocked(met::connected, "hi").visited();
    auto all = make_scene();
    all.what.rows = {make_plan_row("api", it.what), make_plan_row("other", it.what)};
    all.what.rows[0].here = it.here;
    all.site.rows.resize(2);
    all.site.rows[0].inbound = it.seen;
    all.site.rows[0].checked = it.now;
    all.evaluate(1'000'000s);
    EXPECT_EQ(all.row("api").state, row_answer::fail);
    EXPECT_EQ(all.row("other").state, row_answer::unproven);
    EXPECT_EQ(all.site.state, site_answer::not_ready);
    ASSERT_EQ(all.row("api").findings.size(), 2U);
    all.evaluate(1'000'001s);
    EXPECT_EQ(all.row("api").findings.size(), 2U) << "findings are drawn anew each time";

    const auto rows = site_report(all.what, all.site, {}, it.now)["catalogues"][0]["requirements"];
    EXPECT_EQ(rows[0]["inbound"]["connect_back"]["outcome"], "connected");
    EXPECT_EQ(rows[0]["inbound"]["connect_back"]["said"], "hi");
    EXPECT_EQ(rows[0]["inbound"]["public"], "203.0.113.9:443");
    EXPECT_EQ(rows[0]["inbound"]["visits"].size(), 2U);
    ASSERT_EQ(rows[0]["endpoints"].size(), 1U);
    EXPECT_EQ(rows[0]["endpoints"][0]["verdict"], "open");
    EXPECT_TRUE(rows[1]["inbound"]["service"].is_null());
    EXPECT_TRUE(rows[1]["endpoints"].empty());
    const auto found = endpoint_report(all.what, all.site, make_target("10.0.0.5", 8443));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0]["requirement"], "api");
}

TEST(inbound, row_that_is_left_out_says_so)
{
    const auto it = service{}.knocked(met::connected);
    auto all = make_scene();
    all.what.rows = {make_plan_row("api", it.what)};
    all.what.rows[0].here = it.here;
    all.site.rows.resize(1);
    all.site.rows[0].not_run = "the check was stopped first";
    all.evaluate();
    EXPECT_EQ(all.row("api").state, row_answer::unproven);
    EXPECT_EQ(all.row("api").sentence, "not run: the check was stopped first");
}

} // namespace
} // namespace reachd
