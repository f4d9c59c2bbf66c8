// SPDX-License-Identifier: Apache-2.0
// What came back, and what it proves (block_sample.cpp: what is asked next).
#include "reachd/core/block_sample.hpp"

#include <algorithm>
#include <utility>

namespace reachd {
namespace {

constexpr std::size_t most_controls = 2; // the caller's, and one that passed

bool is_loud(block_answer answer)
{
    return answer == block_answer::rejected || answer == block_answer::reset ||
           answer == block_answer::answered;
}

} // namespace

bool block_sample::is_settled(const sampled& one) const
{
    return one.passed || one.loud >= loud_enough || one.silent + one.loud >= options_.tries;
}

std::vector<block_evidence> block_sample::evidence() const
{
    std::vector<block_evidence> all;
    for (const auto& one : samples_) {
        if (one.passed) {
            all.push_back({.address = one.address, .answer = block_answer::passed, .by = {}});
        } else if (is_settled(one)) {
            all.push_back(
                {.address = one.address,
                 .answer = one.loud > 0 ? one.said.answer : block_answer::silent,
                 .by = one.said.by,
                 .silent = one.silent,
                 .loud = one.loud}
            );
        }
    }
    return all;
}

double block_sample::loss() const
{
    // Laplace's estimate: what was never seen to be lost may still be.
    return (lost_ + 1.0) / (lost_ + heard_ + 2.0);
}

void block_sample::record(const ip_address& to, const block_reply& what, time_point at)
{
    const auto found = issued_.find(to);
    if (found == issued_.end() || ending_ != block_ending::under_way) {
        return;
    }
    const auto which = found->second;
    issued_.erase(found);
    switch (which.why) {
    case probe_reason::positive_control: record_control(which, what, at); break;
    case probe_reason::negative_control: record_negative(what, at); break;
    case probe_reason::stratum:
    case probe_reason::revisit:
    case probe_reason::retry:
    case probe_reason::hole: record_sample(which, what, at); break;
    }
}

void block_sample::record_sample(const issued& which, const block_reply& what, time_point at)
{
    auto& one = samples_[which.index];
    one.last = at;
    if (what.answer == block_answer::passed) {
        if (!one.passed) {
            one.passed = true;
            ++heard_;
            lost_ += one.silent + one.open_silent;
        }
        if (controls_.size() < most_controls) {
            controls_.push_back(one.address);
        }
        return;
    }
    if (what.answer == block_answer::not_measured || which.sequence < void_before_) {
        return;
    }
    if (is_loud(what.answer)) {
        one.said = what;
        ++one.open_loud;
    } else {
        ++one.open_silent;
    }
}

void block_sample::record_negative(const block_reply& what, time_point at)
{
    if (what.answer == block_answer::answered || what.answer == block_answer::reset) {
        ending_ = block_ending::answers_for_all;
        return;
    }
    ++negative_tries_;
    const bool again = what.answer == block_answer::silent || what.answer == block_answer::not_measured;
    negative_settled_ = !again || negative_tries_ >= options_.tries;
    control_at_ = negative_settled_ ? at : at + options_.retry_after;
}

void block_sample::record_control(const issued& which, const block_reply& what, time_point at)
{
    if (what.answer == block_answer::passed) {
        control_due_ = false;
        control_failures_ = 0;
        ++heard_;
        lost_ += std::exchange(control_silent_, 0U);
        for (auto& one : samples_) {
            if (one.last_sequence < which.sequence) {
                one.silent += std::exchange(one.open_silent, 0U);
                one.loud += std::exchange(one.open_loud, 0U);
            }
        }
        return;
    }
    control_due_ = true;
    control_at_ = at + options_.retry_after;
    if (what.answer == block_answer::silent && ++control_silent_ < options_.tries) {
        return;
    }
    // It does not pass now: whatever did not come back since the last one that did proves nothing.
    control_silent_ = 0;
    void_before_ = which.sequence;
    for (auto& one : samples_) {
        one.open_silent = 0;
        one.open_loud = 0;
    }
    control_ = (control_ + 1) % controls_.size();
    control_at_ = at + options_.control_pause;
    if (++control_failures_ >= options_.control_patience) {
        ending_ = block_ending::no_control;
    }
}

block_result block_sample::result(wall_time began) const
{
    block_result out{
        .block = target_.block,
        .port = target_.port,
        .vantage = target_.vantage,
        .edge = target_.edge,
        .seed = seed_,
        .ending = ending_,
        .strata = strata_,
        .covered = {},
        .undecided = strata_,
        .since = began,
        .holes = {},
    };
    if (ending_ == block_ending::answers_for_all) {
        return out;
    }
    std::vector<ip_block> doubted;
    for (const auto& where : find_envelopes(target_.block, evidence())) {
        if (is_proven(where, loss(), strata_)) {
            out.holes.push_back(make_hole(where));
        } else {
            doubted.push_back(where.within);
        }
    }
    for (const auto& one : samples_) {
        if (!one.stratum || !is_settled(one)) {
            continue;
        }
        const bool doubtful =
            std::ranges::any_of(doubted, [&](const ip_block& where) { return where.contains(one.address); });
        ++(one.passed ? out.clean : doubtful ? out.doubtful : out.blocked);
        out.covered.set(*one.stratum);
        --out.undecided;
    }
    return out;
}

} // namespace reachd
