// SPDX-License-Identifier: Apache-2.0
// availability.hpp: how long something stood how, and when it was out: from the states that were recorded.
//
// Use     make_timeline(), then measure() for a window and outages() for the list.
// Shapes  A timeline covers [from, to] without gaps. While no daemon watched, or had not measured yet,
//         it is `unknown`: neither up nor down.
// Units   wall time.
// Errors  none.
#pragma once

#include "reachd/core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace reachd {

enum class standing : std::uint8_t {
    up,       // passes, ready
    down,     // fails, not ready
    unproven, // measured, and undecided; or not configured
    unknown,  // nobody looked
};
const char* to_string(standing value);
// Of a row's or the site's state word.
standing standing_of(std::string_view state);

// A state that was recorded; `record` says where its words are.
struct state_point {
    wall_time at{};
    wall_time since{};
    standing is = standing::unknown;
    std::int64_t record = 0;
};

// A daemon that watched; the end of the present one is now.
struct watch_span {
    wall_time from{};
    wall_time to{};
};

struct state_span {
    wall_time from{};
    wall_time to{};
    standing is = standing::unknown;
    wall_time since{}; // of the state, which may have begun before this span
    std::int64_t record = 0;
    bool operator==(const state_span&) const = default;
};

// By the order of `record`, as they were written. Where the clock was put back, what was recorded ahead of
// the time that was written next goes: it has not happened yet.
std::vector<state_point> drop_overtaken(std::vector<state_point> points);

// `points` and `watched` in the order of time; points before `from` tell how it stood then.
std::vector<state_span> make_timeline(
    std::span<const state_point> points, std::span<const watch_span> watched, wall_time from, wall_time to
);

struct availability {
    milliseconds window{};
    milliseconds up{};
    milliseconds down{};
    milliseconds unproven{};
    milliseconds unknown{};
    bool operator==(const availability&) const = default;
    // Of the time that it was up or down; nullopt: never.
    [[nodiscard]] std::optional<double> share_up() const;
    // The part of the window that it was up or down.
    [[nodiscard]] double coverage() const;
};
// The part of the timeline that lies in [from, to].
availability measure(std::span<const state_span> timeline, wall_time from, wall_time to);

struct outage {
    wall_time start{};
    std::optional<wall_time> end;       // nullopt: not over
    standing ended_as = standing::down; // what came next
    milliseconds unwatched{};           // within it, nobody looked for so long
    std::int64_t record = 0;            // the first of its words
    bool operator==(const outage&) const = default;
};
// In the order of time. A gap in which nobody looked, with an outage at both ends, is a part of it.
std::vector<outage> outages(std::span<const state_span> timeline);

} // namespace reachd
