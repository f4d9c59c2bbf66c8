// SPDX-License-Identifier: Apache-2.0
// Source  iptables(8): lines with -4 are left out by ip6tables-restore and those with -6 by
//         iptables-restore, so that one file serves both; multiport takes 15 ports, a range counts two.
#include "rules_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd::rule_words {
namespace {

constexpr std::size_t most_multiport = 15;
constexpr std::size_t most_comment = 200; // xt_comment: 256

// "--dport 80", or several lists of multiport.
std::vector<std::string> port_matches(const allow_rule& rule)
{
    const auto text = [](const port_range& one) {
        return one.first == one.last ? fmt::format("{}", one.first)
                                     : fmt::format("{}:{}", one.first, one.last);
    };
    const auto* kind = to_string(rule.transport);
    if (rule.ports.ranges.size() == 1) {
        return {fmt::format("-m {} --dport {}", kind, text(rule.ports.ranges.front()))};
    }
    std::vector<std::vector<std::string>> lists(1);
    std::size_t used = 0;
    for (const auto& one : rule.ports.ranges) {
        const std::size_t needs = one.first == one.last ? 1 : 2;
        if (used + needs > most_multiport) {
            lists.emplace_back();
            used = 0;
        }
        lists.back().push_back(text(one));
        used += needs;
    }
    std::vector<std::string> out;
    out.reserve(lists.size());
    for (const auto& list : lists) {
        out.push_back(fmt::format("-m multiport --dports {}", fmt::join(list, ",")));
    }
    return out;
}

std::string lines_of(const allow_rule& rule, std::string_view chain)
{
    std::string out;
    for (const auto which : {family::v4, family::v6}) {
        for (const auto& where : targets(rule, which)) {
            for (const auto& ports : port_matches(rule)) {
                out += fmt::format(
                    "-{} -A {} -d {} -p {} {} -m comment --comment \"{}\" -j ACCEPT\n",
                    which == family::v4 ? 4 : 6, chain, to_text(where), to_string(rule.transport), ports,
                    quoted(label(rule), most_comment)
                );
            }
        }
    }
    return out;
}

// Linux keeps these for the whole machine; per flow it needs nfct(8) and the CT target.
std::string timer_hint(const idle_rule& idle)
{
    const auto held = timer_for(idle).count();
    auto out = fmt::format("# {}\n", line(idle_sentence(idle)));
    if (idle.transport == transport::tcp) {
        out += fmt::format("#   sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established={}", held);
        return out + "   # only if it is shorter: the default is 432000\n";
    }
    out += fmt::format("#   sysctl -w net.netfilter.nf_conntrack_udp_timeout={}", held);
    out += "   # the default of 30 is too short for a flow without an answer\n";
    out += fmt::format("#   sysctl -w net.netfilter.nf_conntrack_udp_timeout_stream={}", held);
    return out + "   # only if it is shorter: the default is 120\n";
}

constexpr std::string_view whole_opening =
    "#\n"
    "# iptables-restore --noflush FILE && ip6tables-restore --noflush FILE loads it; loading it again "
    "replaces\n"
    "# it. It takes the place of the whole FORWARD chain and denies what it does not list; other chains "
    "stay.\n"
    "# On a firewall with rules of its own, take the lines of `reachd-allow` into its FORWARD chain "
    "instead.\n"
    "*filter\n"
    ":FORWARD DROP [0:0]\n"
    ":reachd-allow - [0:0]\n"
    "-F FORWARD\n"
    "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    "-4 -A FORWARD -p icmp -m icmp --icmp-type destination-unreachable -j ACCEPT\n"
    "-4 -A FORWARD -p icmp -m icmp --icmp-type time-exceeded -j ACCEPT\n"
    "-4 -A FORWARD -p icmp -m icmp --icmp-type parameter-problem -j ACCEPT\n"
    "-6 -A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type destination-unreachable -j ACCEPT\n"
    "-6 -A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type packet-too-big -j ACCEPT\n"
    "-6 -A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type time-exceeded -j ACCEPT\n"
    "-6 -A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type parameter-problem -j ACCEPT\n"
    "-A FORWARD -j reachd-allow\n";

constexpr std::string_view part_opening = "#\n"
                                          "# iptables-restore --noflush FILE && ip6tables-restore --noflush "
                                          "FILE loads it; loading it again replaces\n"
                                          "# it. It makes a chain of its own, to be jumped to before what "
                                          "denies: iptables -I FORWARD -j reachd-part,\n"
                                          "# and the same with ip6tables. Nothing else is touched.\n"
                                          "*filter\n"
                                          ":reachd-part - [0:0]\n";

} // namespace

rule_text iptables(const rule_set& rules)
{
    std::string out = opening(rules, names_as::addresses, "#");
    for (const auto& idle : rules.idle) {
        out += timer_hint(idle);
    }
    const bool whole = rules.extent == rule_extent::whole;
    out += whole ? whole_opening : part_opening;
    for (const auto& rule : rules.allow) {
        out += fmt::format("# {}: {}\n", line(label(rule)), line(rule.about));
        for (const auto& name : rule.names) {
            out += fmt::format(
                "# {}{}\n", line(name.name), name.addresses.empty() ? " needs its addresses here" : ""
            );
        }
        out += lines_of(rule, whole ? "reachd-allow" : "reachd-part");
    }
    out += "COMMIT\n";
    return {out, {}};
}

} // namespace reachd::rule_words
