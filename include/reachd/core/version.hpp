// SPDX-License-Identifier: Apache-2.0
// version.hpp: the version of these programs, as CMakeLists.txt says it.
#pragma once

#include "reachd/core/time.hpp"

namespace reachd {

const char* program_version(); // "0.1.0"
wall_time program_date();      // the day they were made, or that of the package's changelog

} // namespace reachd
