// SPDX-License-Identifier: Apache-2.0
// commands.hpp: what each method of the control protocol does, on top of the daemon's engine.
//
// Use      make_callbacks() once; the server calls them.
// Lifetime The daemon outlives its server and so every request.
// Source   docs/CONTROL.md; the table of methods is core/control.hpp.
#pragma once

#include "reachd/app/engine.hpp"
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
};

boost::asio::awaitable<rpc_answer>
run_command(command_context context, rpc_request request, control_caller caller);

// The small answer for pollers.
json present_health(const engine& work);
// The present state for a subscriber.
json subscription_snapshot(const engine& work);

} // namespace reachd
