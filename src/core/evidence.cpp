// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/evidence.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace reachd {
namespace {

constexpr unsigned sure_tries = 3; // silences that are no loss
constexpr std::uint16_t dns_port = 53;

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
        const bool speaks = icmp && icmp->sender == which.target.address && !is_in_transit(one.what);
        if (!speaks || !one.hop_limit || icmp->sender_is_us) {
            continue;
        }
        if (facts.spoke_at && *facts.spoke_at <= *one.hop_limit) {
            continue;
        }
        facts.spoke_at = one.hop_limit;
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

using side_of_site = std::pair<std::string, family>;

// Where flows to one address met different boxes at the same hop.
std::set<side_of_site> find_forks(const traces& all)
{
    std::set<side_of_site> out;
    std::map<std::tuple<std::string, ip_address, unsigned>, ip_address> met;
    for (const auto& [which, seen] : all) {
        for (const auto& one : seen) {
            if (!one.hop_limit || !is_in_transit(one.what)) {
                continue;
            }
            const auto& sender = std::get<icmp_error>(one.what).sender;
            if (sender == which.target.address) {
                continue; // a box that translates, in another's name
            }
            const auto [at, is_first] =
                met.try_emplace({which.vantage, which.target.address, *one.hop_limit}, sender);
            if (!is_first && at->second != sender) {
                out.insert({which.vantage, which.target.address.family});
            }
        }
    }
    return out;
}

std::vector<observation> from_one_port(const std::vector<observation>& seen)
{
    std::vector<observation> out;
    std::ranges::copy_if(seen, std::back_inserter(out), &observation::keeps_port);
    return out;
}

const flow_view nothing_seen{};
const address_facts no_facts{};
const path no_path{};

} // namespace

evidence::evidence(const plan& what, const site_state& site)
    : forks_{find_forks(site.traces)}, dns_servers_{site.local.dns_servers}
{
    for (const auto& [which, all] : site.traces) {
        const bool forked = forks(which.vantage, which.target.address.family);
        const auto kept = forked ? from_one_port(all) : std::vector<observation>{};
        const auto& seen = forked ? kept : all;
        const auto& view = views_.emplace(which, view_of(which.target, seen)).first->second;
        if (auto decoys = decoys_of(all); decoys.tries > 0) {
            decoys_.emplace(which, decoys);
        }
        auto& facts = addresses_[{which.vantage, which.target.address}];
        // The others of a long range only tell with which TTL their answers arrive.
        if (!view.transit.empty() || !view.answered.empty() || !view.rejected.empty() ||
            !view.silent.empty()) {
            facts.flows.push_back(which);
        }
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

bool evidence::forks(const std::string& vantage, family protocol) const
{
    return forks_.contains({vantage, protocol});
}

unsigned evidence::decoys_sent(const flow& which) const
{
    const auto found = decoys_.find(which);
    return found == decoys_.end() ? 0 : found->second.tries;
}

// As far as its own packets were seen on their way, and past the edge: before, no NAT has a mapping for it.
std::optional<unsigned> evidence::decoy_limit(const flow& which) const
{
    const auto limit =
        std::max(view(which).farthest(), way(which.vantage, which.target.address.family).beyond);
    return limit == 0 ? std::nullopt : std::optional{limit};
}

bool evidence::is_forged(const flow& which) const
{
    const auto found = decoys_.find(which);
    return found != decoys_.end() && found->second.forged;
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

std::optional<unsigned> evidence::where_met(const flow& which, unsigned number, const flow& other) const
{
    if (number == 0) {
        return 0; // this machine
    }
    const auto& own = view(which).transit;
    const auto box = own.find(number);
    std::optional<unsigned> last;
    for (const auto& [at, met] : view(other).transit) {
        last = box != own.end() && met == box->second ? at : last;
    }
    return last;
}

std::optional<evidence::next_hop> evidence::onward(const flow& which, unsigned number) const
{
    std::optional<next_hop> next;
    for (const auto& other : facts(which.vantage, which.target.address).flows) {
        if (other == which) {
            continue;
        }
        const auto& theirs = view(other);
        const auto met_at = where_met(which, number, other);
        if (!met_at) {
            continue;
        }
        const auto passed = *met_at;
        auto after = theirs.transit.upper_bound(passed);
        const bool goes_on = after != theirs.transit.end();
        while (after != theirs.transit.end() && is_mute_for(which, number + after->first - passed)) {
            ++after;
        }
        const bool met_another = after != theirs.transit.end();
        const bool limited = !theirs.was_connected && !theirs.was_refused; // ICMP: it may be held back
        const bool came_past = (!limited && theirs.answered_at() > passed + 1) || goes_on;
        // Three losses look like a mute hop too: not where the destination itself spoke from no farther.
        const auto spoke = facts(which.vantage, which.target.address).spoke_at;
        const bool of_another_kind =
            other.target.transport != which.target.transport && is_heard_alike(which, number + 1);
        if (came_past && !of_another_kind && theirs.is_silent_at(passed + 1, sure_tries) &&
            !(spoke && *spoke <= number + 1)) {
            return next_hop{.number = number + 1, .address = {}};
        }
        if (met_another && (!next || number + after->first - passed < next->number)) {
            next = next_hop{.number = number + after->first - passed, .address = after->second};
        }
    }
    return next;
}

std::optional<evidence::next_hop> evidence::after_mute(const flow& which, unsigned number) const
{
    constexpr unsigned tries = 2;
    std::optional<next_hop> last;
    for (const auto& other : facts(which.vantage, which.target.address).flows) {
        const auto& theirs = view(other);
        const auto passed = where_met(which, number, other);
        // That a hop does not speak of the other transport is no reason to wait for a later one.
        const bool of_another_kind =
            other.target.transport != which.target.transport && is_heard_alike(which, number + 1);
        if (other == which || !passed || of_another_kind || !theirs.is_silent_at(*passed + 1, tries)) {
            continue;
        }
        next_hop again;
        auto met = theirs.transit.upper_bound(*passed);
        while (met != theirs.transit.end() && is_mute_for(which, number + met->first - *passed)) {
            ++met;
        }
        if (met != theirs.transit.end()) {
            again = {.number = number + met->first - *passed, .address = met->second};
        } else if (theirs.answered_at() > *passed) {
            again = {.number = number + *theirs.answered_at() - *passed, .address = {}};
        }
        if (again.number > 0 && (!last || again.number > last->number)) {
            last = again;
        }
    }
    return last;
}

bool evidence::goes_past(const flow& which, const ip_address& box) const
{
    return std::ranges::any_of(facts(which.vantage, which.target.address).flows, [&](const flow& other) {
        const auto& met = view(other).transit;
        const auto found = std::ranges::find(met, box, [](const auto& entry) { return entry.second; });
        return found != met.end() && met.rbegin()->second != box;
    });
}

bool evidence::is_apart(const flow& which, unsigned number) const
{
    const auto& own = view(which).transit;
    const auto box = own.find(number);
    if (box == own.end()) {
        return false;
    }
    return std::ranges::all_of(facts(which.vantage, which.target.address).flows, [&](const flow& other) {
        const auto& met = view(other).transit;
        const auto there = met.find(number);
        return other == which || view(other).farthest() <= number ||
               (there != met.end() && there->second != box->second);
    });
}

bool evidence::meets_same(const flow& one, const flow& other, unsigned number) const
{
    if (number == 0) {
        return true; // this machine
    }
    const auto& own = view(one).transit;
    const auto& theirs = view(other).transit;
    const auto here = own.find(number);
    const auto there = theirs.find(number);
    return here != own.end() && there != theirs.end() && here->second == there->second;
}

std::optional<unsigned> evidence::translated_at(const flow& which) const
{
    const auto& own = view(which).translated;
    // Past the edge it may as well be the destination's own NAT, which speaks in its name too.
    const auto edge = std::max(way(which.vantage, which.target.address.family).edge, 1U);
    return !own.empty() && *own.begin() <= edge ? std::optional{*own.begin()} : std::nullopt;
}

bool evidence::has_rival(const flow& which) const
{
    const auto& own = view(which);
    return std::ranges::any_of(facts(which.vantage, which.target.address).flows, [&](const flow& other) {
        const auto& theirs = view(other);
        return other.target.transport == transport::tcp && theirs.answered_at() == own.answered_at() &&
               ((own.was_connected && theirs.was_refused) || (own.was_refused && theirs.was_connected));
    });
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
    const auto known = origins_.find(which);
    return known != origins_.end() ? known->second
                                   : origins_.emplace(which, find_origin(which)).first->second;
}

origin evidence::find_origin(const flow& which) const
{
    const auto& own = view(which);
    const auto at = own.answered_at();
    if (!at) {
        return origin::unchecked;
    }
    if (own.farthest() >= *at) {
        return origin::inconclusive; // this flow's own paths differ in length
    }
    if (translated_at(which)) {
        return origin::near;
    }
    const auto& known = facts(which.vantage, which.target.address);
    const auto received = own.sure_received_ttl();
    if (onward(which, *at - 1)) {
        return near_or_disguised(which); // the last box that met it has another next hop for this address
    }
    const bool answered_farther = std::ranges::any_of(known.flows, [&](const flow& other) {
        const auto& theirs = view(other);
        const auto far = theirs.answered_at();
        return (theirs.was_connected || theirs.was_refused) && far > at &&
               theirs.is_silent_at(*far - 1, sure_tries);
    });
    if (answered_farther || farthest_other(which) >= *at ||
        (known.spoke_silent && *known.spoke_silent >= *at)) {
        return is_apart(which, *at - 1) ? origin::inconclusive : origin::contradicted;
    }
    const auto outdoes = [&](const flow& other) {
        const auto theirs = view(other).sure_received_ttl();
        return other != which && theirs && view(other).answered_at() == at &&
               hops_back(*received) < hops_back(*theirs);
    };
    if (const auto better = received ? std::ranges::find_if(known.flows, outdoes) : known.flows.end();
        better != known.flows.end()) {
        // The last router, or a balancer that has one port's server next to it and the other's farther on.
        return meets_same(which, *better, *at - 1) ? origin::outdone : origin::contradicted;
    }
    if (known.spoke_at != at) {
        return origin::inconclusive;
    }
    // At the destination's own distance its last router could still speak in its name.
    const bool nearer = received && known.icmp_received_ttl &&
                        hops_back(*received) < hops_back(static_cast<unsigned>(*known.icmp_received_ttl));
    return nearer ? origin::outdone : origin::consistent;
}

// Some box may set the TTL of what passes anew. Then few hops allowed lead far, but what comes back has come
// as far as what the destination sends on other flows.
origin evidence::near_or_disguised(const flow& which) const
{
    const auto received = view(which).sure_received_ttl();
    const auto& known = facts(which.vantage, which.target.address);
    if (!received) {
        return origin::near;
    }
    const auto has_come_as_far = [&](unsigned other) { return hops_back(*received) >= hops_back(other); };
    if (known.spoke_at > view(which).answered_at() && known.icmp_received_ttl &&
        has_come_as_far(static_cast<unsigned>(*known.icmp_received_ttl))) {
        return origin::disguised;
    }
    const bool like_a_farther_one = std::ranges::any_of(known.flows, [&](const flow& other) {
        const auto theirs = view(other).sure_received_ttl();
        return other != which && theirs && view(other).answered_at() > view(which).answered_at() &&
               has_come_as_far(*theirs);
    });
    return like_a_farther_one ? origin::disguised : origin::near;
}

bool evidence::are_alike(const flow& which, const flow& other, unsigned hop_limit) const
{
    const bool same_way = other.vantage == which.vantage &&
                          other.target.address.family == which.target.address.family &&
                          other.target.transport == which.target.transport;
    // Farther on, the ways to different addresses part.
    const bool shared = hop_limit <= way(which.vantage, which.target.address.family).beyond;
    return other != which && same_way && (shared || other.target.address == which.target.address);
}

bool evidence::is_heard_alike(const flow& which, unsigned hop_limit) const
{
    return std::ranges::any_of(views_, [&](const auto& entry) {
        return are_alike(which, entry.first, hop_limit) && entry.second.heard.contains(hop_limit);
    });
}

bool evidence::is_mute_for(const flow& which, unsigned hop_limit) const
{
    if (is_heard_alike(which, hop_limit)) {
        return false;
    }
    const bool alike_came_past = std::ranges::any_of(views_, [&](const auto& entry) {
        const auto& [other, seen] = entry;
        return are_alike(which, other, hop_limit) &&
               (seen.farthest() > hop_limit || seen.answered_at() > hop_limit) &&
               seen.is_silent_at(hop_limit, 2);
    });
    // Networks that report no datagrams are common; those that report no TCP, and answer none, are not.
    const auto edge = way(which.vantage, which.target.address.family).edge;
    const bool unreported = which.target.transport == transport::udp && (edge == 0 || hop_limit > edge + 1);
    return alike_came_past || unreported;
}

bool evidence::is_turned_back(
    const flow& which, const flow& other, const flow_view& seen, unsigned hop_limit
) const
{
    const bool same_side =
        other.vantage == which.vantage && other.target.address.family == which.target.address.family;
    // Where a word was lost, the first that was heard may be of a packet with more hops.
    const auto first = seen.rejected.empty() ? 0 : seen.rejected.begin()->first;
    const bool ends_there = first == hop_limit
                              ? hop_limit == 1 || seen.transit.contains(hop_limit - 1)
                              : first > hop_limit && hop_limit > 1 && seen.farthest() == hop_limit - 1;
    // Nobody's traces of DNS servers grow old: that they were rejected once says nothing of now.
    const bool is_dns = std::ranges::find(dns_servers_, other.target.address) != dns_servers_.end();
    return same_side && ends_there && !is_dns && !seen.transit.contains(hop_limit) &&
           !seen.answered.contains(hop_limit);
}

bool evidence::is_rejecting(const flow& which, unsigned hop_limit) const
{
    return std::ranges::any_of(views_, [&](const auto& entry) {
        return is_turned_back(which, entry.first, entry.second, hop_limit);
    });
}

bool evidence::is_rejecting_of_address(const flow& which, unsigned hop_limit) const
{
    const auto& flows = facts(which.vantage, which.target.address).flows;
    return std::ranges::any_of(flows, [&](const flow& other) {
        const bool is_own_control = is_control(other.target) || other.target.port == control_port;
        return !is_own_control && is_turned_back(which, other, view(other), hop_limit);
    });
}

std::vector<flow> evidence::dns_flows(const std::string& vantage, family protocol) const
{
    std::vector<flow> out;
    for (const auto& address : dns_servers_) {
        if (address.family == protocol) {
            out.push_back({vantage, {address, dns_port, transport::udp}});
        }
    }
    return out;
}

evidence::listening evidence::heard_since(const flow& which, unsigned hop_limit) const
{
    listening out;
    const auto& silence = view(which).silent_since;
    const auto since = silence.find(hop_limit);
    const bool among_alike = is_heard_alike(which, hop_limit);
    for (const auto& [other, seen] : views_) {
        const auto heard = seen.heard.find(hop_limit);
        if (other == which || other.vantage != which.vantage || heard == seen.heard.end() ||
            other.target.address.family != which.target.address.family ||
            (among_alike && other.target.transport != which.target.transport)) {
            continue;
        }
        const auto unanswered = seen.silent.find(hop_limit);
        out.missed +=
            unanswered != seen.silent.end() ? unanswered->second - seen.silent_unpaced.at(hop_limit) : 0;
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
