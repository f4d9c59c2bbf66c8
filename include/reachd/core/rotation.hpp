// SPDX-License-Identifier: Apache-2.0
// rotation.hpp: which endpoints of a long row are probed in this round.
//
// Use     select_round() with the cursor that the last one left.
// Shapes  Short rows always whole. Long ones: all that does not pass, both ends of each run, what was
//         never probed, and a share in turn, so that every port is seen once a sweep.
// Limits  A long row costs at most `most_troubled` + `most_ends` + its share each round.
#pragma once

#include "reachd/core/site_state.hpp"

#include <cstddef>
#include <vector>

namespace reachd {

inline constexpr std::size_t whole_up_to = 64; // endpoints
inline constexpr std::size_t most_troubled = 64;
inline constexpr std::size_t most_ends = 64;

struct rotation {
    std::size_t cursor = 0;           // first endpoint of the next share
    std::size_t rounds_per_sweep = 1; // 1: every round is whole
};

// Indices into `endpoints`, ascending; moves the cursor on.
std::vector<std::size_t>
select_round(expectation expect, const std::vector<endpoint_state>& endpoints, rotation& turn);

} // namespace reachd
