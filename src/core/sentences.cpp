// SPDX-License-Identifier: Apache-2.0
// The words for a person: what a row shows, and what to do next.
#include "reachd/core/fallback.hpp"
#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace reachd {
namespace {

std::string target_text(const outbound_row& what, const run& one)
{
    auto text = fmt::format("{} {} to {}", to_string(what.transport), to_text(one.ports), one.destination);
    if (!one.addresses.empty() && to_text(one.addresses.front()) != one.destination) {
        text += one.addresses.size() == 1 ? fmt::format(" ({})", to_text(one.addresses.front()))
                                          : fmt::format(" ({} addresses)", one.addresses.size());
    }
    return one.vantage.empty() ? text : fmt::format("{} via {}", text, one.vantage);
}

const run* first_failing(const row_state& row)
{
    const auto found = std::ranges::find_if(row.runs, &run::fails);
    return found == row.runs.end() ? nullptr : &*found;
}

const run* first_undecided(const row_state& row)
{
    const auto found = std::ranges::find_if(row.runs, [](const run& one) {
        return one.needed && !one.fails && !one.passes;
    });
    return found == row.runs.end() ? nullptr : &*found;
}

std::string kinds_text(const row_state& row)
{
    std::string text;
    for (const auto kind : {verdict_kind::open, verdict_kind::closed, verdict_kind::permitted}) {
        const auto found = std::ranges::count_if(row.endpoints, [kind](const endpoint_state& one) {
            return one.needed && one.judged.kind == kind;
        });
        if (found > 0) {
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", found, to_string(kind));
        }
    }
    return text;
}

std::string pass_sentence(const outbound_row& what, const row_state& row)
{
    switch (what.expect) {
    case expectation::service:
        return row.counts.total == 1 ? std::ranges::find_if(row.runs, &run::needed)->judged.sentence
                                     : fmt::format("all {} endpoints answer", row.counts.total);
    case expectation::path:
        if (!row.samples.empty()) {
            return fmt::format(
                "the {} endpoints of its names are let through: {}; {}",
                std::ranges::count_if(row.endpoints, &endpoint_state::needed), kinds_text(row),
                sentence(row.samples.front())
            );
        }
        return fmt::format("all {} endpoints are let through: {}", row.counts.total, kinds_text(row));
    case expectation::blocked:
        return fmt::format("all {} endpoints are shut, as they should be", row.counts.total);
    }
    return {};
}

std::string failing_sentence(const outbound_row& what, const row_state& row, const run& first)
{
    const auto failing = std::ranges::count_if(row.runs, &run::fails);
    auto text = fmt::format("{}: {}", target_text(what, first), first.judged.sentence);
    if (failing > 1) {
        text = fmt::format("{} of {} endpoints fail; first: {}", row.counts.fail, row.counts.total, text);
    }
    return text;
}

std::string undecided_sentence(const outbound_row& what, const row_state& row)
{
    if (const auto* one = first_undecided(row)) {
        return fmt::format("{}: {}", target_text(what, *one), one->judged.sentence);
    }
    if (!row.checked && row.counts.total == 0) {
        return "not checked yet";
    }
    if (!what.blocks.empty()) {
        const auto names = what.names.empty()
                             ? std::string{"it names no host to try"}
                             : fmt::format("the {} endpoints of its names are let through", row.counts.total);
        return fmt::format(
            "{}; the other addresses of {} are not sampled yet", names, to_text(what.blocks.front())
        );
    }
    return "no endpoint was measured";
}

std::string outbound_sentence(const outbound_row& what, const row_state& row)
{
    switch (row.state) {
    case row_answer::pass: return pass_sentence(what, row);
    case row_answer::fail:
        if (const auto* first = first_failing(row)) {
            return failing_sentence(what, row, *first);
        }
        return {};
    case row_answer::unproven: return undecided_sentence(what, row);
    case row_answer::not_configured:
    case row_answer::not_needed: return {};
    }
    return {};
}

// What a row's clients do when the ports that they prefer are shut, where it has been looked at.
std::string with_fallback(std::string text, const outbound_row& what, const row_state& row)
{
    if (what.fallback_ports.size() == 0 || !row.checked || text.empty()) {
        return text;
    }
    return fmt::format("{}; {}", text, fallback_of(what, row).sentence);
}

std::string blocked_advice(const outbound_row& what, const plan_row& row, const run& one)
{
    const auto target = target_text(what, one);
    if (one.judged.blame == blame::host) {
        return fmt::format(
            "allow outbound {} in this machine's own packet filter (nft list ruleset)", target
        );
    }
    if (one.judged.where && one.judged.where->at && one.judged.where->at->address) {
        const auto box = to_text(*one.judged.where->at->address);
        // A router without a route says the same as a firewall that rejects so.
        const bool may_be_routing = one.judged.sentence.find("unreachable)") != std::string::npos &&
                                    one.judged.sentence.find("port unreachable)") == std::string::npos;
        return fmt::format(
            "allow outbound {} on the box at {}{}", target, box,
            may_be_routing ? ", or give it a route there" : ""
        );
    }
    if (one.judged.blame == blame::isp && one.judged.where) {
        return fmt::format("ask the provider to let {} through {}", target, describe(*one.judged.where));
    }
    if (one.judged.left_site && one.judged.where) {
        return fmt::format(
            "ask {} and the provider: {} leaves the site and ends {}", row.ask, target,
            describe(*one.judged.where)
        );
    }
    if (one.judged.blame == blame::edge && one.judged.stage == stage::connect) {
        return fmt::format(
            "allow outbound {} in the site's firewall; if it is allowed already, ask the provider to let it "
            "through",
            target
        );
    }
    if (one.judged.stage == stage::connect) {
        // Between a box of the site and one far beyond it may be anybody's.
        const bool may_be_isp = one.judged.where && one.judged.blame == blame::unknown;
        return fmt::format(
            "allow outbound {} in the site's firewall; if it is allowed already, ask {}{} whether it is up",
            target, may_be_isp ? "the provider, and " : "", row.ask
        );
    }
    return fmt::format(
        "exempt {} from content inspection on the firewall; if it is exempt already, ask {}", target, row.ask
    );
}

std::string failing_advice(const outbound_row& what, const plan_row& row, const run& one)
{
    switch (one.judged.kind) {
    case verdict_kind::blocked: return blocked_advice(what, row, one);
    case verdict_kind::closed:
        if (one.judged.blame == blame::service) {
            return fmt::format("ask {}: the destination itself refuses {}", row.ask, target_text(what, one));
        }
        return fmt::format(
            "ask {} whether anything listens on {}; a firewall that refuses by RST looks the same", row.ask,
            target_text(what, one)
        );
    case verdict_kind::intercepted:
        return one.judged.stage == stage::resolve
                 ? fmt::format("have the site's DNS answer {} with its public addresses", one.destination)
                 : fmt::format("exempt {} from TLS inspection, proxies and portals", one.destination);
    case verdict_kind::unresolved:
        return fmt::format(
            "make {} resolve on every DNS server of this machine (getent ahosts {})", one.destination,
            one.destination
        );
    case verdict_kind::open:
    case verdict_kind::permitted: // expected to be shut, or to answer
        return what.expect == expectation::blocked
                 ? fmt::format("shut outbound {} in the site's firewall", target_text(what, one))
                 : fmt::format("ask {} whether {} is up", row.ask, target_text(what, one));
    case verdict_kind::unproven: return {};
    }
    return {};
}

// Every endpoint that was tried ended in the same trouble of this machine: said once.
std::string whole_host_trouble(const plan& what, const site_state& site)
{
    const std::string* common = nullptr;
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        for (const auto& one : site.rows[i].endpoints) {
            if (!what.rows[i].not_configured.empty() || !one.needed) {
                continue;
            }
            const bool local = one.judged.stage == stage::route ||
                               (one.judged.stage == stage::resolve && one.judged.blame == blame::host);
            if (!local) {
                return {};
            }
            if (!common || one.judged.stage == stage::route) {
                common = &one.judged.sentence;
            }
        }
    }
    return common ? *common : std::string{};
}

// UDP services are silent by nature: only TCP can show that nothing answers.
bool nothing_answers(const site_state& site)
{
    const bool gets_out = std::ranges::any_of(site.rows, [](const row_state& row) {
        return std::ranges::any_of(row.endpoints, [](const endpoint_state& one) {
            return one.judged.where.has_value() || one.judged.kind == verdict_kind::permitted;
        });
    });
    if (gets_out) {
        return false; // packets were seen on their way, and where they end
    }
    bool any = false;
    for (const auto& row : site.rows) {
        for (const auto& one : row.endpoints) {
            any = any || (!one.seen.empty() && one.transport == transport::tcp);
            const bool silent = std::ranges::all_of(one.seen, [](const observation& seen) {
                return std::holds_alternative<no_reply>(seen.what);
            });
            if (!silent) {
                return false;
            }
        }
    }
    return any;
}

// "Network unreachable", "no route to destination": a router without a way on, not a rule.
bool is_no_route(const outcome& what)
{
    const auto* seen = std::get_if<icmp_error>(&what);
    constexpr std::uint8_t unreachable_v4 = 3;
    constexpr std::uint8_t unreachable_v6 = 1;
    return seen && !seen->sender_is_us && seen->code == 0 &&
           seen->type == (seen->family == family::v4 ? unreachable_v4 : unreachable_v6);
}

// A box of the site says that it has no way on, for two addresses or more, and nobody else says anything.
const endpoint_state* told_of_no_way_on(const site_state& site)
{
    const endpoint_state* told = nullptr;
    std::set<ip_address> told_of;
    for (const auto& row : site.rows) {
        for (const auto& one : row.endpoints) {
            const auto& place = one.judged.where;
            const bool at_site = one.judged.blame == blame::site && place && place->at;
            for (const auto& seen : one.seen) {
                const bool says_so = is_no_route(seen.what) && at_site;
                if (says_so) {
                    told = &one;
                    told_of.insert(*one.address);
                } else if (!std::holds_alternative<no_reply>(seen.what)) {
                    return nullptr;
                }
            }
        }
    }
    return told_of.size() >= 2 ? told : nullptr;
}

std::string list_rows(const std::vector<named_answer>& rows, row_answer wanted)
{
    std::vector<std::string> ids;
    for (const auto& one : rows) {
        if (one.state == wanted) {
            ids.push_back(one.id);
        }
    }
    return fmt::format("{}", fmt::join(ids, ", "));
}

// Other destinations of the row that fail as the first does.
std::string and_others(const outbound_row& what, const row_state& row, const run& first)
{
    constexpr std::size_t most = 6;
    std::vector<std::string> others;
    for (const auto& one : row.runs) {
        const bool alike = one.judged.kind == first.judged.kind && one.judged.blame == first.judged.blame &&
                           one.judged.where == first.judged.where;
        const auto name = one.ports == first.ports ? one.destination : target_text(what, one);
        if (one.fails && alike && one.destination != first.destination &&
            std::ranges::find(others, name) == others.end()) {
            others.push_back(name);
        }
    }
    if (others.empty()) {
        return {};
    }
    const auto more = others.size() > most ? others.size() - most : 0;
    others.resize(others.size() - more);
    return fmt::format(
        "; the same for {}{}", fmt::join(others, ", "), more > 0 ? fmt::format(" and {} more", more) : ""
    );
}

// Why nothing gets out at all; "" where something does, or nobody knows.
std::string way_out_trouble(const site_state& site)
{
    if (const auto* told = told_of_no_way_on(site)) {
        return fmt::format("The way out of this site is down: {}.", told->judged.sentence);
    }
    return nothing_answers(site)
             ? "Nothing answers at all: the way out of this site is down, or everything is dropped."
             : std::string{};
}

} // namespace

std::string count_sentence(const std::vector<named_answer>& rows)
{
    const auto count = [&rows](row_answer wanted) {
        return static_cast<std::size_t>(std::ranges::count(rows, wanted, &named_answer::state));
    };
    const auto needed = rows.size() - count(row_answer::not_needed);
    if (count(row_answer::fail) > 0) {
        return fmt::format(
            "{} of {} requirements fail: {}.", count(row_answer::fail), needed,
            list_rows(rows, row_answer::fail)
        );
    }
    if (count(row_answer::pass) == needed && needed > 0) {
        return fmt::format("All {} requirements pass.", needed);
    }
    auto text = fmt::format("No requirement fails; {} of {} pass", count(row_answer::pass), needed);
    if (const auto open = list_rows(rows, row_answer::unproven); !open.empty()) {
        text += "; unproven: " + open;
    }
    if (const auto blank = list_rows(rows, row_answer::not_configured); !blank.empty()) {
        text += "; not configured: " + blank;
    }
    return text + ".";
}

std::string row_sentence(const plan_row& what, const row_state& row)
{
    if (row.state == row_answer::not_configured || row.state == row_answer::not_needed) {
        return what.not_configured;
    }
    if (!row.not_run.empty()) {
        return "not run: " + row.not_run;
    }
    if (const auto* out = std::get_if<outbound_row>(&what.what)) {
        return with_fallback(outbound_sentence(*out, row), *out, row);
    }
    if (const auto* timer = std::get_if<idle_timer>(&what.what)) {
        return idle_row_sentence(*timer, row);
    }
    return {}; // of an inbound row: judge_inbound()
}

std::string row_advice(const plan_row& what, const row_state& row)
{
    if (row.state == row_answer::not_needed) {
        return {};
    }
    if (!row.not_run.empty()) {
        return "run the check again without what left it out";
    }
    if (const auto* timer = std::get_if<idle_timer>(&what.what)) {
        return idle_row_advice(*timer, row);
    }
    const auto* out = std::get_if<outbound_row>(&what.what);
    if (!out || row.state == row_answer::pass || row.state == row_answer::not_configured) {
        return {};
    }
    if (const auto* first = first_failing(row)) {
        return failing_advice(*out, what, *first) + and_others(*out, row, *first);
    }
    if (const auto* first = first_undecided(row); first && first->judged.blame == blame::host) {
        return "mend this machine first (reachctl doctor), then check again";
    }
    return {};
}

std::string site_sentence(const plan& what, const site_state& site)
{
    if (what.catalogues.empty()) {
        return "Nothing is asked for: name a catalogue under \"catalogues\" of the configuration.";
    }
    if (const auto trouble = whole_host_trouble(what, site); !trouble.empty()) {
        return "Nothing could be measured: " + trouble + ".";
    }
    if (auto trouble = way_out_trouble(site); !trouble.empty()) {
        return trouble;
    }
    std::vector<named_answer> rows;
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        rows.push_back({what.rows[i].id, site.rows[i].state});
    }
    return count_sentence(rows);
}

std::string advice_where_nothing_gets_out(const site_state& site)
{
    return told_of_no_way_on(site) ? "bring the way out of this site up first, then check again"
                                   : std::string{};
}

} // namespace reachd
