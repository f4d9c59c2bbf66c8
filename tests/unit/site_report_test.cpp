// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/site_report.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>

namespace reachd {
namespace {

using namespace test;
using nlohmann::json;
using keys = std::set<std::string>;

keys keys_of(const json& value)
{
    keys all;
    for (const auto& [key, ignored] : value.items()) {
        all.insert(key);
    }
    return all;
}

// One passing row, one that the gateway rejects, one idle timer, one blank.
scene make_site()
{
    auto it = make_scene();
    it.add("web", expectation::service, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.add(
        "shut", expectation::path,
        {make_named("a.example", server_text, 4200, {make_seen(make_icmp(gateway_text, 3, 13))}),
         make_named("a.example", server_text, 4201, {make_seen(make_icmp(gateway_text, 3, 13))})}
    );
    it.site.rows[1].lookups = {make_lookup("a.example", {server_text})};
    it.what.rows.push_back(
        make_plan_row("idle", idle_timer{.transport = transport::tcp, .hold = seconds{720}})
    );
    it.what.rows.push_back(make_plan_row("blank", make_outbound(expectation::service)));
    it.what.rows.back().not_configured = "ask the vendor";
    it.site.rows.resize(4);
    it.evaluate();
    return it;
}

json report_of(const scene& it, const report_selection& select = {})
{
    return site_report(it.what, it.site, select, make_wall(seconds{2000}));
}

TEST(report, has_the_members_that_people_script_against_and_no_others)
{
    const auto report = report_of(make_site());
    EXPECT_EQ(
        keys_of(report), (keys{
                             "schema", "version", "site", "generated", "state", "sentence", "findings",
                             "since", "vantage", "path", "nat64", "catalogues", "idle", "traffic"
                         })
    );
    EXPECT_EQ(
        keys_of(report["traffic"]),
        (keys{
            "since", "duration_s", "packets", "syns", "segments", "datagrams", "dns_questions",
            "inquiry_probes", "block_samples", "left_out", "nat_entries"
        })
    );
    EXPECT_EQ(
        keys_of(report["traffic"]["nat_entries"]), (keys{"left", "half_open", "at_once_at_most", "limit"})
    );
    EXPECT_EQ(keys_of(report["path"]), (keys{"edge", "hops"}));
    const auto& cat = report["catalogues"][0];
    EXPECT_EQ(keys_of(cat), (keys{"id", "title", "document", "requirements"}));
    EXPECT_EQ(keys_of(cat["document"]), (keys{"title", "revised"}));
    const auto& row = cat["requirements"][1];
    EXPECT_EQ(keys_of(row), (keys{"id",        "about",        "kind",     "role",   "state",
                                  "sentence",  "advice",       "note",     "ask",    "since",
                                  "checked",   "counts",       "findings", "runs",   "endpoints",
                                  "transport", "destinations", "ports",    "expect", "names"}));
    EXPECT_EQ(keys_of(row["counts"]), (keys{"total", "pass", "fail", "unproven"}));
    EXPECT_EQ(
        keys_of(row["runs"][0]), (keys{
                                     "destination", "addresses", "vantage", "ports", "verdict", "stage",
                                     "blame", "where", "sentence", "result"
                                 })
    );
    EXPECT_EQ(
        keys_of(row["endpoints"][0]), (keys{
                                          "address", "name", "port", "transport", "verdict", "stage", "blame",
                                          "where", "sentence", "rtt_us", "since", "evidence"
                                      })
    );
    EXPECT_EQ(
        keys_of(report["idle"][0]), (keys{
                                        "requirement", "catalogue", "transport", "class", "via", "target",
                                        "required_s", "held_s", "answered_s", "lost_s", "grade", "state",
                                        "after_expiry", "where", "measured", "mapped", "sentence", "rungs"
                                    })
    );
}

TEST(report, says_of_the_site_what_was_found)
{
    const auto report = report_of(make_site());
    EXPECT_EQ(report["schema"], 1);
    EXPECT_EQ(report["site"], "lab");
    EXPECT_EQ(report["state"], "not_ready");
    EXPECT_EQ(report["sentence"], "1 of 4 requirements fail: shut.");
    EXPECT_EQ(report["generated"], "1970-01-01T00:33:20.000Z");
    EXPECT_EQ(report["since"], "1970-01-01T00:16:40.000Z");
    EXPECT_EQ(report["vantage"], nullptr);
}

TEST(report, says_of_each_row_its_state_role_and_counts)
{
    auto it = make_site();
    it.what.rows[0].role = role::disaster_recovery;
    const auto report = report_of(it);
    const auto& rows = report["catalogues"][0]["requirements"];
    ASSERT_EQ(rows.size(), 4U);
    const std::vector<std::string> states{"pass", "fail", "unproven", "not_configured"};
    const std::vector<std::string> kinds{"outbound", "outbound", "idle", "outbound"};
    for (std::size_t i = 0; i < 4; ++i) {
        SCOPED_TRACE(rows[i]["id"].get<std::string>());
        EXPECT_EQ(rows[i]["state"], states[i]);
        EXPECT_EQ(rows[i]["kind"], kinds[i]);
    }
    EXPECT_EQ(rows[0]["role"], "disaster_recovery");
    EXPECT_EQ(rows[1]["role"], "primary");
    EXPECT_EQ(rows[1]["counts"], (json{{"total", 2}, {"pass", 0}, {"fail", 2}, {"unproven", 0}}));
    EXPECT_EQ(rows[1]["ports"], "4200-4201");
    EXPECT_EQ(rows[1]["expect"], "path");
    EXPECT_EQ(rows[1]["destinations"], "a.example");
    EXPECT_EQ(rows[1]["names"][0]["name"], "a.example");
    EXPECT_EQ(rows[0]["advice"], nullptr);
    EXPECT_EQ(rows[0]["note"], nullptr);
    EXPECT_EQ(rows[3]["checked"], nullptr);
    EXPECT_EQ(rows[3]["sentence"], "ask the vendor");
}

TEST(report, names_the_box_in_runs_and_endpoints_where_an_icmp_sender_names_it)
{
    const auto report = report_of(make_site());
    const auto& row = report["catalogues"][0]["requirements"][1];
    const json box = {{"at", {{"hop", nullptr}, {"address", gateway_text}}}};
    ASSERT_EQ(row["runs"].size(), 1U);
    EXPECT_EQ(row["runs"][0]["where"], box);
    EXPECT_EQ(row["runs"][0]["blame"], "site");
    EXPECT_EQ(row["runs"][0]["ports"], "4200-4201");
    EXPECT_EQ(row["runs"][0]["addresses"], (json{server_text}));
    EXPECT_EQ(row["runs"][0]["result"], "fail");
    EXPECT_EQ(row["endpoints"][0]["where"], box);
    EXPECT_EQ(row["endpoints"][0]["verdict"], "blocked");
    EXPECT_EQ(row["endpoints"][0]["rtt_us"], nullptr);
    const auto& open = report["catalogues"][0]["requirements"][0];
    EXPECT_EQ(open["runs"][0]["where"], nullptr);
    EXPECT_EQ(open["runs"][0]["result"], "pass");
    EXPECT_EQ(open["endpoints"][0]["rtt_us"], 21000);
    EXPECT_EQ(open["endpoints"][0]["name"], nullptr);
    EXPECT_EQ(open["endpoints"][0]["evidence"].size(), 1U);
}

TEST(report, marks_runs_that_neither_pass_nor_fail_as_unproven)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 443, {make_seen(make_unmeasured(local_cause::no_memory))})}
    );
    it.evaluate();
    const auto report = report_of(it);
    EXPECT_EQ(report["catalogues"][0]["requirements"][0]["runs"][0]["result"], "unproven");
    EXPECT_EQ(report["state"], "unproven");
}

TEST(report, says_of_an_idle_timer_what_is_required_and_that_nothing_was_measured)
{
    const auto report = report_of(make_site());
    const auto& idle = report["idle"];
    ASSERT_EQ(idle.size(), 1U);
    EXPECT_EQ(idle[0]["requirement"], "idle");
    EXPECT_EQ(idle[0]["required_s"], 720);
    EXPECT_EQ(idle[0]["held_s"], nullptr);
    EXPECT_EQ(idle[0]["state"], "unproven");
}

TEST(report, adds_to_an_endpoint_only_what_it_has)
{
    auto it = make_scene();
    auto six =
        make_named("a.example", server6_text, 443, {make_seen(make_unmeasured(local_cause::no_route))});
    six.servers = {"system", "10.77.1.53"};
    six.vantage = "voice";
    auto four = make_named("a.example", server_text, 443, {make_seen(connected{})});
    four.vantage = "voice";
    it.add("row", expectation::service, {six, four});
    it.what.vantages = {
        {.name = "wired", .interface = "eth0", .source = {}},
        {.name = "voice", .interface = "eth1", .source = {}}
    };
    it.evaluate();
    const auto report = report_of(it);
    const auto& endpoints = report["catalogues"][0]["requirements"][0]["endpoints"];
    EXPECT_EQ(endpoints[0]["vantage"], "voice");
    EXPECT_EQ(endpoints[0]["needed"], false);
    EXPECT_EQ(endpoints[0]["resolved_by"], (json{"system", "10.77.1.53"}));
    EXPECT_FALSE(endpoints[1].contains("needed"));
    EXPECT_FALSE(endpoints[1].contains("resolved_by"));
    EXPECT_EQ(report["vantage"], "wired, voice");
}

TEST(report, is_narrowed_by_catalogue_and_requirement)
{
    const auto it = make_site();
    const auto count = [&](const report_selection& select) {
        const auto report = report_of(it, select);
        return report["catalogues"].empty() ? 0U : report["catalogues"][0]["requirements"].size();
    };
    EXPECT_EQ(count({.catalogue = "cat", .requirement = ""}), 4U);
    EXPECT_EQ(count({.catalogue = "other", .requirement = ""}), 0U);
    EXPECT_EQ(count({.catalogue = "", .requirement = "shut"}), 1U);
    EXPECT_EQ(count({.catalogue = "", .requirement = "cat/shut"}), 1U);
    EXPECT_EQ(count({.catalogue = "cat", .requirement = "nothing"}), 0U);
    EXPECT_TRUE(report_of(it, {.catalogue = "", .requirement = "shut"})["idle"].empty());
    EXPECT_EQ(report_of(it, {.catalogue = "", .requirement = "shut"})["state"], "not_ready");
}

TEST(report, leaves_the_endpoints_out_where_only_runs_are_asked_for)
{
    const auto report =
        report_of(make_site(), {.catalogue = "", .requirement = "shut", .detail = report_detail::runs});
    const auto& row = report["catalogues"][0]["requirements"][0];
    EXPECT_TRUE(row["endpoints"].empty());
    EXPECT_EQ(row["runs"].size(), 1U);
    EXPECT_EQ(row["counts"]["total"], 2);
}

TEST(endpoint_report, finds_every_row_that_has_the_endpoint_and_no_other)
{
    auto it = make_site();
    it.add("again", expectation::path, {make_endpoint(server_text, 443, make_silence())});
    it.evaluate();
    const auto found = endpoint_report(it.what, it.site, make_target(server_text, 443));
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0]["requirement"], "web");
    EXPECT_EQ(found[1]["requirement"], "again");
    EXPECT_EQ(found[1]["catalogue"], "cat");
    EXPECT_EQ(found[1]["path"], (json{{"distance", nullptr}, {"hops", json::array()}}));
    EXPECT_TRUE(endpoint_report(it.what, it.site, make_target(server_text, 444)).empty());
    EXPECT_TRUE(endpoint_report(it.what, it.site, make_target(other_server_text, 443)).empty());
    EXPECT_TRUE(endpoint_report(it.what, it.site, make_target(server_text, 443, transport::udp)).empty());
}

TEST(health, is_small_and_counts_rows_and_endpoints)
{
    const auto it = make_site();
    const auto health = health_report(it.what, it.site, make_wall(seconds{1060}), seconds{180});
    EXPECT_EQ(
        keys_of(health),
        (keys{"site", "state", "since", "summary", "counts", "endpoints", "checked", "age_s", "stale"})
    );
    EXPECT_EQ(health["state"], "not_ready");
    EXPECT_EQ(health["counts"], (json{{"pass", 1}, {"fail", 1}, {"unproven", 1}, {"not_configured", 1}}));
    EXPECT_EQ(health["endpoints"], (json{{"total", 3}, {"pass", 1}, {"fail", 2}, {"unproven", 0}}));
    EXPECT_EQ(health["age_s"], 60);
    EXPECT_EQ(health["stale"], false);
}

TEST(health, has_no_negative_age_after_the_clock_was_set_back)
{
    const auto it = make_site();
    const auto health = health_report(it.what, it.site, make_wall(seconds{400}), seconds{180});
    EXPECT_EQ(health["age_s"], 0);
    EXPECT_EQ(health["stale"], false);
    EXPECT_GE(site_report(it.what, it.site, {}, make_wall(seconds{-9000}))["traffic"]["duration_s"], 0);
}

TEST(health, is_stale_when_the_latest_measurement_is_too_old_or_there_is_none)
{
    auto it = make_site();
    it.site.rows[0].checked = make_wall(seconds{1100}); // the latest counts, whichever row it is of
    const auto stale_at = [&](int now) {
        return health_report(it.what, it.site, make_wall(seconds{now}), seconds{180})["stale"].get<bool>();
    };
    EXPECT_FALSE(stale_at(1280));
    EXPECT_TRUE(stale_at(1281));
    for (auto& row : it.site.rows) {
        row.checked.reset();
    }
    EXPECT_TRUE(stale_at(1000));
    EXPECT_EQ(health_report(it.what, it.site, make_wall(seconds{1}), seconds{180})["checked"], nullptr);
}

TEST(site_report, tells_what_a_nat64_has_made_of_an_ipv4_address)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_named("a.example", "64:ff9b::54.215.171.160", 443, {make_seen(connected{})}),
         make_named("a.example", server6_text, 443, {make_seen(connected{})})}
    );
    it.evaluate();
    EXPECT_TRUE(site_report(it.what, it.site, {}, make_wall(seconds{1}))["nat64"].is_null());
    it.site.nat64 = parse_block("64:ff9b::/96");
    it.evaluate();
    const auto report = site_report(it.what, it.site, {}, make_wall(seconds{1}));
    EXPECT_EQ(report["nat64"], "64:ff9b::/96");
    EXPECT_NE(report["findings"].dump().find("this network has a NAT64"), std::string::npos);
    const auto& endpoints = report["catalogues"][0]["requirements"][0]["endpoints"];
    EXPECT_EQ(endpoints[0]["synthesised_from"], server_text);
    EXPECT_EQ(endpoints[0]["sentence"], "answers; this address is the NAT64's synthesis of 54.215.171.160");
    EXPECT_EQ(endpoints[1]["sentence"], "answers");
    EXPECT_FALSE(endpoints[1].contains("synthesised_from"));
}

// The dashboard and `reachctl endpoint` draw the way from these.
TEST(site_report, has_the_way_to_an_endpoint_with_what_its_hop_limited_probes_showed)
{
    auto it = make_scene();
    it.site.local = make_local();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    auto& walked = it.site.traces[{"", make_target(server_text, 443)}];
    const auto met = [&](unsigned hop_limit, outcome what) {
        walked.push_back(make_seen(std::move(what)));
        walked.back().hop_limit = hop_limit;
    };
    met(1, make_icmp(gateway_text, 11, 0));
    met(2, no_reply{});
    met(3, make_icmp(stranger_text, 11, 0));
    met(4, connected{});
    it.evaluate();
    const auto endpoint = endpoint_report(it.what, it.site, make_target(server_text, 443)).at(0);
    ASSERT_EQ(endpoint["evidence"].size(), 5U);
    EXPECT_EQ(endpoint["evidence"][4]["hop_limit"], 4);
    const auto& hops = endpoint["path"]["hops"];
    ASSERT_EQ(hops.size(), 3U) << endpoint["path"].dump();
    EXPECT_EQ(hops[0], (json{{"hop", 1}, {"address", gateway_text}, {"site", true}}));
    EXPECT_EQ(hops[1]["address"], nullptr);
    EXPECT_EQ(hops[2]["address"], stranger_text);
    EXPECT_EQ(endpoint["path"]["distance"], 4);
    const auto report = site_report(it.what, it.site, {}, make_wall(seconds{1}));
    EXPECT_EQ(report["path"]["hops"].size(), 3U);
    EXPECT_EQ(report["path"]["hops"][0]["address"], gateway_text);
}

TEST(site_report, names_the_ipv6_way_where_there_is_no_other_and_what_has_no_address)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server6_text, 443, {make_seen(connected{})})});
    auto nameless = make_named("gone.example", server_text, 443, {});
    nameless.address.reset();
    nameless.without_probing =
        verdict{.kind = verdict_kind::unresolved, .stage = stage::resolve, .sentence = "not there"};
    it.site.rows[0].endpoints.push_back(nameless);
    auto one = make_seen(make_icmp("2001:db8::1", 3, 0));
    one.hop_limit = 1;
    it.site.traces[{"", make_target(server6_text, 443)}] = {one};
    it.evaluate();
    const auto report = site_report(it.what, it.site, {}, make_wall(seconds{1}));
    EXPECT_EQ(report["path"]["hops"][0]["address"], "2001:db8::1");
    const auto& endpoints = report["catalogues"][0]["requirements"][0]["endpoints"];
    EXPECT_EQ(endpoints[1]["address"], nullptr);
    EXPECT_EQ(endpoints[1]["name"], "gone.example");
    EXPECT_EQ(endpoints[1]["verdict"], "unresolved");
}

TEST(site_report, has_notes_samples_and_blocks_of_a_row)
{
    auto it = make_scene();
    it.add("apns", expectation::path, {});
    const auto block = parse_block("17.0.0.0/8").value();
    std::get<outbound_row>(it.what.rows[0].what).blocks = {block};
    std::get<outbound_row>(it.what.rows[0].what).names = {"host.example"};
    it.site.rows[0].samples.push_back({.block = block, .port = 5223, .vantage = {}, .edge = {}, .holes = {}});
    it.site.rows[0].acknowledged =
        acknowledgement{.note = "ticket 4711", .by = "ana", .since = make_wall(seconds{7})};
    it.evaluate();
    const auto report = site_report(it.what, it.site, {}, make_wall(seconds{1}));
    const auto& row = report["catalogues"][0]["requirements"][0];
    EXPECT_EQ(row["destinations"], "17.0.0.0/8"); // its names are samples of it
    EXPECT_EQ(row["samples"][0]["block"], "17.0.0.0/8");
    EXPECT_EQ(
        row["acknowledged"],
        (json{{"note", "ticket 4711"}, {"by", "ana"}, {"since", "1970-01-01T00:00:07.000Z"}})
    );
}

TEST(health_report, tells_how_the_site_stood_before_the_restart_until_all_is_measured_again)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, {})});
    it.evaluate();
    const auto health = [&] {
        return health_report(it.what, it.site, make_wall(seconds{2000}), seconds{60});
    };
    EXPECT_FALSE(health().contains("before_start"));
    it.site.before_start = remembered<site_answer>{site_answer::not_ready, make_wall(seconds{7})};
    EXPECT_EQ(
        health()["before_start"], (json{{"state", "not_ready"}, {"since", "1970-01-01T00:00:07.000Z"}})
    );
    it.site.state = site_answer::ready;
    EXPECT_FALSE(health().contains("before_start"));
}

} // namespace
} // namespace reachd
