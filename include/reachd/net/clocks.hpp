// SPDX-License-Identifier: Apache-2.0
// clocks.hpp: the clocks of this machine, read side by side.
//
// Source  clock_gettime(2): CLOCK_BOOTTIME goes on while the machine is suspended, CLOCK_MONOTONIC does not.
#pragma once

#include "reachd/core/self_care.hpp"

namespace reachd {

// How long this machine has slept since it started.
duration time_asleep();
clock_reading read_clocks();

} // namespace reachd
