// SPDX-License-Identifier: Apache-2.0
#include "hostile_report.hpp"
#include "reachd/core/report_diff.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;
using nlohmann::json;

json& row(json& report, std::size_t index)
{
    return report["catalogues"][0]["requirements"][index];
}

const row_difference& of(const report_difference& what, const std::string& id)
{
    for (const auto& one : what.rows) {
        if (one.requirement == id) {
            return one;
        }
    }
    throw std::logic_error("no row " + id);
}

TEST(report_diff, finds_nothing_between_a_report_and_itself)
{
    const auto what = compare_reports(plain_report(), plain_report());
    EXPECT_EQ(what.count(change_kind::unchanged), 4U);
    EXPECT_EQ(what.rows.size(), 4U);
    for (const auto& one : what.rows) {
        EXPECT_TRUE(one.runs.empty());
    }
}

TEST(report_diff, tells_new_failures_from_mended_ones)
{
    auto mended = plain_report();
    row(mended, 0)["state"] = "pass";
    row(mended, 0)["runs"] = {run_of("54.215.171.160", "443", "pass", "open")};
    const auto fixed = compare_reports(plain_report(), mended);
    EXPECT_EQ(of(fixed, "web").kind, change_kind::fixed);
    ASSERT_EQ(of(fixed, "web").runs.size(), 1U);
    EXPECT_EQ(of(fixed, "web").runs[0].target, "tcp 443 to 54.215.171.160");
    EXPECT_EQ(
        of(fixed, "web").runs[0].before, "blocked, edge, between hop 1 (10.77.1.1) and hop 2 (100.64.0.1)"
    );
    EXPECT_EQ(of(fixed, "web").runs[0].after, "open");
    EXPECT_EQ(fixed.count(change_kind::newly_failing), 0U);
    const auto broken = compare_reports(mended, plain_report());
    EXPECT_EQ(of(broken, "web").kind, change_kind::newly_failing);
    EXPECT_EQ(broken.rows.front().requirement, "web"); // first
    EXPECT_EQ(broken.count(change_kind::fixed), 0U);
}

TEST(report_diff, calls_a_failure_that_is_no_longer_proven_changed_and_not_mended)
{
    auto later = plain_report();
    row(later, 0)["state"] = "unproven";
    EXPECT_EQ(of(compare_reports(plain_report(), later), "web").kind, change_kind::changed);
}

TEST(report_diff, tells_a_range_that_grows_by_the_ports_that_it_grew_by)
{
    auto later = plain_report();
    row(later, 3)["runs"] = {
        run_of("17.1.1.1", "2001-2102", "fail", "blocked"), run_of("17.1.1.1", "2103-2500", "pass", "open")
    };
    const auto what = compare_reports(plain_report(), later);
    EXPECT_EQ(of(what, "range").kind, change_kind::changed); // it failed before
    ASSERT_EQ(of(what, "range").runs.size(), 1U);
    EXPECT_EQ(of(what, "range").runs[0].target, "tcp 2101-2102 to 17.1.1.1");
    EXPECT_EQ(of(what, "range").runs[0].kind, change_kind::newly_failing);
}

TEST(report_diff, takes_another_place_for_a_change_and_other_addresses_of_a_name_for_none)
{
    auto moved = plain_report();
    row(moved, 0)["runs"][0]["blame"] = "isp";
    EXPECT_EQ(of(compare_reports(plain_report(), moved), "web").kind, change_kind::changed);
    auto renumbered = plain_report();
    row(renumbered, 0)["runs"][0]["addresses"] = {"192.0.2.1", "192.0.2.2"};
    EXPECT_EQ(of(compare_reports(plain_report(), renumbered), "web").kind, change_kind::unchanged);
}

TEST(report_diff, tells_rows_that_came_and_went)
{
    auto less = plain_report();
    less["catalogues"][0]["requirements"].erase(2); // line, which passes
    less["catalogues"][0]["requirements"].erase(0); // web, which fails
    const auto grown = compare_reports(less, plain_report());
    EXPECT_EQ(of(grown, "web").kind, change_kind::newly_failing);
    EXPECT_EQ(of(grown, "line").kind, change_kind::added);
    EXPECT_EQ(compare_reports(plain_report(), less).count(change_kind::removed), 2U);
}

TEST(report_diff, compares_the_brackets_of_timers)
{
    auto later = plain_report();
    later["idle"][0]["lost_s"] = 9;
    const auto what = compare_reports(plain_report(), later);
    EXPECT_EQ(of(what, "timer").kind, change_kind::changed);
    EXPECT_EQ(of(what, "timer").runs[0].after, "held 8 s, lost 9 s");
}

TEST(report_diff, is_told_with_its_counts_and_fits_its_columns)
{
    auto mended = plain_report();
    row(mended, 0)["state"] = "pass";
    const auto what = compare_reports(mended, plain_report());
    const auto text = render_difference(what, 80, colour::off);
    EXPECT_NE(text.find("1 new, 0 fixed, 0 changed, 3 unchanged"), std::string::npos) << text;
    EXPECT_NE(text.find("new       cat/web: PASS -> FAIL"), std::string::npos) << text;
    const auto told = to_json(what);
    EXPECT_EQ(told["counts"]["new"], 1);
    EXPECT_EQ(told["requirements"][0]["before"]["state"], "pass");
    const auto hostile =
        render_difference(compare_reports(plain_report(), hostile_report()), 80, colour::off);
    EXPECT_EQ(hostile.find('\x1b'), std::string::npos);
    EXPECT_EQ(hostile.find('\r'), std::string::npos);
}

TEST(report_diff, says_why_something_is_no_report)
{
    EXPECT_EQ(why_no_report(plain_report()), std::nullopt);
    EXPECT_NE(why_no_report(json::array()), std::nullopt);
    EXPECT_NE(why_no_report(json::object())->find("has no member \"schema\""), std::string::npos);
    auto other = plain_report();
    other["schema"] = 2;
    EXPECT_NE(why_no_report(other)->find("another schema"), std::string::npos);
    other["schema"] = 1;
    other["catalogues"] = 7;
    EXPECT_NE(why_no_report(other), std::nullopt);
    for (const auto& report : misshapen_reports()) {
        EXPECT_NO_THROW(compare_reports(report, plain_report()));
        EXPECT_NO_THROW(compare_reports(plain_report(), report));
    }
}

TEST(report_diff, of_a_part_of_the_site_has_no_rows_that_are_gone)
{
    auto part = plain_report();
    part["catalogues"][0]["requirements"].erase(0);
    auto what = compare_reports(plain_report(), part);
    ASSERT_GT(what.count(change_kind::removed), 0U);
    leave_out_removed(what);
    EXPECT_EQ(what.count(change_kind::removed), 0U);
    EXPECT_GT(what.count(change_kind::unchanged), 0U);
}

TEST(report_diff, of_a_file_with_more_ports_than_any_row_has_compares_some)
{
    auto huge = plain_report();
    auto& runs = row(huge, 0)["runs"];
    const json all = {{"destination", "x"}, {"ports", "1-65535"}, {"verdict", "open"}, {"result", "pass"}};
    for (int i = 0; i < 3000; ++i) {
        auto one = all;
        one["destination"] = std::to_string(i);
        runs.push_back(std::move(one));
    }
    EXPECT_EQ(compare_reports(huge, huge).count(change_kind::unchanged), 4U);
}

TEST(report_diff, tells_what_is_only_in_one_of_two_reports)
{
    auto less = plain_report();
    less["catalogues"][0]["requirements"].erase(0);
    const auto added = compare_reports(less, plain_report());
    auto text = render_difference(added, 80, colour::off);
    EXPECT_NE(text.find("cat/web: not there -> FAIL"), std::string::npos) << text;
    EXPECT_EQ(to_json(added)["requirements"][0]["before"], nullptr);
    EXPECT_EQ(to_json(added)["requirements"][0]["after"]["state"], "fail");
    text = render_difference(compare_reports(plain_report(), less), 80, colour::off);
    EXPECT_NE(text.find("cat/web: FAIL -> not there\n"), std::string::npos) << text;
    EXPECT_NE(text.find("tcp 443 to 54.215.171.160: dropped"), std::string::npos) << text; // as it was
}

TEST(report_diff, of_one_port_at_several_addresses_the_worst_counts_in_any_order)
{
    auto before = plain_report();
    auto open = run_of("h.example", "443", "pass", "open");
    auto shut = run_of("h.example", "443", "fail", "blocked");
    auto undecided = run_of("h.example", "443", "unproven", "unproven");
    auto unused = run_of("h.example", "443", "fail", "intercepted");
    unused["needed"] = false; // no route for its family: nobody uses it
    row(before, 0)["runs"] = {open, shut, undecided, unused};
    auto after = before;
    row(after, 0)["runs"] = {undecided, shut, open};
    EXPECT_TRUE(of(compare_reports(before, after), "web").runs.empty());
    row(after, 0)["runs"] = {open, undecided};
    const auto what = compare_reports(before, after);
    ASSERT_EQ(of(what, "web").runs.size(), 1U);
    EXPECT_EQ(of(what, "web").runs[0].before, "blocked; open; unproven");
    EXPECT_EQ(of(what, "web").runs[0].after, "open; unproven");
    const auto told = to_json(what)["requirements"];
    EXPECT_NE(told.dump().find("blocked; open; unproven"), std::string::npos);
}

TEST(report_diff, shows_a_few_differences_of_a_row_and_counts_the_others)
{
    auto before = plain_report();
    auto after = plain_report();
    for (int i = 0; i < 40; ++i) {
        const auto to = "host" + std::to_string(i) + ".example";
        row(before, 0)["runs"].push_back(run_of(to.c_str(), "80", "pass", "open"));
        row(after, 0)["runs"].push_back(run_of(to.c_str(), "80", "fail", "blocked"));
    }
    const auto text = render_difference(compare_reports(before, after), 80, colour::off);
    EXPECT_NE(text.find(" more; --format json has all\n"), std::string::npos) << text;
}

TEST(report_diff, tells_timers_of_a_class_by_their_bracket)
{
    auto before = plain_report();
    before["idle"][0]["class"] = "https";
    auto after = before;
    after["idle"][0]["held_s"] = 6;
    const auto what = compare_reports(before, after);
    ASSERT_EQ(of(what, "timer").runs.size(), 1U);
    EXPECT_EQ(of(what, "timer").runs[0].target, "tcp https idle timer");
    EXPECT_EQ(of(what, "timer").runs[0].kind, change_kind::changed);
    EXPECT_EQ(of(what, "timer").runs[0].after, "held 6 s, lost 10 s");
    after["idle"][0]["state"] = "fail";
    EXPECT_EQ(of(compare_reports(before, after), "timer").runs[0].kind, change_kind::newly_failing);
}

} // namespace
} // namespace reachd
