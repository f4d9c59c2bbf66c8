// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/pacer.hpp"

#include <algorithm>
#include <utility>

namespace reachd {
namespace {

duration spacing_of(unsigned per_second)
{
    return per_second == 0 ? duration::zero() : duration{seconds{1}} / per_second;
}

duration share_of(duration spacing, double share)
{
    return std::chrono::duration_cast<duration>(spacing * share);
}

// Samples of a block make a lane for each address: idle ones are dropped once there are this many. A lane has
// a queue of its own, 0.7 KiB.
constexpr std::size_t lanes_kept = 128;

} // namespace

pacer::pacer(const limits_config& limits, std::uint64_t seed)
    : global_spacing_{spacing_of(limits.new_flows_per_s)},
      lane_spacing_{spacing_of(limits.new_flows_per_destination_per_s)},
      places_{limits.in_flight},
      random_{seed}
{
}

void pacer::add(ticket which, const ip_address& towards)
{
    lanes_[towards].queue.push_back(which);
    ++waiting_;
}

pacer::action pacer::next(time_point now)
{
    if (waiting_ == 0 || in_flight_ >= places_) {
        return nothing{};
    }
    if (now < global_free_at_) {
        return wait_until{global_free_at_};
    }
    auto soonest = time_point::max();
    // Round-robin: begin behind the lane that was served last.
    auto it = last_served_ ? lanes_.upper_bound(*last_served_) : lanes_.begin();
    for (std::size_t seen = 0; seen < lanes_.size(); ++seen, ++it) {
        if (it == lanes_.end()) {
            it = lanes_.begin();
        }
        auto& [address, where] = *it;
        if (where.queue.empty()) {
            continue;
        }
        if (where.free_at > now) {
            soonest = std::min(soonest, where.free_at);
            continue;
        }
        const auto which = where.queue.front();
        where.queue.pop_front();
        --waiting_;
        ++in_flight_;
        where.free_at = now + jittered(lane_spacing_);
        global_free_at_ = now + global_spacing_;
        last_served_ = address;
        forget_idle_lanes(now);
        return start{which};
    }
    return wait_until{soonest};
}

void pacer::finished()
{
    --in_flight_;
}

time_point pacer::spendable_at(const ip_address& towards, time_point now) const
{
    const auto found = lanes_.find(towards);
    const auto lane_at = found == lanes_.end() ? now : found->second.free_at - lane_spacing_;
    return std::max({now, lane_at, global_free_at_ - global_spacing_});
}

void pacer::spend(const ip_address& towards, double share, time_point now)
{
    auto& lane_free_at = lanes_[towards].free_at;
    lane_free_at = std::max(now, lane_free_at) + share_of(lane_spacing_, share);
    global_free_at_ = std::max(now, global_free_at_) + share_of(global_spacing_, share);
    forget_idle_lanes(now);
}

void pacer::inherit(const pacer& older)
{
    global_free_at_ = older.global_free_at_;
    for (const auto& [address, where] : older.lanes_) {
        lanes_[address].free_at = where.free_at;
    }
}

std::deque<pacer::ticket> pacer::drop_all()
{
    std::deque<ticket> dropped;
    for (auto& [address, where] : lanes_) {
        dropped.insert(dropped.end(), where.queue.begin(), where.queue.end());
        where.queue.clear();
    }
    waiting_ = 0;
    return dropped;
}

duration pacer::jittered(duration spacing)
{
    std::uniform_real_distribution<double> factor{0.75, 1.25};
    return std::chrono::duration_cast<duration>(spacing * factor(random_));
}

void pacer::forget_idle_lanes(time_point now)
{
    if (lanes_.size() <= std::max(lanes_kept, 2 * lanes_left_)) {
        return;
    }
    std::erase_if(lanes_, [now](const auto& entry) {
        return entry.second.queue.empty() && entry.second.free_at <= now;
    });
    lanes_left_ = lanes_.size();
}

} // namespace reachd
