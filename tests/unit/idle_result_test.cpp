// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/idle_result.hpp"

#include "reachd/core/render_text.hpp"
#include "reachd/core/site_report.hpp"
#include "support/make.hpp"

#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;

std::vector<observation> answered()
{
    return {make_seen(connected{}), make_seen(acknowledged{}, probe_kind::tcp_confirm)};
}

// Rows "web" (443), "line" (4200) and "other", and an idle row over those named.
struct timers {
    explicit timers(std::vector<std::string> over, transport how = transport::tcp)
    {
        it.add("web", expectation::service, {make_endpoint(server_text, 443, answered())});
        it.add("line", expectation::service, {make_endpoint(server_text, 4200, answered())});
        it.add("other", expectation::service, {make_endpoint(other_server_text, 5223, answered())});
        it.what.rows.push_back(
            make_plan_row("idle", idle_timer{.transport = how, .hold = 720s, .over = std::move(over)})
        );
        it.site.rows.resize(4);
        for (auto& row : it.site.rows) {
            row.checked = make_wall(1s);
        }
        it.evaluate();
    }
    idle_choice choose() { return choose_idle_target(it.what, it.site, 3); }
    void lose(std::size_t row)
    {
        it.site.rows[row].endpoints[0].seen = make_silence();
        it.evaluate();
    }
    scene it = make_scene();
};

std::optional<std::size_t> row_of(const idle_choice& choice)
{
    const auto* found = std::get_if<idle_target>(&choice);
    return found ? std::optional{found->row} : std::nullopt;
}

idle_result make_result(idle_answer answer, idle_class which = idle_class::tcp)
{
    idle_result out{
        .which = which, .required = 720s, .via = "line", .target = make_target(server_text, 4200)
    };
    out.judged.answer = answer;
    out.judged.sentence = "so it is";
    out.measured = make_wall(5s);
    return out;
}

TEST(idle_target, is_the_first_open_endpoint_of_the_rows_that_are_named_in_their_order)
{
    EXPECT_EQ(row_of(timers{{"web", "line"}}.choose()), 0U);
    EXPECT_EQ(row_of(timers{{"line", "web"}}.choose()), 1U);
}

TEST(idle_target, is_of_another_tcp_row_where_none_of_those_answers)
{
    timers it{{"line"}};
    it.lose(1);
    EXPECT_EQ(row_of(it.choose()), 2U); // before the web server, which hangs up soon
    it.lose(2);
    EXPECT_EQ(row_of(it.choose()), 0U);
    it.lose(0);
    const auto choice = it.choose();
    ASSERT_TRUE(std::holds_alternative<idle_nowhere>(choice));
    EXPECT_NE(std::get<idle_nowhere>(choice).reason.find("line"), std::string::npos);
}

TEST(idle_target, is_waited_for_while_a_row_is_being_measured)
{
    timers it{{"line"}};
    it.lose(1);
    it.it.site.rows[2].checked.reset();
    EXPECT_TRUE(std::holds_alternative<idle_not_yet>(it.choose()));
    it.it.site.rows[2].not_run = "left out";
    EXPECT_EQ(row_of(it.choose()), 2U);
}

TEST(idle_target, is_never_one_that_a_box_answers_for)
{
    timers it{{"line"}};
    it.it.site.rows[1].endpoints[0].judged.kind = verdict_kind::intercepted;
    EXPECT_EQ(row_of(it.choose()), 2U);
}

TEST(idle_target, is_an_endpoint_that_applications_use_and_that_answers_as_the_real_one)
{
    const std::vector<std::pair<const char*, std::function<void(endpoint_state&)>>> unlike = {
        {"a name without an address", [](endpoint_state& one) { one.address.reset(); }},
        {"not used here", [](endpoint_state& one) { one.needed = false; }},
        {"of another transport", [](endpoint_state& one) { one.transport = transport::udp; }},
        {"closed", [](endpoint_state& one) { one.judged.kind = verdict_kind::closed; }},
    };
    for (const auto& [name, change] : unlike) {
        timers it{{"line"}};
        change(it.it.site.rows[1].endpoints[0]);
        EXPECT_EQ(row_of(it.choose()), 2U) << name;
        it.it.site.rows[1].endpoints.push_back(it.it.site.rows[2].endpoints[0]);
        const auto choice = it.choose();
        EXPECT_EQ(row_of(choice), 1U) << name;
        EXPECT_EQ(std::get<idle_target>(choice).endpoint, 1U) << name;
    }
}

TEST(idle_target, is_a_web_server_only_where_no_other_endpoint_of_the_row_answers)
{
    for (const std::uint16_t port : {std::uint16_t{80}, std::uint16_t{443}}) {
        timers it{{"line"}};
        auto& endpoints = it.it.site.rows[1].endpoints;
        endpoints.insert(endpoints.begin(), endpoints[0]);
        endpoints[0].port = port;
        EXPECT_EQ(std::get<idle_target>(it.choose()).endpoint, 1U) << port << " hangs up soon";
        endpoints[1].judged.kind = verdict_kind::blocked;
        EXPECT_EQ(row_of(it.choose()), 1U) << "named: before any other row";
        EXPECT_EQ(std::get<idle_target>(it.choose()).endpoint, 0U) << port;
    }
}

TEST(idle_target, is_looked_for_in_rows_of_its_own_catalogue_that_are_of_tcp)
{
    timers it{{"line"}};
    auto& line = it.it.what.rows[1];
    line.catalogue = "another";
    EXPECT_EQ(row_of(it.choose()), 2U) << "the row of that name is another catalogue's";
    it.lose(2);
    EXPECT_EQ(row_of(it.choose()), 1U) << "which is asked before the web server, that hangs up soon";
    line.catalogue = "cat";
    auto& out = std::get<outbound_row>(line.what);
    out.transport = transport::udp;
    EXPECT_EQ(row_of(it.choose()), 0U) << "a datagram's row is none";
}

TEST(idle_target, is_of_its_own_catalogue_before_others)
{
    timers it{{}};
    it.it.what.rows[1].catalogue = "another";
    EXPECT_EQ(row_of(it.choose()), 2U);
    it.it.what.rows[3].catalogue = "another";
    EXPECT_EQ(row_of(it.choose()), 1U);
}

TEST(idle_target, is_not_waited_for_where_no_measurement_is_to_come)
{
    timers it{{"line"}};
    it.lose(1);
    auto& other = it.it.site.rows[2];
    other.measuring = true;
    EXPECT_TRUE(std::holds_alternative<idle_not_yet>(it.choose())) << "in the middle of its round";
    it.it.what.rows[2].not_configured = "a value is missing";
    EXPECT_EQ(row_of(it.choose()), 2U);
    it.it.site.rows[1].measuring = true;
    EXPECT_TRUE(std::holds_alternative<idle_not_yet>(it.choose())) << "the row that it names";
}

TEST(idle_target, is_nowhere_where_nothing_answers_and_that_is_said)
{
    timers it{{}};
    for (const std::size_t row : {0U, 1U, 2U}) {
        it.lose(row);
    }
    EXPECT_EQ(std::get<idle_nowhere>(it.choose()).reason, "no TCP endpoint of this check answers");
    std::get<idle_timer>(it.it.what.rows[3].what).over = {"line", "web"};
    EXPECT_EQ(
        std::get<idle_nowhere>(it.choose()).reason,
        "no TCP endpoint of this check answers, of line, web or another row"
    );
}

TEST(idle_row, fails_where_a_class_fails_and_passes_where_all_pass)
{
    using enum idle_answer;
    const idle_timer tcp{.transport = transport::tcp, .hold = 720s};
    const idle_timer udp{.transport = transport::udp, .hold = 60s};
    EXPECT_EQ(answer_of(tcp, {}), unproven);
    EXPECT_EQ(answer_of(tcp, {make_result(pass)}), pass);
    EXPECT_EQ(answer_of(tcp, {make_result(fail)}), fail);
    EXPECT_EQ(answer_of(udp, {make_result(pass, idle_class::udp_single)}), unproven); // one of two
    EXPECT_EQ(
        answer_of(
            udp, {make_result(pass, idle_class::udp_single), make_result(pass, idle_class::udp_stream)}
        ),
        pass
    );
    EXPECT_EQ(
        answer_of(
            udp, {make_result(fail, idle_class::udp_single), make_result(pass, idle_class::udp_stream)}
        ),
        fail
    );
}

TEST(idle_row, tells_what_a_stun_server_saw)
{
    timers it{{"line"}};
    auto result = make_result(idle_answer::fail);
    result.via = "STUN server stun.example";
    result.by_reflector = true;
    result.seen_as = stun_view{
        .address = *parse_address("192.0.2.7"),
        .mapping = nat_mapping::address_dependent,
        .before = parse_address("192.0.2.6"),
    };
    it.it.site.rows[3].idle = {result};
    it.it.evaluate();
    ASSERT_EQ(it.it.row("idle").findings.size(), 1U);
    EXPECT_EQ(
        it.it.row("idle").findings[0],
        "STUN server stun.example: seen from outside as 192.0.2.7, a mapping for each address "
        "(address-dependent); the public address has changed: it was 192.0.2.6"
    );
    const auto report = site_report(it.it.what, it.it.site, {}, make_wall(9s));
    EXPECT_EQ(
        report["idle"][0]["mapped"],
        nlohmann::json::parse(
            R"({"address": "192.0.2.7", "mapping": "address_dependent", "before": "192.0.2.6"})"
        )
    );
}

TEST(idle_row, stands_in_the_report_with_its_ladder)
{
    timers it{{"line"}};
    auto result = make_result(idle_answer::fail);
    result.judged.answered = 350s;
    result.judged.lost = 420s;
    result.judged.grade = idle_grade::outbound_lost;
    result.judged.after = after_expiry::drops;
    result.readings = {
        {.idle = 420s, .grade = idle_grade::outbound_lost},
        {.idle = 350s, .grade = idle_grade::outbound},
        {.idle = 720s + 20ms, .reason = "it slept"},
    };
    it.it.site.rows[3].idle = {result};
    it.it.evaluate();
    EXPECT_EQ(it.it.row("idle").state, row_answer::fail);
    EXPECT_EQ(it.it.row("idle").sentence, "over line (54.215.171.160 port 4200): so it is");
    EXPECT_NE(it.it.row("idle").advice.find("to 780 s or more"), std::string::npos);
    EXPECT_TRUE(it.it.row("idle").findings.empty());
    const auto report = site_report(it.it.what, it.it.site, {}, make_wall(9s));
    const auto& one = report["idle"][0];
    EXPECT_EQ(one["state"], "fail");
    EXPECT_EQ(one["held_s"], nullptr);
    EXPECT_EQ(one["answered_s"], 350);
    EXPECT_EQ(one["lost_s"], 420);
    EXPECT_EQ(one["grade"], "outbound_lost");
    EXPECT_EQ(one["after_expiry"], "drops");
    EXPECT_EQ(one["via"], "line");
    EXPECT_EQ(one["mapped"], nullptr);
    ASSERT_EQ(one["rungs"].size(), 3U);
    EXPECT_EQ(
        one["rungs"][0], nlohmann::json::parse(R"({"idle_s": 350, "outcome": "held", "grade": "outbound"})")
    );
    EXPECT_EQ(one["rungs"][1]["outcome"], "lost");
    EXPECT_EQ(
        one["rungs"][2], nlohmann::json::parse(
                             R"({"idle_s": 720, "outcome": "unproven", "grade": null, "reason": "it slept"})"
                         )
    );
    const auto text = render_idle({{"idle", report["idle"]}}, {.columns = 80});
    EXPECT_NE(
        text.find("FAIL  idle  tcp over line, required 720 s: held -, answered 350, lost 420"),
        std::string::npos
    );
    EXPECT_NE(text.find("unproven (it slept): 720 s"), std::string::npos);
}

TEST(idle_row, says_what_a_real_service_cannot_show_where_that_is_missed)
{
    timers it{{"line"}};
    it.it.site.rows[3].idle = {make_result(idle_answer::unproven)};
    it.it.evaluate();
    ASSERT_EQ(it.it.row("idle").findings.size(), 1U);
    EXPECT_NE(it.it.row("idle").findings[0].find("proven by a reflector"), std::string::npos);
    it.it.site.rows[3].idle = {make_result(idle_answer::pass)};
    it.it.evaluate();
    EXPECT_EQ(it.it.row("idle").state, row_answer::pass);
    EXPECT_TRUE(it.it.row("idle").findings.empty());
}

TEST(idle_row, of_udp_sends_to_a_reflector)
{
    timers it{{"line"}, transport::udp};
    EXPECT_EQ(it.it.row("idle").state, row_answer::unproven);
    EXPECT_NE(it.it.row("idle").sentence.find("is settled by a reflector"), std::string::npos);
}

TEST(idle_row, of_udp_tells_both_classes_and_which_box_it_is)
{
    timers it{{"line"}, transport::udp};
    auto single = make_result(idle_answer::fail, idle_class::udp_single);
    single.owner.sentence = "it is the gateway";
    it.it.site.rows[3].idle = {single, make_result(idle_answer::pass, idle_class::udp_stream)};
    it.it.evaluate();
    EXPECT_EQ(it.it.row("idle").state, row_answer::fail);
    EXPECT_EQ(
        it.it.row("idle").sentence,
        "over line (54.215.171.160 port 4200), single: so it is; it is the gateway; "
        "over line (54.215.171.160 port 4200), stream: so it is"
    );
    EXPECT_NE(it.it.row("idle").advice.find("the idle timer for udp to 780 s"), std::string::npos);
}

TEST(idle_row, that_is_not_measured_says_why)
{
    for (const auto how : {transport::tcp, transport::udp}) {
        timers it{{"line"}, how};
        const auto begin = fmt::format("whether an idle {} mapping is held for 12 min", to_string(how));
        const auto said = [&] {
            it.it.evaluate();
            return it.it.row("idle").sentence;
        };
        EXPECT_TRUE(said().starts_with(begin + " is ")) << said();
        it.it.site.rows[3].idle_why = "the machine slept";
        EXPECT_EQ(said(), begin + ": the machine slept");
    }
    timers it{{"line"}};
    EXPECT_TRUE(it.it.row("idle").sentence.ends_with("is not measured yet")) << it.it.row("idle").sentence;
}

TEST(idle_row, advises_a_longer_timer_where_it_is_at_its_limit_too)
{
    timers it{{"line"}};
    auto result = make_result(idle_answer::pass);
    it.it.site.rows[3].idle = {result};
    it.it.evaluate();
    EXPECT_EQ(it.it.row("idle").advice, "");
    result.judged.answer = idle_answer::unproven;
    result.judged.at_limit = true;
    it.it.site.rows[3].idle = {result};
    it.it.evaluate();
    EXPECT_NE(it.it.row("idle").advice.find("set the idle timer"), std::string::npos);
}

TEST(idle_row, that_could_not_be_measured_again_says_of_when_its_result_is)
{
    timers it{{"line"}};
    it.it.site.rows[3].idle = {make_result(idle_answer::pass)};
    it.it.site.rows[3].idle_why = "no TCP endpoint of this check answers";
    it.it.evaluate();
    ASSERT_EQ(it.it.row("idle").findings.size(), 1U);
    EXPECT_EQ(
        it.it.row("idle").findings[0],
        "measured at 1970-01-01T00:00:05.000Z, and not since: no TCP endpoint of this check answers"
    );
}

TEST(idle_row, says_why_no_reflector_was_used_and_nothing_of_it_where_one_was)
{
    timers it{{"line"}};
    auto result = make_result(idle_answer::unproven);
    result.without = "reflector far.example does not answer";
    it.it.site.rows[3].idle = {result};
    it.it.evaluate();
    ASSERT_EQ(it.it.row("idle").findings.size(), 1U);
    EXPECT_TRUE(it.it.row("idle").findings[0].ends_with(
        "is proven by a reflector; reflector far.example does not answer"
    )) << it.it.row("idle").findings[0];
    it.it.site.rows[3].idle[0].by_reflector = true;
    it.it.evaluate();
    EXPECT_TRUE(it.it.row("idle").findings.empty());
}

TEST(idle_row, stands_in_the_report_with_its_class_and_the_box_that_gives_flows_up)
{
    timers it{{"line"}, transport::udp};
    auto result = make_result(idle_answer::fail, idle_class::udp_stream);
    result.judged.lost = 30s + 500ms;
    result.owner.where =
        location{.at = hop{.number = 1, .address = make_address(gateway_text)}, .after = {}, .before = {}};
    result.owner.sentence = "it is the gateway";
    result.seen_as = stun_view{
        .address = make_address(server_text), .mapping = nat_mapping::endpoint_independent, .before = {}
    };
    it.it.site.rows[3].idle = {result};
    it.it.evaluate();
    const auto report = site_report(it.it.what, it.it.site, {}, make_wall(9s));
    const auto& one = report["idle"][0];
    EXPECT_EQ(one["class"], "stream");
    EXPECT_EQ(one["lost_s"], 30.5);
    EXPECT_EQ(one["where"]["at"]["address"], gateway_text);
    EXPECT_EQ(one["sentence"], "so it is; it is the gateway");
    EXPECT_EQ(one["mapped"]["before"], nullptr);
}

TEST(idle_row, shows_nothing_where_nothing_is_asked)
{
    EXPECT_EQ(
        render_idle({{"idle", nlohmann::json::array()}}, {}),
        "no row of the catalogues asks for an idle timer\n"
    );
}

} // namespace
} // namespace reachd
