// SPDX-License-Identifier: Apache-2.0
// idle_judgement.hpp: what the readings of idle flows prove about a timer, and what they do not.
//
// Use     judge_idle() with everything that was read so far; while `again` is not empty and turns are left,
//         leave flows alone once more for those times and judge everything again.
// Shapes  The timer lies in (held, lost]. Only `inbound` holds: a NAT that re-creates mappings answers our
//         own packet as if nothing had happened, so that what was only answered stands apart.
// Errors  none: what cannot be told is unproven, with the reason in the sentence.
// Source  RFC 4787 REQ-5, RFC 5382 REQ-5. Measured: with nf_conntrack_tcp_loose=1 an expired timer of 4 s
//         answers a keep-alive after 7 s.
#pragma once

#include "reachd/core/idle_ladder.hpp"

#include <span>

namespace reachd {

enum class idle_answer : std::uint8_t {
    pass,     // heard from outside after the required silence
    fail,     // gone by then: two flows agree, and no flush explains it
    unproven, // neither; the sentence says why
};
const char* to_string(idle_answer value);

// Against what the standards ask of a NAT, which may be more or less than the requirement.
enum class idle_conformity : std::uint8_t {
    unknown,
    below,       // UDP under 2 min, TCP under 2 h 4 min: MUST NOT
    meets,       // at least that
    recommended, // UDP of 5 min or more
};

struct idle_judgement {
    idle_answer answer = idle_answer::unproven;
    std::optional<duration> held;     // longest silence after which the other side was heard
    std::optional<duration> answered; // longest silence after which our own packet was answered
    std::optional<duration> lost;     // a silence that two flows did not survive; the shortest such
    std::optional<idle_grade> grade;  // of the evidence that `answer` rests on
    std::optional<after_expiry> after;
    idle_conformity conformity = idle_conformity::unknown;
    bool at_limit = false;       // the timer is the required time, give or take the guard
    bool unstable = false;       // flows were lost that should have been held, and again when repeated
    bool one_moment = false;     // all that were lost may have died at one moment: a flush, not a timer
    std::vector<duration> again; // silences to try once more, one flow each, before this is the last word
    std::string sentence;
};

idle_judgement judge_idle(const idle_need& need, std::span<const idle_reading> readings);

// What `again` asks for, as the rungs of that turn.
std::vector<idle_rung> repeat_rungs(const idle_judgement& judged, unsigned turn);

// The sentence for a person, and what RFC 4787 and RFC 5382 say of it ("" where nothing is known).
std::string
sentence_of(const idle_need& need, const idle_judgement& judged, std::span<const idle_reading> readings);
std::string conformity_sentence(idle_class which, idle_conformity value);
// "720 s", "12.5 s": as the rungs are named.
std::string seconds_text(duration span);

} // namespace reachd
