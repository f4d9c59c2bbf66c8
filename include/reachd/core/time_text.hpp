// SPDX-License-Identifier: Apache-2.0
// time_text.hpp: moments as people and programs write them.
//
// Use     parse_time() for the wire; parse_when() for a command line, where local times are usual.
// Errors  nullopt for what is no time; nothing is guessed.
// Source  RFC 3339 section 5.6.
#pragma once

#include "reachd/core/time.hpp"

#include <optional>
#include <string_view>
#include <variant>

namespace reachd {

// "2026-11-21T14:05:00Z", "2026-11-21 14:05:00.5+01:00": with its zone, years 1970 to 9999.
std::optional<wall_time> parse_time(std::string_view text);

// A time of day on a local calendar: who knows the time zone makes a moment of it.
using local_time = std::chrono::local_time<milliseconds>;
using some_time = std::variant<wall_time, local_time>;

// What parse_time() takes, and: "14:05" (today, or yesterday where that is still to come), "today 14:05",
// "yesterday 14:05", "tuesday 14:05" (the last one), "2026-11-21", "2026-11-21 14:05", "now",
// "2 h ago", "90m", "3 days ago", "30 s".
std::optional<some_time> parse_when(std::string_view text, wall_time now, local_time local_now);

} // namespace reachd
