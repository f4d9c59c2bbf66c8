// SPDX-License-Identifier: Apache-2.0
// What the forms for a person say of the rows of a report: page, explanation.
#include "hostile_report.hpp"
#include "reachd/core/render_explain.hpp"
#include "reachd/core/render_html.hpp"
#include "reachd/core/report_formats.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;
using nlohmann::json;

std::string explained(const json& row)
{
    return render_explanation(report_of(row), row["id"].get<std::string>(), 200);
}

json failing_row()
{
    auto row = row_of("web", "outbound", "fail", "dropped");
    row["ports"] = "443";
    row["destinations"] = "192.0.2.1";
    row["runs"] = {run_of("192.0.2.1", "443", "fail", "blocked")};
    row["endpoints"] = {endpoint_of("192.0.2.1", 443, "blocked", "dropped")};
    return row;
}

TEST(report_rows, send_the_reader_to_whoever_runs_what_is_at_fault)
{
    const std::vector<std::array<const char*, 3>> table = {
        {"host", "this machine", "who runs this machine; the requirement itself is Vendor Support's"},
        {"site", "the site's own network",
         "who runs the site's network; the requirement itself is Vendor Support's"},
        {"edge", "the site's edge: its firewall, or the provider's first box",
         "who runs the site's firewall, then the internet provider; the requirement itself is Vendor "
         "Support's"},
        {"isp", "the provider's network, beyond the site",
         "the internet provider; the requirement itself is Vendor Support's"},
        {"service", "the service itself", "Vendor Support"},
    };
    for (const auto& [blame, who, whom] : table) {
        auto row = failing_row();
        row["runs"][0]["blame"] = blame;
        row["endpoints"][0]["blame"] = blame;
        const auto text = explained(row);
        EXPECT_TRUE(has(text, std::string{"(stage connect; who: "} + who + ")")) << text;
        EXPECT_TRUE(has(text, std::string{"Whom to ask: "} + whom + "\n")) << text;
    }
    EXPECT_TRUE(
        has(explained(failing_row()), "Whom to ask: Vendor Support\n")
    ); // nobody is known to be at fault
    auto unasked = failing_row();
    unasked["ask"] = nullptr;
    unasked["runs"][0]["blame"] = "site";
    EXPECT_TRUE(has(explained(unasked), "Whom to ask: who runs the site's network\n"));
    EXPECT_TRUE(
        has(explained(row_of("timer", "idle", "fail", "gone")),
            "Whom to ask: who runs the site's firewall and NAT; the requirement itself is Vendor Support's\n")
    );
}

TEST(report_rows, say_what_each_verdict_cannot_rule_out)
{
    struct line {
        const char* verdict;
        const char* stage;
        const char* blame;
        const char* left; // "" for nothing
    };
    const std::vector<line> table = {
        {"open", "handshake", "unknown", "nothing, where the certificate was verified; else a proxy"},
        {"open", "connect", "unknown", "a proxy that is as far away as the destination"},
        {"closed", "connect", "unknown", "a firewall that sends the RST in the destination's name"},
        {"closed", "connect", "service", ""},
        {"permitted", "reply", "unknown", "a host that is dead"},
        {"blocked", "connect", "unknown", "a destination that is down"},
        {"intercepted", "handshake", "unknown", "a service that really has a private issuer"},
        {"unresolved", "resolve", "unknown", "which side of DNS is at fault"},
        {"unproven", "connect", "unknown", ""},
    };
    for (const auto& [verdict, at_stage, blame, left] : table) {
        auto row = failing_row();
        row["endpoints"][0].update({{"verdict", verdict}, {"stage", at_stage}, {"blame", blame}});
        const auto text = explained(row);
        EXPECT_EQ(has(text, "It cannot rule out"), *left != '\0') << text;
        EXPECT_TRUE(*left == '\0' || has(text, std::string{"It cannot rule out: "} + left)) << text;
    }
    auto placed = failing_row(); // the place where it ends is known: so the destination is not down
    placed["endpoints"][0]["where"] = {{"at", {{"hop", 1}, {"address", "10.77.1.1"}}}};
    EXPECT_FALSE(has(explained(placed), "It cannot rule out"));
}

TEST(report_rows, name_places_by_what_is_known_of_them)
{
    const std::vector<std::pair<json, std::string>> table = {
        {{{"at", {{"hop", 2}, {"address", "100.64.0.1"}}}}, "at hop 2 (100.64.0.1)"},
        {{{"at", {{"hop", nullptr}, {"address", "100.64.0.1"}}}}, "at 100.64.0.1"},
        {{{"at", {{"hop", nullptr}, {"address", nullptr}}}}, "at a box without address"},
        {{{"after", {{"hop", 0}, {"address", "10.77.1.2"}}}, {"before", {{"hop", 1}, {"address", nullptr}}}},
         "between this machine and hop 1"},
    };
    for (const auto& [where, words] : table) {
        auto row = failing_row();
        row["runs"].push_back(run_of("192.0.2.2", "80", "unproven", "unproven")); // a table of two
        row["runs"][0]["where"] = where;
        row["runs"][0]["blame"] = "edge";
        EXPECT_TRUE(
            has(html_of(row), ", or the provider&#39;s first box, " + words + "</td>") ||
            has(html_of(row), "first box, " + words + "</td>")
        ) << html_of(row);
    }
}

TEST(report_rows, tell_runs_that_fail_alike_in_one_line_of_a_table_failing_first)
{
    auto row = failing_row();
    row["runs"] = json::array();
    row["runs"].push_back(run_of("undecided.example", "80", "unproven", "unproven"));
    row["runs"].push_back(run_of("fine.example", "80", "pass", "open"));
    auto not_needed = run_of("mirror.example", "80", "fail", "blocked");
    not_needed["needed"] = false;
    row["runs"].push_back(not_needed);
    for (int i = 0; i < 30; ++i) {
        row["runs"].push_back(
            run_of(("host" + std::to_string(i) + ".example").c_str(), "80", "fail", "blocked")
        );
    }
    row["runs"].push_back(row["runs"].back()); // by another address of the same host
    const auto html = html_of(row);
    EXPECT_TRUE(has(html, "What does not pass")) << html;
    EXPECT_TRUE(has(html, "<strong>tcp 80 to host0.example</strong>, host1.example, ")) << html;
    EXPECT_TRUE(has(html, " more</th>")) << html;
    EXPECT_LT(html.find("to host0.example"), html.find("to undecided.example"));
    EXPECT_FALSE(has(html, "to fine.example</strong>"));
    EXPECT_FALSE(has(html, "to mirror.example</strong>"));
    EXPECT_EQ(html.find("host29.example, host29.example"), std::string::npos);
}

TEST(report_rows, cut_a_long_table_short_and_say_so)
{
    auto row = failing_row();
    row["runs"] = json::array();
    for (int i = 0; i < 60; ++i) {
        auto run = run_of("192.0.2.1", std::to_string(1000 + 2 * i).c_str(), "fail", "blocked");
        run["sentence"] = "found " + std::to_string(i);
        row["runs"].push_back(run);
    }
    const auto html = html_of(row);
    EXPECT_TRUE(has(html, "more; all are in the JSON report.</p>"));
    EXPECT_TRUE(has(html, ": found 0</td>"));
    EXPECT_FALSE(has(html, ": found 59</td>"));
}

TEST(report_rows, of_services_inside_say_who_may_connect_and_who_did)
{
    auto row = row_of("api", "inbound", "pass", "a connection was made");
    row["inbound"] = {
        {"sources", {"192.0.2.1", "192.0.2.2"}},
        {"service", "10.0.0.5:8443"},
        {"public", "203.0.113.9:443"},
        {"connect_back",
         {{"via", "reflector"},
          {"from", "198.51.100.1"},
          {"to", "203.0.113.9:443"},
          {"outcome", "connected"},
          {"at", "2026-11-22T04:17:31.685Z"},
          {"took_us", 21'000}}},
        {"visits", {{{"source", "192.0.2.2:4711"}, {"at", "2026-11-22T04:17:31.685Z"}}}},
    };
    const auto html = html_of(row);
    EXPECT_TRUE(has(html, "<dt>Who may connect</dt><dd>192.0.2.1, 192.0.2.2</dd>")) << html;
    EXPECT_TRUE(has(html, "<dd>reflector, from 198.51.100.1: connected</dd>")) << html;
    EXPECT_TRUE(has(html, "<dt>Seen connected</dt><dd>192.0.2.2:4711, 2026-11-22 04:17:31.685 UTC</dd>"))
        << html;
    const auto text = explained(row);
    EXPECT_TRUE(has(text, "inbound to 10.0.0.5:8443\n")) << text;
    EXPECT_TRUE(has(text, "May connect: 192.0.2.1\n")) << text;
    EXPECT_TRUE(has(text, "reflector tried from 198.51.100.1 to 203.0.113.9:443: connected (21.0 ms)"))
        << text;
    EXPECT_TRUE(has(text, "Seen connected: 192.0.2.2:4711, 2026-11-22 04:17:31.685\n")) << text;

    row["inbound"].erase("connect_back");
    row["inbound"]["service"] = nullptr;
    row["inbound"]["not_tried"] = "no reflector may";
    EXPECT_TRUE(has(html_of(row), "<dd>no: no reflector may</dd>"));
    EXPECT_TRUE(has(explained(row), "Not tried from outside: no reflector may\n"));
    EXPECT_TRUE(has(explained(row), "\n  inbound\n")) << explained(row);
}

TEST(report_rows, explain_how_each_probe_was_sent_and_who_answered_on_the_way)
{
    auto row = failing_row();
    row["checked"] = nullptr;
    auto& evidence = row["endpoints"][0]["evidence"];
    evidence = json::array();
    const char* at = "2026-11-22T04:17:28.022Z";
    evidence.push_back(icmp_seen(1, "10.77.1.1"));
    evidence.push_back(seen(at, "no reply", {{"hop_limit", 1}}));
    evidence.push_back(seen(at, "no reply", {{"hop_limit", 2}, {"probe", "tcp_confirm"}}));
    evidence.push_back(seen(at, "no reply", {{"hop_limit", 2}, {"probe", "udp_send"}}));
    evidence.push_back(seen(at, "connected", {{"hop_limit", 3}, {"outcome", "connected"}, {"probe", "tls"}}));
    evidence.push_back(
        seen(at, "connected", {{"hop_limit", 5}, {"outcome", "connected"}, {"probe", "http_head"}})
    );
    evidence.push_back(
        seen(at, "no reply", {{"min_ttl", 61}, {"probe", "of a newer version"}, {"source", nullptr}})
    );
    evidence.push_back(seen(at, "no reply", {{"on_link", true}}));
    const auto text = explained(row);
    EXPECT_TRUE(has(
        text,
        "TCP connect 1 from 10.77.1.2:40088, sent with 1 hop allowed: ICMP time to live exceeded (500.5 ms)"
    )) << text;
    EXPECT_TRUE(has(text, "TCP confirm 1 from 10.77.1.2:40088, sent with 2 hops allowed: no reply\n"))
        << text;
    EXPECT_TRUE(has(text, "UDP datagram 1 from")) << text;
    EXPECT_TRUE(has(text, "TLS handshake 1 from")) << text;
    EXPECT_TRUE(has(text, "HTTP HEAD 1 from")) << text;
    EXPECT_TRUE(has(text, "of a newer version 1, only TTL 61 and more heard: no reply\n")) << text;
    EXPECT_TRUE(has(text, "only the link heard: no reply\n")) << text;
    EXPECT_TRUE(
        has(text, "The way: hop 1: 10.77.1.1 (1 probe without an answer); hop 2: 2 probes without an answer; "
                  "hop 3: the answer itself (connected)\n")
    ) << text; // what lies beyond the answer tells nothing
}

TEST(report_rows, explain_many_destinations_by_naming_some_and_the_site_by_its_way_out)
{
    auto row = failing_row();
    row["counts"] = {{"total", 20}, {"pass", 0}, {"fail", 15}, {"unproven", 5}};
    row["endpoints"] = json::array();
    for (int i = 0; i < 20; ++i) {
        row["endpoints"].push_back(
            endpoint_of(("192.0.2." + std::to_string(i)).c_str(), 443, "blocked", "dropped")
        );
        row["endpoints"].back()["vantage"] = "voice";
    }
    row["runs"][0]["addresses"] = {"192.0.2.1", "192.0.2.2"};
    row["runs"][0]["vantage"] = "voice";
    auto report = report_of(row);
    report["vantage"] = "voice";
    report["catalogues"][0]["document"]["revised"] = nullptr;
    const auto text = render_explanation(report, "cat/web", 200);
    EXPECT_TRUE(has(text, "Site: lab, seen from voice\n")) << text;
    EXPECT_TRUE(has(text, "Document: Firewall rules\n")) << text;
    EXPECT_TRUE(has(text, "tcp 443 to 192.0.2.0 and 19 more via voice: blocked\n")) << text;
    EXPECT_TRUE(has(text, "  and 192.0.2.1\n")) << text;
    EXPECT_TRUE(has(text, "20 endpoints were found alike")) << text;
    EXPECT_TRUE(has(text, "0 of 20 endpoints pass, 15 fail, 5 unproven\n")) << text;
    EXPECT_EQ(rows_named(report, "web"), std::vector<std::string>{"cat/web"});
    EXPECT_EQ(render_explanation(report, "other/web", 200), "");
}

TEST(report_rows, explain_timers_of_a_class_over_the_service_itself)
{
    auto report = plain_report();
    report["idle"][0].update({{"class", "https"}, {"via", nullptr}, {"held_s", nullptr}, {"lost_s", 4.5}});
    const auto text = render_explanation(report, "timer", 200);
    EXPECT_TRUE(has(text, "tcp flows (https) left alone\n")) << text;
    EXPECT_TRUE(has(text, "required 12 s, held -, answered -, lost 4.5 s\n")) << text;
}

TEST(report_rows, draw_a_strip_of_ports_for_each_destination_and_one_for_those_alike)
{
    auto row = failing_row();
    row["runs"] = json::array();
    const auto add = [&](const char* to, std::vector<std::string> addresses, const char* ports,
                         const char* result) {
        auto run = run_of(to, ports, result, "blocked");
        run["addresses"] = addresses;
        row["runs"].push_back(run);
    };
    add("a.example", {"192.0.2.1", "192.0.2.2"}, "2001-2100", "fail");
    add("a.example", {"192.0.2.1", "192.0.2.2"}, "2101-2200", "unproven");
    add("a.example", {"192.0.2.1", "192.0.2.2"}, "2300", "pass");
    add("b.example", {"192.0.2.3"}, "2001-2100", "fail");
    add("b.example", {"192.0.2.3"}, "2101-2200", "unproven");
    add("b.example", {"192.0.2.3"}, "2300", "pass");
    add("c.example", {"192.0.2.4"}, "80", "pass");
    add("c.example", {"192.0.2.4"}, "2000-2010", "unproven");
    row["runs"].back()["vantage"] = "voice";
    add("d.example", {}, "90-99", "fail");
    row["runs"].back()["needed"] = false;
    add("d.example", {}, "80", "unproven");
    const auto html = html_of(row);
    EXPECT_TRUE(has(html, "a.example (192.0.2.1, 192.0.2.2)")) << html;
    EXPECT_FALSE(has(html, "b.example (192.0.2.3) and")) << html;
    EXPECT_TRUE(has(html, "and of 1 more, found alike")) << html;
    EXPECT_TRUE(has(html, "2001-2100")) << html;
    EXPECT_TRUE(has(html, "not needed")) << html;
}

TEST(report_rows, draw_samples_of_a_block_only_where_their_strata_can_be_read)
{
    const auto with = [](const char* covered, const char* hole) {
        auto row = failing_row();
        row["samples"] = {
            {{"block", "17.0.0.0/8"},
             {"port", 80},
             {"strata", 16},
             {"covered", covered},
             {"n", 9},
             {"sentence", "half of it"},
             {"holes", {{{"block", hole}, {"how", "silent"}}}}}
        };
        return html_of(row);
    };
    const auto parts = [](const std::string& html) {
        std::size_t found = 0;
        for (auto at = html.find("<rect"); at != std::string::npos; at = html.find("<rect", at + 1)) {
            ++found;
        }
        return found;
    };
    const auto whole = parts(with("ffff", "17.64.0.0/10"));
    EXPECT_GT(parts(with("f0a9", "17.64.0.0/10")), whole);  // gaps between what was sampled
    EXPECT_GT(whole, parts(with("ffff", "2001:db8::/32"))); // no part of it
    EXPECT_EQ(parts(with("ffff", "16.0.0.0/6")), parts(with("ffff", "no block")));
    EXPECT_NO_THROW(with("", "17.64.0.0/10"));
    EXPECT_NO_THROW(with("xyz!", "17.64.0.0/10"));
}

TEST(report_rows, say_when_a_row_was_measured_and_since_when_it_stands_so)
{
    auto row = failing_row();
    EXPECT_TRUE(has(
        html_of(row), "Measured 2026-11-22 04:17:31.684 UTC, in this state since 2026-11-22 04:17:31.685 UTC"
    ));
    row["checked"] = nullptr;
    EXPECT_TRUE(has(html_of(row), "In this state since 2026-11-22 04:17:31.685 UTC"));
    row["since"] = nullptr;
    EXPECT_FALSE(has(html_of(row), "in this state since"));
    row["checked"] = "2026-11-22T04:17:31.684Z";
    EXPECT_TRUE(has(html_of(row), "Measured 2026-11-22 04:17:31.684 UTC"));
}

TEST(report_rows, tell_what_clients_fall_back_to_once)
{
    auto row = failing_row();
    row["fallback"] = {{"sentence", "clients use 443 instead"}};
    row["about"] = "sign-in";
    const auto html = html_of(row);
    EXPECT_TRUE(has(html, ">clients use 443 instead</p>")) << html;
    EXPECT_TRUE(has(html, "sign-in: tcp 443 to 192.0.2.1")) << html;
    row["sentence"] = "dropped; clients use 443 instead";
    EXPECT_FALSE(has(html_of(row), ">clients use 443 instead</p>"));
}

TEST(report_rows, draw_hops_that_nobody_met_as_silent_and_times_where_there_are_some)
{
    auto row = failing_row();
    const json where = {
        {"after", {{"hop", 1}, {"address", "10.77.1.1"}}},
        {"before", {{"hop", 5}, {"address", "198.51.100.5"}}}
    };
    row["runs"][0].update({{"where", where}, {"sentence", "dropped"}});
    row["endpoints"][0].update({{"where", where}, {"sentence", "dropped"}});
    row["endpoints"][0]["evidence"] = {icmp_seen(1, "10.77.1.1"), icmp_seen(5, "198.51.100.5")};
    auto report = report_of(row);
    report["path"]["hops"][0]["rtt_us"] = nullptr;
    const auto html = render_html_row(report, "cat", "web");
    EXPECT_TRUE(has(html, "Hop 1: 10.77.1.1")) << html;
    EXPECT_TRUE(has(html, "Hop 5: 198.51.100.5")) << html;
    EXPECT_TRUE(has(html, ">Hops 3 to 4</text>")) << html;
}

// A report of somebody else's may have any number.
TEST(report_rows, tell_any_number_of_seconds_as_it_is)
{
    const std::vector<std::pair<json, std::string>> table = {
        {12, "12 s"},  {12.34, "12.3 s"}, {-3, "-3 s"}, {9.3e18, "9300000000000000000 s"},
        {json(), "-"}, {"long", "-"},
    };
    for (const auto& [value, words] : table) {
        auto report = plain_report();
        report["idle"][0]["required_s"] = value;
        const auto text = render_explanation(report, "timer", 200);
        EXPECT_TRUE(has(text, "required " + words + ", held ")) << text;
    }
}

} // namespace
} // namespace reachd
