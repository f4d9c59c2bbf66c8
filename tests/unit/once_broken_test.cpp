// SPDX-License-Identifier: Apache-2.0
// Cases that once broke a law (no false green, no false blame, unknown is a verdict) or a promise of the
// terminal; each failed when it was written.
#include "reachd/core/expand.hpp"
#include "reachd/core/render_text.hpp"
#include "reachd/core/rotation.hpp"
#include "reachd/core/schedule.hpp"
#include "reachd/core/site_report.hpp"
#include "reachd/core/text.hpp"
#include "support/make.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>
using namespace reachd;
using namespace reachd::test;
static bool has(const std::string& t, std::string_view p)
{
    return t.find(p) != std::string::npos;
}

TEST(once_broken, forged_name_keeps_blame_of_the_gateway)
{
    auto it = make_scene();
    for (const char* n : {"a.one.test", "b.two.test", "c.three.test"})
        it.add(
            n, expectation::service,
            {make_named(n, server_text, 443, {make_seen(make_icmp(gateway_text, 3, 13))})}
        );
    it.evaluate();
    const auto& j = it.judged("a.one.test");
    EXPECT_EQ(j.kind, verdict_kind::intercepted);
    EXPECT_EQ(j.blame, blame::unknown);
    EXPECT_FALSE(j.where);
}
TEST(once_broken, pass_sentence_of_unneeded_run)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_named("a.example", server6_text, 443, {make_seen(make_unmeasured(local_cause::no_route))}),
         make_named("a.example", server_text, 443, {make_seen(connected{})})}
    );
    it.evaluate();
    EXPECT_EQ(it.row("row").state, row_answer::pass);
    EXPECT_EQ(it.row("row").sentence, "answers");
}
TEST(once_broken, blocked_expectation_silence_sentence)
{
    auto it = make_scene();
    it.add("row", expectation::blocked, {make_endpoint(server_text, 23, make_silence())});
    it.evaluate();
    EXPECT_FALSE(has(it.row("row").sentence, "no endpoint was measured")) << it.row("row").sentence;
}
TEST(once_broken, vantage_family_drops_literal_silently)
{
    auto row = make_outbound(expectation::service);
    row.addresses = {make_address(server_text), make_address(server6_text)};
    auto it = make_scene();
    it.what.rows.push_back(make_plan_row("row", row));
    it.site.rows.emplace_back();
    it.site.rows[0].endpoints =
        expand(row, {}, {vantage{.name = "v4", .interface = {}, .source = make_address("10.20.0.5")}}, {});
    for (auto& e : it.site.rows[0].endpoints)
        e.seen = {make_seen(connected{})};
    it.evaluate();
    EXPECT_NE(it.row("row").state, row_answer::pass);
}
TEST(once_broken, vantage_family_drops_name_silently)
{
    auto row = make_outbound(expectation::service);
    row.names = {"four.example", "six.example"};
    auto it = make_scene();
    it.what.rows.push_back(make_plan_row("row", row));
    it.site.rows.emplace_back();
    it.site.rows[0].endpoints = expand(
        row, {make_lookup("four.example", {server_text}), make_lookup("six.example", {server6_text})},
        {vantage{.name = "v4", .interface = {}, .source = make_address("10.20.0.5")}}, {}
    );
    for (auto& e : it.site.rows[0].endpoints)
        e.seen = {make_seen(connected{})};
    it.evaluate();
    EXPECT_NE(it.row("row").state, row_answer::pass);
}
TEST(once_broken, scheme_relative_redirect_is_open)
{
    auto j = judge_alone(make_named(
        "a.example", server_text, 80,
        make_greeted(make_redirect("//login.portal.test/x"), probe_kind::http_head)
    ));
    EXPECT_NE(j.kind, verdict_kind::open);
}
TEST(once_broken, path_with_url_in_query_is_foreign)
{
    auto j = judge_alone(make_named(
        "a.example", server_text, 80,
        make_greeted(make_redirect("/login?next=http://b.other.test/"), probe_kind::http_head)
    ));
    EXPECT_EQ(j.kind, verdict_kind::open);
}
TEST(once_broken, v6_private_redirect)
{
    auto j = judge_alone(make_named(
        "a.example", server_text, 80,
        make_greeted(make_redirect("http://[fd00::1]:8000/"), probe_kind::http_head)
    ));
    EXPECT_EQ(j.kind, verdict_kind::intercepted);
}
TEST(once_broken, upper_case_name)
{
    auto j = judge_alone(make_named(
        "WWW.Vendor.Example", server_text, 80,
        make_greeted(make_redirect("https://www.vendor.example/"), probe_kind::http_head)
    ));
    EXPECT_EQ(j.kind, verdict_kind::open);
}
TEST(once_broken, nothing_answers_but_tls_silence_and_udp)
{
    auto it = make_scene();
    it.add(
        "tls", expectation::service,
        {make_named("a.example", server_text, 443, make_greeted(no_reply{seconds{3}}, probe_kind::tls))}
    );
    it.evaluate();
    EXPECT_FALSE(has(it.site.sentence, "Nothing answers at all")) << it.site.sentence;
    auto u = make_scene();
    auto udp = make_endpoint(server_text, 4200, make_silence(transport::udp));
    udp.transport = transport::udp;
    u.add("udp", expectation::path, {udp});
    u.evaluate();
    EXPECT_FALSE(has(u.site.sentence, "everything is dropped")) << u.site.sentence;
}
TEST(once_broken, other_vantage_same_port)
{
    auto a = make_endpoint(server_text, 443, {make_seen(connected{})});
    a.vantage = "wired";
    auto b = make_endpoint(server_text, 443, make_silence());
    b.vantage = "voice";
    auto it = make_scene();
    it.add("row", expectation::service, {a, b});
    it.evaluate();
    EXPECT_FALSE(has(it.judged("row", 1).sentence, "port 443 of the same address answers"))
        << it.judged("row", 1).sentence;
}
TEST(once_broken, own_connected_attempt_then_silence)
{
    auto seen = make_greeted(no_reply{seconds{3}}, probe_kind::tls);
    seen.push_back(make_seen(no_reply{seconds{3}}));
    auto it = make_scene();
    it.add("row", expectation::service, {make_named("a.example", server_text, 443, seen)});
    it.evaluate();
    EXPECT_FALSE(has(it.judged("row").sentence, "port 443 of the same address")) << it.judged("row").sentence;
}
TEST(once_broken, reject_by_destination_passes_negative_control)
{
    auto it = make_scene();
    it.add(
        "row", expectation::blocked,
        {make_endpoint(server_text, 23, {make_seen(make_icmp(server_text, 3, 10))})}
    );
    it.evaluate();
    EXPECT_NE(it.row("row").state, row_answer::pass);
}
static std::size_t widest(const std::string& t)
{
    std::size_t m = 0;
    std::istringstream in{t};
    for (std::string l; std::getline(in, l);)
        m = std::max(m, columns_of(l));
    return m;
}
TEST(once_broken, wide_lines)
{
    auto base = [] {
        auto it = make_scene();
        it.add("row", expectation::service, {make_endpoint(server_text, 443, make_silence())});
        it.evaluate();
        return it;
    };
    auto rep = [](scene& it) {
        return render_report(site_report(it.what, it.site, {}, make_wall(seconds{1})), {});
    };
    {
        auto it = base();
        it.what.catalogues[0].title = std::string(50, 't');
        it.what.catalogues[0].document.title = "What Should My Firewall Settings Be, And Why?";
        EXPECT_LE(widest(rep(it)), 80U) << "title";
    }
    {
        auto it = base();
        it.what.config.site = std::string(90, 's');
        EXPECT_LE(widest(rep(it)), 80U) << "site";
        EXPECT_LE(
            widest(render_summary(health_report(it.what, it.site, make_wall(seconds{1}), seconds{1}), {})),
            80U
        ) << "summary";
    }
    {
        auto it = base();
        it.what.rows[0].id = std::string(64, 'i');
        EXPECT_LE(widest(rep(it)), 80U) << "id";
    }
    {
        auto it = base();
        std::get<outbound_row>(it.what.rows[0].what).ports =
            parse_ports("80,443,2195,2196,2197,4200-4208,5223,5228-5230,8080,8443,9000").value();
        EXPECT_LE(widest(rep(it)), 80U) << "ports";
    }
    {
        auto it = make_scene();
        it.add(
            "row", expectation::service,
            {make_named(
                std::string(60, 'a') + ".example." + std::string(60, 'b'), server_text, 443, make_silence()
            )}
        );
        it.evaluate();
        EXPECT_LE(
            widest(render_endpoints(endpoint_report(it.what, it.site, make_target(server_text)), {})), 80U
        ) << "endpoint";
        EXPECT_LE(widest(rep(it)), 80U) << "name";
    }
}
TEST(once_broken, hurry_running)
{
    schedule s{{0}, seconds{60}, time_point{seconds{100}}, 1};
    s.started(0);
    s.hurry(0, time_point{seconds{101}});
    s.finished(0, schedule::round_result::healthy, time_point{seconds{102}});
    EXPECT_LE(s.next_due()->when, time_point{seconds{102}});
}
TEST(once_broken, round_up_ms)
{
    EXPECT_EQ(to_text(std::chrono::microseconds{999600}), "1 s");
    EXPECT_EQ(to_text(duration{std::chrono::milliseconds{9990}}), "10 s");
}
TEST(once_broken, shorten_small)
{
    EXPECT_LE(columns_of(shorten("abcdef", 3)), 3U);
}
TEST(once_broken, verified_tls_called_forged)
{
    auto it = make_scene();
    for (const char* n : {"a.one.test", "b.two.test", "c.three.test"})
        it.add(
            n, expectation::service,
            {make_named(n, server_text, 443, make_greeted(make_trusted(), probe_kind::tls))}
        );
    it.evaluate();
    EXPECT_EQ(it.judged("a.one.test").kind, verdict_kind::open);
}
TEST(once_broken, http_407)
{
    auto j = judge_alone(make_named(
        "a.example", server_text, 80, make_greeted(http_answer{.status = 407}, probe_kind::http_head)
    ));
    EXPECT_NE(j.kind, verdict_kind::open);
}
TEST(once_broken, gateway_no_route_blames_site_advice_allow)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 443, {make_seen(make_icmp(gateway_text, 3, 0))})}
    );
    it.evaluate();
    EXPECT_TRUE(has(it.row("row").advice, "or give it a route there"))
        << it.row("row").advice << " / " << it.row("row").sentence;
}
TEST(once_broken, garbage_json)
{
    EXPECT_NO_THROW(render_report(
        nlohmann::json::parse(
            R"({"catalogues":[{"document":"x","requirements":[{"runs":[{"result":"fail","addresses":[1]},{"result":"fail","addresses":[1]}]}]}]})"
        ),
        {}
    ));
    EXPECT_NO_THROW(render_report(nlohmann::json::parse(R"({"catalogues":[3]})"), {}));
}
TEST(once_broken, nat64)
{
    auto v = judge_name(make_lookup("a.example", {"64:ff9b::102:304"}), false);
    EXPECT_FALSE(v.addresses[0].without_probing);
}
TEST(once_broken, two_blanks)
{
    catalogue c{
        .id = "cat",
        .title = "t",
        .document = {},
        .contact = "V",
        .values =
            {{"a", {.about = {}, .type = value_type::addresses, .default_text = {}, .ask = {}}},
             {"p", {.about = {}, .type = value_type::port, .default_text = {}, .ask = {}}}},
        .requirements = {}
    };
    outbound o;
    o.destinations = {value_ref{"a"}};
    o.ports = value_ref{"p"};
    c.requirements = {{.id = "r", .about = {}, .note = {}, .ask = {}, .what = o}};
    config s;
    s.catalogues = {"cat"};
    auto p = make_plan(s, {c});
    EXPECT_TRUE(has(p.rows[0].not_configured, "values.cat.a")) << p.rows[0].not_configured;
}
TEST(once_broken, blank_row_with_partial_literals)
{
    auto it = make_scene();
    it.add("row", expectation::blocked, {make_endpoint(server_text, 23, make_silence())});
    it.evaluate();
    EXPECT_EQ(it.row("row").advice, "");
}
TEST(once_broken, undecided_sentence_of_unneeded_run)
{
    auto it = make_scene();
    it.add(
        "apns", expectation::path,
        {make_named("a.example", server6_text, 5223, {make_seen(make_unmeasured(local_cause::no_route))}),
         make_named("a.example", server_text, 5223, {make_seen(connected{})})}
    );
    std::get<outbound_row>(it.what.rows[0].what).blocks = {parse_block("17.0.0.0/8").value()};
    it.evaluate();
    EXPECT_TRUE(has(it.row("apns").sentence, "not sampled")) << it.row("apns").sentence;
    EXPECT_EQ(it.row("apns").advice, "");
}
TEST(once_broken, rotation_unneeded_starve)
{
    auto eps = std::vector<endpoint_state>{};
    for (std::uint16_t p = 2001; p <= 2500; ++p) {
        auto e =
            make_named("a.example", server6_text, p, {make_seen(make_unmeasured(local_cause::no_route))});
        e.judged.kind = verdict_kind::unproven;
        e.needed = false;
        eps.push_back(e);
    }
    for (std::uint16_t p = 2001; p <= 2500; ++p) {
        auto e = make_named("a.example", server_text, p, {make_seen(refused{})});
        e.judged.kind = verdict_kind::closed;
        eps.push_back(e);
    }
    eps[700].judged.kind = verdict_kind::blocked;
    rotation t{.cursor = 0, .rounds_per_sweep = 60};
    const auto c = select_round(expectation::path, eps, t);
    EXPECT_NE(std::ranges::find(c, 700U), c.end());
}
