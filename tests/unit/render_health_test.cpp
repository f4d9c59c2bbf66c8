// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_health.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

json health_of(const char* state)
{
    return {
        {"site", "denver"},
        {"state", state},
        {"summary", "14 of 16 rows pass"},
        {"counts", {{"pass", 14}, {"fail", 1}, {"unproven", 1}, {"not_configured", 0}}},
        {"endpoints", {{"total", 40}, {"pass", 38}}},
        {"age_s", 12},
        {"stale", false},
    };
}

json report_of(const char* state, const char* sentence)
{
    const json row = {
        {"id", "signaling"}, {"state", state}, {"sentence", sentence}, {"counts", {{"fail", 3}, {"total", 9}}}
    };
    return {{"catalogues", {{{"id", "eschat"}, {"requirements", {row}}}}}};
}

TEST(render_health, nagios_line_has_the_word_the_summary_and_performance_data_with_units)
{
    EXPECT_EQ(
        render_nagios(health_of("not_ready")),
        "REACHD CRITICAL - 14 of 16 rows pass | 'pass'=14;;;0;16 'fail'=1;;0;0;16 'unproven'=1;;;0;16 "
        "'not_configured'=0;;;0;16 'endpoints_ok'=38;;;0;40 'age'=12s;;;0\n"
    );
}

TEST(render_health, state_of_a_plugin_is_that_of_the_guidelines)
{
    EXPECT_EQ(plugin_state_of(health_of("ready")).code, 0);
    EXPECT_EQ(plugin_state_of(health_of("unproven")).code, 1);
    EXPECT_EQ(plugin_state_of(health_of("not_ready")).code, 2);
    auto stale = health_of("ready");
    stale["stale"] = true;
    EXPECT_EQ(plugin_state_of(stale).code, 3);
}

json in_trouble(const char* state)
{
    auto out = health_of(state);
    out["self"] = {{{"trouble", "clock"}, {"since", "x"}, {"sentence", "the clock was set | back"}}};
    return out;
}

TEST(render_health, a_daemon_in_trouble_of_its_own_is_at_least_a_warning_and_not_critical_for_that)
{
    EXPECT_EQ(plugin_state_of(in_trouble("ready")).code, 1);
    EXPECT_EQ(plugin_state_of(in_trouble("unproven")).code, 1);
    EXPECT_EQ(plugin_state_of(in_trouble("not_ready")).code, 2);
    auto stale = in_trouble("ready");
    stale["stale"] = true;
    EXPECT_EQ(plugin_state_of(stale).code, 3);
    auto sound = health_of("ready");
    sound["self"] = json::array();
    EXPECT_EQ(plugin_state_of(sound).code, 0);
    for (const json& odd : {json(3), json("x"), json({1, "x", nullptr})}) {
        sound["self"] = odd; // of another program
        EXPECT_LE(plugin_state_of(sound).code, 1);
    }
}

TEST(render_health, the_trouble_comes_first_unless_the_network_fails)
{
    const std::string own = "reachd itself: the clock was set / back";
    EXPECT_TRUE(
        render_nagios(in_trouble("ready")).starts_with("REACHD WARNING - " + own + "; 14 of 16 rows pass |")
    );
    EXPECT_TRUE(render_nagios(in_trouble("not_ready"))
                    .starts_with("REACHD CRITICAL - 14 of 16 rows pass; " + own + " |"));
    EXPECT_NE(render_checkmk(in_trouble("ready"), {}).find(own), std::string::npos);
    EXPECT_EQ(own_troubles(health_of("ready")), "");
}

TEST(render_health, before_the_first_round_the_age_is_unknown)
{
    auto young = health_of("unproven");
    young["age_s"] = nullptr;
    EXPECT_NE(render_nagios(young).find("'age'=U;;;0"), std::string::npos);
    EXPECT_EQ(render_checkmk(young, {}).find("age"), std::string::npos);
    EXPECT_NE(render_collectd(young, "h", "10").find("gauge-age_s\" interval=10 N:U\n"), std::string::npos);
}

TEST(render_health, checkmk_has_a_service_for_the_site_and_one_for_each_row)
{
    EXPECT_EQ(
        render_checkmk(health_of("not_ready"), report_of("fail", "dropped at hop 2")),
        "2 \"reachd\" pass=14|fail=1|unproven=1|not_configured=0|age=12 denver: 14 of 16 rows pass\n"
        "2 \"reachd eschat signaling\" failing=3;;;0;9 fail: dropped at hop 2\n"
    );
    const auto unproven = render_checkmk(health_of("unproven"), report_of("unproven", "x"));
    EXPECT_NE(unproven.find("\n1 \"reachd eschat signaling\""), std::string::npos);
    const auto unused = render_checkmk(health_of("ready"), report_of("not_configured", "x"));
    EXPECT_NE(unused.find("\n0 \"reachd eschat signaling\""), std::string::npos);
}

TEST(render_health, rows_of_a_daemon_that_measured_nothing_lately_are_unknown_too)
{
    auto stale = health_of("ready");
    stale["stale"] = true;
    const auto lines = render_checkmk(stale, report_of("pass", "x"));
    EXPECT_EQ(lines.substr(0, 2), "3 ");
    EXPECT_NE(lines.find("\n3 \"reachd eschat signaling\""), std::string::npos);
}

TEST(render_health, T14_what_a_peer_said_makes_no_line_no_service_and_no_performance_data)
{
    auto hostile = health_of("ready");
    hostile["summary"] = "a\n2 \"x\" - y | 'fail'=9";
    hostile["site"] = "d\" - \n0 \"e";
    const auto nagios = render_nagios(hostile);
    EXPECT_EQ(std::ranges::count(nagios, '\n'), 1);
    EXPECT_EQ(std::ranges::count(nagios, '|'), 1);
    const auto checkmk = render_checkmk(hostile, report_of("pass", "a\n0 \"x\" - y | z=1"));
    EXPECT_EQ(std::ranges::count(checkmk, '\n'), 2);
    EXPECT_EQ(checkmk.substr(0, checkmk.find(" pass=")).find('"', 3), checkmk.find(" pass=") - 1);
    EXPECT_EQ(render_collectd(hostile, "a/b\n", "60").find("a/b"), std::string::npos);
}

TEST(render_health, collectd_gets_a_value_for_each_number)
{
    const auto lines = render_collectd(health_of("not_ready"), "host", "");
    EXPECT_NE(lines.find("PUTVAL \"host/reachd/gauge-state\" interval=60 N:2\n"), std::string::npos);
    EXPECT_NE(lines.find("PUTVAL \"host/reachd/gauge-fail\" interval=60 N:1\n"), std::string::npos);
}

TEST(render_health, a_restart_ends_no_alarm)
{
    auto young = health_of("unproven");
    young["before_start"] = {{"state", "not_ready"}, {"since", "2026-11-21T14:05:00.123Z"}};
    EXPECT_EQ(plugin_state_of(young).code, 2);
    EXPECT_NE(render_nagios(young).find("was not ready since 2026-11-21T14:05:00.123Z"), std::string::npos);
    young["before_start"]["state"] = "ready";
    EXPECT_EQ(plugin_state_of(young).code, 1) << "nobody has looked yet";
}

TEST(render_health, tells_every_trouble_of_the_daemons_own)
{
    auto health = in_trouble("ready");
    health["self"].push_back({{"trouble", "disk"}, {"sentence", "the disk is full"}});
    health["self"].push_back("of another program");
    EXPECT_EQ(own_troubles(health), "reachd itself: the clock was set | back; the disk is full");
}

TEST(render_health, takes_what_is_missing_for_nothing_and_a_host_without_a_name_for_this_one)
{
    json health = {{"state", "ready"}, {"site", 7}, {"counts", {{"pass", "many"}}}};
    EXPECT_EQ(
        render_nagios(health),
        "REACHD OK -  | 'pass'=0;;;0;0 'fail'=0;;0;0;0 'unproven'=0;;;0;0 'not_configured'=0;;;0;0 "
        "'endpoints_ok'=0;;;0;0 'age'=U;;;0\n"
    );
    health["age_s"] = "old";
    EXPECT_NE(render_nagios(health).find("'age'=U"), std::string::npos);
    health["before_start"] = "not_ready";
    EXPECT_EQ(plugin_state_of(health).code, 0) << "no state";
    EXPECT_TRUE(render_collectd(health, "", "").starts_with("PUTVAL \"localhost/reachd/gauge-state\""));
    EXPECT_TRUE(render_collectd(health, "a b\"c/d", "").starts_with("PUTVAL \"a_b_c_d/reachd/"));
}

} // namespace
} // namespace reachd
