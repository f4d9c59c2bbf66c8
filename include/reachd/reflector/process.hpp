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
inline constexpr event_kind started{
    "reflector.started", severity::info, "295045547c634e5bb46d3b84d044d50f", "the sockets are served"
};
inline constexpr event_kind stopping{
    "reflector.stopping", severity::info, "7ef39c539743454397d3a9840194605d", "a signal asked for the end"
};
inline constexpr event_kind keys_reloaded{
    "reflector.keys", severity::info, "bab71dbfc7ec40e38b83e6a3da995386", "the keys were read again"
};
inline constexpr event_kind keys_rejected{
    "reflector.keys_rejected", severity::error, "01830ca86863447ebf4ac24b9f835122",
    "the key file has faults; the keys in force stay"
};
inline constexpr event_kind dropped{
    "reflector.dropped", severity::info, "c95909943688406685c77c26880148da",
    "packets of a source are dropped; the first in a minute"
};
inline constexpr event_kind failed{
    "reflector.failed", severity::error, "4322537c06fa4c209fea565474d87d0b",
    "a part of the reflector ended by an exception; the others go on"
};
} // namespace events

} // namespace reachd::reflector
