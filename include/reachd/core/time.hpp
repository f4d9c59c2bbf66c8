// SPDX-License-Identifier: Apache-2.0
// time.hpp: the two clocks of the program, and the text form of a moment.
//
// Units   `time_point` is steady and is what every decision takes as `now`; `wall_time` is UTC and is
//         only ever shown or stored, never compared with a deadline.
#pragma once

#include <chrono>
#include <string>

namespace reachd {

using steady = std::chrono::steady_clock;
using time_point = steady::time_point;
using duration = steady::duration;
using wall_time = std::chrono::sys_time<std::chrono::milliseconds>;

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// RFC 3339 in UTC with milliseconds: 2026-11-21T14:05:00.123Z.
std::string to_text(wall_time when);

// "21 ms", "3 s", "12 min": the largest unit that keeps the figure readable.
std::string to_text(duration span);

} // namespace reachd
