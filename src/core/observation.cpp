// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/observation.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

template <class... Visitors>
struct overloaded : Visitors... {
    using Visitors::operator()...;
};

// RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1.
const char* unreachable_v4(std::uint8_t code)
{
    switch (code) {
    case 0: return "network unreachable";
    case 1: return "host unreachable";
    case 2: return "protocol unreachable";
    case 3: return "port unreachable";
    case 4: return "fragmentation needed";
    case 5: return "source route failed";
    case 6: return "network unknown";
    case 7: return "host unknown";
    case 9: return "network administratively prohibited";
    case 10: return "host administratively prohibited";
    case 11: return "network unreachable for this service";
    case 12: return "host unreachable for this service";
    case 13: return "communication administratively prohibited";
    default: return "unreachable";
    }
}

// RFC 4443 section 3.1.
const char* unreachable_v6(std::uint8_t code)
{
    switch (code) {
    case 0: return "no route to destination";
    case 1: return "administratively prohibited";
    case 2: return "beyond scope of source address";
    case 3: return "address unreachable";
    case 4: return "port unreachable";
    case 5: return "source address failed policy";
    case 6: return "reject route";
    default: return "unreachable";
    }
}

std::string describe_tls(const tls_answer& tls)
{
    if (tls.anonymous) {
        return fmt::format(
            "{} for {}, issued by {} (no name to verify)", tls.protocol, tls.subject, tls.issuer
        );
    }
    if (tls.problem.empty()) {
        return fmt::format("{} for {}, issued by {}", tls.protocol, tls.subject, tls.issuer);
    }
    return fmt::format("certificate for {}, issued by {}: {}", tls.subject, tls.issuer, tls.problem);
}

} // namespace

const char* to_string(local_cause value)
{
    switch (value) {
    case local_cause::no_route: return "no_route";
    case local_cause::no_address: return "no_address";
    case local_cause::link_down: return "link_down";
    case local_cause::refused_here: return "refused_here";
    case local_cause::no_descriptors: return "no_descriptors";
    case local_cause::no_memory: return "no_memory";
    case local_cause::no_local_port: return "no_local_port";
    case local_cause::cancelled: return "cancelled";
    case local_cause::other: return "other";
    }
    return "?";
}

const char* to_string(probe_kind value)
{
    switch (value) {
    case probe_kind::tcp_connect: return "tcp_connect";
    case probe_kind::tcp_confirm: return "tcp_confirm";
    case probe_kind::udp_send: return "udp_send";
    case probe_kind::tls: return "tls";
    case probe_kind::http_head: return "http_head";
    }
    return "?";
}

std::string icmp_name(family protocol, std::uint8_t type, std::uint8_t code)
{
    const bool v4 = protocol == family::v4;
    if (type == (v4 ? 3 : 1)) {
        return v4 ? unreachable_v4(code) : unreachable_v6(code);
    }
    if (type == (v4 ? 11 : 3)) {
        return code == 0 ? (v4 ? "time to live exceeded" : "hop limit exceeded")
                         : "fragment reassembly time exceeded";
    }
    if (type == (v4 ? 12 : 4)) {
        return "parameter problem";
    }
    return "error";
}

std::string describe(const root_claim& root)
{
    if (root.name.empty() || root.organisation.empty() || root.name == root.organisation) {
        return root.name.empty() ? root.organisation : root.name;
    }
    return fmt::format("{} ({})", root.name, root.organisation);
}

std::string describe(const outcome& what)
{
    return std::visit(
        overloaded{
            [](const connected&) -> std::string { return "connected"; },
            [](const refused&) -> std::string { return "refused (RST)"; },
            [](const icmp_error& seen) {
                return fmt::format(
                    "{} {} ({}/{}) from {}{}", seen.family == family::v4 ? "ICMP" : "ICMPv6",
                    icmp_name(seen.family, seen.type, seen.code), seen.type, seen.code, to_text(seen.sender),
                    seen.sender_is_us ? " (this machine itself)" : ""
                );
            },
            [](const no_reply& seen) { return fmt::format("no reply in {}", to_text(seen.waited)); },
            [](const replied& seen) {
                return fmt::format(
                    "reply of {} bytes{}", seen.bytes, seen.matches ? "" : ", not as the row expects"
                );
            },
            [](const cut_off& seen) -> std::string {
                return seen.by_reset ? "connection reset before the answer"
                                     : "connection closed before the answer";
            },
            [](const acknowledged& seen) -> std::string {
                return seen.data ? "the peer acknowledged data"
                                 : "the peer acknowledged the end of the connection";
            },
            [](const tls_answer& seen) { return describe_tls(seen); },
            [](const tls_refused& seen) { return "TLS handshake failed: " + seen.detail; },
            [](const http_answer& seen) {
                return seen.location.empty()
                         ? fmt::format("HTTP status {}", seen.status)
                         : fmt::format("HTTP status {} to {}", seen.status, seen.location);
            },
            [](const http_garbled& seen) { return "not an HTTP answer: " + seen.detail; },
            [](const not_measured& seen) { return "could not be measured: " + seen.detail; },
        },
        what
    );
}

const char* outcome_word(const outcome& what)
{
    return std::visit(
        overloaded{
            [](const connected&) { return "connected"; },
            [](const refused&) { return "refused"; },
            [](const icmp_error&) { return "icmp"; },
            [](const no_reply&) { return "no_reply"; },
            [](const replied&) { return "replied"; },
            [](const cut_off&) { return "cut_off"; },
            [](const acknowledged&) { return "acknowledged"; },
            [](const tls_answer&) { return "tls"; },
            [](const tls_refused&) { return "tls_refused"; },
            [](const http_answer&) { return "http"; },
            [](const http_garbled&) { return "http_garbled"; },
            [](const not_measured&) { return "not_measured"; },
        },
        what
    );
}

namespace {

void add_details(nlohmann::json& out, const outcome& what)
{
    std::visit(
        overloaded{
            [](const connected&) {},
            [](const refused&) {},
            [&](const icmp_error& seen) {
                out["icmp"] = {{"type", seen.type}, {"code", seen.code}, {"sender", to_text(seen.sender)}};
                if (seen.received_ttl) {
                    out["icmp"]["received_ttl"] = *seen.received_ttl;
                }
                if (seen.sender_is_us) {
                    out["icmp"]["sender_is_us"] = true;
                }
            },
            [](const no_reply&) {},
            [&](const replied& seen) {
                out["bytes"] = seen.bytes;
                if (!seen.matches) {
                    out["matches"] = false;
                }
            },
            [&](const cut_off& seen) { out["by"] = seen.by_reset ? "reset" : "close"; },
            [&](const acknowledged& seen) { out["acknowledged"] = seen.data ? "data" : "fin"; },
            [&](const tls_answer& seen) {
                out["tls"] = {
                    {"protocol", seen.protocol},
                    {"subject", seen.subject},
                    {"issuer", seen.issuer},
                    {"not_after", seen.not_after},
                    {"verified", seen.problem.empty() && !seen.anonymous},
                    {"problem", seen.problem},
                };
                if (seen.anonymous) {
                    out["tls"]["anonymous"] = true;
                }
                if (seen.missing_root) {
                    out["tls"]["missing_root"] = describe(*seen.missing_root);
                }
            },
            [](const tls_refused&) {},
            [&](const http_answer& seen) {
                out["http"] = {{"status", seen.status}, {"location", seen.location}, {"server", seen.server}};
            },
            [](const http_garbled&) {},
            [&](const not_measured& seen) {
                out["cause"] = to_string(seen.cause);
                out["errno"] = seen.error_number;
            },
        },
        what
    );
}

} // namespace

nlohmann::json to_json(const observation& seen)
{
    nlohmann::json out = {
        {"probe", to_string(seen.kind)},
        {"attempt", seen.attempt},
        {"at", to_text(seen.at)},
        {"took_us", std::chrono::duration_cast<microseconds>(seen.took).count()},
        {"outcome", outcome_word(seen.what)},
        {"text", describe(seen.what) + (seen.forged ? ", and an answer came all the same" : "")},
    };
    if (!seen.source.empty()) {
        out["source"] = seen.source;
    }
    if (seen.hop_limit) {
        out["hop_limit"] = *seen.hop_limit;
    }
    if (seen.min_ttl) {
        out["min_ttl"] = *seen.min_ttl;
    }
    if (seen.on_link) {
        out["on_link"] = true;
    }
    if (seen.decoy) {
        out["decoy"] = true;
    }
    if (seen.forged) {
        out["forged"] = true;
    }
    add_details(out, seen.what);
    return out;
}

} // namespace reachd
