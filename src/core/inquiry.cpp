// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/inquiry.hpp"

#include "reachd/core/groups.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <utility>

namespace reachd {
namespace {

// The way out of the site is walked this far at first, and while no hop past the edge is seen.
constexpr unsigned first_hops = 5;
constexpr unsigned last_hops = 12;
constexpr std::size_t walked_first = 2; // flows to different addresses that show the way
constexpr unsigned walk_tries = 2;
constexpr unsigned rejection_hops = 6;
constexpr unsigned search_tries = 1;  // while the distance of an answer is narrowed down
constexpr unsigned beyond_target = 2; // hops past an answer at which a control flow is looked for
constexpr unsigned mute_hops = 4;     // in a row, before a control flow is given up
constexpr unsigned usual_initial_ttl = 64;
constexpr unsigned most_min_ttl = 255;
constexpr std::array<unsigned, 4> first_guesses{4, 8, 16, most_hops};

class inquiry {
public:
    inquiry(const plan& what, const site_state& site, const std::set<hop_order>& under_way)
        : groups_{make_groups(what, site)}, all_{what, site}, under_way_{under_way}
    {
        walk_ways_out();
        for (const auto& one : groups_) {
            ask_about_silence(one);
            ask_about_rejections(one);
        }
        for (const auto& one : groups_) {
            ask_about_answers(one, first_look::connected);
            ask_about_answers(one, first_look::refused);
        }
    }

    std::vector<hop_order> take() { return std::move(orders_); }

private:
    enum class need : std::uint8_t {
        icmp,    // only a hop's ICMP error answers the question
        answer,  // an answer or its absence does
        silence, // silence is expected, as others like it were dropped before that hop
    };

    void add(hop_order order)
    {
        order.shared = sharing_;
        if (!under_way_.contains(order) && ordered_.insert(order).second) {
            orders_.push_back(std::move(order));
        }
    }

    // Tries `which` with this hop limit until something is known there. True when it is.
    bool want(const flow& which, unsigned limit, unsigned tries, need what, const std::string& payload = {})
    {
        if (limit == 0 || limit > most_hops || all_.view(which).is_settled(limit, tries)) {
            return true;
        }
        add(
            {.which = which,
             .hop_limit = limit,
             .payload = payload,
             .needs_icmp = what == need::icmp,
             .expects_silence = what == need::silence}
        );
        return false;
    }

    bool want_min(const flow& which, unsigned min_ttl, unsigned tries = min_ttl_tries)
    {
        const auto& own = all_.view(which);
        const auto silent = own.min_silent.find(min_ttl);
        const bool settled = own.min_answered.contains(min_ttl) ||
                             (silent != own.min_silent.end() && silent->second >= tries) ||
                             own.unmeasured.contains(min_ttl + most_hops);
        if (!settled) {
            add({.which = which, .min_ttl = min_ttl});
        }
        return settled;
    }

    flow control_to(const group& one, std::uint16_t number) const
    {
        const auto port = static_cast<std::uint16_t>(control_port + number);
        return {one.vantage, {one.address, port, transport::udp}};
    }

    // --- the way out that all flows share ---

    void walk(const flow& which, const path& way, const std::string& payload)
    {
        const auto known = static_cast<unsigned>(way.hops.size());
        const auto last =
            way.beyond > 0 ? first_hops : std::min(last_hops, std::max(first_hops, known + beyond_target));
        sharing_ = true;
        for (unsigned limit = 1; limit <= last; ++limit) {
            const auto at = all_.view(which).answered_at();
            if (at && limit > *at) {
                break;
            }
            want(which, limit, walk_tries, need::icmp, payload);
        }
        sharing_ = false;
    }

    void walk_ways_out()
    {
        std::map<std::pair<std::string, family>, std::vector<const group*>> places;
        for (const auto& one : groups_) {
            const bool probed = std::ranges::any_of(one.members, [](const member& each) {
                return each.look != first_look::unknown;
            });
            if (probed) {
                places[{one.vantage, one.address.family}].push_back(&one);
            }
        }
        for (auto& [place, list] : places) {
            const auto answers = [](const group* one) {
                return one->transport == transport::tcp &&
                       std::ranges::any_of(one->members, [](const member& each) {
                           return each.look <= first_look::refused;
                       });
            };
            std::ranges::stable_partition(list, answers);
            const auto& way = all_.way(place.first, place.second);
            if (way.beyond > 0) {
                continue; // known well enough: other flows fill in the rest
            }
            walk(control_to(*list.front(), 0), way, {});
            for (std::size_t i = 0; i < std::min(walked_first, list.size()); ++i) {
                const auto& first = list[i]->members.front();
                walk(first.which, way, first.payload);
            }
        }
    }

    // --- silence: how far does it get, and how far do others? ---

    // A control flow to the same address, until it is not seen any farther.
    void follow_control(const group& one)
    {
        follow_udp_control(one);
        const auto& way = all_.way(one.vantage, one.address.family);
        const auto& known = all_.facts(one.vantage, one.address);
        const auto udp = control_to(one, 0);
        const bool udp_ends = all_.view(udp).is_settled(std::max(way.edge, 1U) + 1, walk_tries);
        if (udp_ends && known.farthest() <= way.edge && !known.spoke_at) {
            follow_tcp_control(one);
        }
    }

    void follow_udp_control(const group& one)
    {
        const auto control = control_to(one, 0);
        const auto& way = all_.way(one.vantage, one.address.family);
        const auto& known = all_.facts(one.vantage, one.address);
        const auto from = std::max(way.edge, 1U);
        const auto last = std::min(most_hops, std::max(known.farthest(), from) + mute_hops);
        for (unsigned limit = from; limit <= last && (!known.spoke_at || limit <= *known.spoke_at); ++limit) {
            if (all_.view(control).rejected.lower_bound(1) != all_.view(control).rejected.end()) {
                return; // a box rejects it: it gets no farther
            }
            want(control, limit, walk_tries, need::icmp);
        }
    }

    void ask_about_silence(const group& one)
    {
        const auto is_silent = [](const member& each) { return each.look == first_look::silent; };
        if (std::ranges::none_of(one.members, is_silent)) {
            return;
        }
        follow_control(one);
        const auto stands_for = silent_representatives(all_, one);
        std::set<std::size_t> representatives{stands_for.begin(), stands_for.end()};
        // While nobody gets past the edge, one port more would show no more than the first and the last.
        const auto& way = all_.way(one.vantage, one.address.family);
        if (one.transport == transport::udp && all_.facts(one.vantage, one.address).farthest() <= way.edge) {
            // Where these two end at a box that others pass, each port is asked: a rule may be about some.
            const std::set<std::size_t> ends{0, one.members.size() - 1};
            const bool both_end = std::ranges::all_of(ends, [&](std::size_t i) {
                return is_silent(one.members[i]) &&
                       passage_of(all_, one.members[i].which).kind == passage_kind::dropped;
            });
            representatives = both_end ? representatives : ends;
        }
        for (const auto i : representatives) {
            if (one.members[i].look == first_look::silent) {
                follow_like_the_first(one.members[i]);
            }
        }
    }

    using kin = std::tuple<std::string, family, transport>; // flows that a rule is likely to treat alike
    static kin kin_of(const flow& which)
    {
        return {which.vantage, which.target.address.family, which.target.transport};
    }

    // Silent TCP flows of many ports and addresses mostly end at one and the same box: the first one is
    // walked from end to end, the others are only asked whether they end there too.
    void follow_like_the_first(const member& one)
    {
        const auto [first, is_first] = leaders_.try_emplace(kin_of(one.which), one.which);
        if (one.which.target.transport == transport::udp) {
            return follow_silent(one);
        }
        if (first->second == one.which) {
            return walk_silent(one);
        }
        const auto leader = passage_of(all_, first->second);
        if (leader.kind == passage_kind::dropped) {
            const bool ended = want(one.which, leader.before, hop_tries, need::silence, one.payload);
            const bool seen = want(one.which, leader.after, hop_tries, need::icmp, one.payload);
            if (!ended || !seen || passage_of(all_, one.which) == leader) {
                return;
            }
        } else if (is_busy(first->second)) {
            return;
        }
        follow_silent(one);
    }

    bool is_busy(const flow& which) const
    {
        const auto concerns = [&](const hop_order& order) { return order.which == which; };
        return std::ranges::any_of(orders_, concerns) || std::ranges::any_of(under_way_, concerns);
    }

    void walk_silent(const member& one)
    {
        const auto& known = all_.facts(one.which.vantage, one.which.target.address);
        const auto& way = all_.way(one.which.vantage, one.which.target.address.family);
        const auto far = std::max({known.farthest(), way.beyond, 1U});
        const auto& own = all_.view(one.which);
        for (unsigned limit = 1; limit <= far; ++limit) {
            const bool passed = own.farthest() >= limit;
            if (!passed) {
                want(one.which, limit, hop_tries, need::icmp, one.payload);
            }
        }
        follow_silent(one);
    }

    void follow_silent(const member& one)
    {
        const auto& known = all_.facts(one.which.vantage, one.which.target.address);
        const auto& way = all_.way(one.which.vantage, one.which.target.address.family);
        const auto far = std::max({known.farthest(), way.beyond, 1U});
        if (!want(one.which, far, hop_tries, need::icmp, one.payload)) {
            return;
        }
        const auto& own = all_.view(one.which);
        if (own.transit.contains(far)) {
            return; // as far as any other
        }
        for (auto limit = far - 1; limit > own.farthest(); --limit) {
            want(one.which, limit, hop_tries, need::icmp, one.payload);
        }
        // Whoever got farther has to be seen at the same last box, or it took another way.
        for (const auto& other : known.flows) {
            const auto& theirs = all_.view(other);
            const bool came_farther =
                theirs.farthest() > own.farthest() || theirs.answered_at() > own.farthest() + 1;
            if (other != one.which && came_farther) {
                want(other, own.farthest(), walk_tries, need::icmp);
            }
        }
        // What passage_of() asks for: the first known hop after the last that saw it.
        const auto how = passage_of(all_, one.which);
        if (how.kind == passage_kind::unheard) {
            hear_again(one.which, how.before);
        }
        if (how.kind == passage_kind::unsettled) {
            for (auto limit = own.farthest() + 1; limit <= far + beyond_target; ++limit) {
                want(one.which, limit, hop_tries, need::icmp, one.payload);
            }
        }
    }

    // Whether the hop still answers others, now that it is silent for this flow.
    void hear_again(const flow& which, unsigned limit)
    {
        const auto heard = all_.heard_since(which, limit);
        if (!heard.by) {
            return;
        }
        const auto& control = all_.view(*heard.by);
        const auto silent = control.silent.find(limit);
        const bool given_up = control.unmeasured.contains(limit);
        if (!given_up && (silent == control.silent.end() || silent->second < hop_tries)) {
            add({.which = *heard.by, .hop_limit = limit, .needs_icmp = true});
        }
    }

    // A port at which nothing listens: the second kind of control, where UDP does not get past the edge.
    void follow_tcp_control(const group& one)
    {
        const flow control{one.vantage, {one.address, control_port, transport::tcp}};
        const auto from = std::max(all_.way(one.vantage, one.address.family).edge, 1U);
        for (auto limit = from; limit <= from + beyond_target; ++limit) {
            want(control, limit, walk_tries, need::icmp);
        }
    }

    void ask_about_rejections(const group& one)
    {
        std::set<std::optional<ip_address>> known;
        for (const auto& each : one.members) {
            if (each.look != first_look::rejected) {
                continue;
            }
            const auto& own = all_.view(each.which);
            const auto sender =
                own.rejected.empty() ? std::nullopt : std::optional{own.rejected.begin()->second};
            if (known.contains(sender) && sender) {
                continue;
            }
            if (known.size() >= 1 && !sender) {
                continue; // one at a time finds out who rejects
            }
            known.insert(sender);
            follow_control(one);
            for (unsigned limit = 1; limit <= rejection_hops; ++limit) {
                if (own.rejected.empty() || limit < own.rejected.begin()->first) {
                    want(each.which, limit, search_tries, need::icmp, each.payload);
                }
            }
        }
    }

    // --- answers: from how far do they come? ---

    // Narrows down the lowest hop limit that is answered. True when it is known, or cannot be.
    bool search(const flow& which, const std::string& payload)
    {
        const auto& own = all_.view(which);
        const auto at = own.answered_at();
        if (!at) {
            return guess(which, payload);
        }
        unsigned below = 0;
        for (auto limit = *at - 1; limit >= 1; --limit) {
            if (own.is_settled(limit, search_tries)) {
                below = limit;
                break;
            }
        }
        if (*at - below <= 1) {
            return *at == 1 || want(which, *at - 1, hop_tries, need::answer, payload);
        }
        const auto gap = *at - below;
        const unsigned pieces = std::min(gap, 4U);
        for (unsigned i = 1; i < pieces; ++i) {
            want(which, below + gap * i / pieces, search_tries, need::answer, payload);
        }
        return false;
    }

    // The distance of another flow to the same address, or of most destinations, is a good first guess.
    std::optional<unsigned> likely_distance(const flow& which) const
    {
        for (const auto& other : all_.facts(which.vantage, which.target.address).flows) {
            if (const auto at = all_.view(other).answered_at()) {
                return at;
            }
        }
        std::map<unsigned, unsigned> met;
        for (const auto& one : groups_) {
            const bool alike =
                one.vantage == which.vantage && one.address.family == which.target.address.family;
            for (const auto& each : one.members) {
                if (const auto at = all_.view(each.which).answered_at(); alike && at) {
                    ++met[*at];
                }
            }
        }
        const auto most = std::ranges::max_element(met, {}, [](const auto& entry) { return entry.second; });
        return most == met.end() ? std::nullopt : std::optional{most->first};
    }

    bool guess(const flow& which, const std::string& payload)
    {
        const auto hint = likely_distance(which);
        if (hint && *hint > 1) {
            const bool tried = want(which, *hint, search_tries, need::answer, payload);
            const bool below = want(which, *hint - 1, search_tries, need::answer, payload);
            if (!tried || !below) {
                return false;
            }
        }
        bool all_tried = true;
        for (const auto limit : first_guesses) {
            const auto tries = limit == most_hops ? hop_tries : search_tries;
            const bool tried = want(which, limit, tries, need::answer, payload);
            all_tried = all_tried && tried;
        }
        return all_tried; // answered at first, and now no more: nothing can be said
    }

    void bracket(const flow& which, unsigned at)
    {
        const auto guessed = usual_initial_ttl + 1 - at;
        const bool at_guess = want_min(which, guessed);
        const bool above_guess = want_min(which, guessed + 1);
        const auto low = all_.view(which).received_low();
        const auto high = all_.view(which).received_high();
        if (at_guess && above_guess && low == high && low < most_min_ttl) {
            want_min(which, low + 1, sure_min_ttl_tries);
        }
        if (!at_guess || !above_guess || low >= high) {
            return;
        }
        const auto gap = high - low;
        const unsigned pieces = std::min(gap, 5U);
        for (unsigned i = 1; i <= pieces; ++i) {
            want_min(which, std::min(most_min_ttl, low + gap * i / pieces));
        }
    }

    void follow_answer(const group& one, const member& each, bool is_one_of_many)
    {
        if (!search(each.which, each.payload)) {
            return;
        }
        const auto at = all_.view(each.which).answered_at();
        if (!at) {
            return;
        }
        const auto& known = all_.facts(one.vantage, one.address);
        const auto control = control_to(one, 0);
        want(control, *at - 1, walk_tries, need::icmp); // whether both take the same way up to there
        for (auto limit = *at; limit <= *at + beyond_target; ++limit) {
            const bool said = (known.spoke_at && *known.spoke_at <= limit && limit > *at) ||
                              all_.farthest_other(each.which) > limit;
            if (!said) {
                want(control, limit, limit == *at ? hop_tries : walk_tries, need::answer);
            }
        }
        for (const auto& other : known.flows) {
            if (other != each.which && all_.view(other).answered_at() > *at) {
                want(other, *at - 1, walk_tries, need::icmp);
            }
        }
        // Where datagrams to it show nothing, a SYN to a port at which nothing listens may: by its RST.
        const auto& datagrams = all_.view(control);
        if (!known.spoke_at && all_.farthest_other(each.which) < *at && datagrams.answered.empty() &&
            datagrams.is_silent_at(*at, hop_tries)) {
            const flow refused{one.vantage, {one.address, control_port, transport::tcp}};
            if (search(refused, {})) {
                want(refused, *at, hop_tries, need::answer);
            }
        }
        const bool contradicted =
            all_.wants_received_ttl(each.which) || all_.farthest_other(each.which) >= *at;
        if (contradicted) {
            want(control_to(one, 1), *at - 1, walk_tries, need::icmp);
            want(control_to(one, 1), *at, walk_tries, need::answer);
        }
        if (each.which.target.transport == transport::tcp && !each.said) {
            if (contradicted || is_one_of_many || all_.has_rival(each.which)) {
                bracket(each.which, *at);
            } else if (known.spoke_at == at && known.icmp_received_ttl) {
                const auto far = static_cast<unsigned>(*known.icmp_received_ttl);
                if (want_min(each.which, far) && want_min(each.which, far + 1) &&
                    all_.view(each.which).received_ttl() != far) {
                    bracket(each.which, *at);
                }
            }
        }
        const auto& own = all_.view(each.which);
        if (*at == 1 && all_.origin_of(each.which) == origin::near && own.link_answers == 0 &&
            own.link_failures < hop_tries && own.link_silences < walk_tries) {
            add({.which = each.which, .on_link = true, .payload = each.payload});
        }
        if (each.which.target.transport == transport::tcp &&
            all_.origin_of(each.which) != origin::consistent) {
            ask_canary(one, each.which);
        }
    }

    // Whoever answers at an address that cannot exist answers for everybody on that port.
    void ask_canary(const group& one, const flow& which)
    {
        const flow canary{one.vantage, canary_for(one.address.family, which.target.port)};
        sharing_ = true;
        const auto& own = all_.view(canary);
        if (own.plain_answers + own.plain_others == 0) {
            add({.which = canary});
        }
        if (own.plain_answers > 0) {
            search(canary, {});
        }
        sharing_ = false;
    }

    void ask_about_answers(const group& one, first_look look)
    {
        const auto stands_for = answering_representatives(all_, one, look);
        const auto alike = std::ranges::count(one.members, look, &member::look);
        const bool many = static_cast<std::size_t>(alike) > walked_each && one.transport == transport::tcp;
        for (std::size_t i = 0; i < one.members.size(); ++i) {
            if (one.members[i].look != look) {
                continue;
            }
            if (stands_for[i] == i) {
                follow_answer(one, one.members[i], many);
            } else if (stands_for[i] == nobody) {
                ask_likeness(one, stands_for, look, i);
            }
        }
    }

    // Whether a member's answers arrive with the TTL of a representative's, for each that is known.
    void
    ask_likeness(const group& one, const std::vector<std::size_t>& stands_for, first_look look, std::size_t i)
    {
        for (std::size_t r = 0; r < one.members.size(); ++r) {
            if (stands_for[r] != r || one.members[r].look != look || one.members[r].said ||
                one.members[i].said) {
                continue;
            }
            const auto received = all_.view(one.members[r].which).received_ttl();
            const auto from = all_.origin_of(one.members[r].which);
            if (received && from != origin::unchecked && want_min(one.members[i].which, *received) &&
                *received < most_min_ttl) {
                want_min(one.members[i].which, *received + 1);
            }
        }
    }

    std::vector<group> groups_;
    evidence all_;
    const std::set<hop_order>& under_way_;
    std::map<kin, flow> leaders_;
    std::set<hop_order> ordered_;
    std::vector<hop_order> orders_;
    bool sharing_ = false; // orders are for what every row rests on
};

} // namespace

std::vector<hop_order>
next_orders(const plan& what, const site_state& site, const std::set<hop_order>& under_way)
{
    return inquiry{what, site, under_way}.take();
}

unsigned shared_hops_of(const plan& what, const site_state& site)
{
    unsigned most = 0;
    for (const auto& one : what.vantages) {
        for (const auto protocol : {family::v4, family::v6}) {
            const auto way = make_path(site.traces, one.name, protocol, site.local, what.config.path);
            most = std::max(most, way.beyond > 0 ? static_cast<unsigned>(way.hops.size()) : 0U);
        }
    }
    return most == 0 ? first_hops : std::min(most, first_hops);
}

endpoint canary_for(family protocol, std::uint16_t port)
{
    // TEST-NET-1 (RFC 5737) and the discard-only block (RFC 6666).
    static const auto v4 = *parse_address("192.0.2.77");
    static const auto v6 = *parse_address("100::77");
    return {protocol == family::v4 ? v4 : v6, port, transport::tcp};
}

} // namespace reachd
