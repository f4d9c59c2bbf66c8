// SPDX-License-Identifier: Apache-2.0
// block_target.hpp: what a round of samples of a block is told, and the words it shares with its driver.
//
// Shapes  Plain values. A driver turns what it observed into a block_reply: block_answer (block_hole.hpp)
//         says what each one means.
#pragma once

#include "reachd/core/block_hole.hpp"
#include "reachd/core/time.hpp"
#include "reachd/core/verdict.hpp"

#include <optional>
#include <string>
#include <vector>

namespace reachd {

struct block_sample_options {
    unsigned strata = 256;          // rounded down to a power of two, most_strata and the block's size
    unsigned tries = 3;             // before silence counts
    unsigned most_tries = 16;       // of one address, void ones and those against a lossy path among them
    unsigned control_every = 25;    // probes
    unsigned control_patience = 12; // failing controls in a row before the round is given up
    unsigned most_extra = 128;      // addresses drawn to find the extent of holes
    unsigned most_probes = 4096;    // of a round
    // A Linux router sends one ICMP error a second to one client after six at once
    // (net.ipv4.icmp_ratelimit 1000), so probes and tries are spaced by more than that.
    milliseconds spacing{1050};
    milliseconds retry_after{1100};
    milliseconds control_pause{10'000}; // between controls that fail
};

struct block_target {
    ip_block block;
    std::uint16_t port = 0;
    std::string vantage;
    hop edge;                               // the first hop past the site's edge: it ends there
    std::optional<ip_address> passes;       // positive control; else the first host of the block that passed
    std::optional<ip_address> not_answered; // negative control: nothing can answer there
    std::vector<ip_block> revisit;          // holes of the last round: their quarters are probed again
};

struct block_reply {
    block_answer answer = block_answer::silent;
    std::optional<ip_address> by; // the sender of an ICMP error
};

enum class probe_reason : std::uint8_t {
    stratum,          // the one host of its stratum
    revisit,          // a known hole: is it still there
    retry,            // one that did not pass
    hole,             // the extent of a hole
    positive_control, // an address that passes
    negative_control, // an address at which nothing can answer
};

} // namespace reachd
