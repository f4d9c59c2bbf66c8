// SPDX-License-Identifier: Apache-2.0
// Source  nft(8): a table is created, deleted and created again in one transaction, so that loading twice
//         is the same as once; `ct timeout set` works on flows that are not yet confirmed.
#include "rules_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd::rule_words {
namespace {

constexpr std::size_t most_comment = 120; // NFTNL_UDATA_COMMENT_MAXLEN is 128, with its end

std::string set_of(const std::vector<std::string>& items)
{
    return items.size() == 1 ? items.front() : fmt::format("{{ {} }}", fmt::join(items, ", "));
}

std::string addresses_of(const std::vector<ip_block>& blocks)
{
    std::vector<std::string> items;
    for (const auto& one : blocks) {
        items.push_back(short_text(one));
    }
    return set_of(items);
}

std::string ports_of(const port_set& ports)
{
    std::vector<std::string> items;
    for (const auto& one : ports.ranges) {
        items.push_back(
            one.first == one.last ? fmt::format("{}", one.first) : fmt::format("{}-{}", one.first, one.last)
        );
    }
    return set_of(items);
}

const char* word_of(family which)
{
    return which == family::v4 ? "ip" : "ip6";
}

// One line a family, none where the rule has no address of it.
std::string matches(const allow_rule& rule, const auto& action)
{
    std::string out;
    for (const auto which : {family::v4, family::v6}) {
        if (const auto where = targets(rule, which); !where.empty()) {
            out += fmt::format(
                "\t\t{} daddr {} {} dport {} {} comment \"{}\"\n", word_of(which), addresses_of(where),
                to_string(rule.transport), ports_of(rule.ports), action(which),
                quoted(label(rule), most_comment)
            );
        }
    }
    return out;
}

std::string timer_name(std::size_t index, family which)
{
    return fmt::format("idle_{}_{}", index + 1, word_of(which));
}

std::string timers(const rule_set& rules)
{
    std::string out;
    for (std::size_t i = 0; i < rules.idle.size(); ++i) {
        const auto& idle = rules.idle[i];
        const auto held = timer_for(idle).count();
        const auto policy = idle.transport == transport::tcp
                              ? fmt::format("established : {}", held)
                              : fmt::format("unreplied : {}, replied : {}", held, held);
        out += fmt::format("\t# {}\n", line(idle_sentence(idle)));
        for (const auto which : {family::v4, family::v6}) {
            out += fmt::format(
                "\tct timeout {} {{\n\t\tprotocol {};\n\t\tl3proto {};\n\t\tpolicy = {{ {} }}\n\t}}\n",
                timer_name(i, which), to_string(idle.transport), word_of(which), policy
            );
        }
    }
    return out;
}

std::string timer_chain(const rule_set& rules)
{
    std::string out;
    for (std::size_t i = 0; i < rules.idle.size(); ++i) {
        const auto set = [i](family which) {
            return fmt::format("ct timeout set \"{}\"", timer_name(i, which));
        };
        const auto& idle = rules.idle[i];
        for (const auto& one : idle.over) {
            out += matches(one, set);
        }
        for (const auto which : {family::v4, family::v6}) {
            if (idle.over.empty()) {
                out += fmt::format(
                    "\t\tmeta nfproto {} meta l4proto {} {}\n", which == family::v4 ? "ipv4" : "ipv6",
                    to_string(idle.transport), set(which)
                );
            }
        }
    }
    return out.empty() ? out
                       : "\tchain idle {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n" +
                             out + "\t}\n";
}

constexpr std::string_view whole_opening =
    "#\n"
    "# nft -f FILE loads it; loading it again replaces it. It is a whole forward filter that denies what\n"
    "# it does not list, beside other tables. On a firewall with rules of its own, take the lines of\n"
    "# the chain `allow` into its forward chain instead: another table cannot undo its denials.\n";

constexpr std::string_view part_opening =
    "#\n"
    "# Take the lines of the chain `allow` into the firewall's own forward chain, before what denies. Loaded "
    "by\n"
    "# itself (nft -f FILE) it denies nothing and lets nothing through: no hook leads to that chain.\n";

constexpr std::string_view forward_chain =
    "\tchain forward {\n"
    "\t\ttype filter hook forward priority filter; policy drop;\n"
    "\t\tct state established,related accept\n"
    "\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } accept\n"
    "\t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept\n"
    "\t\tjump allow\n"
    "\t}\n";

} // namespace

rule_text nftables(const rule_set& rules)
{
    std::string out = opening(rules, names_as::addresses, "#");
    const bool whole = rules.extent == rule_extent::whole;
    const auto* table_name = whole ? "reachd_rules" : "reachd_rules_part";
    out += whole ? whole_opening : part_opening;
    out += fmt::format("table inet {0}\ndelete table inet {0}\ntable inet {0} {{\n", table_name);
    out += timers(rules);
    out += "\tchain allow {\n";
    for (const auto& rule : rules.allow) {
        out += fmt::format("\t\t# {}: {}\n", line(label(rule)), line(rule.about));
        for (const auto& name : rule.names) {
            out += fmt::format(
                "\t\t# {}{}\n", line(name.name), name.addresses.empty() ? " needs its addresses here" : ""
            );
        }
        out += matches(rule, [](family) { return "accept"; });
    }
    out += "\t}\n";
    out += whole ? forward_chain : std::string_view{};
    out += timer_chain(rules);
    out += "}\n";
    return {out, {}};
}

} // namespace reachd::rule_words
