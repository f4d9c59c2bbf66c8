// SPDX-License-Identifier: Apache-2.0
#include "rules_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd {

using namespace rule_words;

const char* to_string(rule_format value)
{
    switch (value) {
    case rule_format::table: return "table";
    case rule_format::nftables: return "nftables";
    case rule_format::iptables: return "iptables";
    case rule_format::asa: return "asa";
    case rule_format::panos: return "panos";
    case rule_format::fortigate: return "fortigate";
    case rule_format::aws: return "aws";
    }
    return "";
}

namespace {

constexpr rule_format formats[] = {
    rule_format::table, rule_format::nftables,  rule_format::iptables, rule_format::asa,
    rule_format::panos, rule_format::fortigate, rule_format::aws,
};

} // namespace

std::string rule_format_list()
{
    std::vector<std::string> words;
    for (const auto one : formats) {
        words.emplace_back(to_string(one));
    }
    return fmt::format("{}", fmt::join(words, ", "));
}

std::optional<rule_format> parse_rule_format(std::string_view text)
{
    const auto found = std::ranges::find_if(formats, [&](rule_format one) { return text == to_string(one); });
    return found == std::end(formats) ? std::nullopt : std::optional{*found};
}

rule_text render_rules(const rule_set& rules, rule_format format, std::size_t columns)
{
    switch (format) {
    case rule_format::table: return table(rules, columns);
    case rule_format::nftables: return nftables(rules);
    case rule_format::iptables: return iptables(rules);
    case rule_format::asa: return asa(rules);
    case rule_format::panos: return panos(rules);
    case rule_format::fortigate: return fortigate(rules);
    case rule_format::aws: return aws(rules);
    }
    return {};
}

} // namespace reachd
