// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/idle_judgement.hpp"

#include <algorithm>
#include <array>

namespace reachd {
namespace {

using namespace std::chrono_literals;

// Two silences that differ by less are the same: a busy machine tests late by some milliseconds.
constexpr duration slack = 300ms;
// One packet in a ladder may get lost, and another one; three are no accident.
constexpr std::size_t most_accidents = 2;
constexpr std::size_t most_again = 12; // rungs repeated in one turn

using readings_view = std::span<const idle_reading>;
using reading_list = std::vector<const idle_reading*>;

bool same_silence(duration one, duration other)
{
    return std::chrono::abs(one - other) <= slack;
}

// Whether this survivor tells against that loss: an answer to our own packet says nothing of inbound ones.
bool speaks_against(const idle_reading& held, const idle_reading& lost)
{
    return held.grade == idle_grade::inbound ||
           (held.grade == idle_grade::outbound && lost.grade == idle_grade::outbound_lost);
}

// Longer silences were survived.
bool is_contradicted(const idle_reading& lost, readings_view all)
{
    return std::ranges::any_of(all, [&](const idle_reading& one) {
        return speaks_against(one, lost) && one.idle > lost.idle + slack;
    });
}

// A later turn survived the same silence twice, and was not lost there.
bool was_refuted_later(const idle_reading& lost, readings_view all)
{
    std::size_t held = 0;
    for (const auto& one : all) {
        if (one.turn > lost.turn && same_silence(one.idle, lost.idle)) {
            if (was_lost(one.grade)) {
                return false;
            }
            held += speaks_against(one, lost) ? 1U : 0U;
        }
    }
    return held >= 2;
}

// Whether one moment explains every loss: all of these flows were being left alone then, and no survivor was.
bool may_be_one_moment(const reading_list& lost, readings_view all)
{
    if (lost.empty()) {
        return false;
    }
    auto from = lost.front()->begun;
    auto to = lost.front()->tested;
    bool by_own_packet = true;
    for (const auto* one : lost) {
        from = std::max(from, one->begun);
        to = std::min(to, one->tested);
        by_own_packet = by_own_packet && one->grade == idle_grade::outbound_lost;
    }
    std::vector<std::pair<time_point, time_point>> spared;
    for (const auto& one : all) {
        // A flow that was flushed is not answered here, or the lost ones would have been.
        if (one.grade == idle_grade::inbound || (one.grade == idle_grade::outbound && by_own_packet)) {
            spared.emplace_back(one.begun, one.tested);
        }
    }
    std::ranges::sort(spared);
    for (const auto& [begun, tested] : spared) {
        if (begun <= from && tested > from) {
            from = tested;
        }
    }
    return from < to;
}

struct sorted_readings {
    reading_list lost;         // that count
    reading_list contradicted; // of those: longer silences were survived
    std::size_t accidents = 0; // losses that a repetition refuted
    bool flushed = false;      // all losses of a turn died at one moment, and a repetition survived
};

reading_list lost_in_turn(readings_view all, unsigned turn)
{
    reading_list out;
    for (const auto& one : all) {
        if (was_lost(one.grade) && one.turn == turn) {
            out.push_back(&one);
        }
    }
    return out;
}

sorted_readings sort_out(readings_view all)
{
    sorted_readings out;
    for (unsigned turn = 0; turn <= most_turns; ++turn) {
        const auto lost = lost_in_turn(all, turn);
        const auto refuted =
            std::ranges::count_if(lost, [&](const auto* one) { return was_refuted_later(*one, all); });
        // The shortest of them survives when tried again: what killed all of them at once was no timer.
        if (refuted > 0 && lost.size() > most_accidents && may_be_one_moment(lost, all)) {
            out.flushed = true;
            continue;
        }
        for (const auto* one : lost) {
            if (was_refuted_later(*one, all)) {
                ++out.accidents;
            } else {
                out.lost.push_back(one);
            }
        }
    }
    std::ranges::sort(out.lost, {}, &idle_reading::idle);
    std::ranges::copy_if(out.lost, std::back_inserter(out.contradicted), [&](const auto* one) {
        return is_contradicted(*one, all);
    });
    return out;
}

std::optional<duration> longest(readings_view all, idle_grade grade)
{
    std::optional<duration> out;
    for (const auto& one : all) {
        if (one.grade == grade && (!out || one.idle > *out)) {
            out = one.idle;
        }
    }
    return out;
}

std::optional<after_expiry> usual_behaviour(const reading_list& lost)
{
    std::array<std::size_t, 4> counts{};
    for (const auto* one : lost) {
        if (one->then) {
            ++counts[static_cast<std::size_t>(*one->then)];
        }
    }
    const auto most = std::ranges::max_element(counts);
    return *most > 0 ? std::optional{static_cast<after_expiry>(most - counts.begin())} : std::nullopt;
}

idle_conformity conformity_of(idle_class which, const idle_judgement& judged)
{
    const duration least = which == idle_class::tcp ? duration{124min} : duration{2min};
    if (judged.lost && *judged.lost <= least) {
        return idle_conformity::below;
    }
    if (judged.held && *judged.held >= least) {
        const bool more = which != idle_class::tcp && *judged.held >= std::chrono::minutes{5};
        return more ? idle_conformity::recommended : idle_conformity::meets;
    }
    return idle_conformity::unknown;
}

// Losses past this do not bear on the requirement.
duration near_end(const idle_need& need)
{
    return need.required + guard_of(need.required) + slack;
}

std::vector<duration>
silences_to_repeat(const idle_need& need, const sorted_readings& sorted, const idle_judgement& judged)
{
    std::vector<duration> out;
    const auto add_twice = [&](duration one) {
        const bool there = std::ranges::any_of(out, [&](duration other) { return same_silence(one, other); });
        if (!there && out.size() + 2 <= most_again) {
            out.insert(out.end(), {one, one});
        }
    };
    for (const auto* one : sorted.contradicted) {
        add_twice(one->idle);
    }
    const auto near =
        std::ranges::count_if(sorted.lost, [&](const auto* one) { return one->idle <= near_end(need); });
    if (out.empty() && (near == 1 || judged.one_moment)) {
        add_twice(sorted.lost.front()->idle);
    }
    return out;
}

unsigned last_turn(readings_view all)
{
    unsigned out = 0;
    for (const auto& one : all) {
        out = std::max(out, one.turn);
    }
    return out;
}

// The timer is the required time, give or take the guard: neither a pass nor a failure is to be had from it.
bool is_at_limit(const idle_need& need, const reading_list& lost, const idle_judgement& judged)
{
    const duration guard = guard_of(need.required);
    const auto survived = std::max(judged.held.value_or(0s), judged.answered.value_or(0s));
    return lost.front()->idle > need.required - guard + slack && judged.lost &&
         *judged.lost <= need.required + guard + slack && survived >= need.required - guard - slack;
}

void draw_answer(const idle_need& need, const sorted_readings& sorted, idle_judgement& out)
{
    const bool heard = out.held && *out.held >= need.required;
    const bool gone = out.lost && *out.lost <= need.required + slack;
    if (out.unstable || out.at_limit) {
        return;
    }
    if (gone) {
        out.answer = idle_answer::fail;
        out.grade = sorted.lost.front()->grade;
    } else if (heard && sorted.contradicted.empty()) {
        out.answer = idle_answer::pass;
        out.grade = idle_grade::inbound;
    } else if (out.answered && *out.answered >= need.required && !out.one_moment) {
        out.grade = idle_grade::outbound;
    }
}

} // namespace

const char* to_string(idle_answer value)
{
    switch (value) {
    case idle_answer::pass: return "pass";
    case idle_answer::fail: return "fail";
    case idle_answer::unproven: return "unproven";
    }
    return "?";
}

std::vector<idle_rung> repeat_rungs(const idle_judgement& judged, unsigned turn)
{
    std::vector<idle_rung> out;
    out.reserve(judged.again.size());
    for (const auto hold : judged.again) {
        out.push_back({.hold = hold, .turn = turn});
    }
    return out;
}

idle_judgement judge_idle(const idle_need& need, std::span<const idle_reading> readings)
{
    const auto sorted = sort_out(readings);
    const bool by_clock = may_be_one_moment(sorted.lost, readings);
    const bool matters = !sorted.lost.empty() && sorted.lost.front()->idle <= near_end(need);
    const auto contradictions = sorted.contradicted.size() + sorted.accidents;
    idle_judgement out;
    out.held = longest(readings, idle_grade::inbound);
    out.answered = longest(readings, idle_grade::outbound);
    out.one_moment = sorted.flushed || (matters && by_clock);
    out.unstable = contradictions > most_accidents && !out.one_moment;
    if (!out.unstable && !by_clock && sorted.contradicted.empty() && sorted.lost.size() >= 2) {
        // The second shortest: of two losses at most one is an accident.
        out.lost = sorted.lost[1]->idle;
        out.at_limit = is_at_limit(need, sorted.lost, out);
    }
    out.after = usual_behaviour(sorted.lost);
    out.conformity = conformity_of(need.which, out);
    if (matters && !out.unstable && last_turn(readings) < most_turns) {
        out.again = silences_to_repeat(need, sorted, out);
    }
    out.unstable = out.unstable || (out.again.empty() && !sorted.contradicted.empty() && !out.one_moment);
    draw_answer(need, sorted, out);
    out.sentence = sentence_of(need, out, readings);
    return out;
}

} // namespace reachd
