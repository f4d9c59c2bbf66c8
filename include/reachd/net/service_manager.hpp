// SPDX-License-Identifier: Apache-2.0
// service_manager.hpp: systemd's start-up protocols, without libsystemd.
//
// Use      take_inherited_sockets() once, before threads and children; notify_service_manager("READY=1").
// Errors   Variables that are there but make no sense are `invalid`; none at all is an empty answer.
// Source   sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3) of systemd 252.
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/core/time.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace reachd {

struct inherited_socket {
    std::string name; // FileDescriptorName= of the socket unit
    int fd = -1;

    bool operator==(const inherited_socket&) const = default;
};

// The variables as they stand in the environment; nullopt for one that is not set.
struct listen_variables {
    std::optional<std::string> pid;   // LISTEN_PID
    std::optional<std::string> fds;   // LISTEN_FDS
    std::optional<std::string> names; // LISTEN_FDNAMES
};

// None when the variables are meant for another process than `own`.
result<std::vector<inherited_socket>> parse_listen_variables(const listen_variables& variables, pid_t own);

// Reads the environment, clears it for children and makes the descriptors close on exec.
result<std::vector<inherited_socket>> take_inherited_sockets();

// Half of the watchdog's time: how often "WATCHDOG=1" is due; nullopt when nobody watches.
std::optional<microseconds>
parse_watchdog(const std::optional<std::string>& usec, const std::optional<std::string>& pid, pid_t own);
std::optional<microseconds> watchdog_interval();

// Sends `state` ("READY=1\nSTATUS=...") to the socket NOTIFY_SOCKET names; no socket is no error.
result<void> notify_service_manager(std::string_view state);
// The same to a path, or to an abstract name that begins with '@'.
result<void> notify_socket(const std::string& socket, std::string_view state);

} // namespace reachd
