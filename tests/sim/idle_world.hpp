// SPDX-License-Identifier: Apache-2.0
// idle_world.hpp: boxes with idle timers, a server and what else can happen, of which all is known.
//
// Use     draw_world() from a seed; run_ladder() leaves flows alone in it as the app does, in virtual time.
// Shapes  A mapping dies at its age, by a flush at one moment, or by eviction from a full table. A box that
//         has forgotten a flow re-creates, re-maps, resets or drops (RFC 4787's words and Linux's habits).
#pragma once

#include "reachd/core/idle_judgement.hpp"

#include <random>

namespace reachd::test {

struct idle_box {
    duration single{}; // UDP flows that have seen one exchange
    duration stream{}; // UDP with traffic both ways, and TCP
    after_expiry then = after_expiry::recreates;
    bool inbound_keeps = true; // false: only packets from inside refresh it (RFC 4787 REQ-6)
};

struct idle_world {
    std::vector<idle_box> boxes;         // from the inside out
    bool far_side = false;               // the other side speaks when asked, and says whether it did
    std::optional<duration> peer_closes; // at this age
    std::optional<duration> peer_speaks; // at this age, by itself
    std::optional<duration> flush;       // all mappings of all boxes, after the ladder's beginning
    std::optional<duration> outage;      // the way is down for some seconds from then
    std::optional<duration> sleep;       // this machine is suspended then
    duration round_trip{};               // by which the last packet from inside is older than its answer
    double evictions_per_s = 0;          // of one mapping, by pressure on the table
    double loss = 0;                     // of single packets, each way
    std::mt19937_64 random;

    // The age at which an untouched mapping is gone for the world outside.
    [[nodiscard]] duration timer(idle_class which) const;
    [[nodiscard]] bool is_clean() const; // nothing but timers
};

struct ladder_run {
    std::vector<idle_reading> readings;
    idle_judgement judged;
    unsigned turns = 0;
};

idle_world draw_world(std::uint64_t seed);
ladder_run run_ladder(const idle_need& need, idle_world& world);
std::string describe(const idle_world& world);

} // namespace reachd::test
