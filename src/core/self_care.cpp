// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/self_care.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

constexpr milliseconds least_stall{200}; // less is the ordinary jitter of a busy machine
constexpr std::size_t most_stalls = 64;
constexpr std::size_t least_spare_descriptors = 4;
constexpr std::size_t spare_share = 20; // a twentieth of the limit
constexpr std::chrono::days zone_slack{1};

std::size_t index_of(self_trouble what)
{
    return static_cast<std::size_t>(what);
}

duration wall_offset(const clock_reading& at)
{
    return at.wall.time_since_epoch() - (at.now + at.asleep).time_since_epoch();
}

std::string lag_sentence(duration worst)
{
    return fmt::format(
        "the daemon stood still for {}: it had no turn, or too much to do, or the machine was suspended; "
        "answers that it missed meanwhile are asked for again and blame nobody",
        to_text(worst)
    );
}

} // namespace

const char* to_string(self_trouble value)
{
    switch (value) {
    case self_trouble::event_loop_lag: return "event_loop_lag";
    case self_trouble::no_descriptors: return "no_descriptors";
    case self_trouble::no_memory: return "no_memory";
    case self_trouble::clock: return "clock";
    }
    return "?";
}

nlohmann::json to_json(const std::vector<self_finding>& findings)
{
    auto out = nlohmann::json::array();
    for (const auto& one : findings) {
        out.push_back(
            {{"trouble", to_string(one.what)}, {"since", to_text(one.since)}, {"sentence", one.sentence}}
        );
    }
    return out;
}

// One text for every length, so that runs of ports that were cut into stay one.
not_measured stalled_outcome()
{
    return {
        .cause = local_cause::other,
        .detail = "this program stood still while it waited (the machine is overloaded or was suspended)",
    };
}

self_care::memory& self_care::renew(self_trouble what, duration lasts, const clock_reading& at)
{
    auto& it = memories_[index_of(what)];
    if (!it.until || *it.until <= at.now) {
        it = {.until = {}, .since = at.wall, .worst = {}, .sentence = {}};
    }
    it.until = std::max(it.until.value_or(at.now), at.now + lasts);
    return it;
}

void self_care::looked(time_point due, const clock_reading& at)
{
    const auto late = std::max(duration::zero(), at.now - due);
    const auto slept = last_ ? std::max(duration::zero(), at.asleep - last_->asleep) : duration::zero();
    if (late + slept > least_stall) {
        stalls_.push_back({.from = std::min(due, at.now), .to = at.now, .asleep = slept});
        if (stalls_.size() > most_stalls) {
            stalls_.pop_front();
        }
    }
    if (late + slept > event_loop_lag_limit) {
        auto& it = renew(self_trouble::event_loop_lag, self_trouble_lasts, at);
        it.worst = std::max(it.worst, late + slept);
        it.sentence = lag_sentence(it.worst);
    }
    compare_clocks(at);
    last_ = at;
}

void self_care::compare_clocks(const clock_reading& at)
{
    const auto step = last_ ? wall_offset(at) - wall_offset(*last_) : duration::zero();
    const bool stepped = step > clock_step_limit || step < -clock_step_limit;
    clock_steps_ += stepped ? 1U : 0U;
    if (at.wall < made_ - zone_slack) {
        renew(self_trouble::clock, self_trouble_lasts, at).sentence = fmt::format(
            "the clock of this machine says {}, before this program was made ({}): no certificate and no "
            "time "
            "of evidence can be judged by it; set the clock",
            to_text(at.wall), to_text(made_).substr(0, 10)
        );
        return;
    }
    if (!stepped) {
        return;
    }
    renew(self_trouble::clock, clock_step_lasts, at).sentence = fmt::format(
        "the clock of this machine was set {} by {} at {}: times of evidence from before are off by that, "
        "what is "
        "measured goes by another clock",
        step > duration::zero() ? "forward" : "back", to_text(step > duration::zero() ? step : -step),
        to_text(at.wall)
    );
}

void self_care::failed(local_cause why, const clock_reading& at)
{
    if (why == local_cause::no_descriptors) {
        renew(self_trouble::no_descriptors, self_trouble_lasts, at).sentence =
            "this process is out of file descriptors: what cannot be measured for that blames nobody; raise "
            "its "
            "limit (LimitNOFILE, ulimit -n) or lower limits.in_flight";
    } else if (why == local_cause::no_memory) {
        renew(self_trouble::no_memory, self_trouble_lasts, at).sentence =
            "this machine is out of memory, or an interface's transmit queue is full (ENOMEM, ENOBUFS): what "
            "cannot be measured for that blames nobody";
    }
}

void self_care::counted(const descriptor_count& seen, const clock_reading& at)
{
    const auto spare = seen.limit - std::min(seen.open, seen.limit);
    if (seen.limit == 0 || spare >= std::max(least_spare_descriptors, seen.limit / spare_share)) {
        return;
    }
    const auto& known = memories_[index_of(self_trouble::no_descriptors)];
    if (known.until && *known.until > at.now) {
        renew(self_trouble::no_descriptors, self_trouble_lasts, at); // keeps the stronger sentence
        return;
    }
    renew(self_trouble::no_descriptors, self_trouble_lasts, at).sentence = fmt::format(
        "this process has {} of its {} file descriptors open: raise its limit (LimitNOFILE, ulimit -n) or "
        "lower limits.in_flight",
        seen.open, seen.limit
    );
}

duration self_care::stood_still(time_point since, time_point next_look, const clock_reading& at) const
{
    auto total = std::max(duration::zero(), at.now - std::max(since, next_look));
    if (last_) {
        total += std::max(duration::zero(), at.asleep - last_->asleep);
    }
    for (const auto& one : stalls_) {
        if (one.to > since) {
            total += one.to - std::max(since, one.from) + one.asleep;
        }
    }
    return total;
}

std::vector<self_finding> self_care::findings(time_point now) const
{
    std::vector<self_finding> out;
    for (const auto what : all_self_troubles) {
        const auto& it = memories_[index_of(what)];
        if (it.until && now < *it.until) {
            out.push_back({.what = what, .since = it.since, .sentence = it.sentence});
        }
    }
    return out;
}

} // namespace reachd
