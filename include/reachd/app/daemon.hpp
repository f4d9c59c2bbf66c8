// SPDX-License-Identifier: Apache-2.0
// daemon.hpp: reachd itself: one engine at a time, its two sockets, signals, reloads, log.
//
// Use      run_daemon() from main; it returns the exit code.
// Cancel   SIGTERM and SIGINT end it cleanly, a second one at once; SIGHUP reads the files again.
// Errors   What keeps it from starting is one sentence on stderr and an exit code of its own.
// Executor One thread; getaddrinfo has threads of its own (resolver.hpp).
#pragma once

#include "reachd/app/files.hpp"
#include "reachd/app/log.hpp"

#include <string>

namespace reachd {

inline constexpr int exit_config = 78; // EX_CONFIG of sysexits.h: the files have faults
inline constexpr int exit_in_use = 75; // EX_TEMPFAIL: another daemon serves the sockets
inline constexpr int exit_system = 71; // EX_OSERR: the system refused a socket or a directory

struct daemon_options {
    path_options where;
    log_options log;
    std::string version;
    std::string control_group; // of control.sock when the daemon makes it itself
};

int run_daemon(const daemon_options& options);

} // namespace reachd
