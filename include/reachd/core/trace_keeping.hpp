// SPDX-License-Identifier: Apache-2.0
// trace_keeping.hpp: which traces still say something when an endpoint has been probed anew.
//
// Use     take_in() with what a probe saw; forget_old_traces() at the start of a row's round; forget_gone() now and then.
// Units   Traces are good for ten minutes: paths change rarely.
// Errors  none.
#pragma once

#include "reachd/core/site_state.hpp"

#include <vector>

namespace reachd {

inline constexpr std::chrono::minutes trace_age{10};

// True when the endpoint now looks otherwise than before: then its traces, which were about another state,
// are gone, and there is something new to ask.
bool take_in(site_state& site, endpoint_state& one, std::vector<observation> seen);

void forget_old_traces(site_state& site, const row_state& row, wall_time now);

// Old ones of addresses that no row has any more: names move on, and nobody asks for these again.
void forget_gone(site_state& site, wall_time now);

} // namespace reachd
