// SPDX-License-Identifier: Apache-2.0
#include "support/block_world.hpp"

#include "support/make.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace reachd::test {
namespace {

using namespace std::chrono_literals;

constexpr duration round_trip_time = 20ms;
constexpr duration time_limit = 2s;
constexpr std::size_t most_steps = 100'000;

} // namespace

ip_block make_block(std::string_view text)
{
    return parse_block(text).value();
}

bool icmp_bucket::take(time_point now)
{
    tokens = std::min(6.0, tokens + std::chrono::duration<double>(now - last).count());
    last = now;
    if (tokens < 1) {
        return false;
    }
    tokens -= 1;
    return true;
}

const world_hole* block_world::hole_at(const ip_address& to) const
{
    const auto found =
        std::ranges::find_if(holes, [&](const world_hole& one) { return one.where.contains(to); });
    return found == holes.end() ? nullptr : &*found;
}

block_reply block_world::answer(const ip_address& to, time_point now)
{
    const bool lost = std::uniform_real_distribution<double>{0, 1}(random) < loss;
    const bool down =
        std::ranges::any_of(outages, [&](const auto& one) { return one.first <= now && now < one.second; });
    if (lost || down) {
        return {};
    }
    if (const auto* hit = hole_at(to)) {
        const bool is_icmp = hit->how == block_answer::rejected;
        return is_icmp && limits_icmp && !box.take(now) ? block_reply{} : block_reply{hit->how, hit->by};
    }
    if (for_all != block_answer::passed) {
        return {for_all, {}};
    }
    return limits_icmp && !beyond.take(now) ? block_reply{} : block_reply{block_answer::passed, {}};
}

std::size_t block_run::count(probe_reason why) const
{
    return static_cast<std::size_t>(std::ranges::count(sent, why, &sent_probe::why));
}

block_run run_block(block_sample& sample, block_world& world)
{
    block_run out;
    std::multimap<time_point, sent_probe> replies;
    std::set<ip_address> under_way;
    auto now = world_begin;
    for (std::size_t step = 0; step < most_steps; ++step) {
        while (!replies.empty() && replies.begin()->first <= now) {
            const auto one = replies.begin()->second;
            replies.erase(replies.begin());
            under_way.erase(one.to);
            sample.record(one.to, one.reply, now);
        }
        const auto action = sample.next(under_way, now);
        auto wake = replies.empty() ? time_point::max() : replies.begin()->first;
        if (const auto* one = std::get_if<block_sample::probe>(&action)) {
            if (!under_way.insert(one->to).second) {
                throw std::logic_error("probed while under way");
            }
            const auto reply = world.answer(one->to, now);
            const auto takes = reply.answer == block_answer::silent ? time_limit : round_trip_time;
            out.sent.push_back({one->to, one->why, now, reply});
            replies.emplace(now + takes, out.sent.back());
            continue;
        }
        if (std::holds_alternative<block_sample::done>(action)) {
            out.result = sample.result(wall_time{1'000'000s});
            out.end = now;
            return out;
        }
        if (const auto* wait = std::get_if<block_sample::wait_until>(&action)) {
            if (wait->when <= now) {
                throw std::logic_error("a wait that is over would spin");
            }
            wake = std::min(wake, wait->when);
        }
        if (wake == time_point::max()) {
            throw std::logic_error("waits for nothing");
        }
        now = wake;
    }
    throw std::logic_error("has no end");
}

} // namespace reachd::test
