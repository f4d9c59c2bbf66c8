// SPDX-License-Identifier: Apache-2.0
// idle_result.hpp: what a ladder found for a row that asks for an idle timer, and where to measure it.
//
// Use     choose_idle_target() once rows have been measured; the runner writes its idle_result into the
//         row's state; evaluate() and the report read it there.
// Shapes  One result for each class: TCP has one, UDP two (idle_ladder.hpp).
// Errors  none: without a place to measure there is a reason.
#pragma once

#include "reachd/core/idle_owner.hpp"
#include "reachd/core/stun_server.hpp"

#include <nlohmann/json_fwd.hpp>
#include <variant>

namespace reachd {

struct plan;
struct plan_row;
struct row_state;
struct site_state;
struct idle_timer;
struct idle_config;

struct idle_result {
    idle_class which = idle_class::tcp;
    seconds required{};
    std::string via; // "reflector HOST", "STUN server HOST", or the requirement that it was measured over
    endpoint target; // of that
    bool by_reflector = false; // or by a STUN server: the far side speaks first
    std::string without;       // why no reflector was used, where one is configured
    idle_judgement judged;
    std::vector<idle_reading> readings;
    idle_owner owner;                 // of a short timer
    std::optional<stun_view> seen_as; // where a STUN server told
    wall_time measured{};
};

// The ladders that a row asks for: one for TCP, two for UDP.
std::vector<idle_need> idle_needs(const idle_timer& timer, const idle_config& rungs);

// Where a ladder may be measured without a reflector: an endpoint that answers as the real one.
struct idle_target {
    std::size_t row = 0;      // of the plan
    std::size_t endpoint = 0; // of that row
};
// Nothing yet: rows that may have one are being measured.
struct idle_not_yet {};
// None: why, for a person.
struct idle_nowhere {
    std::string reason;
};
using idle_choice = std::variant<idle_target, idle_not_yet, idle_nowhere>;

// The first open TCP endpoint of the rows that `timer` names, in their order; else of any TCP row.
idle_choice choose_idle_target(const plan& what, const site_state& site, std::size_t idle_row);

// How the row stands: fail where a class fails, pass where all classes pass.
idle_answer answer_of(const idle_timer& timer, const std::vector<idle_result>& results);
std::string idle_row_sentence(const idle_timer& timer, const row_state& row);
// What to do about it; "" where nothing is to be done.
std::string idle_row_advice(const idle_timer& timer, const row_state& row);
// What a ladder over a real service cannot show, or what a STUN server told besides; "" where neither is.
std::string idle_row_finding(const row_state& row);

// The row's entries of the report's `idle` array: one for each class that was measured, or one that was not.
std::vector<nlohmann::json> idle_json(const plan_row& what, const row_state& row, const idle_timer& timer);

} // namespace reachd
