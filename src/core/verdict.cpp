// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/verdict.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

bool is_port_unreachable(const icmp_error& seen)
{
    return seen.family == family::v4 ? seen.type == 3 && seen.code == 3 : seen.type == 1 && seen.code == 4;
}

bool is_address_unreachable(const icmp_error& seen)
{
    return seen.family == family::v4 ? seen.type == 3 && seen.code == 1 : seen.type == 1 && seen.code == 3;
}

// Type "destination unreachable" of its protocol.
bool is_unreachable(const icmp_error& seen)
{
    return seen.type == (seen.family == family::v4 ? 3 : 1);
}

bool is_time_exceeded(const icmp_error& seen)
{
    return seen.type == (seen.family == family::v4 ? 11 : 3);
}

// A box is only called the site's where our own routing table says so; everything else needs a walk.
blame blame_of_sender(const ip_address& sender, const local_network& local)
{
    const bool gateway = std::ranges::find(local.gateways, sender) != local.gateways.end();
    const bool neighbour =
        std::ranges::any_of(local.on_link, [&](const ip_block& block) { return block.contains(sender); });
    return gateway || neighbour ? blame::site : blame::unknown;
}

// The kernel itself answers: host unreachable when the next hop stays silent on the link (ARP or
// neighbour discovery failed), any other code when its own packet filter rejects.
verdict judge_own_error(const icmp_error& seen)
{
    if (is_address_unreachable(seen)) {
        return {
            .kind = verdict_kind::unproven,
            .stage = stage::route,
            .blame = blame::site,
            .sentence = "nothing left this machine's link: the next hop does not answer (ARP or "
                        "neighbour discovery failed)",
        };
    }
    return {
        .kind = verdict_kind::blocked,
        .stage = stage::route,
        .blame = blame::host,
        .sentence = fmt::format(
            "this machine's own packet filter rejects it (ICMP {})",
            icmp_name(seen.family, seen.type, seen.code)
        ),
    };
}

verdict judge_icmp(const endpoint& target, const icmp_error& seen, const local_network& local)
{
    const bool from_target = seen.sender == target.address;
    if (from_target && is_unreachable(seen)) {
        // Whatever its reason, the packet came there: the way is free.
        return {
            .kind = verdict_kind::closed,
            .stage = stage::connect,
            .blame = blame::service,
            .sentence = is_port_unreachable(seen)
                          ? "the destination says that nothing listens there (ICMP port unreachable)"
                          : fmt::format(
                                "the destination itself refuses (ICMP {}/{}, {})", seen.type, seen.code,
                                icmp_name(seen.family, seen.type, seen.code)
                            ),
        };
    }
    if (seen.sender_is_us && !from_target) {
        return judge_own_error(seen);
    }
    return {
        .kind = verdict_kind::blocked,
        .stage = stage::connect,
        .blame = blame_of_sender(seen.sender, local),
        .where = location{.at = hop{.number = {}, .address = seen.sender}, .after = {}, .before = {}},
        .sentence = fmt::format(
            "{} {} ({} {}/{}, {})",
            is_time_exceeded(seen) ? "goes round in a routing loop, says" : "rejected by",
            to_text(seen.sender), seen.family == family::v4 ? "ICMP" : "ICMPv6", seen.type, seen.code,
            icmp_name(seen.family, seen.type, seen.code)
        ),
    };
}

verdict judge_local(const not_measured& seen)
{
    verdict out{
        .kind = verdict_kind::unproven,
        .stage = stage::route,
        .blame = blame::host,
    };
    switch (seen.cause) {
    case local_cause::refused_here:
        out.kind = verdict_kind::blocked;
        out.sentence = "this machine's own packet filter refuses to send it (" + seen.detail + ")";
        break;
    case local_cause::no_route: out.sentence = "this machine has no route to it"; break;
    case local_cause::no_address:
        out.sentence = "the vantage's source address or interface is not there: " + seen.detail;
        break;
    case local_cause::link_down: out.sentence = "this machine's network link is down"; break;
    case local_cause::no_descriptors:
        out.sentence = "not measured: this process is out of file descriptors";
        break;
    case local_cause::no_memory:
        out.sentence = "not measured: this machine is out of memory, or its transmit queue is full";
        break;
    case local_cause::no_local_port: out.sentence = "not measured: no free local port"; break;
    case local_cause::cancelled:
        out.blame = blame::unknown;
        out.sentence = "not run: the check was stopped first";
        break;
    case local_cause::other: out.sentence = "not measured: " + seen.detail; break;
    }
    return out;
}

std::string attempts_text(unsigned attempts, duration waited)
{
    return attempts == 1 ? to_text(waited) : fmt::format("{} attempts of {}", attempts, to_text(waited));
}

verdict judge_silence(const endpoint& target, const observation& last, const no_reply& seen)
{
    if (target.transport == transport::udp) {
        return {
            .kind = verdict_kind::unproven,
            .stage = stage::reply,
            .blame = blame::unknown,
            .sentence = "sent, no answer and no error: normal for a UDP service that answers only its "
                        "own protocol, and the same as a silent drop",
        };
    }
    return {
        .kind = verdict_kind::blocked,
        .stage = stage::connect,
        .blame = blame::unknown,
        .sentence = fmt::format("no answer in {}", attempts_text(last.attempt, seen.waited)),
    };
}

verdict judge_tls(const tls_answer& tls)
{
    verdict out{
        .kind = verdict_kind::open,
        .stage = stage::handshake,
        .blame = blame::unknown,
        .sentence = fmt::format("answers with a verified certificate, issued by {}", tls.issuer),
    };
    if (tls.anonymous) {
        out.sentence =
            fmt::format("answers with TLS; certificate issued by {} (no name to verify)", tls.issuer);
        return out;
    }
    if (tls.problem.empty()) {
        out.sentence += tls.ended_by_peer ? "; it asks for a client's own certificate" : "";
        return out;
    }
    if (tls.expired) {
        out.kind = verdict_kind::unproven;
        out.sentence = fmt::format(
            "its certificate is out of date ({}, valid to {}): the service's fault or this machine's clock",
            tls.problem, tls.not_after
        );
        return out;
    }
    out.kind = verdict_kind::intercepted;
    out.sentence = tls.wrong_name
                     ? fmt::format("something else answers: its certificate is for {}", tls.subject)
                     : fmt::format(
                           "something else answers: certificate issued by {}, not trusted ({})", tls.issuer,
                           tls.problem
                       );
    return out;
}

// The connection was made and the answer on it never came.
verdict judge_lost_answer(stage where, const std::string& what)
{
    return {
        .kind = verdict_kind::blocked,
        .stage = where,
        .blame = blame::unknown,
        .sentence = "connects, but then: " + what,
    };
}

// A box that answers in somebody's name says so by status 511 (RFC 6585 section 6).
constexpr unsigned network_authentication_required = 511;
constexpr unsigned proxy_authentication_required = 407; // only a proxy says so (RFC 9110 section 15.5.8)

verdict judge_http(const http_answer& answer)
{
    verdict out{
        .kind = verdict_kind::open,
        .stage = stage::reply,
        .blame = blame::unknown,
        .sentence = fmt::format("answers HTTP with status {}", answer.status),
    };
    if (answer.status == network_authentication_required) {
        out.kind = verdict_kind::intercepted;
        out.sentence = "a captive portal answers (HTTP status 511)";
    } else if (answer.status == proxy_authentication_required) {
        out.kind = verdict_kind::intercepted;
        out.sentence = "a proxy answers (HTTP status 407)";
    }
    return out;
}

struct judge_outcome {
    const endpoint& target;
    const observation& last;
    const local_network& local;

    stage answer_stage() const { return last.kind == probe_kind::tls ? stage::handshake : stage::reply; }
    verdict operator()(const connected&) const
    {
        return {
            .kind = verdict_kind::open,
            .stage = stage::connect,
            .blame = blame::unknown,
            .sentence = "answers",
        };
    }
    verdict operator()(const refused&) const
    {
        return {
            .kind = verdict_kind::closed,
            .stage = stage::connect,
            .blame = blame::unknown,
            .sentence = "refused (RST): nothing listens there, or a firewall refuses in its name",
        };
    }
    verdict operator()(const icmp_error& seen) const { return judge_icmp(target, seen, local); }
    verdict operator()(const no_reply& seen) const
    {
        return last.kind == probe_kind::tls || last.kind == probe_kind::http_head ||
                       last.kind == probe_kind::tcp_confirm
                 ? judge_lost_answer(answer_stage(), describe(outcome{seen}))
                 : judge_silence(target, last, seen);
    }
    verdict operator()(const replied& seen) const
    {
        return {
            .kind = seen.matches ? verdict_kind::open : verdict_kind::unproven,
            .stage = stage::reply,
            .blame = blame::unknown,
            .sentence =
                seen.matches
                    ? fmt::format("answers ({} bytes)", seen.bytes)
                    : fmt::format("something answers, but not as the row expects ({} bytes)", seen.bytes),
        };
    }
    verdict operator()(const cut_off& seen) const
    {
        return judge_lost_answer(answer_stage(), describe(outcome{seen}));
    }
    verdict operator()(const acknowledged& seen) const
    {
        return {
            .kind = verdict_kind::open,
            .stage = stage::connect,
            .blame = blame::unknown,
            .sentence = seen.data ? "answers, and takes data" : "answers",
        };
    }
    verdict operator()(const tls_answer& seen) const { return judge_tls(seen); }
    verdict operator()(const tls_refused& seen) const
    {
        auto out = judge_lost_answer(stage::handshake, describe(outcome{seen}));
        out.kind = verdict_kind::unproven;
        return out;
    }
    verdict operator()(const http_answer& seen) const { return judge_http(seen); }
    verdict operator()(const http_garbled& seen) const
    {
        auto out = judge_lost_answer(stage::reply, describe(outcome{seen}));
        out.kind = verdict_kind::unproven;
        return out;
    }
    verdict operator()(const not_measured& seen) const { return judge_local(seen); }
};

nlohmann::json to_json(const hop& value)
{
    nlohmann::json out = {{"hop", nullptr}, {"address", nullptr}};
    if (value.number) {
        out["hop"] = *value.number;
    }
    if (value.address) {
        out["address"] = to_text(*value.address);
    }
    return out;
}

} // namespace

const char* to_string(verdict_kind value)
{
    switch (value) {
    case verdict_kind::open: return "open";
    case verdict_kind::closed: return "closed";
    case verdict_kind::permitted: return "permitted";
    case verdict_kind::blocked: return "blocked";
    case verdict_kind::intercepted: return "intercepted";
    case verdict_kind::unresolved: return "unresolved";
    case verdict_kind::unproven: return "unproven";
    }
    return "?";
}

const char* to_string(blame value)
{
    switch (value) {
    case blame::host: return "host";
    case blame::site: return "site";
    case blame::edge: return "edge";
    case blame::isp: return "isp";
    case blame::service: return "service";
    case blame::unknown: return "unknown";
    }
    return "?";
}

nlohmann::json to_json(const location& where)
{
    nlohmann::json out = nlohmann::json::object();
    if (where.at) {
        out["at"] = to_json(*where.at);
    }
    if (where.after) {
        out["after"] = to_json(*where.after);
    }
    if (where.before) {
        out["before"] = to_json(*where.before);
    }
    return out;
}

std::string describe(const hop& value)
{
    const auto address = value.address ? to_text(*value.address) : std::string{"no address seen"};
    if (value.number == 0U) {
        return fmt::format("this machine ({})", address);
    }
    return value.number ? fmt::format("hop {} ({})", *value.number, address) : address;
}

std::string describe(const location& where)
{
    if (where.at) {
        return "at " + describe(*where.at);
    }
    if (where.after && where.before) {
        return fmt::format("between {} and {}", describe(*where.after), describe(*where.before));
    }
    return where.after ? "after " + describe(*where.after) : "";
}

bool same_verdict(const verdict& one, const verdict& other)
{
    return one.kind == other.kind && one.stage == other.stage && one.blame == other.blame &&
           one.where == other.where;
}

verdict judge(const endpoint& target, std::span<const observation> seen, const local_network& local)
{
    if (seen.empty()) {
        return {
            .kind = verdict_kind::unproven,
            .stage = stage::connect,
            .blame = blame::unknown,
            .sentence = "not probed yet",
        };
    }
    return std::visit(judge_outcome{target, seen.back(), local}, seen.back().what);
}

std::optional<duration> round_trip(std::span<const observation> seen)
{
    for (const auto& one : seen) {
        const bool answered = std::holds_alternative<connected>(one.what) ||
                              std::holds_alternative<refused>(one.what) ||
                              std::holds_alternative<replied>(one.what);
        if (answered) {
            return one.took;
        }
    }
    return std::nullopt;
}

} // namespace reachd
