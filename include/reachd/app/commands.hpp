// SPDX-License-Identifier: Apache-2.0
// commands.hpp: what each method of the control protocol does, on top of the daemon's engine.
//
// Use      run_command() for each request; the others make what several doors present.
// Lifetime The daemon outlives its server and so every request.
// Source   docs/CONTROL.md; the table of methods is core/control.hpp.
#pragma once

#include "reachd/app/engine.hpp"
#include "reachd/app/history_desk.hpp"
#include "reachd/core/site_report.hpp"
#include "reachd/net/control_server.hpp"

#include <functional>
#include <memory>
#include <string>

namespace reachd {

// What the commands need of the daemon: the present engine, which a reload replaces.
struct command_context {
    std::string version;
    wall_time started{};
    std::function<std::shared_ptr<engine>()> present;
    // Reads the files again; the faults when they have any.
    std::function<boost::asio::awaitable<parsed<std::size_t>>()> reload;
    std::function<std::string()> metrics;
    history_desk* history = nullptr; // outlives every request
};

boost::asio::awaitable<rpc_answer>
run_command(command_context context, rpc_request request, control_caller caller);

// The small answer for pollers.
json present_health(const engine& work, const history_desk& history);
// The site report with this program's own troubles in `self`, and among the findings for every format.
json present_report(const engine& work, const report_selection& select);
// The rows that a request names, and what to say where there are none.
std::vector<std::size_t> rows_of(const plan& what, const report_selection& select);
rpc_error no_such_row(const plan& what, const report_selection& select);

// The present state for a subscriber.
json subscription_snapshot(const engine& work, const history_desk& history);

} // namespace reachd
