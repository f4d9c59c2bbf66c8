// SPDX-License-Identifier: Apache-2.0
// command_table.hpp: the commands of a CLI11 parser as a plain table.
#pragma once

#include "reachd/core/completions.hpp"

namespace CLI {
class App;
}

namespace reachd {

command_table table_of(const CLI::App& app, std::string program);

} // namespace reachd
