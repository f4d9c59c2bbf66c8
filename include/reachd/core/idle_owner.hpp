// SPDX-License-Identifier: Apache-2.0
// idle_owner.hpp: which box gives idle flows up, by refreshes that end at a known hop.
//
// Use     owner_trial() once a silence was lost; leave its flows alone, each with its refreshes;
// judge_owner(). Shapes  Flow k is refreshed by packets whose hops end at k, so that boxes 1 to k see traffic
// and those
//         beyond see none. The first k that holds names the farthest box with the short timer.
// Errors  Not monotone, no control that holds, or nothing lost this time: no place, and the sentence says so.
// Limits  The farthest box alone: a nearer one that forgets as early is masked. A box that ages flows by
//         forwarded packets alone is refreshed one hop later, so both are named.
// Source  Measured: a keep-alive of TTL 2 that ends at hop 2 refreshes the Linux conntrack of hop 2.
#pragma once

#include "reachd/core/idle_judgement.hpp"
#include "reachd/core/path.hpp"

#include <span>

namespace reachd {

// One flow of the trial, or what came of it.
struct refreshed_flow {
    unsigned hops = 0; // of its refreshes; 0: it is not refreshed
    idle_grade grade = idle_grade::none;
    std::optional<ip_address> ended_at; // who said that a refresh ended there
    bool operator==(const refreshed_flow&) const = default;
};

struct idle_trial {
    duration hold{};               // until the far side speaks
    std::vector<duration> refresh; // after the beginning, ascending
    std::vector<unsigned> flows;   // hops of each flow's refreshes; the largest reach the far side
};

// `routers` is how many boxes stand between: flows of 0 to routers + 1 hops, two of each.
idle_trial owner_trial(std::optional<duration> held, duration lost, unsigned routers, idle_class which);

struct idle_owner {
    std::optional<location> where; // at a hop, or one of a neighbouring pair
    std::string sentence;          // "" where nothing was tried
    bool operator==(const idle_owner&) const = default;
};
// The way out as it is known, with what the refreshes add.
path path_of_trial(
    std::span<const refreshed_flow> flows, path known, const local_network& local, const path_config& config
);
// `way` gives the hops their addresses and says where the site ends.
// Why there was no trial, which takes longer than flows may be left alone.
std::string not_looked_for(duration takes, seconds longest);

idle_owner judge_owner(std::span<const refreshed_flow> flows, const path& way);

} // namespace reachd
