// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/hop_pacer.hpp"

#include <algorithm>

namespace reachd {
namespace {

constexpr double linux_burst = 5; // six, less one that something else may have used
constexpr double linux_rate = 1;  // a second

constexpr std::size_t targets_known = 4096; // then it begins anew
// Room is made by time and by others: look again this often.
constexpr milliseconds room_wait{200};

void look_at(time_point when, hop_pacer::choice& out)
{
    out.look_again = out.look_again ? std::min(*out.look_again, when) : when;
}

} // namespace

hop_pacer::hop_pacer(unsigned icmp_per_hop_per_s)
    : lifted_{icmp_per_hop_per_s == 0},
      per_second_{lifted_ ? linux_rate : static_cast<double>(icmp_per_hop_per_s)},
      burst_{lifted_ ? linux_burst : 1}
{
}

hop_pacer::key hop_pacer::key_of(const hop_order& order, unsigned shared_hops)
{
    const auto number = *order.hop_limit;
    const auto& target = order.which.target.address;
    return {
        order.which.vantage, target.family, number,
        number <= shared_hops ? std::optional<ip_address>{} : std::optional{target}
    };
}

double hop_pacer::share_of(const endpoint& target)
{
    if (met_.size() >= targets_known) {
        met_.clear();
    }
    return met_.insert(target).second ? 1.0 : 1.0 / repeats_faster;
}

double hop_pacer::refill(budget& one, time_point now) const
{
    if (one.at == time_point{}) {
        one.tokens = burst_;
    } else {
        const std::chrono::duration<double> passed = now - one.at;
        one.tokens = std::min(burst_, one.tokens + passed.count() * per_second_);
    }
    one.at = now;
    return one.tokens;
}

bool hop_pacer::take(const key& hop, time_point now, choice& out)
{
    auto& one = budgets_[hop];
    constexpr double whole = 0.999; // of a token: rounding
    if (refill(one, now) >= whole) {
        one.tokens -= 1;
        return true;
    }
    const std::chrono::duration<double> missing{(1 - one.tokens) / per_second_};
    look_at(now + std::chrono::duration_cast<duration>(missing) + milliseconds{1}, out);
    return false;
}

hop_pacer::choice hop_pacer::choose(
    const std::vector<hop_order>& wanted, const std::set<hop_order>& under_way, unsigned shared_hops,
    allowance left, time_point now
)
{
    choice out;
    std::set<key> needed;
    std::set<key> flooded;
    for (const auto& one : under_way) {
        if (one.hop_limit && !one.expects_silence) {
            (one.needs_icmp ? needed : flooded).insert(key_of(one, shared_hops));
        }
    }
    for (const auto& one : wanted) {
        if (one.hop_limit && one.needs_icmp) {
            needed.insert(key_of(one, shared_hops));
        }
    }
    for (const auto& one : wanted) {
        if (!one.hop_limit) {
            out.now.push_back(one); // no hop is asked for anything
            continue;
        }
        if (left.room == 0) {
            look_at(now + room_wait, out);
            continue;
        }
        const auto& target = one.which.target;
        if (const auto when = left.flows.spendable_at(target.address, now); when > now) {
            look_at(when, out);
            continue;
        }
        const auto hop = key_of(one, shared_hops);
        if (may_go(one, hop, needed, flooded, now, out)) {
            out.now.push_back(one);
            --left.room;
            left.flows.spend(target.address, share_of(target), now);
        }
    }
    return out;
}

bool hop_pacer::may_go(
    const hop_order& one, const key& hop, const std::set<key>& needed, const std::set<key>& flooded,
    time_point now, choice& out
)
{
    if (lifted_ && one.expects_silence) {
        return true;
    }
    if (lifted_ && !one.needs_icmp) {
        if (needed.contains(hop)) {
            return false;
        }
        budgets_[hop] = {.tokens = 0, .at = now};
        return true;
    }
    if (lifted_ && flooded.contains(hop)) {
        return false; // its budget is being used up
    }
    return take(hop, now, out);
}

} // namespace reachd
