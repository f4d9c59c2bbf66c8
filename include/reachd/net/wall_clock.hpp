// SPDX-License-Identifier: Apache-2.0
// wall_clock.hpp: the time of day for evidence; deadlines use the steady clock.
#pragma once

#include "reachd/core/time.hpp"

namespace reachd {

inline wall_time wall_now()
{
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

} // namespace reachd
