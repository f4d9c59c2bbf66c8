// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/names.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <ranges>

namespace reachd {
namespace {

constexpr std::size_t most_addresses = 64; // of a name: four times what the largest services have
constexpr std::size_t most_told = 16;      // addresses of an answer in a sentence

std::vector<ip_address> sorted_addresses(const dns_answer& answer)
{
    std::vector<ip_address> list;
    for (const auto& one : answer.addresses) {
        list.push_back(one.address);
    }
    std::ranges::sort(list);
    return list;
}

void collect(const dns_answer& answer, std::vector<name_address>& into)
{
    for (const auto& one : answer.addresses) {
        auto found = std::ranges::find(into, one.address, &name_address::address);
        if (found == into.end()) {
            found = into.insert(into.end(), {.address = one.address});
        }
        if (std::ranges::find(found->servers, answer.server) == found->servers.end()) {
            found->servers.push_back(answer.server);
        }
    }
}

// A DNS server decides whom we send packets to: one that names thousands must not make us scan them. Always
// the same ones are left, in whatever order it names them.
void bound_addresses(const name_lookup& lookup, name_verdict& out)
{
    if (out.addresses.size() <= most_addresses) {
        return;
    }
    std::ranges::sort(out.addresses, {}, &name_address::address);
    out.addresses.resize(most_addresses);
    out.findings.push_back(
        fmt::format(
            "{}: DNS names more than {} addresses, which no single service needs: only {} of them are probed",
            lookup.name, most_addresses, most_addresses
        )
    );
}

verdict forged(const name_address& where)
{
    return {
        .kind = verdict_kind::intercepted,
        .stage = stage::resolve,
        .blame = blame::unknown,
        .sentence = fmt::format(
            "forged name: {}, by the word of {}, is no public address", to_text(where.address),
            fmt::join(where.servers, " and ")
        ),
    };
}

verdict unusable(const name_lookup& lookup)
{
    verdict out{
        .kind = verdict_kind::unresolved,
        .stage = stage::resolve,
        .blame = blame::unknown,
    };
    if (lookup.no_route_to_any_server) {
        out.kind = verdict_kind::unproven;
        out.blame = blame::host;
        out.sentence = "not resolved: this machine has no route to any of its DNS servers";
        return out;
    }
    const bool no_server_asked = std::ranges::all_of(lookup.servers, [](const dns_answer& one) {
        return one.status == dns_status::not_asked;
    });
    const bool nobody_asked =
        no_server_asked && (!lookup.servers.empty() || lookup.system.status == dns_status::not_asked);
    if (nobody_asked) {
        out.kind = verdict_kind::unproven;
        out.blame = blame::host;
        out.sentence =
            "not resolved: " + (lookup.servers.empty() ? lookup.system : lookup.servers.front()).detail;
        return out;
    }
    std::vector<std::string> said;
    for (const auto& one : lookup.servers) {
        said.push_back(one.server + ": " + describe(one));
    }
    if (said.empty()) {
        said.push_back(describe(lookup.system));
    }
    out.sentence = fmt::format("does not resolve ({})", fmt::join(said, "; "));
    return out;
}

void note_differences(const name_lookup& lookup, name_verdict& out)
{
    const dns_answer* reference = nullptr;
    for (const auto& one : lookup.servers) {
        if (one.status == dns_status::answered) {
            reference = &one;
            break;
        }
    }
    for (const auto& one : lookup.servers) {
        if (one.status != dns_status::answered) {
            out.failing_servers.emplace_back(one.server, describe(one));
        } else if (reference && sorted_addresses(one) != sorted_addresses(*reference)) {
            out.findings.push_back(
                fmt::format(
                    "{}: DNS servers differ: {} says {}, {} says {}", lookup.name, reference->server,
                    describe(*reference), one.server, describe(one)
                )
            );
        }
    }
}

std::string_view last_two_labels(std::string_view name)
{
    if (name.ends_with('.')) {
        name.remove_suffix(1);
    }
    const auto last = name.rfind('.');
    if (last == std::string_view::npos || last == 0) {
        return name;
    }
    const auto before = name.rfind('.', last - 1);
    return before == std::string_view::npos ? name : name.substr(before + 1);
}

} // namespace

const char* to_string(dns_status value)
{
    switch (value) {
    case dns_status::answered: return "answered";
    case dns_status::no_such_name: return "no_such_name";
    case dns_status::no_address: return "no_address";
    case dns_status::server_failure: return "server_failure";
    case dns_status::query_refused: return "query_refused";
    case dns_status::no_reply: return "no_reply";
    case dns_status::not_reachable: return "not_reachable";
    case dns_status::not_asked: return "not_asked";
    case dns_status::failed: return "failed";
    }
    return "?";
}

std::string describe(const dns_answer& answer)
{
    switch (answer.status) {
    case dns_status::answered: {
        std::vector<std::string> list;
        const auto sorted = sorted_addresses(answer);
        for (const auto& one : sorted | std::views::take(most_told)) {
            list.push_back(to_text(one));
        }
        const auto more = sorted.size() - list.size();
        return fmt::format("{}{}", fmt::join(list, " "), more > 0 ? fmt::format(" and {} more", more) : "");
    }
    case dns_status::no_such_name: return "no such name (NXDOMAIN)";
    case dns_status::no_address: return "the name has no address";
    case dns_status::server_failure: return "server failure (SERVFAIL)";
    case dns_status::query_refused: return "query refused (REFUSED)";
    case dns_status::no_reply: return "no reply";
    case dns_status::not_reachable: return "server cannot be reached";
    case dns_status::not_asked: return "could not be asked: " + answer.detail;
    case dns_status::failed: return answer.detail.empty() ? "failed" : answer.detail;
    }
    return "?";
}

name_verdict judge_name(const name_lookup& lookup, bool private_answers)
{
    name_verdict out;
    collect(lookup.system, out.addresses);
    for (const auto& one : lookup.servers) {
        collect(one, out.addresses);
    }
    bound_addresses(lookup, out);
    if (!private_answers) {
        for (auto& one : out.addresses) {
            if (is_special_purpose(one.address)) {
                one.without_probing = forged(one);
            }
        }
    }
    if (out.addresses.empty()) {
        out.unusable = unusable(lookup);
        return out;
    }
    const bool for_applications =
        lookup.system.status == dns_status::answered || lookup.system.status == dns_status::not_asked;
    if (!for_applications) {
        out.unusable = verdict{
            .kind = verdict_kind::unresolved,
            .stage = stage::resolve,
            .blame = blame::unknown,
            .sentence = fmt::format(
                "does not resolve for applications (getaddrinfo: {}), though {} answers",
                describe(lookup.system), out.addresses.front().servers.front()
            ),
        };
    }
    note_differences(lookup, out);
    return out;
}

bool are_unrelated(std::string_view one, std::string_view other)
{
    return last_two_labels(one) != last_two_labels(other);
}

nlohmann::json to_json(const name_lookup& lookup)
{
    const auto answer_json = [](const dns_answer& answer) {
        nlohmann::json addresses = nlohmann::json::array();
        for (const auto& one : answer.addresses) {
            nlohmann::json entry = {{"address", to_text(one.address)}};
            if (one.ttl) {
                entry["ttl_s"] = one.ttl->count();
            }
            addresses.push_back(std::move(entry));
        }
        return nlohmann::json{
            {"server", answer.server},
            {"status", to_string(answer.status)},
            {"text", describe(answer)},
            {"took_us", std::chrono::duration_cast<microseconds>(answer.took).count()},
            {"addresses", std::move(addresses)},
        };
    };
    nlohmann::json answers = nlohmann::json::array();
    answers.push_back(answer_json(lookup.system));
    for (const auto& one : lookup.servers) {
        answers.push_back(answer_json(one));
    }
    return {{"name", lookup.name}, {"at", to_text(lookup.at)}, {"answers", std::move(answers)}};
}

} // namespace reachd
