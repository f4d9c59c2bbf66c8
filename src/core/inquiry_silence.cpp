// SPDX-License-Identifier: Apache-2.0
// How far silent and rejected flows get, and how far others to the same address do.
#include "order_book.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

namespace reachd {
namespace {

constexpr unsigned rejection_hops = 6;
constexpr unsigned mute_hops = 4;   // in a row, before a control flow is given up
constexpr unsigned heard_ahead = 2; // hops past the end of a flow of which it is asked whether they speak
constexpr std::size_t alike_at_most = 2; // flows that are asked that
// A query for the name servers of the root, RFC 1035 section 4.1: what a firewall that looks takes for DNS.
constexpr std::string_view dns_query{
    "\x72\x64\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01", 17
};

class silences {
public:
    explicit silences(order_book& book) : book_{book}, all_{book.all} {}

    void run()
    {
        for (const auto& one : book_.groups) {
            ask_about_silence_of(one);
            ask_about_rejections(one);
        }
    }

private:
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
            book_.want(control, limit, walk_tries, need::icmp);
        }
        // However far that is, the destination may say that it got there.
        for (const auto& other : known.flows) {
            const auto at = all_.view(other).answered_at();
            if (other.target.transport == transport::tcp && at > last && !known.spoke_at) {
                book_.want(control, *at, walk_tries, need::answer);
                return;
            }
        }
    }

    void ask_about_silence_of(const group& one)
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
            const bool seen = book_.want(one.which, leader.after, hop_tries, need::icmp, one.payload);
            if (leader.before_is_target && !seen) {
                return; // it is asked with the port that got there
            }
            const auto from = leader.before_is_target ? leader.after : 0;
            const bool ended =
                book_.want_as_at(from, one.which, leader.before, hop_tries, need::silence, one.payload);
            if (!ended || !seen) {
                return;
            }
            const auto how = passage_of(all_, one.which);
            if (how.kind == passage_kind::unheard && how.before == leader.before) {
                return hear_again(one.which, how.before);
            }
            if (how == leader) {
                return;
            }
        } else if (book_.is_busy(first->second)) {
            return book_.defer(one.which);
        }
        follow_silent(one);
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
                book_.want(one.which, limit, hop_tries, need::icmp, one.payload);
            }
        }
        follow_silent(one);
    }

    void follow_silent(const member& one)
    {
        const auto& known = all_.facts(one.which.vantage, one.which.target.address);
        const auto& way = all_.way(one.which.vantage, one.which.target.address.family);
        const auto far = std::max({known.farthest(), way.beyond, 1U});
        if (!book_.want(one.which, far, hop_tries, need::icmp, one.payload)) {
            return;
        }
        const auto& own = all_.view(one.which);
        if (own.transit.contains(far)) { // as far as any other: what is left is the destination itself
            const auto how = passage_of(all_, one.which);
            if (how.kind == passage_kind::unsettled && how.before > far) {
                book_.want_as_at(far, one.which, far + 1, hop_tries, need::icmp, one.payload);
                book_.want_as_at(far, one.which, how.before, hop_tries, need::answer, one.payload);
            }
            ask_again_after_rejections(one);
            return;
        }
        for (auto limit = far - 1; limit > own.farthest(); --limit) {
            book_.want(one.which, limit, hop_tries, need::icmp, one.payload);
        }
        // Whoever got farther has to be seen at the same last box, or it took another way.
        for (const auto& other : known.flows) {
            const auto& theirs = all_.view(other);
            const bool came_farther =
                theirs.farthest() > own.farthest() || theirs.answered_at() > own.farthest() + 1;
            if (other != one.which && came_farther) {
                book_.want(other, own.farthest(), walk_tries, need::icmp);
            }
        }
        for (auto ahead = own.farthest() + 1; ahead <= std::min(far, own.farthest() + heard_ahead); ++ahead) {
            hear_alike(one.which, ahead);
        }
        ask_again_after_rejections(one);
        // What passage_of() asks for: the first known hop after the last that saw it.
        const auto how = passage_of(all_, one.which);
        if (how.kind == passage_kind::unheard) {
            hear_again(one.which, how.before);
        }
        if (how.kind == passage_kind::unsettled) {
            book_.want(one.which, how.before, hop_tries, need::answer, one.payload);
            for (auto limit = own.farthest() + 1; limit <= far + beyond_target; ++limit) {
                book_.want(one.which, limit, hop_tries, need::icmp, one.payload);
            }
        }
    }

    // Whether that hop reports this transport at all: else its silence proves nothing.
    void hear_alike(const flow& which, unsigned limit)
    {
        if (all_.is_heard_alike(which, limit)) {
            return;
        }
        if (which.target.transport == transport::udp) {
            for (const auto& server : all_.dns_flows(which.vantage, which.target.address.family)) {
                if (!book_.want(server, limit, walk_tries, need::icmp, std::string{dns_query})) {
                    book_.defer(which);
                }
            }
            return;
        }
        std::size_t asked = 0;
        for (const auto& other : all_.facts(which.vantage, which.target.address).flows) {
            const bool passes = other != which && other.target.transport == which.target.transport &&
                                all_.view(other).answered_at() > limit;
            if (passes && asked < alike_at_most) {
                ++asked;
                book_.want(other, limit, walk_tries, need::icmp);
            }
        }
        if (asked == 0) {
            const flow control{which.vantage, {which.target.address, control_port, transport::tcp}};
            book_.want(control, limit, walk_tries, need::icmp);
        }
    }

    // The next hop rejects others aloud: it may have held its word back, as routers limit their ICMP.
    void ask_again_after_rejections(const member& one)
    {
        const auto how = passage_of(all_, one.which);
        if (how.kind == passage_kind::unsettled && all_.is_rejecting(one.which, how.after + 1)) {
            book_.want(one.which, how.after + 1, rejection_tries, need::icmp, one.payload);
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
            book_.add({.which = *heard.by, .hop_limit = limit, .needs_icmp = true});
            book_.defer(which); // it may be another row's
        }
    }

    // A port at which nothing listens: the second kind of control, where UDP does not get past the edge.
    void follow_tcp_control(const group& one)
    {
        const flow control{one.vantage, {one.address, control_port, transport::tcp}};
        const auto from = std::max(all_.way(one.vantage, one.address.family).edge, 1U);
        for (auto limit = from; limit <= from + beyond_target; ++limit) {
            book_.want(control, limit, walk_tries, need::icmp);
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
                    book_.want(each.which, limit, search_tries, need::icmp, each.payload);
                }
            }
        }
    }

    order_book& book_;
    const evidence& all_;
    std::map<kin, flow> leaders_;
};

} // namespace

void ask_about_silence(order_book& book)
{
    silences{book}.run();
}

} // namespace reachd
