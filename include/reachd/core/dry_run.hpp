// SPDX-License-Identifier: Apache-2.0
// dry_run.hpp: what a check would send, told beforehand; nothing is sent and no name is looked up.
//
// Shapes  One entry a row, as docs/CLI.md says. A name is "each address of it", as nobody has asked for them.
// Units   Flows are TCP connections or UDP source ports; packets those of a flow that nobody answers.
// Limits  Bounds are upper ones unless they say otherwise. Totals count one address for each name.
#pragma once

#include "reachd/core/plan.hpp"
#include "reachd/core/render_text.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace reachd {

enum class dry_run_ladders : std::uint8_t {
    measured, // idle timers are part of the check
    left_out, // not of this one: --quick, --fast
};
nlohmann::json dry_run_of(const plan& what, dry_run_ladders ladders);

std::string render_dry_run(const nlohmann::json& dry_run, const page& format);

} // namespace reachd
