// SPDX-License-Identifier: Apache-2.0
// What the neighbours of an endpoint add to its own observations. Every step only reads first-hand
// verdicts, so the order of rows and endpoints cannot matter.
#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <set>

namespace reachd {
namespace {

using visitor = std::function<void(const plan_row&, endpoint_state&)>;

void each_endpoint(const plan& what, site_state& site, const visitor& visit)
{
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        for (auto& one : site.rows[i].endpoints) {
            visit(what.rows[i], one);
        }
    }
}

bool is_silence(const endpoint_state& one)
{
    return !one.seen.empty() && one.seen.back().kind == probe_kind::tcp_connect &&
           std::holds_alternative<no_reply>(one.seen.back().what);
}

// Somebody at that address said something, whoever it was.
bool has_answered(const endpoint_state& one)
{
    return std::ranges::any_of(one.seen, [](const observation& seen) {
        return std::holds_alternative<connected>(seen.what) ||
               std::holds_alternative<refused>(seen.what) ||
               std::holds_alternative<replied>(seen.what);
    });
}

// Silence by itself does not tell a dropped packet from a dead host; the other ports of the same
// address and the other addresses say which of the two is likelier. Neither names a box.
void explain_silence(const plan& what, site_state& site)
{
    std::map<ip_address, std::uint16_t> answering; // with one port that does
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        if (one.address && has_answered(one)) {
            answering.try_emplace(*one.address, one.port);
        }
    });
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        if (!one.address || !is_silence(one)) {
            return;
        }
        if (const auto other = answering.find(*one.address); other != answering.end()) {
            one.judged.sentence += fmt::format(
                "; port {} of the same address answers, so this port is dropped on the way or at "
                "the destination",
                other->second
            );
        } else if (!answering.empty()) {
            one.judged.sentence += "; nothing at this address answers while others do: it is down, or "
                                   "blocked as a whole";
        } else {
            one.judged.sentence += "; nothing answers from here at all";
        }
    });
}

// The host of an absolute redirect that leads elsewhere; "" for none or one to the same host.
std::string foreign_redirect(const endpoint_state& one)
{
    if (one.seen.empty()) {
        return {};
    }
    const auto* answer = std::get_if<http_answer>(&one.seen.back().what);
    if (!answer || answer->status < 300 || answer->status > 399) {
        return {};
    }
    const auto scheme = answer->location.find("://");
    if (scheme == std::string::npos) {
        return {};
    }
    auto host = answer->location.substr(scheme + 3);
    host = host.substr(0, host.find_first_of("/?#"));
    host = host.substr(host.rfind('@') == std::string::npos ? 0 : host.rfind('@') + 1);
    if (!host.starts_with('[')) {
        host = host.substr(0, host.rfind(':'));
    }
    std::ranges::transform(host, host.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    });
    return are_unrelated(host, one.name) ? host : std::string{};
}

// One unrelated redirect may be the service's own; the same one for names of different owners is a
// captive portal, and so is one into private space.
void find_portals(const plan& what, site_state& site)
{
    std::map<std::string, std::set<std::string>> names_by_host;
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        if (auto host = foreign_redirect(one); !host.empty()) {
            names_by_host[host].insert(one.name);
        }
    });
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        const auto host = foreign_redirect(one);
        if (host.empty()) {
            return;
        }
        const auto& names = names_by_host[host];
        const bool for_all = std::ranges::any_of(names, [&](const std::string& name) {
            return are_unrelated(name, one.name);
        });
        const auto address = parse_address(host);
        const bool is_private = address && is_special_purpose(*address);
        one.judged.stage = stage::reply;
        one.judged.kind = for_all || is_private ? verdict_kind::intercepted : verdict_kind::unproven;
        one.judged.sentence =
            for_all || is_private
                ? fmt::format("a captive portal answers: it sends everyone to {}", host)
                : fmt::format("sends to {}: a captive portal, or the service's own redirect", host);
    });
}

// A resolver that gives one and the same answer for names of different owners forges it.
constexpr std::size_t unrelated_names_for_one_answer = 3;

void find_forged_names(const plan& what, site_state& site)
{
    std::map<ip_address, std::set<std::string>> names_by_address;
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        if (!one.name.empty() && one.address) {
            names_by_address[*one.address].insert(one.name);
        }
    });
    std::map<ip_address, std::size_t> owners;
    for (const auto& [address, names] : names_by_address) {
        std::vector<std::string> distinct;
        for (const auto& name : names) {
            if (std::ranges::all_of(distinct, [&](const std::string& other) {
                    return are_unrelated(name, other);
                })) {
                distinct.push_back(name);
            }
        }
        owners[address] = distinct.size();
    }
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        if (one.name.empty() || !one.address || one.without_probing ||
            owners[*one.address] < unrelated_names_for_one_answer) {
            return;
        }
        one.judged.kind = verdict_kind::intercepted;
        one.judged.stage = stage::resolve;
        one.judged.sentence = fmt::format(
            "forged name: {} names of different owners all resolve to {}",
            owners[*one.address],
            to_text(*one.address)
        );
    });
}

} // namespace

void correlate(const plan& what, site_state& site)
{
    explain_silence(what, site);
    find_portals(what, site);
    find_forged_names(what, site);
}

} // namespace reachd
