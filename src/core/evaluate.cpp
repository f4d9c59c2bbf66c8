// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/fallback.hpp"
#include "reachd/core/inquiry.hpp"
#include "reachd/core/private_root.hpp"
#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <map>
#include <set>

namespace reachd {
namespace {

endpoint endpoint_of(const endpoint_state& one)
{
    return {one.address.value_or(ip_address{}), one.port, one.transport};
}

// Applications do not use a name's addresses of a family that this machine has no route for
// (RFC 6724 rule 1), as long as the other family is there.
void mark_needed(const outbound_row* what, std::vector<endpoint_state>& endpoints)
{
    const auto routed_twin = [&](const endpoint_state& one) {
        return std::ranges::any_of(endpoints, [&](const endpoint_state& other) {
            return other.name == one.name && other.port == one.port && other.vantage == one.vantage &&
                   other.address && other.address->family != one.address->family && !other.seen.empty() &&
                   !other.has_no_route();
        });
    };
    for (auto& one : endpoints) {
        const bool unused = !one.name.empty() && one.address && one.has_no_route() && routed_twin(one);
        one.needed = !unused;
        if (unused) {
            one.judged.sentence = "not used here: this machine has no route for this address family";
        }
        one.needed = one.needed && !(what && is_fallback(*what, one));
    }
}

void count(const outbound_row& what, row_state& row)
{
    row.counts = {};
    for (const auto& one : row.endpoints) {
        if (!one.needed) {
            continue;
        }
        ++row.counts.total;
        switch (weigh(what.expect, one.judged, one.address)) {
        case endpoint_answer::pass: ++row.counts.pass; break;
        case endpoint_answer::fail: ++row.counts.fail; break;
        case endpoint_answer::undecided: ++row.counts.unproven; break;
        }
    }
}

// A sampled block is one more thing that the row needs, and so is each hole in it.
void count_blocks(const std::vector<run>& sampled, row_counts& counts)
{
    for (const auto& one : sampled) {
        ++counts.total;
        ++(one.passes ? counts.pass : one.fails ? counts.fail : counts.unproven);
    }
}

row_answer answer_of(inbound_answer answer)
{
    return answer == inbound_answer::pass ? row_answer::pass
         : answer == inbound_answer::fail ? row_answer::fail
                                          : row_answer::unproven;
}

row_answer answer_of(const plan_row& what, const row_state& row, std::size_t vantages)
{
    if (!what.not_configured.empty()) {
        return what.needed ? row_answer::not_configured : row_answer::not_needed;
    }
    if (const auto* timer = std::get_if<idle_timer>(&what.what); timer && row.not_run.empty()) {
        const auto answer = answer_of(*timer, row.idle);
        return answer == idle_answer::pass ? row_answer::pass
             : answer == idle_answer::fail ? row_answer::fail
                                           : row_answer::unproven;
    }
    const auto* out = std::get_if<outbound_row>(&what.what);
    if (!out) {
        return row_answer::unproven;
    }
    if (row.counts.fail > 0) {
        return row_answer::fail;
    }
    // One sample for each block, port and vantage; of a family without a way out there is none.
    const bool sampled = row.samples.size() >= out->blocks.size() * out->ports.size() * vantages;
    const bool whole = row.counts.total > 0 && row.counts.unproven == 0 && sampled;
    return whole && row.not_run.empty() ? row_answer::pass : row_answer::unproven;
}

bool same_runs(const std::vector<run>& one, const std::vector<run>& other)
{
    return std::ranges::equal(one, other, [](const run& a, const run& b) {
        return a.destination == b.destination && a.ports == b.ports && a.vantage == b.vantage &&
               same_verdict(a.judged, b.judged);
    });
}

// What was so before a restart, and is so again, did not begin with the restart.
template <class Answer>
wall_time since_when(const std::optional<remembered<Answer>>& before, Answer state, wall_time now)
{
    return before && before->state == state ? before->since : now;
}

// After the start: some row that rounds are made of has not been measured yet.
bool is_measured_anew(const plan& what, const site_state& site)
{
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        const auto& row = what.rows[i];
        const bool has_rounds = std::holds_alternative<outbound_row>(row.what) ||
                                (row.here && !std::holds_alternative<idle_timer>(row.what));
        if (has_rounds && row.not_configured.empty() && !site.rows[i].measured_once) {
            return true;
        }
    }
    return false;
}

// First-hand verdicts; answers those of before, to compare with.
std::vector<std::vector<verdict>> judge_all(const plan& what, site_state& site)
{
    std::vector<std::vector<verdict>> before;
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        auto& row = site.rows[i];
        const auto* out = std::get_if<outbound_row>(&what.rows[i].what);
        auto& old = before.emplace_back();
        for (auto& one : row.endpoints) {
            old.push_back(std::move(one.judged));
            one.judged =
                one.without_probing ? *one.without_probing : judge(endpoint_of(one), one.seen, site.local);
            if (out) {
                doubt_missing_root(one.judged, one.seen, out->tls_roots);
            }
        }
    }
    return before;
}

// A row in the middle of its round keeps the verdicts of the round before: half of the evidence proves
// nothing.
void take_back(row_state& row, const std::vector<verdict>& before)
{
    for (std::size_t k = 0; k < row.endpoints.size(); ++k) {
        row.endpoints[k].judged = before[k];
        if (before[k].sentence.empty()) {
            row.endpoints[k].judged.sentence = "not probed yet";
        }
    }
}

// What is said of a DNS server that fails, and the names (with their rows) it fails for.
using server_failures =
    std::map<std::pair<std::string, std::string>, std::set<std::pair<std::string, std::size_t>>>;

// A server that fails for one name is that row's finding; one that fails for more is said once.
void tell_failures(const server_failures& failures, site_state& site)
{
    for (const auto& [failure, places] : failures) {
        std::set<std::string> names;
        for (const auto& [name, row] : places) {
            names.insert(name);
        }
        if (names.size() > 1) {
            site.findings.push_back(
                fmt::format(
                    "DNS server {} fails for {} names: {}", failure.first, names.size(), failure.second
                )
            );
            continue;
        }
        for (const auto& [name, row] : places) {
            site.rows[row].findings.push_back(
                fmt::format("{}: DNS server {} says: {}", name, failure.first, failure.second)
            );
        }
    }
}

void refresh_findings(const plan& what, site_state& site)
{
    site.findings.clear();
    if (site.nat64) {
        site.findings.push_back(
            fmt::format(
                "this network has a NAT64: IPv6 addresses in {} stand for IPv4 ones and go through it",
                to_text(*site.nat64)
            )
        );
    }
    server_failures failures;
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        auto& row = site.rows[i];
        const auto* out = std::get_if<outbound_row>(&what.rows[i].what);
        row.findings.clear();
        if (auto note = idle_row_finding(row); !note.empty()) {
            row.findings.push_back(std::move(note));
        }
        for (const auto& lookup : row.lookups) {
            auto judged = judge_name(lookup, out && out->private_answers);
            row.findings.insert(row.findings.end(), judged.findings.begin(), judged.findings.end());
            for (const auto& failure : judged.failing_servers) {
                failures[failure].emplace(lookup.name, i);
            }
        }
    }
    tell_failures(failures, site);
}

site_answer answer_of(const site_state& site)
{
    const auto any = [&](row_answer wanted) {
        return std::ranges::any_of(site.rows, [wanted](const row_state& row) { return row.state == wanted; });
    };
    if (any(row_answer::fail)) {
        return site_answer::not_ready;
    }
    return any(row_answer::unproven) || any(row_answer::not_configured) || site.rows.empty()
             ? site_answer::unproven
             : site_answer::ready;
}

} // namespace

const char* to_string(row_answer value)
{
    switch (value) {
    case row_answer::pass: return "pass";
    case row_answer::fail: return "fail";
    case row_answer::unproven: return "unproven";
    case row_answer::not_configured:
    case row_answer::not_needed: return "not_configured";
    }
    return "?";
}

std::optional<row_answer> parse_row_answer(std::string_view word)
{
    using enum row_answer;
    for (const auto one : {pass, fail, unproven, not_configured}) {
        if (word == to_string(one)) {
            return one;
        }
    }
    return std::nullopt;
}

const char* to_string(site_answer value)
{
    switch (value) {
    case site_answer::ready: return "ready";
    case site_answer::not_ready: return "not_ready";
    case site_answer::unproven: return "unproven";
    }
    return "?";
}

bool endpoint_state::has_no_route() const
{
    const auto* last = seen.empty() ? nullptr : std::get_if<not_measured>(&seen.back().what);
    return last && last->cause == local_cause::no_route;
}

bool endpoint_state::is_same_target(const endpoint_state& other) const
{
    return address == other.address && port == other.port && transport == other.transport &&
           name == other.name && vantage == other.vantage;
}

namespace {

// Only the place next to the destination is known, or none: a dead host, and a filter of its own, look the
// same.
bool may_be_its_own(const verdict& judged, const std::optional<ip_address>& target)
{
    const bool next_to_it = judged.where && judged.where->before && judged.where->before->address &&
                            judged.where->before->address == target;
    return judged.blame == blame::unknown && (!judged.where || next_to_it);
}

} // namespace

endpoint_answer weigh(expectation expect, const verdict& judged, const std::optional<ip_address>& target)
{
    using enum verdict_kind;
    const auto pass_if = [](bool passes) { return passes ? endpoint_answer::pass : endpoint_answer::fail; };
    if (judged.kind == unproven) {
        return endpoint_answer::undecided;
    }
    switch (expect) {
    case expectation::service: return pass_if(judged.kind == open);
    case expectation::path:
        return pass_if(judged.kind == open || judged.kind == closed || judged.kind == permitted);
    case expectation::blocked:
        if (judged.kind == blocked && may_be_its_own(judged, target)) {
            return endpoint_answer::undecided;
        }
        if (judged.kind == unresolved) {
            return endpoint_answer::undecided;
        }
        return pass_if(judged.kind == blocked);
    }
    return endpoint_answer::undecided;
}

std::vector<row_change> evaluate(const plan& what, site_state& site, wall_time now)
{
    const auto before = judge_all(what, site);
    attribute(what, site);
    correlate(what, site);
    refresh_findings(what, site);
    std::vector<row_change> changes;
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        auto& row = site.rows[i];
        if (row.measuring) {
            take_back(row, before[i]);
            continue;
        }
        // Of a ladder only its own result tells.
        row.measured_once =
            row.measured_once || (row.checked && !std::holds_alternative<idle_timer>(what.rows[i].what));
        const auto* out = std::get_if<outbound_row>(&what.rows[i].what);
        mark_needed(out, row.endpoints);
        for (std::size_t k = 0; k < row.endpoints.size(); ++k) {
            auto& one = row.endpoints[k];
            if (one.since == wall_time{} || !same_verdict(one.judged, before[i][k])) {
                one.since = now;
            }
        }
        auto runs = std::vector<run>{};
        if (out) {
            count(*out, row);
            runs = make_runs(*out, row.endpoints);
            auto sampled = block_runs(what, site, i);
            count_blocks(sampled, row.counts);
            std::ranges::move(sampled, std::back_inserter(runs));
        }
        auto state = answer_of(what.rows[i], row, what.vantages.size());
        std::optional<inbound_judgement> judged;
        if (const auto* from = std::get_if<inbound>(&what.rows[i].what);
            from && what.rows[i].needed && row.not_run.empty()) {
            judged = judge_inbound(*from, what.rows[i].here, row.inbound, now);
            state = answer_of(judged->answer);
            std::ranges::move(judged->findings, std::back_inserter(row.findings));
        }
        const bool changed = state != row.state || !same_runs(runs, row.runs);
        if (changed) {
            changes.push_back({.row = i, .before = row.state, .now = state});
        }
        if (state != row.state || row.since == wall_time{}) {
            row.since = since_when(row.before_start, state, now);
        }
        if (state == row_answer::pass) {
            row.acknowledged.reset();
        }
        if (state == row_answer::pass || state == row_answer::fail || row.measured_once) {
            row.before_start.reset();
        }
        row.state = state;
        row.runs = std::move(runs);
        row.sentence = judged ? std::move(judged->sentence) : row_sentence(what.rows[i], row);
        row.advice = judged ? std::move(judged->advice) : row_advice(what.rows[i], row);
    }
    const auto state = answer_of(site);
    if (state != site.state || site.since == wall_time{}) {
        site.since = since_when(site.before_start, state, now);
    }
    if (!is_measured_anew(what, site)) {
        site.before_start.reset();
    }
    site.state = state;
    site.sentence = site_sentence(what, site);
    if (const auto first = advice_where_nothing_gets_out(site); !first.empty()) {
        for (auto& row : site.rows) {
            row.advice = row.state == row_answer::fail ? first : row.advice;
        }
    }
    return changes;
}

} // namespace reachd
