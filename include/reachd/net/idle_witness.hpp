// SPDX-License-Identifier: Apache-2.0
// idle_witness.hpp: whether this machine itself came between while a flow was left alone.
//
// Use      begin() with the silence; disturbed() at each look.
// Lifetime `watch` outlives it.
// Limits   A sleep of less than half a second is not noticed.
// Source   clock_gettime(2): CLOCK_BOOTTIME goes on while the machine is suspended, CLOCK_MONOTONIC does not.
#pragma once

#include "reachd/core/time.hpp"
#include "reachd/net/local_change_watch.hpp"

#include <optional>
#include <string>

namespace reachd {

class idle_witness {
public:
    explicit idle_witness(local_change_watch& watch) : watch_{watch} {}

    // `fd` is the flow's socket.
    void begin(int fd, const ip_address& target);
    // "this machine was suspended"; nullopt where nothing happened.
    std::optional<std::string> disturbed();

private:
    local_change_watch& watch_;
    local_change_watch::mark mark_;
    duration asleep_{};
};

} // namespace reachd
