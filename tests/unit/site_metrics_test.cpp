// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/site_metrics.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace reachd {
namespace {

using namespace test;

std::string metrics_of(const scene& it)
{
    exposition out;
    write_site_metrics(out, it.what, it.site);
    return out.text();
}

// The value of one series, as text; "" where there is none.
std::string value_of(const std::string& text, const std::string& series)
{
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(series + " ")) {
            return line.substr(series.size() + 1);
        }
    }
    return "";
}

std::string of_row(const std::string& name, const std::string& id, const std::string& more = "")
{
    return name + "{catalogue=\"cat\",requirement=\"" + id + "\"" + more + "}";
}

TEST(site_metrics, each_row_is_in_exactly_one_state)
{
    auto it = make_scene();
    it.add("web", expectation::service, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.add(
        "shut", expectation::path,
        {make_endpoint(server_text, 4200, {make_seen(make_icmp(gateway_text, 3, 13))})}
    );
    it.evaluate(seconds{1000});
    const auto text = metrics_of(it);
    for (const std::string id : {"web", "shut"}) {
        for (const std::string state : {"pass", "fail", "unproven", "not_configured"}) {
            const bool is = state == (id == "web" ? "pass" : "fail");
            EXPECT_EQ(
                value_of(text, of_row("reachd_requirement_state", id, ",state=\"" + state + "\"")),
                is ? "1" : "0"
            ) << id
              << state;
        }
    }
    EXPECT_EQ(value_of(text, "reachd_site_state{state=\"not_ready\"}"), "1");
    EXPECT_EQ(value_of(text, "reachd_site_state{state=\"ready\"}"), "0");
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_state_changed_timestamp_seconds", "web")), "1000");
}

TEST(site_metrics, endpoints_are_counted_by_result_and_by_verdict_with_zeros)
{
    auto it = make_scene();
    it.add(
        "web", expectation::service,
        {make_endpoint(server_text, 443, {make_seen(connected{})}),
         make_endpoint(server_text, 444, {make_seen(make_icmp(gateway_text, 3, 13))})}
    );
    it.evaluate();
    const auto text = metrics_of(it);
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_endpoints", "web", ",result=\"pass\"")), "1");
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_endpoints", "web", ",result=\"fail\"")), "1");
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_endpoints", "web", ",result=\"unproven\"")), "0");
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_verdicts", "web", ",verdict=\"open\"")), "1");
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_verdicts", "web", ",verdict=\"blocked\"")), "1");
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_verdicts", "web", ",verdict=\"intercepted\"")), "0");
}

TEST(site_metrics, round_trips_are_those_of_the_endpoints_that_answered)
{
    auto it = make_scene();
    std::vector<endpoint_state> endpoints;
    for (int i = 1; i <= 4; ++i) {
        auto seen = make_seen(connected{});
        seen.took = milliseconds{i * 10};
        endpoints.push_back(make_endpoint(server_text, static_cast<std::uint16_t>(440 + i), {seen}));
    }
    endpoints.push_back(make_endpoint(server_text, 449, make_silence()));
    it.add("web", expectation::service, std::move(endpoints));
    it.evaluate();
    const auto text = metrics_of(it);
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_rtt_min_seconds", "web")), "0.01");
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_rtt_median_seconds", "web")), "0.02");
    EXPECT_EQ(value_of(text, of_row("reachd_requirement_rtt_max_seconds", "web")), "0.04");
}

TEST(site_metrics, idle_bounds_that_were_not_found_have_no_sample)
{
    auto it = make_scene();
    it.what.rows.push_back(
        make_plan_row("idle", idle_timer{.transport = transport::tcp, .hold = seconds{720}})
    );
    it.site.rows.emplace_back();
    idle_result found{.which = idle_class::tcp, .required = seconds{720}};
    found.judged.held = seconds{300};
    found.measured = make_wall(seconds{5000});
    it.site.rows.back().idle = {found};
    it.evaluate();
    const auto text = metrics_of(it);
    const std::string tcp = ",class=\"tcp\"";
    EXPECT_EQ(value_of(text, of_row("reachd_idle_required_seconds", "idle", tcp)), "720");
    EXPECT_EQ(value_of(text, of_row("reachd_idle_held_seconds", "idle", tcp)), "300");
    EXPECT_EQ(value_of(text, of_row("reachd_idle_lost_seconds", "idle", tcp)), "");
    EXPECT_EQ(value_of(text, of_row("reachd_idle_measured_timestamp_seconds", "idle", tcp)), "5000");
}

TEST(site_metrics, T15_names_of_a_site_cannot_break_the_format)
{
    auto it = make_scene();
    it.what.config.site = "a\"} 1\nreachd_site_state{state=\"ready";
    EXPECT_EQ(value_of(metrics_of(it), "reachd_site_state{state=\"ready\"}"), "0");
    EXPECT_NE(
        metrics_of(it).find("reachd_site_info{site=\"a\\\"} 1\\nreachd_site_state{state=\\\"ready\"} 1\n"),
        std::string::npos
    );
}

TEST(site_metrics, series_do_not_grow_with_a_range_of_ports)
{
    const auto lines = [](std::size_t ports) {
        auto it = make_scene();
        std::vector<endpoint_state> endpoints;
        for (std::size_t i = 0; i < ports; ++i) {
            endpoints.push_back(
                make_endpoint(server_text, static_cast<std::uint16_t>(2001 + i), {make_seen(connected{})})
            );
        }
        it.add("range", expectation::service, std::move(endpoints));
        it.evaluate();
        const auto text = metrics_of(it);
        return std::count(text.begin(), text.end(), '\n');
    };
    EXPECT_EQ(lines(1), lines(500));
}

TEST(site_metrics, every_family_comes_once_with_help_and_type)
{
    auto it = make_scene();
    it.add("web", expectation::service, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.add("more", expectation::service, {make_endpoint(server_text, 444, {make_seen(connected{})})});
    it.evaluate();
    std::istringstream lines{metrics_of(it)};
    std::set<std::string> seen;
    std::string family;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            EXPECT_TRUE(seen.insert(family).second) << family << " comes twice";
            EXPECT_GT(line.size(), 7 + family.size() + 5) << line;
        } else if (!line.starts_with("# TYPE ")) {
            EXPECT_TRUE(line.starts_with(family)) << line << " is not of " << family;
        }
    }
    EXPECT_GT(seen.size(), 15U);
}

} // namespace
} // namespace reachd
