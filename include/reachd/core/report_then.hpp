// SPDX-License-Identifier: Apache-2.0
// report_then.hpp: the site as it was, in the form of a report, for whoever renders reports.
//
// Use     `present` is the site report of now (runs are enough): what a row asks for comes from it. `then` is
// the
//         answer of `history` with `at` (docs/CONTROL.md).
// Shapes  Rows without a record then are left out. What is not remembered (the way out, samples, idle timers)
// is empty. Errors  none: a member that is missing or of another type is taken for empty.
#pragma once

#include "reachd/core/json.hpp"

namespace reachd {

json report_then(json present, const json& then);

} // namespace reachd
