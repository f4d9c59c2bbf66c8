// SPDX-License-Identifier: Apache-2.0
// expand.hpp: a row and what its names resolve to, as concrete endpoints.
//
// Shapes  Addresses of the row first, then names in their order; each x ports x vantages.
#pragma once

#include "reachd/core/site_state.hpp"

#include <string>
#include <vector>

namespace reachd {

// Endpoints of `row` now; those that `before` already had keep their observations and verdicts.
std::vector<endpoint_state> expand(
    const outbound_row& row, const std::vector<name_lookup>& lookups, const std::vector<vantage>& vantages,
    const std::vector<endpoint_state>& before
);

// Addresses of names that one list has and the other has not, as "name address", in order.
std::vector<std::string>
new_addresses(const std::vector<endpoint_state>& before, const std::vector<endpoint_state>& now);

} // namespace reachd
