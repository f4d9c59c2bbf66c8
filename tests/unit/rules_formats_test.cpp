// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/rules.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;

constexpr std::size_t columns = 80;

allow_rule make_web()
{
    return {
        .catalogue = "cat",
        .requirement = "web",
        .about = "the web",
        .transport = transport::tcp,
        .addresses = {make_address("198.51.100.7")},
        .blocks = {parse_block("17.0.0.0/8").value()},
        .names = {{"vendor.example", {make_address("17.1.2.3"), make_address(server6_text)}}},
        .ports = parse_ports("80,2001-2500").value(),
    };
}

allow_rule make_audio()
{
    auto rule = make_web();
    rule.requirement = "audio";
    rule.transport = transport::udp;
    rule.blocks.clear();
    rule.names.clear();
    rule.ports = parse_ports("4200").value();
    return rule;
}

rule_set make_set()
{
    rule_set rules;
    rules.site = "lab";
    rules.known_at = "2026-11-21T12:00:00.000Z";
    rules.allow = {make_web(), make_audio()};
    rules.idle = {
        {"cat", "tcp-idle", "12 min", transport::tcp, std::chrono::seconds{720}, {make_web()}},
        {"cat", "udp-idle", "1 min", transport::udp, std::chrono::seconds{60}, {make_audio()}},
    };
    rules.notes = {{note_kind::not_configured, "cat/blank", "ask the vendor"}};
    return rules;
}

std::string text_of(const rule_set& rules, rule_format format)
{
    return render_rules(rules, format, columns).text;
}

// Without comments and empty lines.
std::string code_of(const rule_set& rules, rule_format format, char sign)
{
    std::string out;
    const auto text = text_of(rules, format);
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        const auto line = text.substr(at, end - at + 1);
        const auto first = line.find_first_not_of(" \t");
        if (first != std::string::npos && line[first] != sign) {
            out += line;
        }
        at = end + 1;
    }
    return out;
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

TEST(rule_formats, are_named_and_found_by_their_names)
{
    EXPECT_EQ(rule_format_list(), "table, nftables, iptables, asa, panos, fortigate, aws");
    EXPECT_EQ(parse_rule_format("panos"), rule_format::panos);
    EXPECT_FALSE(parse_rule_format("yaml"));
    EXPECT_FALSE(parse_rule_format(""));
}

TEST(rule_formats, nftables_is_a_whole_filter_of_both_families_that_can_be_loaded_twice)
{
    EXPECT_EQ(code_of(make_set(), rule_format::nftables, '#'), R"(table inet reachd_rules
delete table inet reachd_rules
table inet reachd_rules {
	ct timeout idle_1_ip {
		protocol tcp;
		l3proto ip;
		policy = { established : 780 }
	}
	ct timeout idle_1_ip6 {
		protocol tcp;
		l3proto ip6;
		policy = { established : 780 }
	}
	ct timeout idle_2_ip {
		protocol udp;
		l3proto ip;
		policy = { unreplied : 120, replied : 120 }
	}
	ct timeout idle_2_ip6 {
		protocol udp;
		l3proto ip6;
		policy = { unreplied : 120, replied : 120 }
	}
	chain allow {
		ip daddr { 17.0.0.0/8, 198.51.100.7 } tcp dport { 80, 2001-2500 } accept comment "cat/web"
		ip6 daddr 2600:1f00::10 tcp dport { 80, 2001-2500 } accept comment "cat/web"
		ip daddr 198.51.100.7 udp dport 4200 accept comment "cat/audio"
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
		icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
		jump allow
	}
	chain idle {
		type filter hook prerouting priority mangle; policy accept;
		ip daddr { 17.0.0.0/8, 198.51.100.7 } tcp dport { 80, 2001-2500 } ct timeout set "idle_1_ip" comment "cat/web"
		ip6 daddr 2600:1f00::10 tcp dport { 80, 2001-2500 } ct timeout set "idle_1_ip6" comment "cat/web"
		ip daddr 198.51.100.7 udp dport 4200 ct timeout set "idle_2_ip" comment "cat/audio"
	}
}
)");
}

TEST(rule_formats, iptables_is_one_file_for_both_families)
{
    auto rules = make_set();
    const auto text = code_of(rules, rule_format::iptables, '#');
    EXPECT_TRUE(has(text, "*filter\n:FORWARD DROP [0:0]\n:reachd-allow - [0:0]\n-F FORWARD\n"));
    EXPECT_EQ(text.substr(text.find("-A FORWARD -j")), R"(-A FORWARD -j reachd-allow
-4 -A reachd-allow -d 17.0.0.0/8 -p tcp -m multiport --dports 80,2001:2500 -m comment --comment "cat/web" -j ACCEPT
-4 -A reachd-allow -d 198.51.100.7/32 -p tcp -m multiport --dports 80,2001:2500 -m comment --comment "cat/web" -j ACCEPT
-6 -A reachd-allow -d 2600:1f00::10/128 -p tcp -m multiport --dports 80,2001:2500 -m comment --comment "cat/web" -j ACCEPT
-4 -A reachd-allow -d 198.51.100.7/32 -p udp -m udp --dport 4200 -m comment --comment "cat/audio" -j ACCEPT
COMMIT
)");
    EXPECT_TRUE(has(text_of(rules, rule_format::iptables), "nf_conntrack_udp_timeout=120"));
}

TEST(rule_formats, iptables_breaks_long_port_lists_at_what_multiport_takes)
{
    auto rules = make_set();
    rules.allow = {make_audio()};
    rules.allow[0].ports =
        parse_ports("1,3,5,7,9,11,13,15,17,19,21,23,25,27,30-31,33").value(); // 14, a range, 1
    const auto text = text_of(rules, rule_format::iptables);
    EXPECT_TRUE(has(text, "--dports 1,3,5,7,9,11,13,15,17,19,21,23,25,27 "));
    EXPECT_TRUE(has(text, "--dports 30:31,33 "));
}

TEST(rule_formats, a_part_never_denies_what_it_leaves_out)
{
    auto rules = make_set();
    rules.extent = rule_extent::part;
    const auto nft = code_of(rules, rule_format::nftables, '#');
    EXPECT_FALSE(has(nft, "policy drop"));
    EXPECT_FALSE(has(nft, "table inet reachd_rules {")); // loaded beside the whole, it leaves that alone
    EXPECT_TRUE(has(nft, "accept comment \"cat/web\""));
    const auto ipt = code_of(rules, rule_format::iptables, '#');
    EXPECT_FALSE(has(ipt, "FORWARD"));
    EXPECT_FALSE(has(ipt, "reachd-allow"));
    EXPECT_TRUE(has(ipt, "-4 -A reachd-part -d 17.0.0.0/8"));
}

TEST(rule_formats, asa_has_object_groups_with_names_as_objects)
{
    EXPECT_EQ(code_of(make_set(), rule_format::asa, '!'), R"(object network reachd-vendor.example
 fqdn vendor.example
object-group network reachd-1-web
 description the web
 network-object 17.0.0.0 255.0.0.0
 network-object host 198.51.100.7
 network-object object reachd-vendor.example
object-group service reachd-1-web-ports tcp
 port-object eq 80
 port-object range 2001 2500
access-list reachd_outbound remark web: the web
access-list reachd_outbound extended permit tcp any object-group reachd-1-web object-group reachd-1-web-ports
object-group network reachd-2-audio
 description the web
 network-object host 198.51.100.7
object-group service reachd-2-audio-ports udp
 port-object eq 4200
access-list reachd_outbound remark audio: the web
access-list reachd_outbound extended permit udp any object-group reachd-2-audio object-group reachd-2-audio-ports
)");
    const auto text = text_of(make_set(), rule_format::asa);
    EXPECT_TRUE(has(text, "!    set connection timeout idle 0:13:00\n"));
    EXPECT_TRUE(has(text, "!    set connection timeout idle 0:02:00\n"));
}

TEST(rule_formats, panos_has_address_and_service_objects_with_the_timers)
{
    EXPECT_EQ(
        code_of(make_set(), rule_format::panos, '#'),
        R"(set service reachd-1-web protocol tcp port 80,2001-2500
set service reachd-1-web protocol tcp override yes timeout 780
set address reachd-17.0.0.0_8 ip-netmask 17.0.0.0/8
set address reachd-198.51.100.7 ip-netmask 198.51.100.7/32
set address reachd-vendor.example fqdn vendor.example
set rulebase security rules reachd-1-web from any to any source any destination [ reachd-17.0.0.0_8 reachd-198.51.100.7 reachd-vendor.example ] application any service reachd-1-web action allow
set rulebase security rules reachd-1-web description "the web"
set service reachd-2-audio protocol udp port 4200
set service reachd-2-audio protocol udp override yes timeout 120
set rulebase security rules reachd-2-audio from any to any source any destination [ reachd-198.51.100.7 ] application any service reachd-2-audio action allow
set rulebase security rules reachd-2-audio description "the web"
)"
    );
}

TEST(rule_formats, fortigate_has_objects_of_both_families_and_one_policy_a_rule)
{
    auto rules = make_set();
    rules.allow = {make_web()};
    rules.idle.erase(rules.idle.begin() + 1);
    EXPECT_EQ(code_of(rules, rule_format::fortigate, '#'), R"(config firewall address
    edit "reachd-17.0.0.0_8"
        set subnet 17.0.0.0 255.0.0.0
    next
    edit "reachd-198.51.100.7"
        set subnet 198.51.100.7 255.255.255.255
    next
    edit "reachd-vendor.example"
        set type fqdn
        set fqdn "vendor.example"
    next
end
config firewall address6
    edit "reachd-vendor.example-v6"
        set type fqdn
        set fqdn "vendor.example"
    next
end
config firewall service custom
    edit "reachd-1-web"
        set tcp-portrange 80 2001-2500
        set session-ttl 780
    next
end
config firewall policy
    edit 0
        set name "reachd-1-web"
        set srcintf "any"
        set dstintf "any"
        set srcaddr "all"
        set dstaddr "reachd-17.0.0.0_8" "reachd-198.51.100.7" "reachd-vendor.example"
        set srcaddr6 "all"
        set dstaddr6 "reachd-vendor.example-v6"
        set action accept
        set schedule "always"
        set service "reachd-1-web"
        set comments "the web"
    next
end
)");
}

TEST(rule_formats, fortigate_sets_the_timer_of_a_row_whose_rule_is_there_already)
{
    auto rules = make_set();
    rules.allow.clear();
    const auto text = code_of(rules, rule_format::fortigate, '#');
    EXPECT_TRUE(has(text, "set udp-idle-timer 120"));
    EXPECT_FALSE(has(text, "config firewall policy"));
}

TEST(rule_formats, aws_is_a_list_of_permissions_without_repeats_and_remarks_stand_apart)
{
    auto rules = make_set();
    rules.allow.push_back(make_audio()); // the same permission twice is refused
    const auto out = render_rules(rules, rule_format::aws, columns);
    const auto list = nlohmann::json::parse(out.text);
    ASSERT_EQ(list.size(), 3U);
    EXPECT_EQ(list[0], nlohmann::json::parse(R"({"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
        "IpRanges": [{"CidrIp": "17.0.0.0/8", "Description": "cat/web: the web"},
                     {"CidrIp": "198.51.100.7/32", "Description": "cat/web: the web"}],
        "Ipv6Ranges": [{"CidrIpv6": "2600:1f00::10/128", "Description": "cat/web: the web"}]})"));
    EXPECT_EQ(list[1]["ToPort"], 2500);
    std::string remarks;
    for (const auto& one : out.remarks) {
        remarks += one + '\n';
    }
    EXPECT_TRUE(has(remarks, "ask the vendor"));
    EXPECT_TRUE(has(remarks, "cannot set it, and a NAT gateway ends idle TCP after 350 s"));
}

TEST(rule_formats, table_names_everything_within_its_width)
{
    auto rules = make_set();
    rules.allow[0].names[0].name = "a-very-long-name-of-a-host.in-a-region.of-a-cloud.example";
    const auto text = text_of(rules, rule_format::table);
    for (const auto* part :
         {"web", "80,2001-2500", "17.0.0.0/8", "cat/udp-idle", "ask the vendor",
          "a-very-long-name-of-a-host.in-a-region.of-a-cloud.example"}) {
        EXPECT_TRUE(has(text, part)) << part;
    }
    std::size_t widest = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        widest = std::max(widest, end - at);
        at = end + 1;
    }
    EXPECT_LE(widest, columns);
    EXPECT_TRUE(has(text_of({}, rule_format::table), "No rule to ask for."));
}

TEST(rule_formats, without_addresses_make_no_rule_and_name_the_name)
{
    auto rules = make_set();
    rules.known_at.clear();
    rules.idle.clear();
    rules.allow = {make_web()};
    rules.allow[0].addresses.clear();
    rules.allow[0].blocks.clear();
    rules.allow[0].names[0].addresses.clear();
    for (const auto format : {rule_format::nftables, rule_format::iptables}) {
        const auto text = text_of(rules, format);
        EXPECT_FALSE(has(text, "comment \"cat/web\"")) << text;
        EXPECT_TRUE(has(text, "# No address is known here, and so no rule made, for vendor.example"));
    }
    EXPECT_EQ(render_rules(rules, rule_format::aws, columns).text, "[]\n");
    for (const auto format : {rule_format::asa, rule_format::panos, rule_format::fortigate}) {
        EXPECT_TRUE(has(text_of(rules, format), "fqdn"));
    }
}

TEST(rule_formats, let_no_text_of_a_catalogue_out_of_its_comment_or_quotes)
{
    constexpr std::string_view evil =
        "x\" -j ACCEPT\n! evil\r\nevil; `evil` $(evil) \\ ' ? \x1b[0m \xff \xe2\x80\xa8 end";
    for (const auto format :
         {rule_format::table, rule_format::nftables, rule_format::iptables, rule_format::asa,
          rule_format::panos, rule_format::fortigate, rule_format::aws}) {
        SCOPED_TRACE(to_string(format));
        auto rules = make_set();
        const auto plain = text_of(rules, format);
        rules.site = evil;
        for (auto* list : {&rules.allow, &rules.idle[0].over, &rules.idle[1].over}) {
            for (auto& one : *list) {
                one.about = evil;
                one.requirement = evil;
            }
        }
        rules.idle[0].about = evil;
        rules.notes[0].text = evil;
        rules.notes[0].requirement = evil;
        const auto text = text_of(rules, format);
        if (format != rule_format::table) { // the table wraps
            EXPECT_EQ(std::ranges::count(text, '\n'), std::ranges::count(plain, '\n'));
            EXPECT_EQ(std::ranges::count(text, '?'), 0);
        }
        for (const char one : text) {
            ASSERT_TRUE(
                one == '\n' || one == '\t' || (one >= ' ' && one <= '~') || format == rule_format::table
            ) << static_cast<int>(one);
            ASSERT_NE(one, '\x1b');
        }
        if (format == rule_format::aws) {
            EXPECT_EQ(nlohmann::json::parse(text).size(), 3U);
        }
        const char sign = format == rule_format::asa ? '!' : '#';
        for (const auto* bad : {"x\"", "`", "$(", "\\", "'"}) {
            EXPECT_FALSE(
                format != rule_format::table && format != rule_format::aws &&
                has(code_of(rules, format, sign), bad)
            ) << bad;
        }
    }
}

TEST(rule_formats, give_two_rows_of_one_id_and_long_names_objects_of_their_own)
{
    auto rules = make_set();
    rules.idle.clear();
    rules.allow = {make_web(), make_web()};
    rules.allow[1].catalogue = "other";
    const std::string label(60, 'a');
    rules.allow[0].names[0].name = label + "." + label + ".one.example";
    rules.allow[1].names[0].name = label + "." + label + ".two.example";
    const auto text = text_of(rules, rule_format::panos);
    EXPECT_TRUE(has(text, "set rulebase security rules reachd-1-web "));
    EXPECT_TRUE(has(text, "set rulebase security rules reachd-2-web "));
    const auto cut = "reachd-" + label;
    EXPECT_TRUE(has(text, "set address " + cut.substr(0, 63) + " fqdn " + rules.allow[0].names[0].name));
    EXPECT_TRUE(has(text, "set address " + cut.substr(0, 61) + "-2 fqdn " + rules.allow[1].names[0].name));
}

} // namespace
} // namespace reachd
