// SPDX-License-Identifier: Apache-2.0
// What the neighbours of an endpoint add to its own observations. Every step only reads first-hand
// verdicts, so the order of rows and endpoints cannot matter.
#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

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
        return std::holds_alternative<connected>(seen.what) || std::holds_alternative<refused>(seen.what) ||
               std::holds_alternative<replied>(seen.what);
    });
}

std::optional<std::uint16_t> first_but(const std::set<std::uint16_t>& ports, std::uint16_t unwanted)
{
    for (const auto port : ports) {
        if (port != unwanted) {
            return port;
        }
    }
    return std::nullopt;
}

// Silence by itself does not tell a dropped packet from a dead host; the other ports of the same
// address and the other addresses say which of the two is likelier. Neither names a box.
void explain_silence(const plan& what, site_state& site)
{
    using place = std::pair<ip_address, std::string>; // an address as seen from one vantage
    std::map<place, std::set<std::uint16_t>> answering;
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        if (one.address && has_answered(one)) {
            answering[{*one.address, one.vantage}].insert(one.port);
        }
    });
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        const bool located = one.judged.where || one.judged.kind != verdict_kind::blocked;
        if (!one.address || !is_silence(one) || located) {
            return; // nothing to explain, or the traces have explained it
        }
        const auto here = answering.find({*one.address, one.vantage});
        const auto other =
            here == answering.end() ? std::optional<std::uint16_t>{} : first_but(here->second, one.port);
        if (other) {
            one.judged.sentence += fmt::format(
                "; port {} of the same address answers, so this port is dropped on the way or at "
                "the destination",
                *other
            );
        } else if (here != answering.end()) {
            one.judged.sentence += "; it answered a moment before";
        } else if (!answering.empty()) {
            one.judged.sentence += "; nothing at this address answers while others do: it is down, or "
                                   "blocked as a whole";
        } else {
            one.judged.sentence += "; nothing answers from here at all";
        }
    });
}

std::string lowered(std::string text)
{
    std::ranges::transform(text, text.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    });
    return text;
}

// The host that a Location leads to; "" for one without a host, which stays where it is. RFC 3986
// section 4.2: "//host/path" keeps the scheme and names another host.
std::string host_of(const std::string& location)
{
    auto rest = lowered(location);
    for (const std::string_view scheme : {"http:", "https:"}) {
        if (rest.starts_with(scheme)) {
            rest.erase(0, scheme.size());
            break;
        }
    }
    if (!rest.starts_with("//")) {
        return {};
    }
    rest.erase(0, 2);
    rest = rest.substr(0, rest.find_first_of("/?#\\"));
    if (const auto user = rest.rfind('@'); user != std::string::npos) {
        rest.erase(0, user + 1);
    }
    if (rest.starts_with('[')) {
        return rest.substr(1, rest.find(']') - 1);
    }
    return rest.substr(0, rest.rfind(':'));
}

// The host of a redirect that leads to another owner's name or to an address; "" for all else.
std::string foreign_redirect(const endpoint_state& one)
{
    if (one.seen.empty()) {
        return {};
    }
    const auto* answer = std::get_if<http_answer>(&one.seen.back().what);
    if (!answer || answer->status < 300 || answer->status > 399) {
        return {};
    }
    const auto host = host_of(answer->location);
    return host.empty() || !are_unrelated(host, lowered(one.name)) ? std::string{} : host;
}

// One unrelated redirect may be the service's own; the same one for names of different owners is a
// captive portal, and so is one into private space.
void find_portals(const plan& what, site_state& site)
{
    std::map<std::string, std::set<std::string>> names_by_host;
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        if (auto host = foreign_redirect(one); !host.empty() && !one.name.empty()) {
            names_by_host[host].insert(one.name);
        }
    });
    each_endpoint(what, site, [&](const plan_row&, endpoint_state& one) {
        const auto host = foreign_redirect(one);
        if (host.empty()) {
            return;
        }
        const auto& names = names_by_host[host];
        // A bare address has no owner's name: others must show that the redirect is for all.
        const auto& own = one.name.empty() && !names.empty() ? *names.begin() : one.name;
        const bool for_all =
            std::ranges::any_of(names, [&](const std::string& name) { return are_unrelated(name, own); });
        const auto address = parse_address(host);
        const bool is_private = address && is_special_purpose(*address);
        if (one.name.empty() && !for_all && !is_private) {
            return; // it sends to its own name
        }
        // The traces have said already that somebody else answers, and where.
        const bool located = one.judged.kind == verdict_kind::intercepted &&
                             (one.judged.where || one.judged.blame == blame::host);
        if (located) {
            one.judged.sentence += fmt::format("; it sends to {}", host);
            return;
        }
        one.judged.stage = stage::reply;
        one.judged.blame = blame::unknown;
        one.judged.where.reset();
        one.judged.kind = for_all || is_private ? verdict_kind::intercepted : verdict_kind::unproven;
        one.judged.sentence =
            for_all || is_private
                ? fmt::format("a captive portal answers: it sends everyone to {}", host)
                : fmt::format("sends to {}: a captive portal, or the service's own redirect", host);
    });
}

// Who proved by a certificate that the name is its own is no forgery, whoever shares its address.
bool is_verified(const endpoint_state& one)
{
    const auto* answer = one.seen.empty() ? nullptr : std::get_if<tls_answer>(&one.seen.back().what);
    return answer && answer->problem.empty() && !answer->anonymous;
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
        if (one.name.empty() || !one.address || one.without_probing || is_verified(one) ||
            owners[*one.address] < unrelated_names_for_one_answer) {
            return;
        }
        one.judged.kind = verdict_kind::intercepted;
        one.judged.stage = stage::resolve;
        one.judged.blame = blame::unknown;
        one.judged.where.reset();
        one.judged.sentence = fmt::format(
            "forged name: {} names of different owners all resolve to {}", owners[*one.address],
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
