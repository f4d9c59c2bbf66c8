// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/site_report.hpp"

#include "reachd/core/evidence.hpp"
#include "reachd/core/fallback.hpp"
#include "reachd/core/nat64.hpp"
#include "reachd/core/version.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

json where_json(const verdict& judged)
{
    return judged.where ? to_json(*judged.where) : json(nullptr);
}

json text_or_null(const std::string& text)
{
    return text.empty() ? json(nullptr) : json(text);
}

json since_json(wall_time since)
{
    return since == wall_time{} ? json(nullptr) : json(to_text(since));
}

json run_json(const run& one)
{
    json addresses = json::array();
    for (const auto& address : one.addresses) {
        addresses.push_back(to_text(address));
    }
    json out = {
        {"destination", one.destination},
        {"addresses", std::move(addresses)},
        {"vantage", text_or_null(one.vantage)},
        {"ports", to_text(one.ports)},
        {"verdict", to_string(one.judged.kind)},
        {"stage", to_string(one.judged.stage)},
        {"blame", to_string(one.judged.blame)},
        {"where", where_json(one.judged)},
        {"sentence", one.judged.sentence},
        {"result", one.passes ? "pass" : one.fails ? "fail" : "unproven"},
    };
    if (!one.needed) {
        out["needed"] = false;
    }
    return out;
}

std::optional<ip_address> synthesised_from(const site_state& site, const endpoint_state& one)
{
    return site.nat64 && one.address ? extract(*site.nat64, *one.address) : std::nullopt;
}

json endpoint_json(const site_state& site, const endpoint_state& one)
{
    json evidence = json::array();
    for (const auto& seen : one.seen) {
        evidence.push_back(to_json(seen));
    }
    // Where from and how far: what its hop-limited probes showed.
    const auto traced = one.address ? site.traces.find({one.vantage, {*one.address, one.port, one.transport}})
                                    : site.traces.end();
    if (traced != site.traces.end()) {
        for (const auto& seen : traced->second) {
            evidence.push_back(to_json(seen));
        }
    }
    const auto rtt = round_trip(one.seen);
    json out = {
        {"address", one.address ? json(to_text(*one.address)) : json(nullptr)},
        {"name", text_or_null(one.name)},
        {"port", one.port},
        {"transport", to_string(one.transport)},
        {"verdict", to_string(one.judged.kind)},
        {"stage", to_string(one.judged.stage)},
        {"blame", to_string(one.judged.blame)},
        {"where", where_json(one.judged)},
        {"sentence", one.judged.sentence},
        {"rtt_us", rtt ? json(std::chrono::duration_cast<microseconds>(*rtt).count()) : json(nullptr)},
        {"since", since_json(one.since)},
        {"evidence", std::move(evidence)},
    };
    if (const auto v4 = synthesised_from(site, one)) {
        out["synthesised_from"] = to_text(*v4);
        out["sentence"] =
            fmt::format("{}; this address is the NAT64's synthesis of {}", one.judged.sentence, to_text(*v4));
    }
    if (!one.vantage.empty()) {
        out["vantage"] = one.vantage;
    }
    if (!one.needed) {
        out["needed"] = false;
    }
    if (!one.servers.empty()) {
        out["resolved_by"] = one.servers;
    }
    return out;
}

json counts_json(const row_counts& counts)
{
    return {
        {"total", counts.total},
        {"pass", counts.pass},
        {"fail", counts.fail},
        {"unproven", counts.unproven},
    };
}

const char* kind_of(const plan_row& row)
{
    return std::holds_alternative<outbound_row>(row.what) ? "outbound"
         : std::holds_alternative<idle_timer>(row.what)   ? "idle"
                                                          : "inbound";
}

std::string destinations_text(const outbound_row& what)
{
    std::vector<std::string> list;
    for (const auto& one : what.addresses) {
        list.push_back(to_text(one));
    }
    for (const auto& one : what.blocks) {
        list.push_back(to_text(one));
    }
    if (what.blocks.empty()) {
        list.insert(list.end(), what.names.begin(), what.names.end());
    }
    return fmt::format("{}", fmt::join(list, " "));
}

// The service of an inbound row as it was probed from inside; nullopt where it was not.
std::optional<endpoint_state> inside_of(const plan_row& row, const site_state& site, const row_state& state)
{
    if (!row.here || state.inbound.inside.empty()) {
        return std::nullopt;
    }
    const endpoint where{row.here->service.address, row.here->service.port, transport::tcp};
    endpoint_state out{.address = where.address, .port = where.port, .seen = state.inbound.inside};
    out.judged = judge(where, out.seen, site.local);
    out.since = state.since;
    return out;
}

json requirement_json(
    const plan_row& row, const site_state& site, const row_state& state, report_detail detail
)
{
    json out = {
        {"id", row.id},
        {"about", row.about},
        {"kind", kind_of(row)},
        {"role", row.role == role::primary ? "primary" : "disaster_recovery"},
        {"state", to_string(state.state)},
        {"sentence", state.sentence},
        {"advice", text_or_null(state.advice)},
        {"note", text_or_null(row.note)},
        {"ask", text_or_null(row.ask)},
        {"since", since_json(state.since)},
        {"checked", state.checked ? json(to_text(*state.checked)) : json(nullptr)},
        {"counts", counts_json(state.counts)},
        {"findings", state.findings},
        {"runs", json::array()},
        {"endpoints", json::array()},
    };
    if (const auto& noted = state.acknowledged) {
        out["acknowledged"] = {{"note", noted->note}, {"by", noted->by}, {"since", to_text(noted->since)}};
    }
    if (const auto* what = std::get_if<outbound_row>(&row.what)) {
        out["transport"] = to_string(what->transport);
        out["destinations"] = destinations_text(*what);
        out["ports"] = to_text(what->ports);
        out["expect"] = to_string(what->expect);
        json names = json::array();
        for (const auto& one : state.lookups) {
            names.push_back(to_json(one));
        }
        out["names"] = std::move(names);
        if (what->fallback_ports.size() > 0) {
            const auto found = fallback_of(*what, state);
            out["fallback"] = {
                {"ports", to_text(what->fallback_ports)},
                {"state", to_string(found.state)},
                {"sentence", found.sentence},
            };
        }
    }
    if (const auto* from = std::get_if<inbound>(&row.what)) {
        out["transport"] = to_string(from->transport);
        out["inbound"] = inbound_json(*from, row.here, state.inbound);
    }
    if (!state.samples.empty()) {
        out["samples"] = json::array();
        for (const auto& one : state.samples) {
            out["samples"].push_back(to_json(one));
        }
    }
    for (const auto& one : state.runs) {
        out["runs"].push_back(run_json(one));
    }
    if (detail == report_detail::runs) {
        return out;
    }
    for (const auto& one : state.endpoints) {
        out["endpoints"].push_back(endpoint_json(site, one));
    }
    if (const auto inside = inside_of(row, site, state)) {
        out["endpoints"].push_back(endpoint_json(site, *inside));
    }
    return out;
}

bool selected(const report_selection& select, const plan_row& row)
{
    return (select.catalogue.empty() || select.catalogue == row.catalogue) &&
           (select.requirement.empty() || is_named(row, select.requirement));
}

json vantage_json(const plan& what)
{
    std::vector<std::string> names;
    for (const auto& one : what.vantages) {
        if (!one.name.empty()) {
            names.push_back(one.name);
        }
    }
    return names.empty() ? json(nullptr) : json(fmt::format("{}", fmt::join(names, ", ")));
}

path path_of(const plan& what, const site_state& site, const std::string& vantage, family protocol)
{
    return make_path(site.traces, vantage, protocol, site.local, what.config.path);
}

// The way out as the first vantage sees it; IPv6 where there is no IPv4.
json path_json(const plan& what, const site_state& site)
{
    const auto& vantage = what.vantages.front().name;
    const auto v4 = path_of(what, site, vantage, family::v4);
    return to_json(v4.hops.empty() ? path_of(what, site, vantage, family::v6) : v4);
}

// The hops that flows to one address met, and what was seen with each hop limit.
json hops_json(const plan& what, const site_state& site, const endpoint_state& one)
{
    const evidence all{what, site};
    const flow which{one.vantage, {*one.address, one.port, one.transport}};
    json hops = json::array();
    const auto& facts = all.facts(one.vantage, *one.address);
    const auto& way = all.way(one.vantage, one.address->family);
    for (unsigned number = 1; number <= facts.farthest(); ++number) {
        const auto at = all.hop_at(which, number);
        hops.push_back({
            {"hop", number},
            {"address", at.address ? json(to_text(*at.address)) : json(nullptr)},
            {"site", way.edge > 0 ? json(number <= way.edge) : json(nullptr)},
        });
    }
    const auto at = all.view(which).answered_at();
    return {
        {"distance", at               ? json(*at)
                     : facts.spoke_at ? json(*facts.spoke_at)
                                      : json(nullptr)},
        {"hops", std::move(hops)},
    };
}

json traffic_json(const plan& what, const traffic& sent, wall_time now)
{
    const auto& counts = sent.counts();
    return {
        {"since", since_json(sent.since)},
        {"duration_s", std::max<std::int64_t>(0, std::chrono::round<seconds>(now - sent.since).count())},
        {"packets", counts.packets()},
        {"syns", counts.syns},
        {"segments", counts.segments},
        {"datagrams", counts.datagrams},
        {"dns_questions", counts.dns_questions},
        {"inquiry_probes", counts.inquiries},
        {"block_samples", counts.samples},
        {"left_out", counts.left_out},
        {"nat_entries",
         {{"left", counts.entries},
          {"half_open", counts.half_open},
          {"at_once_at_most", counts.most_at_once},
          {"limit", what.config.limits.nat_entries}}},
    };
}

std::optional<wall_time> latest_check(const site_state& site)
{
    std::optional<wall_time> latest;
    for (const auto& row : site.rows) {
        if (row.checked && (!latest || *row.checked > *latest)) {
            latest = row.checked;
        }
    }
    return latest;
}

} // namespace

nlohmann::json
site_report(const plan& what, const site_state& site, const report_selection& select, wall_time now)
{
    json catalogues = json::array();
    json idle = json::array();
    for (const auto& one : what.catalogues) {
        json requirements = json::array();
        for (std::size_t i = 0; i < what.rows.size(); ++i) {
            const auto& row = what.rows[i];
            if (row.catalogue != one.id || !selected(select, row)) {
                continue;
            }
            requirements.push_back(requirement_json(row, site, site.rows[i], select.detail));
            if (const auto* timer = std::get_if<idle_timer>(&row.what)) {
                for (auto& entry : idle_json(row, site.rows[i], *timer)) {
                    idle.push_back(std::move(entry));
                }
            }
        }
        if (requirements.empty()) {
            continue;
        }
        catalogues.push_back({
            {"id", one.id},
            {"title", one.title},
            {"document", {{"title", one.document.title}, {"revised", text_or_null(one.document.revised)}}},
            {"requirements", std::move(requirements)},
        });
    }
    return {
        {"schema", report_schema},
        {"version", program_version()},
        {"site", what.config.site},
        {"generated", to_text(now)},
        {"state", to_string(site.state)},
        {"sentence", site.sentence},
        {"findings", site.findings},
        {"since", since_json(site.since)},
        {"vantage", vantage_json(what)},
        {"path", path_json(what, site)},
        {"nat64", site.nat64 ? json(to_text(*site.nat64)) : json(nullptr)},
        {"catalogues", std::move(catalogues)},
        {"idle", std::move(idle)},
        {"traffic", traffic_json(what, site.sent, now)},
    };
}

nlohmann::json endpoint_report(const plan& what, const site_state& site, const endpoint& wanted)
{
    json found = json::array();
    for (std::size_t i = 0; i < what.rows.size(); ++i) {
        auto endpoints = site.rows[i].endpoints;
        if (auto inside = inside_of(what.rows[i], site, site.rows[i])) {
            endpoints.push_back(std::move(*inside));
        }
        for (const auto& one : endpoints) {
            if (one.address == wanted.address && one.port == wanted.port &&
                one.transport == wanted.transport) {
                auto entry = endpoint_json(site, one);
                entry["catalogue"] = what.rows[i].catalogue;
                entry["requirement"] = what.rows[i].id;
                entry["path"] = hops_json(what, site, one);
                found.push_back(std::move(entry));
            }
        }
    }
    return found;
}

nlohmann::json
health_report(const plan& what, const site_state& site, wall_time now, std::chrono::seconds stale_after)
{
    json counts = {{"pass", 0}, {"fail", 0}, {"unproven", 0}, {"not_configured", 0}};
    row_counts endpoints;
    for (const auto& row : site.rows) {
        counts[to_string(row.state)] = counts[to_string(row.state)].get<int>() + 1;
        endpoints.total += row.counts.total;
        endpoints.pass += row.counts.pass;
        endpoints.fail += row.counts.fail;
        endpoints.unproven += row.counts.unproven;
    }
    const auto latest = latest_check(site);
    // A clock that was set back makes no negative age.
    const auto age =
        latest ? std::max(seconds{0}, std::chrono::duration_cast<seconds>(now - *latest)) : seconds{0};
    json out = {
        {"site", what.config.site},
        {"state", to_string(site.state)},
        {"since", since_json(site.since)},
        {"summary", site.sentence},
        {"counts", std::move(counts)},
        {"endpoints", counts_json(endpoints)},
        {"checked", latest ? json(to_text(*latest)) : json(nullptr)},
        {"age_s", latest ? json(age.count()) : json(nullptr)},
        {"stale", !latest || age > stale_after},
    };
    if (site.before_start && site.state == site_answer::unproven) {
        out["before_start"] = {
            {"state", to_string(site.before_start->state)}, {"since", to_text(site.before_start->since)}
        };
    }
    return out;
}

} // namespace reachd
