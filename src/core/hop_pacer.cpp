// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/hop_pacer.hpp"

#include <algorithm>
#include <set>

namespace reachd {
namespace {

constexpr double linux_burst = 5;         // six, less one that something else may have used
constexpr double linux_rate = 1;          // a second
constexpr milliseconds burst_spread{150}; // until the last of many that were sent at once has come to its hop

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

double hop_pacer::refill(budget& one, time_point now) const
{
    if (one.at == time_point{}) {
        one.tokens = burst_;
        one.at = now;
    } else if (now > one.at) {
        const std::chrono::duration<double> passed = now - one.at;
        one.tokens = std::min(burst_, one.tokens + passed.count() * per_second_);
        one.at = now;
    }
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
    const auto when = std::max(now, one.at) + std::chrono::duration_cast<duration>(missing) + milliseconds{1};
    out.look_again = out.look_again ? std::min(*out.look_again, when) : when;
    return false;
}

// Probes that need no ICMP error draw some all the same: they use up what nobody needs now.
void hop_pacer::drain(const key& hop, time_point now)
{
    budgets_[hop] = {.tokens = 0, .at = now + burst_spread};
}

hop_pacer::choice
hop_pacer::choose(const std::vector<hop_order>& wanted, unsigned shared_hops, time_point now)
{
    choice out;
    std::set<key> needed;
    std::set<key> served;
    for (const auto& one : wanted) {
        const bool unpaced = !one.hop_limit || (lifted_ && (one.expects_silence || !one.needs_icmp));
        if (unpaced) {
            continue;
        }
        const auto hop = key_of(one, shared_hops);
        needed.insert(hop);
        if (take(hop, now, out)) {
            out.now.push_back(one);
            served.insert(hop);
        }
    }
    for (const auto& one : wanted) {
        if (!one.hop_limit || (lifted_ && one.expects_silence)) {
            out.now.push_back(one); // no hop is asked for anything
            continue;
        }
        const auto hop = key_of(one, shared_hops);
        if (lifted_ && !one.needs_icmp && (served.contains(hop) || !needed.contains(hop))) {
            drain(hop, now);
            out.now.push_back(one);
        }
    }
    return out;
}

} // namespace reachd
