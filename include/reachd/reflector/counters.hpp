// SPDX-License-Identifier: Apache-2.0
// counters.hpp: what the reflector has done, as numbers, and their Prometheus text.
#pragma once

#include "reachd/reflector/guard.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace reachd::reflector {

struct counters {
    std::uint64_t received = 0; // messages and datagrams
    std::uint64_t received_bytes = 0;
    std::uint64_t sent = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t answers = 0; // appointments kept
    std::uint64_t late_us_sum = 0;
    std::uint64_t late_us_max = 0;
    std::uint64_t connections = 0; // TCP, accepted
    std::uint64_t connections_refused = 0;
    std::array<std::uint64_t, drop_kinds> dropped{};
};

struct gauges {
    std::size_t connections = 0;
    std::size_t waiting = 0;
    std::size_t records = 0;
    std::size_t keys = 0;
};

std::string to_prometheus(const counters& counted, const gauges& now);

} // namespace reachd::reflector
