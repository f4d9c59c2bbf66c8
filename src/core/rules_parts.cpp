// SPDX-License-Identifier: Apache-2.0
#include "rules_parts.hpp"

#include <fmt/format.h>
#include <utility>

namespace reachd::rule_parts {
namespace {

// Answers that were not believed are no addresses of the name.
bool is_believed(const found_run& one)
{
    return one.stage != "resolve";
}

bool is_in_a_block(const outbound_row& row, const ip_address& address)
{
    return std::ranges::any_of(row.blocks, [&](const ip_block& one) { return one.contains(address); });
}

// A name with the addresses of these runs that no block of the row has already.
rule_name name_with(const std::string& name, const outbound_row& row, const found_row* found)
{
    rule_name out{name, {}};
    for (const auto& run : found ? found->runs : std::vector<found_run>{}) {
        if (run.destination == name && is_believed(run)) {
            for (const auto& address : run.addresses) {
                if (!is_in_a_block(row, address)) {
                    add_once(out.addresses, address);
                }
            }
        }
    }
    return out;
}

bool is_wholly_in_blocks(const std::string& name, const outbound_row& row, const found_row* found)
{
    bool known = false;
    for (const auto& run : found ? found->runs : std::vector<found_run>{}) {
        if (run.destination == name && is_believed(run)) {
            known = known || !run.addresses.empty();
            if (!std::ranges::all_of(run.addresses, [&](const auto& one) {
                    return is_in_a_block(row, one);
                })) {
                return false;
            }
        }
    }
    return known && !row.blocks.empty();
}

allow_rule rule_for(const plan_row& row, const outbound_row& what)
{
    return {
        .catalogue = row.catalogue,
        .requirement = row.id,
        .about = row.about,
        .transport = what.transport,
        .addresses = {},
        .blocks = {},
        .names = {},
        .ports = what.ports,
    };
}

port_set joined(const port_set& one, const port_set& other)
{
    auto ports = one.ports();
    const auto more = other.ports();
    ports.insert(ports.end(), more.begin(), more.end());
    return make_port_set(std::move(ports));
}

std::string_view why_no_rule_helps(const found_run& run)
{
    if (run.verdict == "closed") {
        return "is let through and refuses: nothing listens there";
    }
    if (run.verdict == "unresolved" || !is_believed(run)) {
        return "has no address that can be believed: that is DNS, not the firewall";
    }
    return run.blame == "host" ? "fails on this machine itself" : std::string_view{};
}

// The document asks for a block where it names one: its names alone would not do.
void add_destination(
    allow_rule& rule, const std::string& destination, const outbound_row& what, const found_row& known
)
{
    if (const auto address = parse_address(destination)) {
        add_once(rule.addresses, *address);
        return;
    }
    for (const auto& run : known.runs) {
        for (const auto& block : what.blocks) {
            const bool holds = std::ranges::any_of(run.addresses, [&](const ip_address& one) {
                return run.destination == destination && block.contains(one);
            });
            if (holds || to_text(block) == destination) {
                add_once(rule.blocks, block);
            }
        }
    }
    const bool is_name = std::ranges::find(what.names, destination) != what.names.end();
    if (is_name && !is_wholly_in_blocks(destination, what, &known)) {
        rule.names.push_back(name_with(destination, what, &known));
    }
}

} // namespace

std::string key_of(const plan_row& row)
{
    return row.catalogue + "/" + row.id;
}

allow_rule whole_rule(const plan_row& row, const outbound_row& what, const found_row* found)
{
    auto out = rule_for(row, what);
    out.addresses = what.addresses;
    out.blocks = what.blocks;
    for (const auto& name : what.names) {
        if (!is_wholly_in_blocks(name, what, found)) {
            out.names.push_back(name_with(name, what, found));
        }
    }
    return out;
}

std::vector<allow_rule> failing_rules(
    const plan_row& row, const outbound_row& what, const found_row& known, std::vector<rule_note>& notes
)
{
    const auto note = [&](note_kind kind, std::string text) {
        add_once(notes, {kind, key_of(row), std::move(text)});
    };
    std::vector<std::pair<std::string, port_set>> lacking;
    for (const auto& run : known.runs) {
        if (run.result != "fail") {
            continue;
        }
        const auto ports = fmt::format("{} {}", to_string(what.transport), to_text(run.ports));
        if (const auto why = why_no_rule_helps(run); !why.empty()) {
            note(note_kind::no_rule_helps, fmt::format("{} to {} {}", ports, run.destination, why));
            continue;
        }
        if (run.verdict == "intercepted") {
            note(
                note_kind::beware,
                fmt::format(
                    "{} to {} is answered by a box in between: exempt it from proxies and inspection", ports,
                    run.destination
                )
            );
        }
        const auto at = std::ranges::find(lacking, run.destination, &std::pair<std::string, port_set>::first);
        if (at == lacking.end()) {
            lacking.emplace_back(run.destination, run.ports);
        } else {
            at->second = joined(at->second, run.ports);
        }
    }
    std::vector<allow_rule> parts;
    for (const auto& [destination, ports] : lacking) {
        auto part = std::ranges::find(parts, ports, &allow_rule::ports);
        if (part == parts.end()) {
            parts.push_back(rule_for(row, what));
            part = parts.end() - 1;
            part->ports = ports;
        }
        add_destination(*part, destination, what, known);
    }
    return parts;
}

} // namespace reachd::rule_parts
