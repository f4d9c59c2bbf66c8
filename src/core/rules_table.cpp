// SPDX-License-Identifier: Apache-2.0
#include "rules_text.hpp"

#include "reachd/core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd::rule_words {
namespace {

constexpr std::size_t narrowest = 40;
constexpr std::size_t least_rest = 24;

std::vector<std::string> destinations(const allow_rule& rule)
{
    std::vector<std::string> out;
    for (const auto& one : rule.addresses) {
        out.push_back(to_text(one));
    }
    for (const auto& one : rule.blocks) {
        out.push_back(to_text(one));
    }
    for (const auto& one : rule.names) {
        std::vector<std::string> addresses;
        for (const auto& address : one.addresses) {
            addresses.push_back(to_text(address));
        }
        out.push_back(
            printable(one.name) +
            (addresses.empty() ? std::string{} : fmt::format(" ({})", fmt::join(addresses, " ")))
        );
    }
    return out;
}

void add_lines(
    std::string& out, const std::string& first, std::size_t left, std::string_view text, std::size_t columns
)
{
    bool begun = false;
    for (const auto& one : wrap(text, columns - left)) {
        out += (begun ? std::string(left, ' ') : first) + one + '\n';
        begun = true;
    }
}

struct widths {
    std::size_t id = 0;
    std::size_t ports = 0;
};

void add_rule(std::string& out, const allow_rule& rule, const widths& wide, std::size_t columns)
{
    auto first = fmt::format(
        "  {:<{}}  {}  {:<{}}  ", printable(rule.requirement), wide.id, to_string(rule.transport),
        to_text(rule.ports), wide.ports
    );
    const auto all = destinations(rule);
    std::size_t longest = least_rest;
    for (const auto& one : all) { // a name cut in two cannot be copied
        longest = std::max(longest, one.find(' ') == std::string::npos ? one.size() : one.find(' '));
    }
    auto left = first.size();
    if (left + longest > columns) {
        out += first.substr(0, first.find_last_not_of(' ') + 1) + '\n';
        left = 4;
        first = std::string(left, ' ');
    }
    for (const auto& one : all) {
        add_lines(out, first, left, one, columns);
        first = std::string(left, ' ');
    }
    add_lines(out, "    ", 4, printable(rule.about), columns);
}

} // namespace

rule_text table(const rule_set& rules, std::size_t columns)
{
    columns = std::max(columns, narrowest);
    std::string out;
    for (const auto& one : head(rules, names_as::objects)) {
        add_lines(out, "", 0, printable(one), columns);
    }
    widths wide;
    for (const auto& rule : rules.allow) {
        wide.id = std::max(wide.id, columns_of(printable(rule.requirement)));
        wide.ports = std::max(wide.ports, std::min<std::size_t>(to_text(rule.ports).size(), 16));
    }
    std::string catalogue;
    for (const auto& rule : rules.allow) {
        if (rule.catalogue != catalogue) {
            catalogue = rule.catalogue;
            out += fmt::format("\nAllow outbound, {}\n", printable(catalogue));
        }
        add_rule(out, rule, wide, columns);
    }
    if (rules.allow.empty()) {
        out += "\nNo rule to ask for.\n";
    }
    out += rules.idle.empty() ? "" : "\nKeep idle flows\n";
    for (const auto& one : rules.idle) {
        add_lines(out, "  ", 2, printable(idle_sentence(one)), columns);
    }
    out += rules.notes.empty() ? "" : "\nNot a rule\n";
    for (const auto& one : sentences_of(rules)) {
        add_lines(out, "  ", 2, printable(one), columns);
    }
    return {out, {}};
}

} // namespace reachd::rule_words
