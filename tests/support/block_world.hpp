// SPDX-License-Identifier: Apache-2.0
// block_world.hpp: a site's firewall with holes in a block, in virtual time, and one round of samples of it.
//
// Shapes  Replies come after 20 ms, silence is told after two seconds; probes overlap as they do on a
// network.
#pragma once

#include "reachd/core/block_sample.hpp"

#include <functional>
#include <random>
#include <string_view>
#include <vector>

namespace reachd::test {

ip_block make_block(std::string_view text);

struct world_hole {
    ip_block where;
    block_answer how = block_answer::silent;
    std::optional<ip_address> by;
};

// A token bucket as of net.ipv4.icmp_ratelimit: six at once, then one a second.
struct icmp_bucket {
    double tokens = 6;
    time_point last{};
    bool take(time_point now);
};

struct block_world {
    std::vector<world_hole> holes;
    double loss = 0;                                        // of a try, both ways together
    std::vector<std::pair<time_point, time_point>> outages; // nothing passes
    bool limits_icmp = false;
    block_answer for_all = block_answer::passed; // answered: a proxy in every name
    std::mt19937_64 random{1};
    icmp_bucket beyond;
    icmp_bucket box;

    block_reply answer(const ip_address& to, time_point now);
    [[nodiscard]] const world_hole* hole_at(const ip_address& to) const;
};

struct sent_probe {
    ip_address to;
    probe_reason why;
    time_point when;
    block_reply reply;
};

struct block_run {
    block_result result;
    std::vector<sent_probe> sent;
    time_point end;
    [[nodiscard]] std::size_t count(probe_reason why) const;
};

inline constexpr time_point world_begin{std::chrono::hours{1}};
block_run run_block(block_sample& sample, block_world& world);

} // namespace reachd::test
