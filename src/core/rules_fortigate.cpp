// SPDX-License-Identifier: Apache-2.0
// Source  FortiOS CLI reference 7.x: firewall address, address6, service custom (session-ttl, 300 s at
//         least, and udp-idle-timer), policy (35 characters of name; one policy for both families since
//         6.4). The defaults are 3600 s for TCP and 180 s for UDP.
#include "rules_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd::rule_words {
namespace {

constexpr std::size_t most_name = 79;
constexpr std::size_t most_policy_name = 35;
constexpr std::size_t most_comment = 200;
constexpr std::chrono::seconds least_session_ttl{300};

struct entry {
    std::string name;
    std::string body;
};

std::string block_of(std::string_view path, const std::vector<entry>& entries)
{
    std::string out;
    for (const auto& one : entries) {
        out += fmt::format("    edit {}\n{}    next\n", one.name, one.body);
    }
    return out.empty() ? out : fmt::format("config {}\n{}end\n", path, out);
}

std::string in_marks(const std::vector<std::string>& names)
{
    std::string out;
    for (const auto& one : names) {
        out += fmt::format("{}\"{}\"", out.empty() ? "" : " ", one);
    }
    return out;
}

class fortigate_writer {
public:
    void add_service(const allow_rule& rule, const std::string& key, std::chrono::seconds timer)
    {
        std::vector<std::string> ports;
        ports.reserve(rule.ports.ranges.size());
        for (const auto& one : rule.ports.ranges) {
            ports.push_back(
                one.first == one.last ? fmt::format("{}", one.first)
                                      : fmt::format("{}-{}", one.first, one.last)
            );
        }
        auto body =
            fmt::format("        set {}-portrange {}\n", to_string(rule.transport), fmt::join(ports, " "));
        if (timer.count() > 0) {
            body +=
                rule.transport == transport::tcp
                    ? fmt::format("        set session-ttl {}\n", std::max(timer, least_session_ttl).count())
                    : fmt::format("        set udp-idle-timer {}\n", timer.count());
        }
        services_.push_back({in_marks({names_.of(key)}), body});
    }

    void add_policy(const allow_rule& rule, const std::string& key)
    {
        auto literal = rule;
        literal.names.clear(); // an FQDN object asks DNS for itself
        std::vector<std::string> four;
        std::vector<std::string> six;
        for (const auto& one : targets(literal, family::v4)) {
            const auto body = fmt::format("        set subnet {} {}\n", to_text(one.base), netmask(one));
            four.push_back(add_address(addresses_, short_text(one), body));
        }
        for (const auto& one : targets(literal, family::v6)) {
            six.push_back(
                add_address(addresses6_, short_text(one), fmt::format("        set ip6 {}\n", to_text(one)))
            );
        }
        for (const auto& one : rule.names) {
            const auto fqdn = without_dot(one.name);
            const auto body = fmt::format("        set type fqdn\n        set fqdn \"{}\"\n", fqdn);
            four.push_back(add_address(addresses_, fqdn, body));
            six.push_back(add_address(addresses6_, fqdn + "-v6", body));
        }
        std::string body = fmt::format("        set name \"{}\"\n", policies_.of(key));
        body += "        set srcintf \"any\"\n        set dstintf \"any\"\n";
        if (!four.empty()) {
            body += fmt::format("        set srcaddr \"all\"\n        set dstaddr {}\n", in_marks(four));
        }
        if (!six.empty()) {
            body += fmt::format("        set srcaddr6 \"all\"\n        set dstaddr6 {}\n", in_marks(six));
        }
        body += "        set action accept\n        set schedule \"always\"\n";
        body += fmt::format("        set service \"{}\"\n", names_.of(key));
        body += fmt::format("        set comments \"{}\"\n", quoted(rule.about, most_comment));
        entries_.push_back({"0", body});
    }

    std::string text() const
    {
        return block_of("firewall address", addresses_) + block_of("firewall address6", addresses6_) +
               block_of("firewall service custom", services_) + block_of("firewall policy", entries_);
    }

private:
    std::string add_address(std::vector<entry>& into, const std::string& key, const std::string& body)
    {
        auto name = names_.of(key);
        if (written_.insert(key).second) {
            into.push_back({in_marks({name}), body});
        }
        return name;
    }

    object_names names_{most_name};
    object_names policies_{most_policy_name};
    std::set<std::string> written_;
    std::vector<entry> addresses_;
    std::vector<entry> addresses6_;
    std::vector<entry> services_;
    std::vector<entry> entries_;
};

} // namespace

rule_text fortigate(const rule_set& rules)
{
    std::vector<std::string> lines;
    lines.emplace_back(
        "Interfaces are `any`: narrow them, and add `set nat enable` where this box translates."
    );
    lines.emplace_back("Each time it is loaded it adds its policies anew: take the older ones away first.");
    for (const auto& idle : rules.idle) {
        lines.push_back(idle_sentence(idle));
    }
    fortigate_writer writer;
    const auto all = all_services(rules);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto key = fmt::format("{}-{}", i + 1, all[i].requirement);
        writer.add_service(all[i], key, timer_of(rules, all[i]));
        if (i < rules.allow.size()) {
            writer.add_policy(all[i], key);
        } else {
            lines.push_back(fmt::format("{}: for the policy that allows it already", label(all[i])));
        }
    }
    return {opening(rules, names_as::objects, "#") + commented(lines, "#") + writer.text(), {}};
}

} // namespace reachd::rule_words
