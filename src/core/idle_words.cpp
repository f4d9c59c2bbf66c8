// SPDX-License-Identifier: Apache-2.0
// What a ladder proves, in words for a person.
#include "reachd/core/idle_judgement.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace reachd {
namespace {

using readings_view = std::span<const idle_reading>;

// The reason that kept most flows of the required time, or longer, from a reading; "" where there is none.
std::string usual_reason(const idle_need& need, readings_view all)
{
    std::map<std::string, std::size_t> counts;
    for (const auto& one : all) {
        const bool of_interest = one.grade == idle_grade::none && !one.reason.empty();
        counts[one.reason] += of_interest ? one.idle >= need.required ? 100U : 1U : 0U;
    }
    counts.erase("");
    const auto most = std::ranges::max_element(counts, {}, [](const auto& one) { return one.second; });
    return most == counts.end() || most->second == 0 ? std::string{} : most->first;
}

// "; it was still heard after 300 s", or answered, or nothing.
std::string survivor_text(const idle_judgement& judged)
{
    if (judged.held && (!judged.lost || *judged.held < *judged.lost)) {
        return fmt::format("; the server was still heard after {}", seconds_text(*judged.held));
    }
    if (judged.answered && (!judged.lost || *judged.answered < *judged.lost)) {
        return fmt::format(
            "; a packet from inside was still answered after {}", seconds_text(*judged.answered)
        );
    }
    return {};
}

std::string behaviour_text(const idle_judgement& judged)
{
    if (!judged.after) {
        return {};
    }
    switch (*judged.after) {
    case after_expiry::recreates: return "; the next packet from inside makes the mapping anew, unseen";
    case after_expiry::remaps: return "; the next packet from inside gets another port";
    case after_expiry::resets: return "; the next packet from inside is answered by a reset";
    case after_expiry::drops: return "; the next packet from inside meets silence";
    }
    return {};
}

std::string lost_text(const idle_need& need, const idle_judgement& judged)
{
    return fmt::format(
        "an idle flow is gone after {} and must be kept for {}{}{}; a box on the way (firewall, NAT, load "
        "balancer) "
        "gives it up",
        seconds_text(*judged.lost), seconds_text(need.required), survivor_text(judged), behaviour_text(judged)
    );
}

std::string unproven_text(const idle_need& need, const idle_judgement& judged, readings_view all)
{
    const auto required = seconds_text(need.required);
    if (judged.unstable) {
        return fmt::format(
            "unstable: some flows are lost and others survive longer silences, again when repeated; a box "
            "whose "
            "table is full gives flows up early (required: {})",
            required
        );
    }
    if (judged.one_moment) {
        return fmt::format(
            "flows were lost, but all may have died at one moment and not at one age: a restart, a failover "
            "or a "
            "flush looks so; measure again (required: {})",
            required
        );
    }
    if (judged.at_limit) {
        return fmt::format(
            "at the limit: an idle flow is gone after {}{}; set the timer a minute longer than the {} "
            "required",
            seconds_text(*judged.lost), survivor_text(judged), required
        );
    }
    if (judged.grade == idle_grade::outbound) {
        return fmt::format(
            "answered after {}; a NAT that re-creates mappings would hide an expiry; run the reflector test "
            "to be "
            "certain",
            seconds_text(*judged.answered)
        );
    }
    if (const auto reason = usual_reason(need, all); !reason.empty()) {
        return fmt::format(
            "no flow could be left alone for {}: {}{}", required, reason, survivor_text(judged)
        );
    }
    const bool lost_once = std::ranges::any_of(all, [](const auto& one) { return was_lost(one.grade); });
    return lost_once
             ? fmt::format("one flow alone was lost: too little for a verdict (required: {})", required)
             : fmt::format("no flow was left alone for {}{}", required, survivor_text(judged));
}

} // namespace

std::string seconds_text(duration span)
{
    const auto tenths = std::chrono::round<std::chrono::duration<std::int64_t, std::deci>>(span).count();
    return tenths % 10 == 0 ? fmt::format("{} s", tenths / 10)
                            : fmt::format("{}.{} s", tenths / 10, tenths % 10);
}

std::string conformity_sentence(idle_class which, idle_conformity value)
{
    const bool tcp = which == idle_class::tcp;
    switch (value) {
    case idle_conformity::unknown: return {};
    case idle_conformity::below:
        return tcp ? "RFC 5382 REQ-5 asks for 2 h 4 min" : "RFC 4787 REQ-5 asks for 2 min, better 5";
    case idle_conformity::meets:
        return tcp ? "as RFC 5382 REQ-5 asks (2 h 4 min)"
                   : "as RFC 4787 REQ-5 asks (2 min; 5 are recommended)";
    case idle_conformity::recommended: return "as RFC 4787 REQ-5 recommends (5 min)";
    }
    return {};
}

std::string
sentence_of(const idle_need& need, const idle_judgement& judged, std::span<const idle_reading> readings)
{
    std::string out;
    switch (judged.answer) {
    case idle_answer::pass:
        out = fmt::format(
            "held: the server was heard from after {} without a packet, {} are required",
            seconds_text(*judged.held), seconds_text(need.required)
        );
        if (judged.lost) {
            out += fmt::format("; gone after {}", seconds_text(*judged.lost));
        }
        break;
    case idle_answer::fail: out = lost_text(need, judged); break;
    case idle_answer::unproven: return unproven_text(need, judged, readings);
    }
    const auto standard = conformity_sentence(need.which, judged.conformity);
    return standard.empty() ? out : fmt::format("{} ({})", out, standard);
}

} // namespace reachd
