// SPDX-License-Identifier: Apache-2.0
// idle_ladder.hpp: which flows are left alone, and for how long, to bracket an idle timer.
//
// Use     first_rungs() for a whole ladder; judge() (idle_judgement.hpp) says what its readings prove, and
//         which rungs to try once more; refine_rungs() narrows a bracket 17-fold.
// Shapes  A rung is one flow that is left alone once. A second ladder, with rungs half way between those of
//         the first, begins `stagger` later: a timer kills by age, a flush by the clock on the wall.
// Units   std::chrono; `start` counts from the beginning of the ladder.
// Source  RFC 4787 REQ-5, RFC 5382 REQ-5; rungs and guard as measured with Linux conntrack (a timer of 10 s
//         is alive at 9.5 s and dead at 10.0 s).
#pragma once

#include "reachd/core/address.hpp"
#include "reachd/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reachd {

// Which timer of a box is asked for.
enum class idle_class : std::uint8_t {
    tcp,        // an established connection
    udp_single, // a flow that has seen one exchange
    udp_stream, // one with traffic both ways for more than 2 s (conntrack: "only extend after 2 s")
};
// "single", "stream", or nullptr for TCP, which has one class.
const char* class_word(idle_class value);
transport transport_of(idle_class value);

// What one flow showed after its silence.
enum class idle_grade : std::uint8_t {
    inbound,       // the other side spoke first and was heard: the mapping held
    inbound_lost,  // the other side is known to have spoken, and nothing came: the mapping was gone
    outbound,      // we spoke first and were answered: it held, or was quietly made anew
    outbound_lost, // we spoke first to silence or a reset, while a fresh flow works: it was gone
    none,          // nothing: the reason says why
};
const char* to_string(idle_grade value);
bool has_held(idle_grade value); // inbound or outbound
bool was_lost(idle_grade value); // inbound_lost or outbound_lost

// What a packet from inside met after the mapping was gone.
enum class after_expiry : std::uint8_t {
    recreates, // a new mapping with the same port, as if nothing had happened
    remaps,    // a new mapping with another port
    resets,    // a reset came back
    drops,     // silence
};
const char* to_string(after_expiry value);

struct idle_need {
    idle_class which = idle_class::tcp;
    seconds required{};
    std::vector<seconds> rungs;     // ascending; empty: the built-in ladder
    std::optional<seconds> longest; // no rung above, but the required ones; nullopt: usual_longest()
};

struct idle_rung {
    duration hold{};  // how long the flow is left alone
    duration start{}; // after the ladder's beginning
    unsigned turn = 0;
    bool operator==(const idle_rung&) const = default;
};

// What one flow gave; a flow that was disturbed early may give two: what it proved, and that it ended.
struct idle_reading {
    duration idle{}; // how long nothing passed before the test
    idle_grade grade = idle_grade::none;
    std::optional<after_expiry> then;
    std::string reason; // of `none`: what came between
    time_point begun{}; // of the silence
    time_point tested{};
    unsigned turn = 0; // of its ladder: 0, and from 1 where it was tried once more
    bool operator==(const idle_reading&) const = default;
};

// Of a flow that did not come about.
idle_reading not_opened(duration hold, unsigned turn, const std::string& why, time_point now);

inline constexpr unsigned flows_at_required = 3;
inline constexpr unsigned rungs_of_refinement = 16;
inline constexpr unsigned most_turns = 2; // repetitions of rungs that contradict each other

// How far the rungs just below and above the required time are from it: 2 s, less for very short ones.
seconds guard_of(seconds required);
// Beyond a quarter more than what is required TCP is not worth the wait; UDP is asked for the 5 minutes
// that RFC 4787 recommends.
seconds usual_longest(idle_class which, seconds required);
// How much later the second ladder begins: 37 s, less where the whole ladder is short.
duration stagger_of(const idle_need& need);

std::vector<idle_rung> first_rungs(const idle_need& need);
// Evenly between a silence that was survived and one that was not.
std::vector<idle_rung> refine_rungs(duration survived, duration lost);
// From the beginning of the first flow to the end of the last.
duration length_of(const std::vector<idle_rung>& rungs);

} // namespace reachd
