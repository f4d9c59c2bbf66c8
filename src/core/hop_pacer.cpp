// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/hop_pacer.hpp"

#include <algorithm>
#include <set>

namespace reachd {
namespace {

constexpr double linux_burst = 5; // six, less one that something else may have used
constexpr double linux_rate = 1;  // a second
// Looks at what may go are this far apart where the site is large or the machine busy: what a hop gives
// meanwhile may go at the next one, but no more at once than a Linux router's bucket holds.
constexpr double between_looks_s = 0.15;
constexpr milliseconds burst_spread{150}; // until the last of many that were sent at once has come to its hop

constexpr std::size_t targets_known = 4096; // then it begins anew
constexpr std::size_t hops_known = 4096;    // more are looked through for those that nobody asks any more
constexpr seconds hop_at_rest{60};          // longer than a bucket takes to be full
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
      burst_{lifted_ ? linux_burst : std::min(1 + per_second_ * between_looks_s, linux_burst)}
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
        one.tokens = lifted_ ? burst_ : 1;
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
    look_at(std::max(now, one.at) + std::chrono::duration_cast<duration>(missing) + milliseconds{1}, out);
    return false;
}

void hop_pacer::inherit(const hop_pacer& older)
{
    budgets_ = older.budgets_;
    for (auto& [hop, left] : budgets_) {
        left.tokens = std::min(left.tokens, burst_);
    }
    met_ = older.met_;
}

void hop_pacer::forget_resting(time_point now)
{
    if (budgets_.size() >= hops_known) {
        std::erase_if(budgets_, [now](const auto& one) { return one.second.at + hop_at_rest < now; });
    }
}

// Probes that need no ICMP error draw some all the same: they use up what nobody needs now.
void hop_pacer::drain(const key& hop, time_point now)
{
    budgets_[hop] = {.tokens = 0, .at = now + burst_spread};
}

hop_pacer::choice
hop_pacer::choose(const std::vector<hop_order>& wanted, unsigned shared_hops, allowance left, time_point now)
{
    choice out;
    forget_resting(now);
    const auto has_room = [&](const hop_order& one) {
        const auto when =
            left.room == 0 ? now + room_wait : left.flows.spendable_at(one.which.target.address, now);
        if (when > now) {
            look_at(when, out);
        }
        return when <= now;
    };
    const auto go = [&](const hop_order& one) {
        out.now.push_back(one);
        --left.room;
        left.flows.spend(one.which.target.address, share_of(one.which.target), now);
    };
    std::set<key> needed;
    std::set<key> served;
    for (const auto& one : wanted) {
        const bool unpaced = !one.hop_limit || (lifted_ && (one.expects_silence || !one.needs_icmp));
        if (unpaced) {
            continue;
        }
        const auto hop = key_of(one, shared_hops);
        needed.insert(hop);
        if (has_room(one) && take(hop, now, out)) {
            go(one);
            served.insert(hop);
        }
    }
    for (const auto& one : wanted) {
        if (!one.hop_limit) {
            out.now.push_back(one); // no hop is asked for anything
            continue;
        }
        const auto hop = key_of(one, shared_hops);
        const bool silent = lifted_ && one.expects_silence;
        const bool answer = lifted_ && !one.needs_icmp && (served.contains(hop) || !needed.contains(hop));
        if ((silent || answer) && has_room(one)) {
            if (!silent) {
                drain(hop, now);
            }
            go(one);
        }
    }
    return out;
}

} // namespace reachd
