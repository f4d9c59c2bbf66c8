// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/traffic.hpp"

#include <algorithm>
#include <limits>

namespace reachd {
namespace {

// What an open flow does is told by nobody: look again this often.
constexpr milliseconds look_again{200};
// One try of c-ares (net/resolver_cares.cpp), and of glibc (resolv.conf(5), options timeout).
constexpr seconds server_try{1};
constexpr seconds system_try{5};
constexpr std::size_t records = 2; // A and AAAA
constexpr std::size_t answers_known = 16384;

bool is_opening(const observation& seen)
{
    return seen.kind == probe_kind::tcp_connect || seen.kind == probe_kind::udp_send;
}

// A SYN that was neither accepted nor refused.
bool is_half_open(const endpoint& to, const observation& opening)
{
    return to.transport == transport::tcp && opening.packets > 0 &&
           !std::holds_alternative<refused>(opening.what) &&
           !std::holds_alternative<connected>(opening.what) && !std::holds_alternative<cut_off>(opening.what);
}

bool was_asked(const dns_answer& answer)
{
    return answer.status != dns_status::not_asked;
}

std::size_t questions_of(const dns_answer& answer, duration one_try)
{
    return was_asked(answer) ? records * (1 + static_cast<std::size_t>(answer.took >= one_try)) : 0;
}

} // namespace

duration entry_time(const endpoint& to, const observation& opening, bool ended_by_rst)
{
    if (opening.packets == 0) {
        return duration::zero();
    }
    if (to.transport == transport::udp) {
        return kept_datagram;
    }
    if (is_half_open(to, opening)) {
        return kept_half_open;
    }
    if (std::holds_alternative<refused>(opening.what)) {
        return duration::zero(); // a RST as the first answer: the entry is freed at once
    }
    return ended_by_rst || std::holds_alternative<cut_off>(opening.what) ? kept_after_rst : kept_after_fin;
}

std::size_t dns_questions_of(const name_lookup& lookup)
{
    if (lookup.no_route_to_any_server) {
        return 0;
    }
    auto out = questions_of(lookup.system, system_try);
    for (const auto& one : lookup.servers) {
        out += questions_of(one, server_try);
    }
    return out;
}

void traffic::opened(time_point now)
{
    forget(now);
    ++open_;
    note_most();
}

void traffic::dropped()
{
    open_ -= open_ > 0 ? 1 : 0;
}

void traffic::ended(const endpoint& to, const std::vector<observation>& seen, time_point now)
{
    dropped();
    const observation* last = nullptr;
    for (const auto& one : seen) {
        count(one);
        last = is_opening(one) ? &one : last;
    }
    if (last) {
        note_answer(to, *last);
        keep(name_of(to, *last), entry_time(to, *last, false), is_half_open(to, *last), now);
    }
}

void traffic::ended(const endpoint& to, const observation& seen, sent_for why, time_point now)
{
    dropped();
    count(seen);
    counts_.inquiries += why == sent_for::inquiry && seen.packets > 0 ? 1 : 0;
    counts_.samples += why == sent_for::block && seen.packets > 0 ? 1 : 0;
    // A RST that IP_MINTTL kept from us has passed the NAT all the same.
    const bool discarded =
        seen.min_ttl && std::holds_alternative<no_reply>(seen.what) && refusing_.contains(to);
    const auto kept = discarded ? duration::zero() : entry_time(to, seen, true);
    keep(name_of(to, seen), kept, is_half_open(to, seen), now);
}

void traffic::ended(const endpoint& to, const observation& seen, duration kept, time_point now)
{
    dropped();
    count(seen);
    keep(name_of(to, seen), seen.packets > 0 ? kept : duration::zero(), false, now);
}

void traffic::lost(const endpoint& to, time_point now)
{
    dropped();
    const bool tcp = to.transport == transport::tcp;
    keep(unnamed(to), tcp ? kept_half_open : kept_datagram, tcp, now);
}

void traffic::asked(const name_lookup& lookup, time_point now)
{
    const auto questions = dns_questions_of(lookup);
    counts_.dns_questions += questions;
    if (questions == 0) {
        return;
    }
    const endpoint nowhere{.address = {}, .port = 53, .transport = transport::udp};
    // A socket of glibc's, and one of each server's.
    const auto sockets =
        std::ranges::count_if(lookup.servers, was_asked) + (was_asked(lookup.system) ? 1 : 0);
    for (auto i = sockets; i > 0; --i) {
        keep(unnamed(nowhere), kept_datagram, false, now);
    }
}

std::optional<time_point> traffic::full_until(unsigned limit, time_point now)
{
    if (room(limit, now) > 0) {
        return std::nullopt;
    }
    const auto later = now + look_again;
    return soonest_.empty() ? later : std::min(later, soonest_.begin()->first + milliseconds{1});
}

std::size_t traffic::room(unsigned limit, time_point now)
{
    if (limit == 0) {
        return std::numeric_limits<std::size_t>::max();
    }
    const auto taken = live(now);
    return taken >= limit ? 0 : limit - taken;
}

std::size_t traffic::live(time_point now)
{
    forget(now);
    return open_ + until_.size();
}

void traffic::inherit(const traffic& older)
{
    *this = older;
    open_ = 0;
}

void traffic::count(const observation& seen)
{
    if (seen.kind == probe_kind::udp_send) {
        counts_.datagrams += seen.packets;
        return;
    }
    if (seen.kind != probe_kind::tcp_connect) {
        counts_.segments += seen.packets;
        return;
    }
    // Of a connection all but the SYNs are more; what never stood was nothing but SYNs.
    const std::size_t syns = std::holds_alternative<connected>(seen.what) ? seen.syns : seen.packets;
    counts_.syns += syns;
    counts_.segments += seen.packets - std::min<std::size_t>(syns, seen.packets);
}

void traffic::keep(key which, duration how_long, bool half_open, time_point now)
{
    forget(now);
    if (how_long == duration::zero()) {
        return;
    }
    const auto end = now + how_long;
    const auto [known, is_new] = until_.try_emplace(which, end);
    if (is_new) {
        ++counts_.entries;
        counts_.half_open += half_open ? 1 : 0;
    } else {
        soonest_.erase({known->second, which});
        known->second = std::max(known->second, end);
    }
    soonest_.emplace(known->second, std::move(which));
    note_most();
}

traffic::key traffic::unnamed(const endpoint& to)
{
    return {"#" + std::to_string(next_unnamed_++), to};
}

traffic::key traffic::name_of(const endpoint& to, const observation& seen)
{
    return seen.source.empty() ? unnamed(to) : key{seen.source, to};
}

void traffic::forget(time_point now)
{
    while (!soonest_.empty() && soonest_.begin()->first <= now) {
        until_.erase(soonest_.begin()->second);
        soonest_.erase(soonest_.begin());
    }
}

void traffic::note_answer(const endpoint& to, const observation& opening)
{
    if (!std::holds_alternative<refused>(opening.what)) {
        refusing_.erase(to);
    } else if (refusing_.size() < answers_known) {
        refusing_.insert(to);
    }
}

void traffic::note_most()
{
    counts_.most_at_once = std::max(counts_.most_at_once, open_ + until_.size());
}

} // namespace reachd
