// SPDX-License-Identifier: Apache-2.0
// Source  Cisco ASA Series Command Reference: object network, object-group, access-list extended, and
//         `set connection timeout idle`, whose defaults are 1:00:00 for TCP and 0:02:00 for UDP.
#include "rules_text.hpp"

#include <fmt/format.h>

namespace reachd::rule_words {
namespace {

constexpr std::size_t most_name = 64;
constexpr std::size_t most_description = 200; // and of a remark: 100
constexpr std::size_t most_remark = 100;

std::string hours(std::chrono::seconds time)
{
    return fmt::format("{}:{:02}:{:02}", time.count() / 3600, time.count() / 60 % 60, time.count() % 60);
}

class asa_writer {
public:
    std::string names(const allow_rule& rule)
    {
        std::string out;
        for (const auto& one : rule.names) {
            const auto fqdn = without_dot(one.name);
            if (written_.insert(fqdn).second) {
                out += fmt::format("object network {}\n fqdn {}\n", names_.of(fqdn), fqdn);
            }
        }
        return out;
    }

    std::string group(const allow_rule& rule, const std::string& key)
    {
        auto out = fmt::format(
            "object-group network {}\n description {}\n", names_.of(key), quoted(rule.about, most_description)
        );
        auto literal = rule;
        literal.names.clear(); // the object asks DNS for itself
        for (const auto which : {family::v4, family::v6}) {
            for (const auto& one : targets(literal, which)) {
                const auto text = is_single(one)      ? "host " + to_text(one.base)
                                : which == family::v4 ? to_text(one.base) + " " + netmask(one)
                                                      : to_text(one);
                out += fmt::format(" network-object {}\n", text);
            }
        }
        for (const auto& one : rule.names) {
            out += fmt::format(" network-object object {}\n", names_.of(without_dot(one.name)));
        }
        out +=
            fmt::format("object-group service {} {}\n", names_.of(key + "-ports"), to_string(rule.transport));
        for (const auto& one : rule.ports.ranges) {
            out += one.first == one.last ? fmt::format(" port-object eq {}\n", one.first)
                                         : fmt::format(" port-object range {} {}\n", one.first, one.last);
        }
        return out;
    }

    std::string permit(const allow_rule& rule, const std::string& key)
    {
        return fmt::format(
            "access-list reachd_outbound remark {}\n"
            "access-list reachd_outbound extended permit {} any object-group {} object-group {}\n",
            quoted(rule.requirement + ": " + rule.about, most_remark), to_string(rule.transport),
            names_.of(key), names_.of(key + "-ports")
        );
    }

private:
    object_names names_{most_name};
    std::set<std::string> written_;
};

std::string timer_hint(const idle_rule& idle, std::size_t index)
{
    const auto name = fmt::format("reachd_idle_{}", index + 1);
    std::string out = fmt::format("! {}\n", line(idle_sentence(idle)));
    out += "! The defaults (timeout conn 1:00:00, timeout udp 0:02:00) may do; where they are shorter:\n";
    for (const auto& one : idle.over) {
        for (const auto which : {family::v4, family::v6}) {
            for (const auto& where : targets(one, which)) {
                const auto to = is_single(where)    ? "host " + to_text(where.base)
                              : which == family::v4 ? to_text(where.base) + " " + netmask(where)
                                                    : to_text(where);
                for (const auto& ports : one.ports.ranges) {
                    out += fmt::format(
                        "!  access-list {} extended permit {} any {} range {} {}\n", name,
                        to_string(idle.transport), to, ports.first, ports.last
                    );
                }
            }
        }
    }
    out += fmt::format("!  class-map {}\n!   match access-list {}\n", name, name);
    out += fmt::format("!  policy-map global_policy\n!   class {}\n", name);
    out += fmt::format("!    set connection timeout idle {}\n", hours(timer_for(idle)));
    return out;
}

} // namespace

rule_text asa(const rule_set& rules)
{
    std::vector<std::string> lines;
    lines.emplace_back(
        "The access list is to be applied inside: access-group reachd_outbound in interface inside."
    );
    lines.emplace_back(
        "It then denies all that it does not list. Names need `dns domain-lookup` and a server."
    );
    auto out = opening(rules, names_as::objects, "!") + commented(lines, "!");
    asa_writer writer;
    for (std::size_t i = 0; i < rules.allow.size(); ++i) {
        const auto& rule = rules.allow[i];
        const auto key = fmt::format("{}-{}", i + 1, rule.requirement);
        out += writer.names(rule) + writer.group(rule, key) + writer.permit(rule, key);
    }
    for (std::size_t i = 0; i < rules.idle.size(); ++i) {
        out += timer_hint(rules.idle[i], i);
    }
    return {out, {}};
}

} // namespace reachd::rule_words
