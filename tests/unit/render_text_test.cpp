// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_text.hpp"
#include "reachd/core/site_report.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>

namespace reachd {
namespace {

using namespace test;

constexpr page narrow{.columns = 80, .use = colour::off};
constexpr page coloured{.columns = 80, .use = colour::on};

// An issuer that clears the screen, forges a line and turns the direction of the text.
const std::string hostile = "Evil\x1b[2J\x1b]0;owned\x07\nREADY\r\xc2\x9b"
                            "31m\xe2\x80\xae CA \xff";

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

std::vector<std::string> lines_of(const std::string& text)
{
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

void expect_fits(const std::string& text, std::size_t columns)
{
    for (const auto& line : lines_of(text)) {
        EXPECT_LE(columns_of(line), columns) << line;
    }
}

void expect_harmless(const std::string& text)
{
    for (const char byte : text) {
        const auto value = static_cast<unsigned char>(byte);
        ASSERT_TRUE(byte == '\n' || (value >= 0x20 && value != 0x7f)) << int{value} << " in " << text;
    }
    EXPECT_FALSE(has(text, "\xe2\x80\xae"));
    EXPECT_FALSE(has(text, "\xc2\x9b"));
}

scene make_site()
{
    auto it = make_scene();
    it.add("web", expectation::service, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.add(
        "tls", expectation::service,
        {make_named(
            "maps.googleapis.com", other_server_text, 443,
            make_greeted(make_untrusted(hostile), probe_kind::tls)
        )}
    );
    std::vector<endpoint_state> range;
    for (std::uint16_t port = 2001; port <= 2500; ++port) {
        const auto silent = port >= 2100 && port < 2200;
        range.push_back(make_named(
            "connect.helpdeskbuttons.com", "34.0.0.10", port,
            silent ? make_silence() : std::vector{make_seen(refused{})}
        ));
    }
    it.add("session", expectation::path, range);
    it.add("alternating", expectation::service, [] {
        std::vector<endpoint_state> all;
        for (std::uint16_t i = 0; i < 20; ++i) {
            all.push_back(make_endpoint(
                stranger_text, static_cast<std::uint16_t>(4200 + i),
                i % 2 == 0 ? make_silence() : std::vector{make_seen(refused{})}
            ));
        }
        return all;
    }());
    it.what.rows.push_back(
        make_plan_row("idle", idle_timer{.transport = transport::tcp, .hold = seconds{720}})
    );
    it.what.rows.push_back(make_plan_row("blank", make_outbound(expectation::service)));
    it.what.rows.back().not_configured = "the document leaves the address blank: ask the vendor";
    it.site.rows.resize(it.what.rows.size());
    it.site.rows[1].lookups = {make_lookup("maps.googleapis.com", {other_server_text})};
    it.site.rows[1].lookups[0].servers.push_back(make_dns_failure("9.9.9.9", dns_status::failed));
    it.site.rows[1].lookups[0].servers[1].detail = hostile;
    it.evaluate();
    return it;
}

nlohmann::json report_of(const scene& it)
{
    return site_report(it.what, it.site, {}, make_wall(seconds{2000}));
}

TEST(rendered_report, never_exceeds_its_columns)
{
    const auto report = report_of(make_site());
    for (const std::size_t columns : {80U, 100U, 132U}) {
        SCOPED_TRACE(columns);
        expect_fits(render_report(report, {.columns = columns, .use = colour::off}), columns);
    }
}

TEST(rendered_report, T14_prints_no_control_byte_of_what_a_peer_said)
{
    const auto it = make_site();
    const auto text = render_report(report_of(it), narrow);
    expect_harmless(text);
    EXPECT_TRUE(has(text, "Evil\\u{1b}[2J"));
    for (const auto& line : lines_of(text)) {
        EXPECT_FALSE(line.starts_with("READY"));
    }
    expect_harmless(
        render_endpoints(endpoint_report(it.what, it.site, make_target(other_server_text)), narrow)
    );
    expect_harmless(
        render_summary(health_report(it.what, it.site, make_wall(seconds{2000}), seconds{60}), narrow)
    );
}

TEST(rendered_report, uses_escape_bytes_for_its_own_colours_only)
{
    const auto text = render_report(report_of(make_site()), coloured);
    EXPECT_TRUE(has(text, "\x1b[31;1mNOT READY\x1b[0m"));
    EXPECT_TRUE(has(text, "\x1b[32mPASS \x1b[0m"));
    EXPECT_FALSE(has(text, "\x1b[2J"));
    EXPECT_FALSE(has(text, "\x1b]0;"));
}

TEST(rendered_report, gives_the_answer_first_and_then_every_row)
{
    const auto lines = lines_of(render_report(report_of(make_site()), narrow));
    ASSERT_GT(lines.size(), 6U);
    EXPECT_EQ(lines[0], "Site lab, 1970-01-01T00:33:20.000Z");
    EXPECT_EQ(lines[2], "NOT READY");
    EXPECT_EQ(lines[3], "3 of 6 requirements fail: tls, session, alternating.");
    EXPECT_EQ(lines[5], "Vendor (Firewall rules, 2023-01)");
    std::string words;
    for (const auto& line : lines) {
        for (const char* word : {"PASS", "FAIL", "BLANK", "?    "}) {
            if (line.starts_with(std::string{"  "} + word)) {
                words += word[0];
            }
        }
    }
    EXPECT_EQ(words, "PFFF?B");
}

TEST(rendered_report, tells_of_a_failing_row_why_and_what_to_do)
{
    const auto text = render_report(report_of(make_site()), {.columns = 400, .use = colour::off});
    EXPECT_TRUE(has(text, "tcp 2100-2199 to connect.helpdeskbuttons.com (34.0.0.10): no answer"));
    EXPECT_TRUE(has(text, "-> exempt maps.googleapis.com from TLS inspection"));
    EXPECT_TRUE(has(text, "note: maps.googleapis.com: DNS server 9.9.9.9 says: Evil"));
    EXPECT_FALSE(has(text, "tcp 2001-2099")); // what passes is not told
}

TEST(rendered_report, shows_a_few_failing_runs_and_counts_the_others)
{
    const auto text = render_report(report_of(make_site()), {.columns = 400, .use = colour::off});
    EXPECT_TRUE(has(text, "tcp 4205 to 81.2.69.1: "));
    EXPECT_FALSE(has(text, "tcp 4206 to 81.2.69.1: "));
    EXPECT_TRUE(has(text, "and 14 more runs of ports that fail"));
}

TEST(rendered_report, shows_each_of_two_failing_runs)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, make_silence()),
         make_endpoint(other_server_text, 443, {make_seen(refused{})})}
    );
    it.evaluate();
    const auto text = render_report(report_of(it), {.columns = 400, .use = colour::off});
    EXPECT_TRUE(has(text, "tcp 80 to 54.215.171.160: no answer"));
    EXPECT_TRUE(has(text, "tcp 443 to 54.219.138.108: refused"));
    EXPECT_FALSE(has(text, "more runs"));
}

TEST(rendered_report, names_the_vantages)
{
    auto it = make_site();
    it.what.vantages = {{.name = "voice", .interface = "eth1", .source = {}}};
    EXPECT_TRUE(
        render_report(report_of(it), narrow).starts_with("Site lab, 1970-01-01T00:33:20.000Z, from voice\n")
    );
}

TEST(rendered_report, gives_long_heads_and_titles_lines_of_their_own)
{
    const nlohmann::json row = {
        {"id", "a-requirement-with-a-name-that-needs-a-whole-line"},
        {"kind", "outbound"},
        {"transport", "tcp"},
        {"ports", "80,443,2001-2500,4200-4208"},
        {"destinations", "192.0.2.1"},
        {"state", "unproven"},
        {"sentence", "not probed yet"},
        {"fallback", {{"sentence", "clients use 443 instead"}}},
    };
    auto failing = row;
    failing["state"] = "fail";
    const nlohmann::json run = {
        {"result", "fail"}, {"destination", "h.example"}, {"addresses", {"192.0.2.1", "192.0.2.2"}},
        {"ports", "80"},    {"vantage", "voice"},         {"sentence", "no answer"}
    };
    failing["runs"] = {run, run};
    const nlohmann::json report = {
        {"site", "lab"},
        {"state", "unproven"},
        {"catalogues",
         {{{"title", std::string(50, 't')},
           {"document", {{"title", std::string(40, 'd')}}},
           {"requirements", {row, failing}}}}}
    };
    const auto text = render_report(report, narrow);
    expect_fits(text, 80);
    EXPECT_TRUE(has(text, "\nUNPROVEN\n")) << text;
    EXPECT_TRUE(has(text, std::string(50, 't') + "\n(" + std::string(40, 'd') + ")\n")) << text;
    EXPECT_TRUE(
        has(text, "  ?     a-requirement-with-a-name-that-needs-a-whole-line  tcp\n"
                  "        80,443,2001-2500,4200-4208\n"
                  "        192.0.2.1\n"
                  "        not probed yet\n")
    ) << text;
    EXPECT_TRUE(
        has(text, "        tcp 80 to h.example (2 addresses) via voice: no answer\n"
                  "        clients use 443 instead\n")
    ) << text;
}

TEST(rendered_report, of_other_versions_reads_as_if_what_is_missing_were_empty)
{
    for (const char* text :
         {"{}", R"({"catalogues": []})", R"({"catalogues": [{}]})",
          R"({"catalogues": [{"requirements": [{}]}]})",
          R"({"catalogues": [{"document": null, "requirements": [{"runs": [{}, {}]}]}]})",
          R"({"site": null, "state": 3, "catalogues": {"a": 1}})"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(render_report(nlohmann::json::parse(text), narrow).empty());
    }
    EXPECT_TRUE(has(render_summary(nlohmann::json::object(), narrow), "Nothing measured yet"));
    EXPECT_EQ(render_endpoints(nlohmann::json::array(), narrow), "");
    EXPECT_FALSE(render_endpoints(nlohmann::json::parse("[{}]"), narrow).empty());
}

TEST(rendered_summary, gives_state_age_and_staleness)
{
    const auto it = make_site();
    const auto text = [&](int now) {
        return render_summary(health_report(it.what, it.site, make_wall(seconds{now}), seconds{60}), narrow);
    };
    EXPECT_EQ(
        text(1030), "NOT READY\nlab, since 1970-01-01T00:16:40.000Z\n"
                    "3 of 6 requirements fail: tls, session, alternating.\n"
                    "Last measured 1970-01-01T00:16:40.000Z, 30 s ago\n"
    );
    EXPECT_TRUE(has(text(2000), "1000 s ago (stale)\n"));
}

TEST(rendered_endpoints, show_the_verdict_and_all_evidence)
{
    const auto it = make_site();
    const auto text = render_endpoints(
        endpoint_report(it.what, it.site, make_target(other_server_text)),
        {.columns = 400, .use = colour::off}
    );
    EXPECT_TRUE(text.starts_with("tcp 54.219.138.108 port 443 (maps.googleapis.com) in cat/tls\n")) << text;
    EXPECT_TRUE(has(text, "  intercepted: something else answers"));
    EXPECT_TRUE(has(text, "  stage handshake, blame unknown, since 1970-01-01T00:16:40.000Z"));
    EXPECT_TRUE(has(text, "1970-01-01T00:16:40.000Z  tcp_connect #1: connected (21.0 ms)"));
    EXPECT_TRUE(has(text, "tls #1: certificate for vendor.example"));
    expect_fits(
        render_endpoints(endpoint_report(it.what, it.site, make_target(other_server_text)), narrow), 80
    );
}

TEST(rendered_endpoints, show_the_path_and_how_far_each_probe_was_let)
{
    const auto endpoints = nlohmann::json::parse(R"([{
        "address": "192.0.2.7", "port": 443, "transport": "tcp", "catalogue": "cat", "requirement": "row",
        "path": {"hops": [{"hop": 1, "address": "10.77.1.1", "site": true},
                          {"hop": 2, "address": null, "site": false},
                          {"hop": 3, "address": "203.0.113.1", "site": null}]},
        "evidence": [{"at": "T", "probe": "hop", "attempt": 1, "hop_limit": 2, "text": "no reply", "took_us": 500},
                     {"at": "T", "probe": "tcp_confirm", "attempt": 2, "min_ttl": 60, "text": "connected", "took_us": 1500},
                     {"at": "T", "probe": "tcp_confirm", "attempt": 1, "on_link": true, "text": "no reply", "took_us": 0}]
    }])");
    EXPECT_EQ(
        render_endpoints(endpoints, narrow).substr(render_endpoints(endpoints, narrow).find("  hop 1")),
        "  hop 1 10.77.1.1 (site)\n"
        "  hop 2 (silent)\n"
        "  hop 3 203.0.113.1\n"
        "    T  hop #1 with 2 hops allowed: no reply (0.5 ms)\n"
        "    T  tcp_confirm #2 hearing TTL 60 and more: connected (1.5 ms)\n"
        "    T  tcp_confirm #1 hearing the link only: no reply (0.0 ms)\n"
    );
}

// A daemon of another version, or what only claims to be one: its path must not end the client.
TEST(rendered_endpoints, survive_paths_and_evidence_of_any_shape)
{
    for (const char* text :
         {R"([{"path": {"hops": [{}]}}])", R"([{"path": {"hops": [7, null, "x"]}}])", R"([{"path": [7]}])",
          R"([{"path": {"hops": [{"hop": "x", "address": 7, "site": "yes"}]}}])",
          R"([{"evidence": [7, {}]}])", R"([{"where": {"at": 7}}])", R"([7, null, "x"])"}) {
        EXPECT_NO_THROW(render_endpoints(nlohmann::json::parse(text), narrow)) << text;
    }
    EXPECT_TRUE(
        has(render_endpoints(nlohmann::json::parse(R"([{"path": {"hops": [{"hop": 4}]}}])"), narrow),
            "hop 4 (silent)\n")
    );
}

TEST(rendered_endpoints, name_the_box_only_where_one_is_named)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, {make_seen(make_icmp(gateway_text, 3, 13))}),
         make_endpoint(server_text, 443, make_silence())}
    );
    it.evaluate();
    const auto text_of = [&](std::uint16_t port) {
        return render_endpoints(endpoint_report(it.what, it.site, make_target(server_text, port)), narrow);
    };
    EXPECT_TRUE(has(text_of(80), "\n  where at 10.77.1.1\n")) << text_of(80);
    EXPECT_FALSE(has(text_of(443), "where"));
    it.site.rows[0].endpoints[1].judged.where = location{
        .at = {},
        .after = hop{.number = 1, .address = make_address(gateway_text)},
        .before = hop{.number = 2, .address = std::nullopt},
    };
    EXPECT_TRUE(has(text_of(443), "\n  where after 10.77.1.1 (hop 1), before no address seen (hop 2)\n"));
}

} // namespace
} // namespace reachd
