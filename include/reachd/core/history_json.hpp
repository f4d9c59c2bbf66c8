// SPDX-License-Identifier: Apache-2.0
// history_json.hpp: what the history holds as JSON: the entries of the method `history`.
//
// Shapes  docs/CONTROL.md, method `history`.
// Errors  none: a detail that is no JSON object is null.
#pragma once

#include "reachd/core/availability.hpp"
#include "reachd/core/history.hpp"

#include <nlohmann/json_fwd.hpp>

namespace reachd {

nlohmann::json to_json(const history_record& what);
nlohmann::json to_json(const round_sample& what);
nlohmann::json to_json(const address_sighting& what);
nlohmann::json to_json(const acknowledgement& what);
nlohmann::json to_json(const availability& what);
// `words`: the record that the outage began with.
nlohmann::json to_json(const outage& what, const history_record& words, wall_time now);

// A row of the site as it was.
nlohmann::json row_then_json(const history_record& what);

} // namespace reachd
