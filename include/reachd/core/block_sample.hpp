// SPDX-License-Identifier: Apache-2.0
// block_sample.hpp: one round of samples of one (block, port, vantage): what to probe next, and why.
//
// Use     next(under_way, now) until it answers `done`; record() for each probe; then result().
//         Each probe is a SYN whose hop limit ends just past the site's edge (block_target::edge).
// Shapes  One fresh host in each stratum, in an order shuffled by the seed, so that a round cut short is
//         spread over the block. Only these count in n; hosts drawn around a failing one (block_hole.hpp)
//         are not a random sample of the block.
// Proof   What did not pass counts only when a control (an address that passes) passes afterwards, with
//         no failing control between: otherwise these tries are void. Loud answers are tried twice,
//         silence `tries` times; a hole also needs more silence than the loss seen in this round explains.
// Units   `now` is steady and never goes back.
// Limits  strata + most_extra + 4 a revisited hole addresses, most_tries each, most_probes in all.
// Source  docs/VERDICTS.md, "Blocks of addresses".
#pragma once

#include "reachd/core/block_result.hpp"
#include "reachd/core/block_target.hpp"

#include <map>
#include <set>
#include <variant>

namespace reachd {

class block_sample {
public:
    struct probe {
        ip_address to;
        probe_reason why;
    };
    struct wait_until {
        time_point when;
    };
    struct nothing {}; // all that can be done is under way: wait for record()
    struct done {};
    using action = std::variant<probe, wait_until, nothing, done>;

    block_sample(block_target target, std::uint64_t seed, const block_sample_options& options);

    // `under_way`: probes answered by next() and not yet recorded; one that is missing is probed again.
    action next(const std::set<ip_address>& under_way, time_point now);
    void record(const ip_address& to, const block_reply& what, time_point at);

    [[nodiscard]] block_result result(wall_time began) const;
    [[nodiscard]] unsigned probes() const { return sequence_; }
    // Share of the tries that were lost on their way to addresses that pass; never quite 0.
    [[nodiscard]] double loss() const;

private:
    struct sampled {
        ip_address address;
        std::optional<unsigned> stratum; // nullopt: not drawn for a stratum
        bool passed = false;
        block_reply said;         // its last loud answer
        unsigned silent = 0;      // tries that count
        unsigned loud = 0;        // tries that count
        unsigned open_silent = 0; // waiting for a control
        unsigned open_loud = 0;
        unsigned all = 0; // tries, void and not measured ones too
        unsigned last_sequence = 0;
        time_point last{};
        probe_reason why = probe_reason::stratum;
    };
    struct issued {
        probe_reason why;
        unsigned sequence;
        std::size_t index; // into samples_; of controls: into controls_
    };
    using choice = std::optional<action>;

    action send(const ip_address& to, probe_reason why, std::size_t index, time_point now);
    action send_sample(std::size_t index, probe_reason why, time_point now);
    choice negative_control(time_point now);
    choice positive_control(time_point now);
    choice first_tries(time_point now);
    choice retries(time_point now);
    choice hole_search(time_point now);
    choice last_control(time_point now);

    void record_control(const issued& which, const block_reply& what, time_point at);
    void record_negative(const block_reply& what, time_point at);
    void record_sample(const issued& which, const block_reply& what, time_point at);

    [[nodiscard]] bool is_settled(const sampled& one) const;
    [[nodiscard]] bool wants_retry(const sampled& one) const;
    [[nodiscard]] std::vector<block_evidence> evidence() const;
    [[nodiscard]] std::optional<std::size_t> weakest(const envelope& where) const;
    std::optional<std::size_t> add(const ip_block& part, std::optional<unsigned> stratum, probe_reason why);

    block_target target_;
    block_sample_options options_;
    std::uint64_t seed_;
    block_random random_;
    unsigned strata_ = 1;
    std::vector<sampled> samples_;
    std::set<ip_address> drawn_;
    std::size_t next_first_ = 0; // of samples_: first tries up to here
    std::map<ip_address, issued> issued_;
    unsigned extra_ = 0;

    std::vector<ip_address> controls_; // the caller's, then one that passed
    std::size_t control_ = 0;
    bool control_due_ = false;
    unsigned control_silent_ = 0; // in this check
    unsigned control_failures_ = 0;
    unsigned since_control_ = 0; // probes
    time_point control_at_{};
    unsigned void_before_ = 0; // tries sent before this one are void when they come back

    unsigned negative_tries_ = 0;
    bool negative_settled_ = false;
    block_ending ending_ = block_ending::under_way;

    unsigned sequence_ = 0; // of probes
    unsigned lost_ = 0;     // tries
    unsigned heard_ = 0;
    time_point free_at_{};
};

} // namespace reachd
