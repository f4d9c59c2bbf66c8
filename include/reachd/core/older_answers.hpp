// SPDX-License-Identifier: Apache-2.0
// older_answers.hpp: answers that have to be asked for again before they testify against a neighbour's
// silence.
//
// Use     A fault that begins within a round leaves answers of before it. Of each list the first endpoint is
// probed again;
//         only where it, too, is silent now are the others.
// Units   Indices into the endpoints passed in; observation::at compares.
// Errors  none: nothing outdated gives no list.
#pragma once

#include "reachd/core/site_state.hpp"

#include <cstddef>
#include <vector>

namespace reachd {

// TCP endpoints of the vantages and addresses of those that fell silent, which answered before that: a list
// for each vantage and address, by port. None where somebody there has answered since.
std::vector<std::vector<std::size_t>> answers_before_silence(
    const std::vector<endpoint_state>& endpoints, const std::vector<std::size_t>& fell_silent
);

// Whether one of these endpoints, of another row, is such an answer.
bool has_answers_before_silence(
    const std::vector<endpoint_state>& others, const std::vector<endpoint_state>& endpoints,
    const std::vector<std::size_t>& fell_silent
);

} // namespace reachd
