// SPDX-License-Identifier: Apache-2.0
// history_record.hpp: single records, each made of what the engine or the daemon knows.
//
// Errors  none.
#pragma once

#include "reachd/core/history.hpp"
#include "reachd/core/site_state.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace reachd {

inline constexpr std::size_t most_told_runs = 32;     // of one record
inline constexpr std::size_t most_evidence = 3;       // endpoints of one record
inline constexpr std::size_t most_observations = 6;   // of one of these
inline constexpr std::size_t most_detail = 16 * 1024; // bytes of one record

// The row as it stands: its counts, the runs that do not pass, and what was seen of some of them.
history_record row_record(
    const plan_row& what, const site_state& site, const row_state& row, std::string before, wall_time now
);
// Ports of one address that changed alike; `one` stands for them all.
history_record endpoint_record(
    const plan_row& what, const site_state& site, const endpoint_state& one, port_set ports,
    std::string before, wall_time now
);
// Tells runs that do not pass from others, whatever their sentences.
std::string runs_digest(const row_state& row);
std::string runs_digest(const nlohmann::json& detail);

round_sample sample_of(const plan_row& what, const row_state& row, wall_time now);

// One entry of the report's `idle`.
history_record idle_record(const nlohmann::json& entry, wall_time now);
history_record block_record(const plan_row& what, const block_result& round, wall_time now);
history_record address_record(const plan_row& what, std::string sentence, wall_time now);
// The beginning, a reload: with the rows that are in force from then on.
history_record plan_record(record_kind kind, const plan& what, std::string sentence, wall_time now);

} // namespace reachd
