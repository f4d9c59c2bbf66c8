// SPDX-License-Identifier: Apache-2.0
// dry_run_idle.hpp: the part of a dry run that tells of idle flows.
#pragma once

#include "reachd/core/dry_run.hpp"
#include "reachd/core/time.hpp"

#include <nlohmann/json.hpp>

namespace reachd {

struct idle_sums {
    std::size_t flows = 0;
    std::size_t packets = 0;
    seconds longest{}; // of one ladder; they go on side by side
};

// The members of an idle row's entry, added to the sums.
nlohmann::json
idle_dry_run(const plan& what, const idle_timer& timer, dry_run_ladders ladders, idle_sums& all);

} // namespace reachd
