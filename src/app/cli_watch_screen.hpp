// SPDX-License-Identifier: Apache-2.0
// cli_watch_screen.hpp: `watch` on a terminal.
//
// Cancel  q, Escape, SIGINT or SIGTERM; the terminal is put back as it was.
#pragma once

#include "reachd/app/cli.hpp"

namespace reachd {

int watch_on_screen(const cli_common& common);

} // namespace reachd
