// SPDX-License-Identifier: Apache-2.0
// process.hpp: reachd-reflector from its flags to its end: files, signals, service manager, counters on disk.
//
// Use     run() from main; SIGTERM and SIGINT end it, SIGHUP reads the keys again.
// Errors  Exit codes: 0 ended as asked, 71 the system, 75 an address that is in use, 78 a file or a setting.
#pragma once

#include "reachd/core/events.hpp"

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace reachd::reflector {

struct process_options {
    std::vector<std::string> listen; // these and those of the file
    std::string alternate;
    std::string key_file; // "": that of the file, then $CREDENTIALS_DIRECTORY/reflector.key where it is
    std::string config_file;
    std::string version;
    bool check_only = false;
};

using log_function =
    std::function<void(const event_kind& what, const std::string& sentence, const nlohmann::json& fields)>;

int run(const process_options& options, log_function log);

namespace events { // docs/REFLECTOR.md explains each
inline constexpr event_kind started{"reflector.started", severity::info, "the sockets are served"};
inline constexpr event_kind stopping{"reflector.stopping", severity::info, "a signal asked for the end"};
inline constexpr event_kind keys_reloaded{"reflector.keys", severity::info, "the keys were read again"};
inline constexpr event_kind keys_rejected{
    "reflector.keys_rejected", severity::error, "the key file has faults; the keys in force stay"
};
inline constexpr event_kind dropped{
    "reflector.dropped", severity::info, "packets of a source are dropped; the first in a minute"
};
inline constexpr event_kind failed{
    "reflector.failed", severity::error, "a part of the reflector ended by an exception; the others go on"
};
} // namespace events

} // namespace reachd::reflector
