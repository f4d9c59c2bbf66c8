// SPDX-License-Identifier: Apache-2.0
#include "sim/virtual_path.hpp"

#include <algorithm>
#include <utility>

namespace reachd::test {
namespace {

using namespace std::chrono_literals;

constexpr unsigned system_ttl = 64;
// Of a first probe: shorter than the second after which Linux tells a drop of its own filter from silence.
constexpr duration probe_limit = 900ms;
constexpr duration walk_limit = 1s;  // of one with a hop limit
constexpr duration round_trip = 20ms;
constexpr double bucket = 6; // Linux, measured: six at once, then one a second

bool applies_to(deed what, transport kind)
{
    switch (what) {
    case deed::reset:
    case deed::proxy:
    case deed::syn_proxy: return kind == transport::tcp;
    case deed::spoof: return kind == transport::udp;
    case deed::hide_errors: return false;
    case deed::drop:
    case deed::reject: return true;
    }
    return false;
}

const rule* first_rule(const box& here, point where, const endpoint& target)
{
    const auto found = std::ranges::find_if(here.rules, [&](const rule& one) {
        return one.where == where && applies_to(one.what, target.transport) && one.about.covers(target);
    });
    return found == here.rules.end() ? nullptr : &*found;
}

std::uint8_t unreachable_type(family protocol)
{
    return protocol == family::v4 ? 3 : 1;
}

std::uint8_t exceeded_type(family protocol)
{
    return protocol == family::v4 ? 11 : 3;
}

std::uint8_t port_code(family protocol)
{
    return protocol == family::v4 ? 3 : 4;
}

std::uint8_t address_code(family protocol)
{
    return protocol == family::v4 ? 1 : 3;
}

std::uint8_t prohibited_code(family protocol)
{
    return protocol == family::v4 ? 10 : 1;
}

// A hash that spreads; which one a router uses is its own affair.
std::uint64_t mix(std::uint64_t value)
{
    value += 0x9e3779b97f4a7c15U;
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31U);
}

void append(std::vector<std::size_t>& way, const std::vector<segment>& through, std::uint64_t hash)
{
    for (const auto& one : through) {
        hash = mix(hash);
        const auto& row = one.rows.at(hash % one.rows.size());
        way.insert(way.end(), row.begin(), row.end());
    }
}

observation make_observation(probe_kind kind, time_point now, const fate& of, const ip_address& from)
{
    observation seen;
    seen.kind = kind;
    seen.source = from.is_v4() ? to_text(from) + ":41000" : "[" + to_text(from) + "]:41000";
    seen.at = wall_time{std::chrono::duration_cast<milliseconds>(now.time_since_epoch())};
    seen.took = std::holds_alternative<no_reply>(of.what) ? walk_limit : round_trip;
    seen.what = of.what;
    return seen;
}

probe_kind kind_of(transport how)
{
    return how == transport::tcp ? probe_kind::tcp_connect : probe_kind::udp_send;
}

} // namespace

bool scope::covers(const endpoint& target) const
{
    return (!destination || *destination == target.address) && (!kind || *kind == target.transport) &&
           ports.first <= target.port && target.port <= ports.last;
}

manner server::at(const endpoint& target) const
{
    const auto found = ports.find({target.transport, target.port});
    if (found != ports.end()) {
        return found->second;
    }
    return target.transport == transport::tcp ? tcp_else : udp_else;
}

const server* virtual_path::server_at(const ip_address& address) const
{
    const auto found = std::ranges::find_if(net_.servers, [&](const server& one) {
        return net_.boxes[one.self].address == address;
    });
    return found == net_.servers.end() ? nullptr : &*found;
}

std::vector<std::size_t> virtual_path::way_to(const endpoint& target, std::uint64_t flow) const
{
    std::uint64_t hash = 0;
    for (const auto byte : target.address.bytes) {
        hash = mix(hash ^ byte);
    }
    if (net_.spreads_flows) {
        hash = mix(hash ^ target.port ^ (flow << 20U) ^ (target.transport == transport::tcp ? 1U << 16U : 0));
    }
    std::vector<std::size_t> way{0};
    append(way, net_.trunk, hash);
    if (const auto* to = server_at(target.address)) {
        append(way, to->tail, hash);
        way.push_back(to->self);
    } else {
        way.resize(std::min<std::size_t>(way.size(), net_.canary_hops + 1));
    }
    return way;
}

bool virtual_path::is_lost()
{
    return net_.loss > 0 && std::bernoulli_distribution{net_.loss}(random_);
}

// This machine's own output rules: their answers do not come over the link.
bool virtual_path::filter_here(flight& it) const
{
    const auto* mine = first_rule(net_.boxes[0], point::forward, it.sent.target);
    if (!mine) {
        return false;
    }
    it.out.culprit = 0;
    if (mine->what == deed::drop && it.sent.target.transport == transport::udp) {
        it.out.what = not_measured{.cause = local_cause::refused_here, .error_number = 1, .detail = "EPERM"};
    } else if (mine->what != deed::drop && !it.sent.on_link && it.sent.min_ttl.value_or(0) <= system_ttl) {
        it.out.speaker = 0;
        it.out.what = refused{};
        if (mine->what == deed::reject) {
            it.out.what = icmp_error{
                .family = net_.family,
                .type = unreachable_type(net_.family),
                .code = mine->code,
                .sender = net_.boxes[0].address,
                .sender_is_us = true,
                .received_ttl = system_ttl,
            };
        }
    }
    return true;
}

unsigned virtual_path::received_ttl(const flight& it) const
{
    const auto& way = it.out.way;
    int hops = 0;
    bool beyond = false;
    for (std::size_t i = 1; i < it.at; ++i) {
        hops += net_.boxes[way[i]].decrements ? 1 : 0;
        beyond = beyond || net_.boxes[way[i]].where == side::isp;
    }
    const auto* to = server_at(it.sent.target.address);
    hops += beyond && to ? to->detour : 0;
    return net_.boxes[way[it.at]].first_ttl - static_cast<unsigned>(std::max(hops, 0));
}

// A segment of TCP or a datagram from the box where the packet is.
void virtual_path::answer(flight& it, outcome what)
{
    const bool too_far = it.sent.target.transport == transport::tcp && it.sent.min_ttl &&
                         received_ttl(it) < *it.sent.min_ttl;
    if (too_far || is_lost()) {
        return;
    }
    it.out.speaker = it.out.way[it.at];
    it.out.what = std::move(what);
}

// An ICMP error from the box where the packet is.
void virtual_path::report(flight& it, std::uint8_t type, std::uint8_t code)
{
    auto& here = net_.boxes[it.out.way[it.at]];
    if (here.limits_icmp) {
        const auto since = std::chrono::duration<double>(it.now - here.filled).count();
        here.tokens = std::min(bucket, here.tokens + since);
        here.filled = it.now;
        if (here.tokens < 1) {
            return;
        }
        here.tokens -= 1;
    }
    for (std::size_t i = 1; i < it.at; ++i) {
        if (std::ranges::find(net_.boxes[it.out.way[i]].rules, deed::hide_errors, &rule::what) !=
            net_.boxes[it.out.way[i]].rules.end()) {
            return;
        }
    }
    const auto ttl = received_ttl(it);
    // IP_MINTTL looks at the packet that an ICMP error quotes (tcp_v4_err), IPV6_MINHOPCOUNT at its carrier.
    const auto looked_at = net_.family == family::v4 ? it.left : ttl;
    const bool too_far =
        it.sent.target.transport == transport::tcp && it.sent.min_ttl && looked_at < *it.sent.min_ttl;
    if (too_far || is_lost()) {
        return;
    }
    it.out.speaker = it.out.way[it.at];
    it.out.what = icmp_error{
        .family = net_.family, .type = type, .code = code, .sender = here.address, .received_ttl = ttl
    };
}

// True when a rule of the box ends the packet's way.
bool virtual_path::apply(flight& it, point where)
{
    const auto place = it.out.way[it.at];
    const auto* mine = first_rule(net_.boxes[place], where, it.sent.target);
    if (!mine) {
        return false;
    }
    it.out.culprit = place;
    switch (mine->what) {
    case deed::reject: report(it, unreachable_type(net_.family), mine->code); break;
    case deed::reset: answer(it, refused{}); break;
    case deed::proxy:
    case deed::syn_proxy: answer(it, connected{}); break;
    case deed::spoof: answer(it, replied{1}); break;
    case deed::drop:
    case deed::hide_errors: break;
    }
    return true;
}

void virtual_path::arrive(flight& it)
{
    const auto& to = *server_at(it.sent.target.address);
    const bool tcp = it.sent.target.transport == transport::tcp;
    if (to.dead) {
        it.out.culprit = to.self;
        if (to.missed) {
            --it.at; // the last router asked for it on its link, in vain
            report(it, unreachable_type(net_.family), address_code(net_.family));
        }
        return;
    }
    switch (to.at(it.sent.target)) {
    case manner::answers: answer(it, tcp ? outcome{connected{}} : outcome{replied{52}}); break;
    case manner::refuses:
        if (tcp) {
            answer(it, refused{});
        } else {
            report(it, unreachable_type(net_.family), port_code(net_.family));
        }
        break;
    case manner::rejects:
        it.out.culprit = to.self;
        report(it, unreachable_type(net_.family), prohibited_code(net_.family));
        break;
    case manner::silent: break;
    case manner::drops: it.out.culprit = to.self; break;
    }
}

fate virtual_path::send(const packet& sent, time_point now)
{
    flight it{.sent = sent, .now = now, .out = {.what = no_reply{walk_limit}}, .left = sent.hop_limit};
    it.out.way = way_to(sent.target, sent.flow);
    if (filter_here(it)) {
        return it.out;
    }
    const auto last = it.out.way.size() - 1;
    const auto lost_at = is_lost() ? std::uniform_int_distribution<std::size_t>{1, last}(random_) : 0;
    for (it.at = 1; it.at <= last; ++it.at) {
        if (it.at == lost_at) {
            return it.out;
        }
        const auto& here = net_.boxes[it.out.way[it.at]];
        it.out.left_site = it.out.left_site || here.where != side::site;
        if (here.where == side::service) {
            arrive(it);
            return it.out;
        }
        if (apply(it, point::prerouting)) {
            return it.out;
        }
        if (here.decrements && it.left == 1) {
            if (here.tells) {
                report(it, exceeded_type(net_.family), 0);
            }
            return it.out;
        }
        it.left -= here.decrements ? 1 : 0;
        if (apply(it, point::forward)) {
            return it.out;
        }
    }
    it.at = last; // an address that nobody has
    if (net_.canary_code) {
        report(it, unreachable_type(net_.family), *net_.canary_code);
    }
    return it.out;
}

// One more segment from the peer: a SYN proxy asks its server first.
std::pair<observation, fate> virtual_path::confirm(const packet& sent, const fate& made, time_point now)
{
    auto out = made;
    out.what = acknowledged{};
    const auto& answerer = net_.boxes[*made.speaker];
    const auto* how = first_rule(answerer, point::forward, sent.target);
    if (answerer.where != side::service && how && how->what == deed::syn_proxy) {
        auto& rules = net_.boxes[*made.speaker].rules;
        const auto before = rules;
        std::erase_if(rules, [](const rule& one) { return one.what == deed::syn_proxy; });
        auto behind = send(sent, now);
        for (int again = 0; again < 3 && net_.loss > 0 && !behind.speaker; ++again) {
            behind = send(sent, now); // TCP does so by itself
        }
        rules = before;
        out.speaker = behind.speaker;
        if (std::holds_alternative<refused>(behind.what)) {
            out.what = cut_off{.by_reset = true};
        } else if (!std::holds_alternative<connected>(behind.what)) {
            out.what = no_reply{probe_limit};
        }
        out.culprit = behind.culprit ? behind.culprit : out.culprit;
    }
    return {make_observation(probe_kind::tcp_confirm, now, out, net_.boxes[0].address), out};
}

std::vector<std::pair<observation, fate>> virtual_path::probe(const endpoint& target, time_point now)
{
    constexpr unsigned attempts = 2;
    std::vector<std::pair<observation, fate>> out;
    for (unsigned attempt = 1; attempt <= attempts; ++attempt, now += probe_limit) {
        const packet sent{.target = target, .min_ttl = {}, .flow = next_flow_++};
        auto seen = send(sent, now);
        out.emplace_back(make_observation(kind_of(target.transport), now, seen, net_.boxes[0].address), seen);
        auto& last = out.back().first;
        last.attempt = attempt;
        if (auto* silence = std::get_if<no_reply>(&last.what)) {
            silence->waited = probe_limit;
            continue;
        }
        if (std::holds_alternative<connected>(last.what)) {
            out.push_back(confirm(sent, seen, now));
            out.back().first.attempt = attempt;
        }
        break;
    }
    return out;
}

std::pair<observation, fate> virtual_path::observe(const hop_order& order, time_point now)
{
    auto of = send(
        {
            .target = order.which.target,
            .hop_limit = order.hop_limit.value_or(system_ttl),
            .min_ttl = order.min_ttl,
            .on_link = order.on_link,
            .flow = order.keeps_port ? walk_flow : next_flow_++,
        },
        now
    );
    auto seen = make_observation(kind_of(order.which.target.transport), now, of, net_.boxes[0].address);
    seen.hop_limit = order.hop_limit;
    seen.keeps_port = order.keeps_port;
    seen.min_ttl = order.min_ttl;
    seen.on_link = order.on_link;
    seen.decoy = order.decoy > 0;
    return {std::move(seen), std::move(of)};
}

} // namespace reachd::test
