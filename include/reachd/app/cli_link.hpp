// SPDX-License-Identifier: Apache-2.0
// cli_link.hpp: how the commands reach the daemon.
//
// Errors  Said on stderr in one sentence that says what to do; nullopt then.
#pragma once

#include "reachd/app/cli.hpp"
#include "reachd/core/json.hpp"
#include "reachd/net/control_client.hpp"

#include <optional>
#include <string>

namespace reachd {

inline constexpr seconds plugin_wait{5}; // pollers give up at 10 s (Monitoring Plugins)
inline constexpr seconds usual_wait{10};
inline constexpr seconds history_wait{20}; // the daemon gives its disk 15 s
inline constexpr seconds probe_wait{3600}; // a paced sweep of thousands of endpoints

// control.sock for methods that change something, status.sock for the others; --socket overrides.
std::string socket_for(const cli_common& common, std::string_view method);

// Why there is no answer, in words that may be printed: a daemon's own may come from anybody. One fault a
// line.
std::string sentence_of(const call_error& failed);

// What is not the answer goes to `heard`.
inline const control_client::listener hear_nothing = [](const control_notification&) {};

std::optional<json> ask_daemon(
    const cli_common& common, std::string_view method, const json& params, seconds wait,
    const control_client::listener& heard = hear_nothing
);
// The same with the sentence handed back.
std::optional<json> ask_daemon_quietly(
    const cli_common& common, std::string_view method, const json& params, seconds wait, std::string& why,
    const control_client::listener& heard = hear_nothing
);

} // namespace reachd
