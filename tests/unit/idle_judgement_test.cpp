// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/idle_judgement.hpp"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace std::chrono_literals;
using enum idle_grade;

const idle_need tcp_need{.which = idle_class::tcp, .required = 720s};
constexpr time_point origin{std::chrono::hours{1}};

using readings = std::vector<idle_reading>;
using world = std::function<idle_reading(const idle_rung&)>;

idle_reading read(const idle_rung& rung, idle_grade grade, time_point from = origin)
{
    idle_reading out{.idle = rung.hold, .grade = grade, .turn = rung.turn};
    out.begun = from + rung.start;
    out.tested = out.begun + rung.hold;
    return out;
}

// A box with this timer; `held` and `lost` say what is seen of it.
world timer_of(duration timer, idle_grade held, idle_grade lost)
{
    return [=](const idle_rung& rung) { return read(rung, rung.hold < timer ? held : lost); };
}

// All rungs of the first ladder; then what the judge wants again, some minutes later, until it is content.
readings run(const world& of, const idle_need& need = tcp_need, bool repeats = true)
{
    readings out;
    for (const auto& rung : first_rungs(need)) {
        out.push_back(of(rung));
    }
    for (unsigned turn = 1; repeats && turn <= most_turns; ++turn) {
        for (auto rung : repeat_rungs(judge_idle(need, out), turn)) {
            rung.start += turn * 20min;
            out.push_back(of(rung));
        }
    }
    return out;
}

bool says(const idle_judgement& judged, const std::string& words)
{
    return judged.sentence.find(words) != std::string::npos;
}

// --- pass, and what is none ---

TEST(idle_judgement, passes_where_the_server_was_heard_after_the_required_silence)
{
    const auto judged = judge_idle(tcp_need, run(timer_of(3600s, inbound, inbound_lost)));
    EXPECT_EQ(judged.answer, idle_answer::pass);
    EXPECT_EQ(judged.grade, inbound);
    EXPECT_EQ(judged.held, 900s);
    EXPECT_FALSE(judged.lost);
    EXPECT_TRUE(judged.again.empty());
    EXPECT_EQ(
        judged.sentence, "held: the server was heard from after 900 s without a packet, 720 s are required"
    );
}

TEST(idle_judgement, never_passes_on_answers_to_our_own_packets)
{
    const auto judged = judge_idle(tcp_need, run(timer_of(3600s, outbound, outbound_lost)));
    EXPECT_EQ(judged.answer, idle_answer::unproven);
    EXPECT_EQ(judged.grade, outbound);
    EXPECT_FALSE(judged.held);
    EXPECT_EQ(judged.answered, 900s);
    EXPECT_EQ(
        judged.sentence, "answered after 900 s; a NAT that re-creates mappings would hide an expiry; run the "
                         "reflector test to be certain"
    );
}

TEST(idle_judgement, does_not_pass_on_a_server_heard_a_second_too_early)
{
    readings seen{read({.hold = 719s}, inbound)};
    EXPECT_EQ(judge_idle(tcp_need, seen).answer, idle_answer::unproven);
    seen.push_back(read({.hold = 720s}, inbound));
    EXPECT_EQ(judge_idle(tcp_need, seen).answer, idle_answer::pass);
}

TEST(idle_judgement, takes_inbound_losses_for_losses_though_our_own_packets_are_answered)
{
    // A NAT that re-creates: the reflector's packets are lost, ours pass.
    auto seen = run(timer_of(350s, inbound, inbound_lost));
    for (auto& one : seen) {
        one.then = was_lost(one.grade) ? std::optional{after_expiry::recreates} : std::nullopt;
    }
    seen.push_back(read({.hold = 900s}, outbound));
    const auto judged = judge_idle(tcp_need, seen);
    EXPECT_EQ(judged.answer, idle_answer::fail);
    EXPECT_EQ(judged.after, after_expiry::recreates);
    EXPECT_TRUE(says(judged, "makes the mapping anew"));
}

// --- fail, and what is none ---

TEST(idle_judgement, fails_with_a_bracket_around_the_timer)
{
    for (const auto timer : {61s, 200s, 350s, 590s, 700s, 717s}) {
        const auto judged = judge_idle(tcp_need, run(timer_of(timer, inbound, inbound_lost)));
        SCOPED_TRACE(judged.sentence);
        EXPECT_EQ(judged.answer, idle_answer::fail);
        EXPECT_EQ(judged.grade, inbound_lost);
        EXPECT_LT(judged.held.value_or(0s), timer);
        EXPECT_GE(judged.lost.value(), timer);
        EXPECT_LE(*judged.lost - judged.held.value_or(0s), 60s);
    }
}

TEST(idle_judgement, fails_on_our_own_packets_that_are_lost_and_says_what_was_answered)
{
    const auto judged = judge_idle(tcp_need, run(timer_of(350s, outbound, outbound_lost)));
    EXPECT_EQ(judged.answer, idle_answer::fail);
    EXPECT_EQ(judged.grade, outbound_lost);
    EXPECT_FALSE(judged.held);
    EXPECT_EQ(judged.answered, 325s);
    EXPECT_EQ(judged.lost, 385s); // of 350 and 385: two agree
    EXPECT_TRUE(says(judged, "gone after 385 s and must be kept for 720 s"));
    EXPECT_TRUE(says(judged, "still answered after 325 s"));
}

TEST(idle_judgement, needs_two_flows_that_agree)
{
    auto seen = run(timer_of(3600s, inbound, inbound_lost));
    const auto one = std::ranges::find(seen, duration{900s}, &idle_reading::idle);
    one->grade = inbound_lost;
    EXPECT_EQ(judge_idle(tcp_need, seen).answer, idle_answer::pass);
    EXPECT_FALSE(judge_idle(tcp_need, seen).lost);

    const readings alone{read({.hold = 720s}, outbound_lost)};
    const auto judged = judge_idle(tcp_need, alone);
    EXPECT_EQ(judged.answer, idle_answer::unproven);
    EXPECT_EQ(judged.again, (std::vector<duration>{720s, 720s}));
    const readings thrice{
        alone[0], read({.hold = 720s, .start = 20min, .turn = 1}, outbound_lost),
        read({.hold = 720s, .start = 20min, .turn = 1}, outbound_lost)
    };
    EXPECT_EQ(judge_idle(tcp_need, thrice).answer, idle_answer::fail);
}

TEST(idle_judgement, counts_nothing_that_was_not_idle)
{
    auto seen = run(timer_of(3600s, none, none));
    for (auto& one : seen) {
        one.reason = "the server closed it after 30 s";
    }
    seen.push_back(read({.hold = 30s}, inbound)); // what its FIN proves
    const auto judged = judge_idle(tcp_need, seen);
    EXPECT_EQ(judged.answer, idle_answer::unproven);
    EXPECT_EQ(judged.held, 30s);
    EXPECT_EQ(judged.grade, std::nullopt);
    EXPECT_EQ(
        judged.sentence,
        "no flow could be left alone for 720 s: the server closed it after 30 s; the server was "
        "still heard after 30 s"
    );
    EXPECT_EQ(judge_idle(tcp_need, {}).sentence, "no flow was left alone for 720 s");
}

// --- at the limit ---

TEST(idle_judgement, calls_a_timer_of_exactly_the_required_time_at_its_limit)
{
    for (const auto timer : {719s, 720s, 721s, 722s}) {
        for (const auto& [held, lost] :
             {std::pair{inbound, inbound_lost}, std::pair{outbound, outbound_lost}}) {
            const auto judged = judge_idle(tcp_need, run(timer_of(timer, held, lost)));
            SCOPED_TRACE(judged.sentence);
            EXPECT_TRUE(judged.at_limit);
            EXPECT_EQ(judged.answer, idle_answer::unproven);
            EXPECT_TRUE(says(judged, "at the limit"));
        }
    }
}

TEST(idle_judgement, does_not_call_a_timer_next_to_it_so)
{
    const auto below = judge_idle(tcp_need, run(timer_of(718s, inbound, inbound_lost)));
    EXPECT_EQ(below.answer, idle_answer::fail);
    EXPECT_FALSE(below.at_limit);
    const auto above = judge_idle(tcp_need, run(timer_of(723s, inbound, inbound_lost)));
    EXPECT_EQ(above.answer, idle_answer::pass);
    EXPECT_FALSE(above.at_limit);
}

// --- order ---

TEST(idle_judgement, repeats_a_rung_that_contradicts_its_neighbours)
{
    const auto lossy = [](const idle_rung& rung) {
        const bool accident = rung.hold == 300s && rung.turn == 0;
        return read(rung, accident ? inbound_lost : inbound);
    };
    const auto first = judge_idle(tcp_need, run(lossy, tcp_need, false));
    EXPECT_EQ(first.answer, idle_answer::unproven);
    EXPECT_EQ(first.again, (std::vector<duration>{300s, 300s}));
    const auto judged = judge_idle(tcp_need, run(lossy));
    EXPECT_EQ(judged.answer, idle_answer::pass);
    EXPECT_FALSE(judged.unstable);
}

TEST(idle_judgement, calls_an_answer_unstable_that_contradicts_itself_when_repeated)
{
    const auto crowded = [](const idle_rung& rung) {
        return read(rung, rung.hold == 300s ? inbound_lost : inbound);
    };
    const auto judged = judge_idle(tcp_need, run(crowded));
    EXPECT_TRUE(judged.unstable);
    EXPECT_EQ(judged.answer, idle_answer::unproven);
    EXPECT_TRUE(says(judged, "a box whose table is full"));
    EXPECT_FALSE(judged.lost);
}

TEST(idle_judgement, calls_many_contradictions_unstable_at_once)
{
    const auto crowded = [](const idle_rung& rung) {
        const bool evicted =
            rung.start == 0s && (rung.hold == 120s || rung.hold == 300s || rung.hold == 660s);
        return read(rung, evicted ? inbound_lost : inbound);
    };
    const auto judged = judge_idle(tcp_need, run(crowded, tcp_need, false));
    EXPECT_TRUE(judged.unstable);
    EXPECT_TRUE(judged.again.empty());
    EXPECT_EQ(judged.answer, idle_answer::unproven);
}

// --- the clock on the wall ---

// Everything that is being left alone at that moment dies.
world flush_at(duration moment, idle_grade held, idle_grade lost)
{
    return [=](const idle_rung& rung) {
        const bool dies = rung.start < moment && moment <= rung.start + rung.hold;
        return read(rung, dies ? lost : held);
    };
}

TEST(idle_judgement, does_not_take_a_flush_for_a_timer)
{
    for (const auto moment : {70s, 333s, 500s, 650s, 719s}) {
        const auto judged = judge_idle(tcp_need, run(flush_at(moment, outbound, outbound_lost)));
        SCOPED_TRACE(judged.sentence);
        EXPECT_TRUE(judged.one_moment);
        EXPECT_EQ(judged.answer, idle_answer::unproven);
        EXPECT_FALSE(judged.lost);
        EXPECT_TRUE(says(judged, "at one moment"));
    }
}

TEST(idle_judgement, does_not_take_a_timer_for_a_flush)
{
    for (const auto timer : {70s, 333s, 500s, 590s, 650s, 700s}) {
        const auto judged = judge_idle(tcp_need, run(timer_of(timer, outbound, outbound_lost)));
        SCOPED_TRACE(judged.sentence);
        EXPECT_FALSE(judged.one_moment);
        EXPECT_EQ(judged.answer, idle_answer::fail);
    }
}

TEST(idle_judgement, tells_a_flush_in_the_ladder_of_a_timer_that_is_too_short_all_the_same)
{
    const auto both = [](const idle_rung& rung) {
        const bool flushed = rung.start < 100s && 100s <= rung.start + rung.hold;
        return read(rung, flushed || rung.hold >= 300s ? inbound_lost : inbound);
    };
    const auto judged = judge_idle(tcp_need, run(both));
    EXPECT_NE(judged.answer, idle_answer::pass);
}

// --- behaviour, standards, refinement ---

TEST(idle_judgement, reports_what_most_flows_met_after_the_expiry)
{
    for (const auto then :
         {after_expiry::recreates, after_expiry::remaps, after_expiry::resets, after_expiry::drops}) {
        auto seen = run(timer_of(350s, inbound, inbound_lost));
        for (auto& one : seen) {
            one.then = was_lost(one.grade) ? std::optional{then} : std::nullopt;
        }
        std::ranges::find(seen, inbound_lost, &idle_reading::grade)->then = after_expiry::drops;
        EXPECT_EQ(judge_idle(tcp_need, seen).after, then);
    }
    EXPECT_FALSE(judge_idle(tcp_need, run(timer_of(350s, inbound, inbound_lost))).after);
}

TEST(idle_judgement, compares_with_the_standards)
{
    idle_need udp{.which = idle_class::udp_stream, .required = 60s};
    const auto conformity = [](const idle_need& need, seconds timer) {
        return judge_idle(need, run(timer_of(timer, inbound, inbound_lost), need)).conformity;
    };
    EXPECT_EQ(conformity(udp, 80s), idle_conformity::below);
    EXPECT_EQ(conformity(udp, 130s), idle_conformity::meets);
    EXPECT_EQ(conformity(udp, 600s), idle_conformity::recommended);
    EXPECT_EQ(conformity(tcp_need, 3600s), idle_conformity::unknown); // not waited for
    EXPECT_EQ(conformity(tcp_need, 350s), idle_conformity::below);
    udp.required = 130s;
    EXPECT_EQ(
        judge_idle(udp, run(timer_of(600s, outbound, outbound_lost), udp)).conformity,
        idle_conformity::unknown
    );
}

TEST(idle_judgement, narrows_its_bracket_by_a_refinement)
{
    const auto timer = timer_of(333s, inbound, inbound_lost);
    auto seen = run(timer);
    const auto coarse = judge_idle(tcp_need, seen);
    for (auto rung : refine_rungs(coarse.held.value(), coarse.lost.value())) {
        rung.start = 1h;
        seen.push_back(timer(rung));
    }
    const auto fine = judge_idle(tcp_need, seen);
    EXPECT_LT(fine.held.value(), 333s);
    EXPECT_GE(fine.lost.value(), 333s);
    EXPECT_LE((*fine.lost - *fine.held) * 8, *coarse.lost - *coarse.held);
}

TEST(idle_judgement, names_silences_in_seconds)
{
    EXPECT_EQ(seconds_text(720s), "720 s");
    EXPECT_EQ(seconds_text(720s + 20ms), "720 s");
    EXPECT_EQ(seconds_text(12500ms), "12.5 s");
}

} // namespace
} // namespace reachd
