// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/report_diff.hpp"

#include "report_words.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace reachd {

using namespace reading;

namespace {

// What was found at one port of one destination.
struct finding {
    std::string words;  // "blocked, edge, between ..."
    std::string result; // the worst of its addresses

    bool operator==(const finding&) const = default;
};

// destination and vantage -> port -> finding
using findings = std::map<std::string, std::map<unsigned, finding>>;

std::string finding_words(const json& run)
{
    auto out = text_at(run, "verdict");
    if (const auto blame = text_at(run, "blame"); blame != "unknown" && !blame.empty()) {
        out += ", " + blame;
    }
    const auto where = where_words(object_at(run, "where"));
    return where.empty() ? out : out + ", " + where;
}

unsigned badness(const std::string& result)
{
    return result == "fail" ? 2 : result == "pass" ? 0 : 1;
}

// More ports than any report has: of a file that is no report of ours, the rest is not compared.
constexpr std::size_t most_ports = 400'000;

struct ports_compared { // of all rows so far, on each side: both are left out alike
    std::size_t before = 0;
    std::size_t after = 0;
};

findings findings_of(const json& row, std::size_t& compared)
{
    // All that was found at a port, sorted, so that the order of addresses does not matter.
    std::map<std::string, std::map<unsigned, std::pair<std::set<std::string>, std::string>>> all;
    for (const auto& run : list_at(row, "runs")) {
        if (run.contains("needed") && !is_true(run, "needed")) {
            continue;
        }
        const auto vantage = text_at(run, "vantage");
        auto& ports = all[text_at(run, "destination") + (vantage.empty() ? "" : " via " + vantage)];
        for (const auto& span : spans_of(text_at(run, "ports"))) {
            compared += span.last - span.first + 1U;
            if (compared > most_ports) {
                break;
            }
            for (auto port = span.first; port <= span.last; ++port) {
                auto& [words, worst] = ports[port];
                words.insert(finding_words(run));
                const auto result = text_at(run, "result");
                worst = worst.empty() || badness(result) > badness(worst) ? result : worst;
            }
        }
    }
    findings out;
    for (const auto& [where, ports] : all) {
        for (const auto& [port, found] : ports) {
            std::string words;
            for (const auto& one : found.first) {
                words += (words.empty() ? "" : "; ") + one;
            }
            out[where][port] = {std::move(words), found.second};
        }
    }
    return out;
}

// By the states or results alone: "" where it is not there.
change_kind kind_of(const std::string& before, const std::string& after)
{
    if (after.empty()) {
        return before.empty() ? change_kind::unchanged : change_kind::removed;
    }
    if (after == "fail" && before != "fail") {
        return change_kind::newly_failing;
    }
    if (before.empty()) {
        return change_kind::added;
    }
    if (before == "fail" && after == "pass") {
        return change_kind::fixed;
    }
    return before == after ? change_kind::unchanged : change_kind::changed;
}

struct pending {
    finding before;
    finding after;
    std::vector<unsigned> ports;
};

void add_run(row_difference& into, const json& row, const std::string& where, const pending& one)
{
    if (one.ports.empty() || one.before == one.after) {
        return;
    }
    const auto by_result = kind_of(one.before.result, one.after.result);
    const auto kind = by_result == change_kind::unchanged ? change_kind::changed : by_result;
    into.runs.push_back({
        .kind = kind,
        .target = fmt::format("{} {} to {}", text_at(row, "transport"), ports_text(one.ports), where),
        .before = one.before.words,
        .after = one.after.words,
    });
}

void compare_destination(
    row_difference& into, const json& row, const std::string& where,
    const std::map<unsigned, finding>& before, const std::map<unsigned, finding>& after
)
{
    std::set<unsigned> ports;
    for (const auto* side : {&before, &after}) {
        for (const auto& [port, found] : *side) {
            ports.insert(port);
        }
    }
    const auto at = [](const std::map<unsigned, finding>& side, unsigned port) {
        const auto found = side.find(port);
        return found == side.end() ? finding{} : found->second;
    };
    pending run;
    for (const auto port : ports) {
        const auto was = at(before, port);
        const auto is = at(after, port);
        if (was != run.before || is != run.after) {
            add_run(into, row, where, run);
            run = {was, is, {}};
        }
        run.ports.push_back(port);
    }
    add_run(into, row, where, run);
}

void compare_runs(row_difference& into, const json& before, const json& after, ports_compared& compared)
{
    auto was = findings_of(before, compared.before);
    auto is = findings_of(after, compared.after);
    std::set<std::string> destinations;
    for (const auto* side : {&was, &is}) {
        for (const auto& [where, ports] : *side) {
            destinations.insert(where);
        }
    }
    for (const auto& where : destinations) {
        compare_destination(into, after, where, was[where], is[where]);
    }
}

// Each class of a timer as it was bracketed: "held 8 s, lost 10 s".
std::map<std::string, finding> brackets_of(const json& report, const row_view& which)
{
    std::map<std::string, finding> out;
    for (const auto* one : idle_of(report, which)) {
        const auto kind = text_at(*one, "class");
        const auto name = text_at(*one, "transport") + (kind.empty() ? "" : " " + kind) + " idle timer";
        out[name] = {
            fmt::format("held {}, lost {}", seconds_words(*one, "held_s"), seconds_words(*one, "lost_s")),
            text_at(*one, "state"),
        };
    }
    return out;
}

void compare_timers(
    row_difference& into, const std::map<std::string, finding>& before,
    const std::map<std::string, finding>& after
)
{
    for (const auto& [name, is] : after) {
        const auto found = before.find(name);
        if (found == before.end() || found->second == is) {
            continue;
        }
        const auto by_state = kind_of(found->second.result, is.result);
        into.runs.push_back({
            .kind = by_state == change_kind::unchanged ? change_kind::changed : by_state,
            .target = name,
            .before = found->second.words,
            .after = is.words,
        });
    }
}

// A row of one of the two reports; `row.row` is null where the report has none.
struct side {
    const json* report;
    row_view row;
};

const json& row_in(const side& one)
{
    static const json nothing = json::object();
    return one.row.row ? *one.row.row : nothing;
}

using row_id = std::pair<std::string, std::string>;

row_difference compare_row(const row_id& id, const side& before, const side& after, ports_compared& compared)
{
    const auto& was = row_in(before);
    const auto& is = row_in(after);
    row_difference out{
        .kind = kind_of(text_at(was, "state"), text_at(is, "state")),
        .catalogue = id.first,
        .requirement = id.second,
        .before_state = text_at(was, "state"),
        .after_state = text_at(is, "state"),
        .before_sentence = text_at(was, "sentence"),
        .after_sentence = text_at(is, "sentence"),
        .runs = {},
    };
    if (before.row.row && after.row.row) {
        compare_runs(out, was, is, compared);
        compare_timers(out, brackets_of(*before.report, before.row), brackets_of(*after.report, after.row));
    }
    if (out.kind == change_kind::unchanged && !out.runs.empty()) {
        out.kind = change_kind::changed;
    }
    return out;
}

using row_map = std::map<row_id, row_view>;

row_map map_of(const json& report)
{
    row_map out;
    for (const auto& one : rows_of(report)) {
        out.try_emplace({text_at(*one.catalogue, "id"), text_at(*one.row, "id")}, one);
    }
    return out;
}

} // namespace

const char* to_string(change_kind value)
{
    switch (value) {
    case change_kind::newly_failing: return "new";
    case change_kind::fixed: return "fixed";
    case change_kind::changed: return "changed";
    case change_kind::added: return "added";
    case change_kind::removed: return "removed";
    case change_kind::unchanged: return "unchanged";
    }
    return "?";
}

std::size_t report_difference::count(change_kind which) const
{
    return static_cast<std::size_t>(std::ranges::count(rows, which, &row_difference::kind));
}

std::optional<std::string> why_no_report(const json& value)
{
    constexpr auto made = "; a report is made by `reachctl check --output FILE.json`";
    const auto missing = [&](const char* key) { return !value.contains(key); };
    if (!value.is_object()) {
        return std::string{"it is no site report, but JSON of another kind"} + made;
    }
    for (const char* key : {"schema", "site", "generated", "state", "catalogues"}) {
        if (missing(key)) {
            return fmt::format("it is no site report: it has no member \"{}\"{}", key, made);
        }
    }
    if (number_at(value, "schema") != 1) {
        return "it is a report of another schema than 1, which this program cannot read";
    }
    return value["catalogues"].is_array()
             ? std::nullopt
             : std::optional{std::string{"it is no site report: \"catalogues\" is no list"} + made};
}

void leave_out_removed(report_difference& from)
{
    std::erase_if(from.rows, [](const row_difference& one) { return one.kind == change_kind::removed; });
}

report_difference compare_reports(const json& before, const json& after)
{
    report_difference out{
        .before_site = text_at(before, "site"),
        .after_site = text_at(after, "site"),
        .before_time = text_at(before, "generated"),
        .after_time = text_at(after, "generated"),
        .before_state = text_at(before, "state"),
        .after_state = text_at(after, "state"),
        .rows = {},
    };
    const auto was = map_of(before);
    const auto is = map_of(after);
    const auto side_of = [](const json& report, const row_map& rows, const row_id& id) {
        const auto found = rows.find(id);
        return side{&report, found == rows.end() ? row_view{nullptr, nullptr} : found->second};
    };
    std::set<row_id> ids;
    for (const auto* rows : {&was, &is}) {
        for (const auto& [id, row] : *rows) {
            ids.insert(id);
        }
    }
    ports_compared compared;
    for (const auto& id : ids) {
        out.rows.push_back(compare_row(id, side_of(before, was, id), side_of(after, is, id), compared));
    }
    std::ranges::stable_sort(out.rows, {}, &row_difference::kind);
    return out;
}

} // namespace reachd
