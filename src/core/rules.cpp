// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/rules.hpp"

#include "rules_parts.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd {
namespace {

using namespace rule_parts;

class rule_maker {
public:
    rule_maker(const plan& what, const findings_of_report* findings, const rule_request& request)
        : plan_{what}, findings_{findings}, request_{request}
    {
        rules_.site = what.config.site;
        const bool whole = request.scope == rule_scope::all && request.only.empty();
        rules_.extent = whole ? rule_extent::whole : rule_extent::part;
        rules_.known_at = findings ? findings->generated : std::string{};
    }

    rule_set make()
    {
        for (const auto& row : plan_.rows) {
            const bool wanted =
                request_.only.empty() || std::ranges::any_of(request_.only, [&](const std::string& word) {
                    return is_named(row, word);
                });
            if (wanted) {
                add(row);
            }
        }
        return std::move(rules_);
    }

private:
    const found_row* found(const plan_row& row) const
    {
        if (!findings_) {
            return nullptr;
        }
        const auto at = findings_->rows.find(key_of(row));
        return at == findings_->rows.end() ? nullptr : &at->second;
    }

    void note(const plan_row& row, note_kind kind, std::string text)
    {
        add_once(rules_.notes, {kind, key_of(row), std::move(text)});
    }

    bool only_failing() const { return request_.scope == rule_scope::failing; }

    void add(const plan_row& row)
    {
        if (!row.not_configured.empty()) {
            note(row, note_kind::not_configured, row.not_configured);
            return;
        }
        if (only_failing()) {
            const auto* known = found(row);
            if (!known) {
                note(row, note_kind::beware, "the report does not have this row");
                return;
            }
            if (known->state == "unproven" && std::holds_alternative<outbound_row>(row.what)) {
                note(row, note_kind::beware, "is undecided in the report and not among these rules");
            }
            if (known->state != "fail") {
                return;
            }
        }
        if (const auto* out = std::get_if<outbound_row>(&row.what)) {
            add_outbound(row, *out);
        } else if (const auto* idle = std::get_if<idle_timer>(&row.what)) {
            add_idle(row, *idle);
        } else {
            add_inbound(row, std::get<inbound>(row.what));
        }
    }

    void add_outbound(const plan_row& row, const outbound_row& what)
    {
        if (what.expect == expectation::blocked) {
            const auto rule = whole_rule(row, what, found(row));
            std::vector<std::string> where;
            for (const auto& one : rule.addresses) {
                where.push_back(to_text(one));
            }
            for (const auto& one : rule.blocks) {
                where.push_back(to_text(one));
            }
            for (const auto& one : rule.names) {
                where.push_back(one.name);
            }
            note(
                row, note_kind::shut,
                fmt::format(
                    "outbound {} {} to {} must stay shut", to_string(what.transport), to_text(what.ports),
                    fmt::join(where, " ")
                )
            );
        } else if (only_failing()) {
            for (auto& one : failing_rules(row, what, *found(row), rules_.notes)) {
                rules_.allow.push_back(std::move(one));
            }
        } else {
            rules_.allow.push_back(whole_rule(row, what, found(row)));
        }
    }

    void add_idle(const plan_row& row, const idle_timer& what)
    {
        idle_rule out{row.catalogue, row.id, row.about, what.transport, what.hold, {}};
        for (const auto& id : what.over) {
            const auto at = std::ranges::find_if(plan_.rows, [&](const plan_row& one) {
                return one.catalogue == row.catalogue && one.id == id;
            });
            const auto* over = at == plan_.rows.end() ? nullptr : std::get_if<outbound_row>(&at->what);
            if (!over) {
                continue;
            }
            if (at->not_configured.empty()) {
                out.over.push_back(whole_rule(*at, *over, found(*at)));
            } else {
                note(*at, note_kind::not_configured, at->not_configured);
            }
        }
        if (out.over.empty() && !what.over.empty()) {
            note(
                row, note_kind::not_configured,
                fmt::format(
                    "the rows whose idle flows must be kept {} s are not configured", what.hold.count()
                )
            );
            return;
        }
        rules_.idle.push_back(std::move(out));
    }

    void add_inbound(const plan_row& row, const inbound& what)
    {
        std::vector<std::string> sources;
        for (const auto& one : what.sources) {
            sources.push_back(to_text(one));
        }
        note(
            row, note_kind::inbound,
            fmt::format(
                "{} from {}, and from nowhere else, must reach {} at this site: the port and the server are "
                "the site's choice",
                to_string(what.transport), fmt::join(sources, " "), what.service
            )
        );
    }

    const plan& plan_;
    const findings_of_report* findings_;
    const rule_request& request_;
    rule_set rules_;
};

} // namespace

rule_set make_rules(const plan& what, const findings_of_report* findings, const rule_request& request)
{
    return rule_maker{what, findings, request}.make();
}

} // namespace reachd
