// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/groups.hpp"

#include "reachd/core/inquiry.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace reachd {
namespace {

constexpr std::size_t most_representatives = 8; // of one group of equal answers

bool is_from_target(const observation& seen, const ip_address& address)
{
    const auto* icmp = std::get_if<icmp_error>(&seen.what);
    return icmp && icmp->sender == address && is_answer(seen.what, address);
}

// Where the destination itself is known to be, by something other than `which`.
std::optional<unsigned> target_distance(const evidence& all, const flow& which)
{
    const auto& known = all.facts(which.vantage, which.target.address);
    auto distance = known.spoke_at;
    for (const auto& other : known.flows) {
        const auto at = all.view(other).answered_at();
        const bool genuine = other != which && other.target.transport == transport::tcp && at &&
                             all.origin_of(other) != origin::near &&
                             all.origin_of(other) != origin::disguised;
        if (genuine && (!distance || *at < *distance)) {
            distance = at;
        }
    }
    return distance;
}

// The first hop after `from` that is known on the way to other addresses and that `which` should have met.
std::optional<unsigned> next_shared_hop(const evidence& all, const flow& which, unsigned from)
{
    const auto& way = all.way(which.vantage, which.target.address.family);
    const auto& own = all.view(which).transit;
    const auto last = own.find(from);
    if (from > 0 && (last == own.end() || way.at(from).address != last->second)) {
        return std::nullopt; // it has a way of its own
    }
    for (unsigned number = from + 1; number <= way.hops.size() && number <= way.beyond; ++number) {
        const auto& met = way.hops[number - 1];
        if (met.address && met.flows > 0 && met.others == 0 && !all.is_mute_for(which, number)) {
            return number;
        }
    }
    return std::nullopt;
}

passage settle(const evidence& all, const flow& which, unsigned after, unsigned before)
{
    const auto& own = all.view(which);
    if (!own.is_settled(before, hop_tries)) {
        return {};
    }
    if (!own.is_silent_at(before, hop_tries)) {
        return {.kind = passage_kind::nowhere, .after = after}; // rejected or answered there: another story
    }
    // Hops that say nothing to anybody are not waited for: the destination itself is `before` then.
    const auto heard = all.heard_since(which, before);
    // A hop that leaves many a question open, as it limits its ICMP, leaves three in a row open by chance.
    const bool listens =
        (heard.times >= hearings && heard.missed * answers_a_miss <= heard.times) || !heard.by;
    return {
        .kind = listens ? passage_kind::dropped : passage_kind::unheard, .after = after, .before = before
    };
}

// Past the edge, and the next hop rejects others: it may reject this flow too, and have no ICMP left to say
// so.
passage_kind next_to_rejections(const evidence& all, const flow& which)
{
    const auto next = all.view(which).farthest() + 1;
    if (!all.view(which).is_settled(next, rejection_tries)) {
        return passage_kind::unsettled;
    }
    return all.is_rejecting_of_address(which, next) ? passage_kind::nowhere : passage_kind::held_back;
}

// The one that stands for each of [first, last], whose ends are representatives.
void divide(
    const evidence& all, const group& of, std::size_t first, std::size_t last,
    std::vector<std::size_t>& stands_for
)
{
    stands_for[first] = first;
    stands_for[last] = last;
    if (last - first <= 1) {
        return;
    }
    const auto one = passage_of(all, of.members[first].which);
    const auto other = passage_of(all, of.members[last].which);
    const auto is_open = [](const passage& how) {
        return how.kind == passage_kind::unsettled || how.kind == passage_kind::unheard;
    };
    const bool unsettled = is_open(one) || is_open(other);
    if (unsettled || one == other) {
        std::fill(
            stands_for.begin() + static_cast<std::ptrdiff_t>(first) + 1,
            stands_for.begin() + static_cast<std::ptrdiff_t>(last), first
        );
        return;
    }
    const auto middle = first + (last - first) / 2;
    divide(all, of, first, middle, stands_for);
    divide(all, of, middle, last, stands_for);
}

// How a member's answers compare with a representative's, by the TTL that they arrive with.
enum class likeness : std::uint8_t {
    same,
    other,
    untold, // more tries are needed
};

likeness compare(const evidence& all, const member& one, const member& representative)
{
    if (one.said || representative.said) { // IP_MINTTL tells nothing of these; they show their TTL themselves
        const bool same = one.said && representative.said && *one.said == *representative.said;
        return same ? likeness::same : likeness::other;
    }
    const auto received = all.view(representative.which).received_ttl();
    const auto from = all.origin_of(representative.which);
    if (!received || from == origin::unchecked) {
        return likeness::untold;
    }
    const auto& own = all.view(one.which);
    // Boxes have initial TTLs of their own: only the very same TTL speaks for the same box.
    if (own.received_high() < *received || own.received_low() > *received) {
        return likeness::other;
    }
    return own.received_ttl() == received ? likeness::same : likeness::untold;
}

} // namespace

first_look look_at(const endpoint_state& one)
{
    if (!one.address || one.seen.empty()) {
        return first_look::unknown;
    }
    const auto& last = one.seen.back();
    const auto* tls = std::get_if<tls_answer>(&last.what);
    if (tls && tls->problem.empty() && !one.name.empty()) {
        return first_look::trusted;
    }
    for (const auto& seen : one.seen) {
        if (std::holds_alternative<connected>(seen.what) || std::holds_alternative<replied>(seen.what)) {
            return first_look::connected;
        }
    }
    if (std::holds_alternative<refused>(last.what) || is_from_target(last, *one.address)) {
        return first_look::refused;
    }
    if (is_rejection(last.what, *one.address)) {
        return first_look::rejected;
    }
    if (is_silence(last.what)) {
        return first_look::silent;
    }
    // Reset before it could be looked at: somebody had completed the handshake.
    return std::holds_alternative<cut_off>(last.what) ? first_look::connected : first_look::unknown;
}

std::vector<group> make_groups(const plan& what, const site_state& site)
{
    std::map<std::tuple<std::string, ip_address, transport>, std::map<std::uint16_t, member>> found;
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        const auto* row = std::get_if<outbound_row>(&what.rows[i].what);
        for (const auto& one : site.rows[i].endpoints) {
            // What a UDP service says takes its time; how far its packets get can be looked at meanwhile.
            const bool is_waiting = one.seen.empty() && one.transport == transport::udp;
            if (!row || !one.address || one.without_probing || (one.seen.empty() && !is_waiting)) {
                continue;
            }
            const flow which{one.vantage, {*one.address, one.port, one.transport}};
            auto& members = found[{one.vantage, *one.address, one.transport}];
            const auto look = is_waiting ? first_look::silent : look_at(one);
            const auto [at, is_new] = members.try_emplace(one.port, member{which, look, row->payload});
            if (!is_waiting && is_from_target(one.seen.back(), *one.address)) {
                at->second.said = std::get<icmp_error>(one.seen.back().what);
            }
            // The same flow in two rows: the one that proved most speaks for both.
            at->second.look = std::min(at->second.look, look);
        }
    }
    std::vector<group> out;
    for (auto& [key, members] : found) {
        group one{std::get<0>(key), std::get<1>(key), std::get<2>(key), {}};
        for (auto& [port, member] : members) {
            one.members.push_back(std::move(member));
        }
        out.push_back(std::move(one));
    }
    return out;
}

passage passage_of(const evidence& all, const flow& which)
{
    const auto& own = all.view(which);
    const auto after = own.farthest();
    const auto& way = all.way(which.vantage, which.target.address.family);
    if (!own.rejected.empty()) {
        return {.kind = passage_kind::rejected, .after = after, .by = own.rejected.begin()->second};
    }
    // 1. Another flow to the same address passed the same last box and was seen farther on.
    if (auto next = all.onward(which, after)) {
        const auto mute = all.after_mute(which, after);
        next = mute ? mute : next;
        const bool is_target = !next->address;
        if (!is_target || which.target.transport == transport::tcp) {
            auto out = settle(all, which, after, next->number);
            out.before_is_target = is_target && out.kind == passage_kind::dropped;
            out.before_box = next->address;
            return out;
        }
    }
    // 2. The destination itself answers another flow; silence there says nothing of UDP.
    if (which.target.transport == transport::tcp) {
        const auto distance = target_distance(all, which);
        if (distance && *distance > after) {
            // Its first probes may have been lost: it is asked again at its full distance.
            if (!own.is_settled(after + 1, hop_tries) || !own.is_settled(*distance, hop_tries)) {
                return {.kind = passage_kind::unsettled, .after = after, .before = *distance};
            }
            return {
                .kind =
                    own.is_silent_at(*distance, hop_tries) ? passage_kind::dropped : passage_kind::nowhere,
                .after = after,
                .before = *distance,
                .before_is_target = true,
            };
        }
    }
    // 3. Past the edge, and no flow gets farther.
    if (way.edge > 0 && after > way.edge) {
        // Where nothing of that address was heard from farther on, the next hop may reject it in silence. So
        // many tries were made as it rejected others then: that this was forgotten since decides nothing.
        const bool may_reject =
            !target_distance(all, which) &&
            (all.is_rejecting(which, after + 1) || own.is_silent_at(after + 1, rejection_tries));
        return {
            .kind = may_reject ? next_to_rejections(all, which) : passage_kind::let_through, .after = after
        };
    }
    // 4. Flows to other addresses share the way out of the site and are seen farther on.
    if (const auto before = next_shared_hop(all, which, after)) {
        return settle(all, which, after, *before);
    }
    const bool tried = own.is_settled(std::max(1U, after + 1), hop_tries);
    return {.kind = tried ? passage_kind::nowhere : passage_kind::unsettled, .after = after};
}

std::vector<std::size_t> silent_representatives(const evidence& all, const group& of)
{
    std::vector<std::size_t> stands_for(of.members.size());
    for (std::size_t i = 0; i < stands_for.size(); ++i) {
        stands_for[i] = i;
    }
    if (of.transport == transport::udp) {
        return stands_for; // decided port by port
    }
    for (std::size_t first = 0; first < of.members.size(); ++first) {
        if (of.members[first].look != first_look::silent) {
            continue;
        }
        auto last = first;
        while (last + 1 < of.members.size() && of.members[last + 1].look == first_look::silent) {
            ++last;
        }
        const auto middle = first + (last - first) / 2;
        divide(all, of, first, middle, stands_for);
        divide(all, of, middle, last, stands_for);
        first = last;
    }
    return stands_for;
}

std::vector<std::size_t> decoy_representatives(const group& of, first_look look)
{
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < of.members.size(); ++i) {
        if (of.members[i].look == look) {
            ends.resize(std::min<std::size_t>(ends.size(), 1));
            ends.push_back(i);
        }
    }
    return ends;
}

std::vector<std::size_t> answering_representatives(const evidence& all, const group& of, first_look look)
{
    std::vector<std::size_t> stands_for(of.members.size(), nobody);
    std::vector<std::size_t> alike;
    for (std::size_t i = 0; i < of.members.size(); ++i) {
        if (of.members[i].look == look) {
            alike.push_back(i);
        }
    }
    if (alike.size() <= walked_each || of.transport == transport::udp) {
        for (const auto i : alike) {
            stands_for[i] = i;
        }
        return stands_for;
    }
    std::vector<std::size_t> representatives;
    for (const auto i : alike) {
        bool differs = true;
        for (const auto r : representatives) {
            const auto how = compare(all, of.members[i], of.members[r]);
            if (how == likeness::same) {
                stands_for[i] = r;
            }
            differs = differs && how == likeness::other;
        }
        if (differs && representatives.size() < most_representatives) {
            representatives.push_back(i);
            stands_for[i] = i;
        }
    }
    return stands_for;
}

} // namespace reachd
