// SPDX-License-Identifier: Apache-2.0
// Source  PAN-OS CLI: set address, set service (override yes timeout), set rulebase security rules; names
//         of 63 characters. Without an override sessions end after 3600 s (TCP) and 30 s (UDP).
#include "rules_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd::rule_words {
namespace {

constexpr std::size_t most_name = 63;
constexpr std::size_t most_description = 200;

class panos_writer {
public:
    // Address objects that are new, and the names of all that the rule needs.
    std::vector<std::string> destinations(const allow_rule& rule, std::string& out)
    {
        std::vector<std::string> members;
        auto literal = rule;
        literal.names.clear(); // an FQDN object asks DNS for itself
        for (const auto which : {family::v4, family::v6}) {
            for (const auto& one : targets(literal, which)) {
                add(short_text(one), fmt::format("ip-netmask {}", to_text(one)), members, out);
            }
        }
        for (const auto& one : rule.names) {
            const auto fqdn = without_dot(one.name);
            add(fqdn, fmt::format("fqdn {}", fqdn), members, out);
        }
        return members;
    }

    std::string service(const allow_rule& rule, const std::string& key, std::chrono::seconds timer)
    {
        std::string out;
        const auto name = services_.of(key);
        out += fmt::format(
            "set service {} protocol {} port {}\n", name, to_string(rule.transport), to_text(rule.ports)
        );
        if (timer.count() > 0) {
            out += fmt::format(
                "set service {} protocol {} override yes timeout {}\n", name, to_string(rule.transport),
                timer.count()
            );
        }
        return out;
    }

    std::string permit(const allow_rule& rule, const std::string& key, const std::vector<std::string>& to)
    {
        const auto name = rules_.of(key);
        return fmt::format(
            "set rulebase security rules {} from any to any source any destination [ {} ] application any "
            "service {} action allow\n"
            "set rulebase security rules {} description \"{}\"\n",
            name, fmt::join(to, " "), services_.of(key), name, quoted(rule.about, most_description)
        );
    }

private:
    void
    add(const std::string& key, const std::string& what, std::vector<std::string>& members, std::string& out)
    {
        members.push_back(addresses_.of(key));
        if (written_.insert(key).second) {
            out += fmt::format("set address {} {}\n", members.back(), what);
        }
    }

    object_names addresses_{most_name};
    object_names services_{most_name};
    object_names rules_{most_name};
    std::set<std::string> written_;
};

} // namespace

rule_text panos(const rule_set& rules)
{
    std::vector<std::string> lines;
    lines.emplace_back("For configure mode. The zones are `any`: narrow them to those of the site.");
    for (const auto& idle : rules.idle) {
        lines.push_back(idle_sentence(idle));
    }
    auto out = opening(rules, names_as::objects, "#") + commented(lines, "#");
    panos_writer writer;
    const auto all = all_services(rules);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto key = fmt::format("{}-{}", i + 1, all[i].requirement);
        const bool wanted = i < rules.allow.size();
        if (!wanted) {
            out += fmt::format("# for the rules that allow {} already:\n", line(label(all[i])));
        }
        out += writer.service(all[i], key, timer_of(rules, all[i]));
        if (wanted) {
            const auto to = writer.destinations(all[i], out);
            out += writer.permit(all[i], key, to);
        }
    }
    return {out, {}};
}

} // namespace reachd::rule_words
