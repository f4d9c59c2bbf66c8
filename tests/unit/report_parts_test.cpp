// SPDX-License-Identifier: Apache-2.0
// What each form of a report makes of the parts that only some reports have: runs that nobody uses, vantages,
// ways with odd hops, timers of a class.
#include "hostile_report.hpp"
#include "reachd/core/render_explain.hpp"
#include "reachd/core/render_html.hpp"
#include "reachd/core/render_text.hpp"
#include "reachd/core/report_formats.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;
using nlohmann::json;

std::size_t count(const std::string& text, std::string_view part)
{
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) {
        ++found;
    }
    return found;
}

// Two runs that fail, of which applications may not use the second.
json row_with(const json& needed)
{
    auto row = row_of("web", "outbound", "fail", "dropped");
    row["advice"] = "allow it in the site's firewall";
    row["ports"] = "80,443";
    row["destinations"] = "192.0.2.1";
    row["runs"] = {
        run_of("192.0.2.1", "443", "fail", "blocked"), run_of("2001:db8::1", "80", "fail", "blocked")
    };
    row["runs"][1]["sentence"] = "no route";
    if (!needed.is_null()) {
        row["runs"][1]["needed"] = needed;
    }
    return row;
}

// --- what applications do not use ---

TEST(report_parts, of_csv_and_junit_call_a_run_that_nobody_uses_not_needed)
{
    for (const auto& needed : {json(nullptr), json(true), json(false)}) {
        SCOPED_TRACE(needed.dump());
        const bool unused = needed == json(false);
        const auto report = report_of(row_with(needed));
        EXPECT_EQ(count(render_csv(report), "\"not_needed\""), unused ? 1U : 0U) << render_csv(report);
        EXPECT_EQ(count(render_csv(report), "allow it in"), unused ? 1U : 2U)
            << "nothing is to be done about it";
        EXPECT_EQ(has(render_junit(report), "not_needed: tcp 80 to 2001:db8::1"), unused);
        EXPECT_EQ(has(render_junit(report), "fail: tcp 80 to 2001:db8::1"), !unused);
    }
}

TEST(report_parts, of_pages_and_tickets_leave_a_run_that_nobody_uses_out)
{
    for (const auto& needed : {json(nullptr), json(true), json(false)}) {
        SCOPED_TRACE(needed.dump());
        const bool unused = needed == json(false);
        const auto row = row_with(needed);
        EXPECT_EQ(has(render_markdown(report_of(row), ""), "tcp 80 to 2001:db8::1"), !unused);
        EXPECT_TRUE(has(render_markdown(report_of(row), ""), "tcp 443 to 192.0.2.1"));
        EXPECT_EQ(has(html_of(row), "What does not pass"), !unused)
            << "one finding: the row's sentence says it";
    }
}

TEST(report_parts, draw_no_way_to_what_nobody_uses)
{
    for (const auto& needed : {json(true), json(false)}) {
        auto row = row_with(needed);
        row["runs"][1]["where"] = {{"at", {{"hop", 2}, {"address", "100.64.0.1"}}}};
        EXPECT_EQ(has(html_of(row), "class=\"picture path\""), needed == json(true)) << needed;
    }
}

// --- CSV ---

TEST(csv_report, has_all_addresses_of_a_run_in_one_field_and_advice_where_it_is_due)
{
    auto row = row_with(nullptr);
    row["runs"][0]["addresses"] = {"192.0.2.1", "192.0.2.2"};
    row["runs"][1].update({{"result", "pass"}, {"verdict", "open"}});
    const auto text = render_csv(report_of(row));
    EXPECT_TRUE(has(text, "\"192.0.2.1 192.0.2.2\"")) << text;
    EXPECT_EQ(count(text, "allow it in"), 1U) << "not for the run that passes";
    auto passing = row_with(nullptr);
    passing["state"] = "pass";
    passing["runs"][0]["result"] = "pass";
    passing["runs"][1]["result"] = "unproven";
    EXPECT_EQ(count(render_csv(report_of(passing)), "allow it in"), 0U);
}

// --- JUnit ---

TEST(junit_report, says_what_to_do_and_whom_to_ask_where_somebody_knows)
{
    auto row = row_with(nullptr);
    EXPECT_TRUE(has(render_junit(report_of(row)), "What to do: allow it in"));
    EXPECT_TRUE(has(render_junit(report_of(row)), "Whom to ask: Vendor Support"));
    row["advice"] = nullptr;
    row["ask"] = nullptr;
    EXPECT_FALSE(has(render_junit(report_of(row)), "What to do"));
    EXPECT_FALSE(has(render_junit(report_of(row)), "Whom to ask"));
}

// --- markdown ---

TEST(markdown_report, tells_so_many_runs_of_a_row_and_counts_the_others)
{
    constexpr int told = 40;
    for (const int more : {0, 3}) {
        auto row = row_with(nullptr);
        row["runs"] = json::array();
        for (int i = 0; i < told + more; ++i) {
            row["runs"].push_back(
                run_of("192.0.2.1", std::to_string(1000 + 2 * i).c_str(), "fail", "blocked")
            );
        }
        row["runs"].push_back(run_of("192.0.2.1", "9", "pass", "open"));
        const auto text = render_markdown(report_of(row), "");
        EXPECT_EQ(count(text, "  - FAIL: tcp"), 40U);
        EXPECT_EQ(has(text, "  - and 3 more; all are in the JSON report"), more == 3) << text;
        EXPECT_EQ(has(text, " more; all are"), more > 0);
    }
}

TEST(markdown_report, names_the_program_and_the_vantage_that_it_is_of)
{
    auto report = plain_report();
    EXPECT_TRUE(
        render_markdown(report, "1.2").ends_with("Made 2026-11-22 04:17:42.000 UTC by reachd 1.2.\n")
    );
    EXPECT_TRUE(render_markdown(report, "").ends_with("UTC by reachd.\n"));
    report["vantage"] = "voice";
    EXPECT_TRUE(render_markdown(report, "").ends_with("by reachd, seen from voice.\n"));
}

// --- the page ---

TEST(report_page, says_for_whom_it_was_measured_and_how_the_site_stands)
{
    struct row {
        const char* state;
        const char* css;
        const char* word;
    };
    for (const auto& [state, css, word] :
         {row{"ready", "pass", "READY"}, row{"not_ready", "fail", "NOT READY"},
          row{"unproven", "unproven", "UNPROVEN"}}) {
        auto report = plain_report();
        report["state"] = state;
        const auto html = render_html(report, {});
        EXPECT_TRUE(has(html, std::string{"<title>lab: "} + word + "</title>")) << state;
        EXPECT_TRUE(has(html, std::string{"class=\"mark "} + css)) << state;
        EXPECT_TRUE(has(html, "<dd>this machine&#39;s usual way out</dd>")) << html;
        report["vantage"] = "voice";
        EXPECT_TRUE(has(render_html(report, {}), "<dt>Seen from</dt><dd>voice</dd>"));
        EXPECT_TRUE(has(render_report(report, {}), word)) << render_report(report, {});
    }
}

TEST(report_page, finds_a_row_by_both_its_names)
{
    auto report = plain_report();
    auto second = report["catalogues"][0];
    second["id"] = "other";
    second["requirements"] = {row_of("web", "outbound", "pass", "the other one")};
    report["catalogues"].push_back(second);
    EXPECT_TRUE(has(render_html_row(report, "other", "web"), "the other one"));
    EXPECT_FALSE(has(render_html_row(report, "cat", "web"), "the other one"));
    EXPECT_EQ(render_html_row(report, "other", "range"), "");
    EXPECT_EQ(render_html_row(report, "third", "web"), "");
}

TEST(report_page, links_to_rows_of_foreign_names_by_what_an_anchor_may_be)
{
    EXPECT_EQ(row_anchor("cat", "a-1_z"), "row-cat-a-1_z");
    EXPECT_EQ(row_anchor("Cat Z", "a\"b/c{"), "row-Cat_Z-a_b_c_");
    EXPECT_EQ(row_anchor("", "\xc3\xa9:@[`"), "row--______");
}

TEST(report_page, has_a_badge_for_every_state)
{
    for (const auto& [state, css, word] : std::vector<std::array<const char*, 3>>{
             {"pass", "pass", "PASS"},
             {"fail", "fail", "FAIL"},
             {"unproven", "unproven", "UNPROVEN"},
             {"not_configured", "blank", "BLANK"}
         }) {
        const auto html = html_of(row_of("web", "outbound", state, "so it is"));
        EXPECT_TRUE(has(html, std::string{"<section class=\"row "} + css + '"')) << html;
        EXPECT_TRUE(has(html, word)) << state;
    }
}

TEST(report_page, says_what_a_row_is_for_unless_that_is_its_name)
{
    auto row = row_with(nullptr);
    for (const auto& [about, said] : std::vector<std::pair<const char*, const char*>>{
             {"sign-in", "<p class=\"about\">sign-in: tcp"},
             {"web", "<p class=\"about\">tcp"},
             {"", "<p class=\"about\">tcp"}
         }) {
        row["about"] = about;
        EXPECT_TRUE(has(html_of(row), said)) << about;
    }
}

TEST(report_page, names_others_of_which_the_same_was_seen)
{
    auto row = row_of("web", "outbound", "pass", "answers");
    for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
        row["endpoints"].push_back(endpoint_of(address, 443, "open", "answers"));
    }
    EXPECT_TRUE(
        has(html_of(row), "3 endpoints were found alike (also 192.0.2.2, 192.0.2.3); this is what was seen "
                          "of 192.0.2.1 port 443")
    ) << html_of(row);
    for (int i = 4; i < 20; ++i) {
        row["endpoints"].push_back(
            endpoint_of(("192.0.2." + std::to_string(i)).c_str(), 443, "open", "answers")
        );
    }
    const auto html = html_of(row);
    EXPECT_TRUE(has(html, "19 endpoints were found alike (also 192.0.2.2, ")) << html;
    EXPECT_TRUE(has(html, "192.0.2.12, ...); this is what")) << html;
    row["endpoints"] = {
        endpoint_of("192.0.2.1", 443, "open", "answers"), endpoint_of("192.0.2.1", 444, "open", "answers")
    };
    EXPECT_TRUE(
        has(html_of(row), "2 endpoints were found alike; this is what was seen of 192.0.2.1 port 443")
    );
}

// --- the way ---

std::string picture_of(const json& where, const json& path, const json& evidence = json::array())
{
    auto row = row_with(false);
    row["runs"][0].update({{"where", where}, {"sentence", "dropped"}});
    row["endpoints"] = {endpoint_of("192.0.2.1", 443, "blocked", "dropped")};
    row["endpoints"][0].update({{"where", where}, {"evidence", evidence}});
    auto report = report_of(row);
    report["path"] = path;
    return render_html_row(report, "cat", "web");
}

json hop(int number, const char* address)
{
    return {{"hop", number}, {"address", address ? json(address) : json(nullptr)}, {"rtt_us", nullptr}};
}

TEST(path_picture, tells_the_sites_boxes_from_its_edge_and_from_those_beyond)
{
    const json path = {
        {"edge", {{"hop", 2}, {"address", "10.77.2.1"}}},
        {"hops", {hop(1, "10.77.1.1"), hop(2, "10.77.2.1"), hop(3, "100.64.0.1")}}
    };
    const json where = {{"at", {{"hop", 4}, {"address", "203.0.113.9"}}}};
    const auto html = picture_of(where, path);
    for (const char* said :
         {">of the site</text>", ">the site&#39;s edge</text>", ">beyond the site</text>"}) {
        EXPECT_EQ(count(html, said), 1U) << said << '\n' << html;
    }
    auto unknown = path;
    unknown["edge"] = nullptr;
    unknown["hops"][0]["rtt_us"] = 1500;
    const auto plain = picture_of(where, unknown);
    EXPECT_FALSE(has(plain, "the site</text>")) << "nobody knows where the site ends";
    EXPECT_TRUE(has(plain, ">answers after 1.5 ms</text>")) << plain;
}

TEST(path_picture, says_between_which_hops_nobody_was_seen_and_who_was_silent)
{
    const json path = {
        {"edge", nullptr}, {"hops", {hop(1, "10.77.1.1"), hop(2, nullptr), hop(4, "100.64.0.9")}}
    };
    const auto html = picture_of({{"at", {{"hop", 4}, {"address", "100.64.0.9"}}}}, path);
    EXPECT_TRUE(has(html, ">Hop 2: silent</text>")) << html;
    EXPECT_TRUE(has(html, ">Hop 3</text>")) << html;
    EXPECT_TRUE(has(html, ">no box seen</text>")) << html;
    EXPECT_TRUE(has(html, ">blocked here</text>")) << html;
}

TEST(path_picture, puts_a_box_of_unknown_distance_somewhere_on_the_way)
{
    const json path = {{"edge", nullptr}, {"hops", {hop(1, "10.77.1.1")}}};
    const auto far = picture_of({{"at", {{"hop", nullptr}, {"address", "203.0.113.9"}}}}, path);
    EXPECT_TRUE(has(far, ">203.0.113.9, somewhere on the way</text>")) << far;
    const auto known = picture_of({{"at", {{"hop", nullptr}, {"address", "10.77.1.1"}}}}, path);
    EXPECT_FALSE(has(known, "somewhere on the way")) << "it is hop 1";
    EXPECT_TRUE(has(known, "<rect class=\"stop culprit\"")) << known;
    const auto alone = picture_of({{"at", {{"hop", nullptr}, {"address", "203.0.113.9"}}}}, nullptr);
    EXPECT_TRUE(has(alone, ">203.0.113.9, somewhere on the way</text>")) << "without any hop";
}

TEST(path_picture, takes_hops_from_what_the_endpoint_itself_met_and_never_from_the_other_family)
{
    const json path = {
        {"edge", nullptr}, {"hops", {hop(1, "2001:db8::1"), hop(2, "2001:db8::2"), hop(3, nullptr)}}
    };
    auto own = icmp_seen(1, "10.77.1.1");
    auto rejected = icmp_seen(2, "100.64.0.1");
    rejected["icmp"]["type"] = 3;
    auto ours = icmp_seen(2, "10.77.1.2");
    ours["icmp"]["sender_is_us"] = true;
    const json where = {
        {"after", {{"hop", 1}, {"address", "10.77.1.1"}}},
        {"before", {{"hop", 4}, {"address", "203.0.113.6"}}}
    };
    const auto html = picture_of(where, path, json{own, rejected, ours});
    EXPECT_TRUE(has(html, ">Hop 1: 10.77.1.1</text>")) << html;
    EXPECT_TRUE(has(html, ">Hop 4: 203.0.113.6</text>")) << html;
    for (const char* never : {"2001:db8", "Hop 2: 100.64.0.1", "Hop 2: 10.77.1.2"}) {
        EXPECT_FALSE(has(html, std::string{">"} + never)) << never << '\n' << html;
    }
    EXPECT_TRUE(has(html, ">Hop 3: silent</text>")) << "whose it is nobody knows";
}

TEST(path_picture, is_of_the_endpoint_that_ends_there_and_was_looked_at_most)
{
    const json where = {{"at", {{"hop", 2}, {"address", "100.64.0.1"}}}};
    auto row = row_with(false);
    row["runs"][0].update({{"where", where}, {"sentence", "rejected"}});
    const auto endpoint = [&](const char* address, const char* sentence, int hops) {
        auto one = endpoint_of(address, 443, "blocked", sentence);
        one["where"] = where;
        one["evidence"] = json::array();
        for (int i = 1; i <= hops; ++i) {
            one["evidence"].push_back(icmp_seen(i, "10.0.0.1"));
        }
        return one;
    };
    auto elsewhere = endpoint("192.0.2.4", "rejected", 5);
    elsewhere["where"] = nullptr;
    auto nowhere = endpoint("192.0.2.5", "rejected", 5);
    nowhere.erase("where");
    row["endpoints"] = {
        endpoint("192.0.2.1", "rejected", 1),
        endpoint("192.0.2.2", "rejected", 2),
        endpoint("192.0.2.3", "something else", 5),
        elsewhere,
        nowhere,
        endpoint("192.0.2.6", "rejected", 1)
    };
    auto report = report_of(row);
    report["path"] = nullptr;
    const auto html = render_html_row(report, "cat", "web");
    EXPECT_TRUE(has(html, ">192.0.2.2</text>\n</svg>")) << html;
}

TEST(path_picture, is_drawn_once_for_each_place_and_for_a_few_places_only)
{
    auto row = row_with(nullptr);
    row["runs"] = json::array();
    for (int place = 0; place < 5; ++place) {
        for (int twice = 0; twice < 2; ++twice) {
            row["runs"].push_back(
                run_of("192.0.2.1", std::to_string(10 * place + twice).c_str(), "fail", "blocked")
            );
            row["runs"].back()["where"] = {{"at", {{"hop", place + 1}, {"address", "10.0.0.1"}}}};
        }
    }
    EXPECT_EQ(count(html_of(row), "class=\"picture path\""), 3U);
    row["runs"] = {row["runs"][0], row["runs"][1]};
    EXPECT_EQ(count(html_of(row), "class=\"picture path\""), 1U);
    row["runs"][0]["result"] = row["runs"][1]["result"] = "pass";
    EXPECT_EQ(count(html_of(row), "class=\"picture path\""), 0U);
}

// --- timers ---

json timer(const json& more)
{
    auto report = plain_report();
    report["idle"][0].update(more);
    return report;
}

std::string timer_page(const json& more)
{
    return render_html_row(timer(more), "cat", "timer");
}

TEST(idle_picture, stands_at_its_own_row_alone)
{
    EXPECT_TRUE(has(timer_page(json::object()), "class=\"picture idle\""));
    EXPECT_FALSE(has(timer_page({{"catalogue", "other"}}), "class=\"picture idle\""));
    EXPECT_FALSE(has(timer_page({{"requirement", "web"}}), "class=\"picture idle\""));
}

TEST(idle_picture, says_of_which_flows_it_is_and_over_what)
{
    const auto plain = timer_page(json::object());
    EXPECT_TRUE(has(
        plain,
        "<figcaption>tcp flows left alone, over reflector 203.0.113.6: required 12 s, held 8 s, lost at 10 s"
    )) << plain;
    EXPECT_TRUE(has(plain, "; shaded: the timer lies here"));
    const auto other =
        timer_page({{"transport", "udp"}, {"class", "stream"}, {"via", nullptr}, {"lost_s", nullptr}});
    EXPECT_TRUE(has(other, "<figcaption>udp flows (stream) left alone: required 12 s, held 8 s")) << other;
    EXPECT_FALSE(has(other, "shaded")) << "nothing was lost";
    EXPECT_FALSE(has(other, "class=\"bracket\""));
}

TEST(idle_picture, has_about_five_ticks_whatever_it_spans)
{
    struct row {
        double longest;
        int tick;
    };
    for (const auto& [longest, tick] :
         {row{6, 1}, row{12, 2}, row{30, 5}, row{60, 10}, row{100, 20}, row{290, 50}, row{600, 100},
          row{720, 200}, row{3600, 1000}}) {
        const auto html =
            timer_page({{"required_s", 1}, {"rungs", {{{"idle_s", longest}, {"outcome", "held"}}}}});
        EXPECT_TRUE(has(html, ">0</text>") && has(html, ">" + std::to_string(tick) + "</text>")) << longest;
        EXPECT_FALSE(has(html, ">" + std::to_string(tick / 2) + "</text>") && tick > 1) << longest;
    }
}

TEST(idle_picture, writes_what_is_required_on_the_side_that_has_room)
{
    EXPECT_TRUE(has(timer_page(json::object()), "class=\"required-text end\"")) << "far to the right";
    const auto left = timer_page({{"required_s", 2}});
    EXPECT_TRUE(has(left, "class=\"required-text\"")) << left;
}

TEST(idle_text, has_a_word_for_each_state_and_one_line_for_silences_of_one_outcome)
{
    const auto text = [](const json& more) { return render_idle(timer(more), {.columns = 100}); };
    EXPECT_TRUE(has(text({{"state", "pass"}}), "PASS  timer  tcp over reflector 203.0.113.6, required 12 s"));
    EXPECT_TRUE(has(text({{"state", "fail"}}), "FAIL  timer"));
    EXPECT_TRUE(has(text({{"state", "unproven"}}), "?     timer"));
    const auto other = text({
        {"class", "single"},
        {"via", nullptr},
        {"rungs",
         {{{"idle_s", 4}, {"outcome", "held"}, {"grade", "inbound"}},
          {{"idle_s", 8}, {"outcome", "held"}, {"grade", "inbound"}}}},
    });
    EXPECT_TRUE(has(other, "timer  tcp single, required 12 s")) << other;
    EXPECT_TRUE(has(other, "held (inbound): 4, 8 s")) << other;
}

TEST(traffic_text, counts_one_as_one_and_says_what_was_not_sent)
{
    const auto text = [](const char* traffic) {
        return render_traffic({{"traffic", json::parse(traffic)}}, {.columns = 200});
    };
    EXPECT_EQ(
        text(R"({"packets": 1, "duration_s": 3, "nat_entries": {"left": 1, "at_once_at_most": 1}})"),
        "Sent 1 packet in 3 s; left 1 entry in NAT tables, at most 1 at once.\n"
    );
    EXPECT_TRUE(has(text(R"({"left_out": 1})"), " 1 probe was not sent, as too many would have followed."));
    EXPECT_TRUE(has(text(R"({"left_out": 5})"), " 5 probes were not sent"));
    EXPECT_EQ(text(R"("much")"), "") << "a report that does not say";
}

} // namespace
} // namespace reachd
