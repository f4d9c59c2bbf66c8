// SPDX-License-Identifier: Apache-2.0
// config_http.hpp: the part `http` of reachd.json.
#pragma once

#include "reachd/core/config.hpp"
#include "reachd/core/json.hpp"

namespace reachd {

void read_http(object_reader reader, http_config& into);

} // namespace reachd
