// SPDX-License-Identifier: Apache-2.0
// rules.hpp: what to ask the firewall team for, made from the plan and from what a report found.
//
// Use     make_rules(), then one of the formats. With a report, names have the addresses that it found,
//         and scope failing keeps what it found failing; without one, names have none.
// Shapes  Everything that no rule can say (inbound rows, blank rows) is a note.
// Errors  parse_findings(): what is no site report. A row that the report lacks is a note.
// Limits  Texts of catalogues and reports are cut down to harmless characters by every format.
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/core/plan.hpp"

#include <chrono>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

// --- what a report says ---

struct found_run {
    std::string destination;           // as the row names it
    std::vector<ip_address> addresses; // none: the name has none
    port_set ports;
    std::string verdict;
    std::string stage;
    std::string blame;
    std::string result; // pass, fail, unproven
};

struct found_row {
    std::string state;
    std::vector<found_run> runs;
};

struct findings_of_report {
    std::string site;
    std::string generated;
    std::map<std::string, found_row> rows; // "catalogue/id"
};

result<findings_of_report> parse_findings(const nlohmann::json& report);

// --- the rules ---

struct rule_name {
    std::string name;
    std::vector<ip_address> addresses; // the last known ones; they change
    bool operator==(const rule_name&) const = default;
};

struct allow_rule {
    std::string catalogue;
    std::string requirement;
    std::string about;
    reachd::transport transport = transport::tcp;
    std::vector<ip_address> addresses;
    std::vector<ip_block> blocks;
    std::vector<rule_name> names;
    port_set ports;
    bool operator==(const allow_rule&) const = default;
};

// Flows of these rows must be kept this long without a packet.
struct idle_rule {
    std::string catalogue;
    std::string requirement;
    std::string about;
    reachd::transport transport = transport::tcp;
    std::chrono::seconds hold{};
    std::vector<allow_rule> over; // empty: every flow of the transport
};

enum class note_kind : std::uint8_t {
    inbound,        // who connects to the site
    not_configured, // whom to ask
    shut,           // what must stay closed
    no_rule_helps,  // fails for another reason than the site's firewall
    beware,         // what a rule alone does not settle
};

struct rule_note {
    note_kind kind{};
    std::string requirement; // "catalogue/id"
    std::string text;        // one sentence
    bool operator==(const rule_note&) const = default;
};

// A part must never be taken for a firewall's whole list: what it leaves out would be denied.
enum class rule_extent : std::uint8_t {
    whole, // every row of the site
    part,  // the failing ones, or those that were named
};

struct rule_set {
    std::string site;
    rule_extent extent = rule_extent::whole;
    std::string known_at; // when the addresses of names were seen; "" when nothing is known
    std::vector<allow_rule> allow;
    std::vector<idle_rule> idle;
    std::vector<rule_note> notes;
};

enum class rule_scope : std::uint8_t {
    all,     // every row
    failing, // what the findings say fails
};

struct rule_request {
    rule_scope scope = rule_scope::all;
    std::vector<std::string> only; // ids or "catalogue/id"; empty: all
};

// `findings` may be null with scope all.
rule_set make_rules(const plan& what, const findings_of_report* findings, const rule_request& request);

// --- the formats ---

enum class rule_format : std::uint8_t {
    table,     // for a person
    nftables,  // nft -f
    iptables,  // iptables-restore and ip6tables-restore, one file for both
    asa,       // Cisco ASA configuration
    panos,     // PAN-OS set commands
    fortigate, // FortiOS configuration
    aws,       // security-group egress, the argument of --ip-permissions
};
const char* to_string(rule_format value);
// "table, nftables, ..."
std::string rule_format_list();
std::optional<rule_format> parse_rule_format(std::string_view text);

struct rule_text {
    std::string text;
    std::vector<std::string> remarks; // what the format has no place for
};
// `columns` is for the table alone.
rule_text render_rules(const rule_set& rules, rule_format format, std::size_t columns);

} // namespace reachd
