// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/plan.hpp"

#include "reachd/core/json.hpp"

#include <algorithm>
#include <cassert>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace reachd {
namespace {

constexpr std::size_t most_rows_listed = 24; // in a message

// The site's own texts for a value, else the catalogue's default, else nothing.
class value_source {
public:
    value_source(const config& site, const catalogue& from) : site_{site}, from_{from} {}

    std::vector<std::string> texts(const std::string& name) const
    {
        if (const auto own = site_.values.find(from_.id); own != site_.values.end()) {
            if (const auto value = own->second.find(name); value != own->second.end()) {
                return value->second;
            }
        }
        const auto declared = from_.values.find(name);
        if (declared == from_.values.end() || declared->second.default_text.empty()) {
            return {};
        }
        const auto& text = declared->second.default_text;
        if (text.starts_with('{')) { // the default of addresses is another value, which has none
            return texts(text.substr(1, text.size() - 2));
        }
        return {text};
    }

    std::string missing(const std::string& name, const std::string& contact) const
    {
        const auto declared = from_.values.find(name);
        const bool asks = declared != from_.values.end() && !declared->second.ask.empty();
        return fmt::format(
            "ask {} for it and set values.{}.{} in the site's configuration",
            asks              ? declared->second.ask
            : contact.empty() ? "the vendor"
                              : contact,
            from_.id, name
        );
    }

private:
    const config& site_;
    const catalogue& from_;
};

void add(outbound_row& row, const destination& where)
{
    if (const auto* address = std::get_if<ip_address>(&where)) {
        row.addresses.push_back(*address);
    } else if (const auto* block = std::get_if<ip_block>(&where)) {
        row.blocks.push_back(*block);
    } else {
        row.names.push_back(std::get<std::string>(where));
    }
}

void remove_repeats(outbound_row& row)
{
    const auto unique = [](auto& list) {
        auto kept = list.begin();
        for (auto it = list.begin(); it != list.end(); ++it) {
            if (std::find(list.begin(), kept, *it) == kept) {
                if (kept != it) { // a string moved onto itself is empty
                    *kept = std::move(*it);
                }
                ++kept;
            }
        }
        list.erase(kept, list.end());
    };
    unique(row.addresses);
    unique(row.names);
    unique(row.blocks);
}

void add_blank(plan_row& row, const char* what, const std::string& remedy)
{
    row.not_configured += row.not_configured.empty() ? "" : "; ";
    row.not_configured += fmt::format("the document leaves the {} blank: {}", what, remedy);
}

void fill_outbound(plan_row& row, const outbound& what, const value_source& values)
{
    outbound_row out{
        .transport = what.transport,
        .addresses = {},
        .names = what.names,
        .blocks = {},
        .ports = {},
        .expect = what.expect,
        .private_answers = what.private_answers,
        .payload = what.payload,
        .expect_reply = what.expect_reply,
        .tls_ports = what.tls_ports,
        .tls_names = what.tls_names,
        .tls_roots = what.tls_roots,
        .fallback_ports = what.fallback_ports,
    };
    for (const auto& where : what.destinations) {
        if (const auto* literal = std::get_if<destination>(&where)) {
            add(out, *literal);
            continue;
        }
        const auto& name = std::get<value_ref>(where).name;
        const auto texts = values.texts(name);
        for (const auto& text : texts) {
            if (const auto parsed_text = parse_destination(text)) {
                add(out, *parsed_text);
            }
        }
        if (texts.empty()) {
            add_blank(row, "address", values.missing(name, row.ask));
        }
    }
    if (const auto* ports = std::get_if<port_set>(&what.ports)) {
        out.ports = *ports;
    } else {
        const auto& name = std::get<value_ref>(what.ports).name;
        const auto texts = values.texts(name);
        const auto ports_given = texts.empty() ? std::nullopt : parse_ports(texts.front());
        if (ports_given) {
            out.ports = *ports_given;
        } else {
            add_blank(row, "ports", values.missing(name, row.ask));
        }
    }
    remove_repeats(out);
    row.what = std::move(out);
}

plan_row make_row(const catalogue& from, const requirement& need, const value_source& values)
{
    plan_row row{
        .catalogue = from.id,
        .id = need.id,
        .about = need.about,
        .role = need.role,
        .note = need.note,
        .ask = need.ask.empty() ? from.contact : need.ask,
        .not_configured = {},
        .needed = true,
        .what = {},
        .here = {},
    };
    if (const auto* out = std::get_if<outbound>(&need.what)) {
        fill_outbound(row, *out, values);
    } else if (const auto* idle = std::get_if<idle_timer>(&need.what)) {
        row.what = *idle;
    } else {
        row.what = std::get<inbound>(need.what);
    }
    return row;
}

} // namespace

const catalogue& plan::catalogue_of(const plan_row& row) const
{
    const auto found = std::ranges::find(catalogues, row.catalogue, &catalogue::id);
    assert(found != catalogues.end());
    return *found;
}

plan make_plan(config site, const std::vector<catalogue>& known)
{
    plan out;
    out.vantages = site.vantages;
    if (out.vantages.empty()) {
        out.vantages.push_back({});
    }
    for (const auto& id : site.catalogues) {
        const auto found = std::ranges::find(known, id, &catalogue::id);
        if (found == known.end()) {
            continue; // check_against() has said so
        }
        out.catalogues.push_back(*found);
        const value_source values{site, *found};
        for (const auto& need : found->requirements) {
            out.rows.push_back(make_row(*found, need, values));
            auto& row = out.rows.back();
            const auto name = id + "/" + need.id;
            if (const auto here = site.inbound.find(name); here != site.inbound.end()) {
                row.here = here->second;
            }
            if (const auto why = site.not_needed.find(name); why != site.not_needed.end()) {
                row.needed = false;
                row.not_configured = "not needed here, says the configuration: " + why->second;
            }
        }
    }
    out.config = std::move(site);
    return out;
}

bool is_named(const plan_row& row, std::string_view word)
{
    return word == row.id || word == row.catalogue + "/" + row.id;
}

std::string known_rows_for(const plan& what, std::string_view word, std::string_view catalogue)
{
    const bool is_full = word.find('/') != std::string_view::npos;
    std::set<std::string> names; // two catalogues may have rows of one name
    for (const auto& row : what.rows) {
        if (catalogue.empty() || row.catalogue == catalogue) {
            names.insert(is_full ? row.catalogue + "/" + row.id : row.id);
        }
    }
    if (names.empty()) {
        return "there are none";
    }
    if (const auto near = nearest(word, {names.begin(), names.end()})) {
        return fmt::format("did you mean {}?", in_quotes(*near));
    }
    if (names.size() > most_rows_listed) {
        return "the report lists them all";
    }
    return fmt::format("known: {}", fmt::join(names, ", "));
}

} // namespace reachd
