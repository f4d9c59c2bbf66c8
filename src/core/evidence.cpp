// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/evidence.hpp"

#include <algorithm>

namespace reachd {
namespace {

// Flows that must contradict an answer before its hop limit alone proves it near, and by how many hops:
// parallel paths of unequal length (ECMP) can differ by one or two for single flows.
constexpr unsigned contradicting_flows = 2;
constexpr unsigned safe_margin = 2;

// The address itself sent an ICMP error on this flow: from which hop limit on, and where it was silent.
void note_speech(
    const flow& which, const std::vector<observation>& seen, const flow_view& view, address_facts& facts
)
{
    if (!is_control(which.target)) {
        return;
    }
    for (const auto& one : seen) {
        const auto* icmp = std::get_if<icmp_error>(&one.what);
        if (!icmp || icmp->sender != which.target.address || !one.hop_limit || icmp->sender_is_us) {
            continue;
        }
        if (facts.spoke_at && *facts.spoke_at <= *one.hop_limit) {
            continue;
        }
        facts.spoke_at = *one.hop_limit;
        facts.icmp_received_ttl = icmp->received_ttl;
        facts.spoke_silent.reset();
        for (unsigned limit = *one.hop_limit - 1; limit >= 1; --limit) {
            if (view.is_silent_at(limit, 2)) {
                facts.spoke_silent = limit;
                break;
            }
        }
    }
}

const flow_view nothing_seen{};
const address_facts no_facts{};
const path no_path{};

} // namespace

evidence::evidence(const plan& what, const site_state& site)
{
    for (const auto& [which, seen] : site.traces) {
        const auto& view = views_.emplace(which, view_of(which.target, seen)).first->second;
        auto& facts = addresses_[{which.vantage, which.target.address}];
        facts.flows.push_back(which);
        facts.transit.insert(view.transit.begin(), view.transit.end());
        note_speech(which, seen, view, facts);
        const auto key = std::pair{which.vantage, which.target.address.family};
        if (!paths_.contains(key)) {
            paths_[key] = make_path(site.traces, key.first, key.second, site.local, what.config.path);
        }
    }
}

const flow_view& evidence::view(const flow& which) const
{
    const auto found = views_.find(which);
    return found == views_.end() ? nothing_seen : found->second;
}

const address_facts& evidence::facts(const std::string& vantage, const ip_address& address) const
{
    const auto found = addresses_.find({vantage, address});
    return found == addresses_.end() ? no_facts : found->second;
}

const path& evidence::way(const std::string& vantage, family protocol) const
{
    const auto found = paths_.find({vantage, protocol});
    return found == paths_.end() ? no_path : found->second;
}

unsigned evidence::farthest_other(const flow& which) const
{
    unsigned farthest = 0;
    for (const auto& other : facts(which.vantage, which.target.address).flows) {
        if (other != which) {
            farthest = std::max(farthest, view(other).farthest());
        }
    }
    return farthest;
}

unsigned evidence::others_beyond(const flow& which, unsigned hop_limit) const
{
    unsigned count = 0;
    for (const auto& other : facts(which.vantage, which.target.address).flows) {
        count += other != which && view(other).farthest() >= hop_limit ? 1U : 0U;
    }
    return count;
}

bool evidence::wants_received_ttl(const flow& which) const
{
    const auto at = view(which).answered_at();
    if (!at || which.target.transport != transport::tcp) {
        return false;
    }
    const auto& known = facts(which.vantage, which.target.address);
    return farthest_other(which) >= *at || (known.spoke_silent && *known.spoke_silent >= *at);
}

origin evidence::origin_of(const flow& which) const
{
    const auto& own = view(which);
    const auto at = own.answered_at();
    if (!at) {
        return origin::unchecked;
    }
    if (own.farthest() >= *at) {
        return origin::inconclusive; // this flow's own paths differ in length
    }
    const auto& known = facts(which.vantage, which.target.address);
    const auto received = own.received_ttl();
    const auto others = farthest_other(which);
    if (others >= *at) {
        if (received) {
            return hops_back(*received) + 1 <= *at ? origin::near : origin::inconclusive;
        }
        const bool far_enough = others - *at + 1 >= safe_margin;
        return far_enough && others_beyond(which, *at) >= contradicting_flows ? origin::near
                                                                              : origin::inconclusive;
    }
    if (known.spoke_silent && *known.spoke_silent >= *at) {
        // The destination speaks on another flow from farther away only; which of the two is it?
        return received && hops_back(*received) + 1 <= *at ? origin::near : origin::inconclusive;
    }
    if (known.spoke_at != at) {
        return origin::inconclusive;
    }
    // At the same distance as the destination's own ICMP: its last router could still speak in its name.
    const bool nearer = received && known.icmp_received_ttl &&
                        hops_back(*received) < hops_back(static_cast<unsigned>(*known.icmp_received_ttl));
    return nearer ? origin::near : origin::consistent;
}

evidence::listening evidence::heard_since(const flow& which, unsigned hop_limit) const
{
    listening out;
    const auto& silence = view(which).silent_since;
    const auto since = silence.find(hop_limit);
    for (const auto& [other, seen] : views_) {
        const auto heard = seen.heard.find(hop_limit);
        if (other == which || other.vantage != which.vantage || heard == seen.heard.end() ||
            other.target.address.family != which.target.address.family) {
            continue;
        }
        // A flow to the same address is the better control: it surely takes the same way.
        if (!out.by || other.target.address == which.target.address) {
            out.by = other;
        }
        if (since != silence.end()) {
            out.times += static_cast<unsigned>(std::ranges::count_if(heard->second, [&](wall_time at) {
                return at >= since->second;
            }));
        }
    }
    return out;
}

hop evidence::hop_at(const flow& which, unsigned number) const
{
    if (number == 0) {
        return {.number = 0, .address = view(which).source};
    }
    const auto& own = view(which).transit;
    if (const auto found = own.find(number); found != own.end()) {
        return {.number = number, .address = found->second};
    }
    const auto& known = facts(which.vantage, which.target.address);
    if (const auto found = known.transit.find(number); found != known.transit.end()) {
        return {.number = number, .address = found->second};
    }
    if (known.spoke_at == number) {
        return {.number = number, .address = which.target.address};
    }
    return way(which.vantage, which.target.address.family).at(number);
}

std::optional<unsigned> evidence::number_of(const flow& which, const ip_address& box) const
{
    for (const auto& [number, address] : facts(which.vantage, which.target.address).transit) {
        if (address == box) {
            return number;
        }
    }
    return way(which.vantage, which.target.address.family).number_of(box);
}

} // namespace reachd
