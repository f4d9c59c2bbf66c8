// SPDX-License-Identifier: Apache-2.0
// settings.hpp: flags, configuration file and key file as one value.
//
// Errors  Every fault of every file at once; what forbids to start is one of them.
#pragma once

#include "reachd/core/reflector_wire.hpp"
#include "reachd/reflector/config.hpp"
#include "reachd/reflector/process.hpp"

namespace reachd::reflector {

struct settings {
    config what; // with the flags in it
    std::vector<wire::key> keys;
};

parsed<settings> read_settings(const process_options& options);
// None for an empty path.
parsed<std::vector<wire::key>> read_keys(const std::string& path);

} // namespace reachd::reflector
