// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_sample.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace reachd {
namespace {

constexpr unsigned revisit_bits = 2;       // the quarters of a known hole
constexpr unsigned most_drawings = 64;     // for a host that was not drawn yet
constexpr std::size_t most_revisited = 32; // known holes

} // namespace

block_sample::block_sample(block_target target, std::uint64_t seed, const block_sample_options& options)
    : target_{std::move(target)}, options_{options}, seed_{seed}, random_{seed}
{
    const unsigned free_bits = address_bits(target_.block.base.family) - target_.block.prefix;
    const unsigned wanted = std::clamp(options_.strata, 1U, most_strata);
    const unsigned bits = std::min(static_cast<unsigned>(std::bit_width(wanted)) - 1U, free_bits);
    strata_ = 1U << bits;
    std::vector<unsigned> order(strata_);
    for (unsigned i = 0; i < strata_; ++i) {
        order[i] = i;
    }
    random_.shuffle(order);
    for (const auto index : order) {
        add(part_of(target_.block, bits, index), index, probe_reason::stratum);
    }
    if (target_.revisit.size() > most_revisited) {
        target_.revisit.resize(most_revisited);
    }
    for (const auto& known : target_.revisit) {
        if (!target_.block.contains(known.base) || known.prefix < target_.block.prefix) {
            continue;
        }
        const auto part_bits = std::min(revisit_bits, address_bits(known.base.family) - known.prefix);
        for (unsigned i = 0; i < (1U << part_bits); ++i) {
            add(part_of(known, part_bits, i), std::nullopt, probe_reason::revisit);
        }
    }
    if (target_.passes) {
        controls_.push_back(*target_.passes);
        control_due_ = true;
    }
    negative_settled_ = !target_.not_answered;
}

std::optional<std::size_t>
block_sample::add(const ip_block& part, std::optional<unsigned> stratum, probe_reason why)
{
    for (unsigned i = 0; i < most_drawings; ++i) {
        const auto host = random_.host_in(part);
        if (drawn_.insert(host).second) {
            samples_.push_back({.address = host, .stratum = stratum, .said = {}, .why = why});
            return samples_.size() - 1;
        }
    }
    return std::nullopt;
}

block_sample::action block_sample::next(const std::set<ip_address>& under_way, time_point now)
{
    if (ending_ != block_ending::under_way) {
        return done{};
    }
    std::erase_if(issued_, [&](const auto& one) { return !under_way.contains(one.first); });
    if (now < free_at_) {
        return wait_until{free_at_};
    }
    if (sequence_ >= options_.most_probes) {
        if (!issued_.empty()) {
            return nothing{};
        }
        ending_ = block_ending::cut_short;
        return done{};
    }
    for (const auto step :
         {&block_sample::negative_control, &block_sample::positive_control, &block_sample::first_tries,
          &block_sample::retries, &block_sample::hole_search, &block_sample::last_control}) {
        if (const auto chosen = (this->*step)(now)) {
            return *chosen;
        }
    }
    ending_ = controls_.empty() ? block_ending::no_control : block_ending::complete;
    return done{};
}

block_sample::action
block_sample::send(const ip_address& to, probe_reason why, std::size_t index, time_point now)
{
    issued_.insert_or_assign(to, issued{why, ++sequence_, index});
    free_at_ = now + options_.spacing;
    since_control_ = why == probe_reason::positive_control ? 0 : since_control_ + 1;
    return probe{to, why};
}

block_sample::action block_sample::send_sample(std::size_t index, probe_reason why, time_point now)
{
    auto& one = samples_[index];
    ++one.all;
    one.last = now;
    const auto sent = send(one.address, why, index, now);
    one.last_sequence = sequence_;
    return sent;
}

block_sample::choice block_sample::negative_control(time_point now)
{
    if (negative_settled_) {
        return std::nullopt;
    }
    if (issued_.contains(*target_.not_answered)) {
        return nothing{};
    }
    if (now < control_at_) {
        return wait_until{control_at_};
    }
    return send(*target_.not_answered, probe_reason::negative_control, 0, now);
}

block_sample::choice block_sample::positive_control(time_point now)
{
    control_due_ = control_due_ || since_control_ >= options_.control_every;
    if (controls_.empty() || !control_due_) {
        return std::nullopt;
    }
    // Nothing else is sent while a control is open: what it finds out decides about what was sent before.
    const bool open = std::ranges::any_of(issued_, [](const auto& one) {
        return one.second.why == probe_reason::positive_control;
    });
    if (open || issued_.contains(controls_[control_])) {
        return nothing{};
    }
    if (now < control_at_) {
        return wait_until{control_at_};
    }
    return send(controls_[control_], probe_reason::positive_control, control_, now);
}

block_sample::choice block_sample::first_tries(time_point now)
{
    if (next_first_ == samples_.size()) {
        return std::nullopt;
    }
    const auto index = next_first_;
    if (issued_.contains(samples_[index].address)) {
        return nothing{};
    }
    ++next_first_;
    return send_sample(index, samples_[index].why, now);
}

block_sample::choice block_sample::retries(time_point now)
{
    std::optional<time_point> soonest;
    bool open = false;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
        const auto& one = samples_[i];
        open = open || (!one.passed && one.open_silent + one.open_loud > 0);
        if (!wants_retry(one) || issued_.contains(one.address)) {
            continue;
        }
        const auto due = one.last + options_.retry_after;
        if (due <= now) {
            return send_sample(i, probe_reason::retry, now);
        }
        soonest = std::min(soonest.value_or(due), due);
    }
    if (soonest) {
        return wait_until{*soonest};
    }
    if (!issued_.empty()) {
        return nothing{};
    }
    if (open && !controls_.empty()) {
        control_due_ = true;
        return positive_control(now);
    }
    return std::nullopt;
}

block_sample::choice block_sample::hole_search(time_point now)
{
    for (const auto& where : find_envelopes(target_.block, evidence())) {
        if (!is_proven(where, loss(), strata_)) {
            if (const auto index = weakest(where)) {
                const auto due = samples_[*index].last + options_.retry_after;
                return due <= now ? send_sample(*index, probe_reason::retry, now) : wait_until{due};
            }
        }
        const auto place = place_to_ask(where);
        if (!place || extra_ >= options_.most_extra) {
            continue;
        }
        if (const auto index = add(*place, std::nullopt, probe_reason::hole)) {
            ++extra_;
            next_first_ = samples_.size();
            return send_sample(*index, probe_reason::hole, now);
        }
    }
    return std::nullopt;
}

block_sample::choice block_sample::last_control(time_point now)
{
    if (controls_.empty() || since_control_ == 0) {
        return std::nullopt;
    }
    control_due_ = true;
    return positive_control(now);
}

bool block_sample::wants_retry(const sampled& one) const
{
    if (one.all == 0 || one.all >= options_.most_tries || is_settled(one)) {
        return false;
    }
    const unsigned open = one.open_silent + one.open_loud;
    return open == 0 || (controls_.empty() && open < options_.tries);
}

// The silent sample of an envelope that was tried least and may be tried again.
std::optional<std::size_t> block_sample::weakest(const envelope& where) const
{
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
        const auto& one = samples_[i];
        if (!one.passed && one.all < options_.most_tries && where.within.contains(one.address) &&
            is_settled(one) && (!found || one.silent < samples_[*found].silent)) {
            found = i;
        }
    }
    return found;
}

} // namespace reachd
