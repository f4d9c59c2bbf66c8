// SPDX-License-Identifier: Apache-2.0
// Source  AWS CLI, ec2 authorize-security-group-egress: --ip-permissions is a bare list, so remarks have
//         no place in it; the same permission twice is refused.
#include "reachd/core/json.hpp"
#include "rules_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>

namespace reachd::rule_words {
namespace {

using nlohmann::json;

constexpr std::size_t most_description = 255;

json permission(const allow_rule& rule, const port_range& ports, std::set<std::string>& given)
{
    const auto description = quoted(label(rule) + ": " + rule.about, most_description);
    const auto ranges = [&](family which, const char* key) {
        json list = json::array();
        for (const auto& one : targets(rule, which)) {
            const auto same =
                fmt::format("{} {}-{} {}", to_string(rule.transport), ports.first, ports.last, to_text(one));
            if (given.insert(same).second) {
                list.push_back({{key, to_text(one)}, {"Description", description}});
            }
        }
        return list;
    };
    json out = {
        {"IpProtocol", to_string(rule.transport)},
        {"FromPort", ports.first},
        {"ToPort", ports.last},
    };
    if (auto four = ranges(family::v4, "CidrIp"); !four.empty()) {
        out["IpRanges"] = std::move(four);
    }
    if (auto six = ranges(family::v6, "CidrIpv6"); !six.empty()) {
        out["Ipv6Ranges"] = std::move(six);
    }
    return out;
}

} // namespace

rule_text aws(const rule_set& rules)
{
    json list = json::array();
    std::set<std::string> given;
    for (const auto& rule : rules.allow) {
        for (const auto& ports : rule.ports.ranges) {
            if (auto one = permission(rule, ports, given);
                one.contains("IpRanges") || one.contains("Ipv6Ranges")) {
                list.push_back(std::move(one));
            }
        }
    }
    auto remarks = head(rules, names_as::addresses);
    std::ranges::move(sentences_of(rules), std::back_inserter(remarks));
    remarks.emplace_back(
        "aws ec2 authorize-security-group-egress --group-id sg-... --ip-permissions file://FILE; a new group "
        "lets everything out until its default rule is revoked, and holds 60 rules unless its quota is "
        "raised."
    );
    for (const auto& idle : rules.idle) {
        remarks.push_back(
            idle_sentence(idle) + ": a security group cannot set it" +
            (idle.transport == transport::tcp ? ", and a NAT gateway ends idle TCP after 350 s" : "")
        );
    }
    return {dump(list, 2) + '\n', remarks};
}

} // namespace reachd::rule_words
