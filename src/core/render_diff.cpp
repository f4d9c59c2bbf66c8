// SPDX-License-Identifier: Apache-2.0
// What changed between two reports, for a terminal and as JSON.
#include "reachd/core/report_diff.hpp"
#include "report_words.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {

using namespace reading;

namespace {

constexpr std::size_t narrowest = 40;
constexpr std::size_t indent = 10; // under the word
constexpr std::size_t most_runs = 12;

void add_wrapped(std::string& out, std::size_t left, const std::string& text, std::size_t columns)
{
    for (const auto& line : wrap(printable(text), std::max(columns, narrowest) - left)) {
        out += std::string(left, ' ') + line + '\n';
    }
}

ink ink_of(change_kind kind)
{
    return kind == change_kind::newly_failing ? ink::bad
         : kind == change_kind::fixed         ? ink::good
         : kind == change_kind::changed       ? ink::unsure
                                              : ink::plain;
}

std::string or_nothing(const std::string& words)
{
    return words.empty() ? "not there" : words;
}

void add_row(std::string& out, const row_difference& row, std::size_t columns, colour use)
{
    const auto word = [](const std::string& state) {
        return state.empty() ? "not there" : state_word(state);
    };
    const auto states = row.before_state == row.after_state
                          ? word(row.after_state)
                          : fmt::format("{} -> {}", word(row.before_state), word(row.after_state));
    out += paint(fmt::format("{:<{}}", to_string(row.kind), indent), ink_of(row.kind), use) +
           printable(fmt::format("{}/{}: {}", row.catalogue, row.requirement, states)) + '\n';
    if (row.kind == change_kind::unchanged) {
        return;
    }
    add_wrapped(out, indent, row.after_sentence.empty() ? row.before_sentence : row.after_sentence, columns);
    for (std::size_t i = 0; i < std::min(row.runs.size(), most_runs); ++i) {
        const auto& run = row.runs[i];
        add_wrapped(
            out, indent,
            fmt::format(
                "{}: {}: {} -> {}", to_string(run.kind), run.target, or_nothing(run.before),
                or_nothing(run.after)
            ),
            columns
        );
    }
    if (row.runs.size() > most_runs) {
        add_wrapped(
            out, indent, fmt::format("and {} more; --format json has all", row.runs.size() - most_runs),
            columns
        );
    }
}

std::string counts_line(const report_difference& what)
{
    std::string out;
    for (const auto kind :
         {change_kind::newly_failing, change_kind::fixed, change_kind::changed, change_kind::added,
          change_kind::removed, change_kind::unchanged}) {
        const auto count = what.count(kind);
        const bool always = kind == change_kind::newly_failing || kind == change_kind::fixed ||
                            kind == change_kind::changed || kind == change_kind::unchanged;
        if (count > 0 || always) {
            out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, to_string(kind));
        }
    }
    return out;
}

json run_json(const run_difference& run)
{
    return {
        {"change", to_string(run.kind)},
        {"target", run.target},
        {"before", run.before.empty() ? json(nullptr) : json(run.before)},
        {"after", run.after.empty() ? json(nullptr) : json(run.after)},
    };
}

json side_json(const std::string& state, const std::string& sentence)
{
    return state.empty() ? json(nullptr) : json{{"state", state}, {"sentence", sentence}};
}

} // namespace

std::string render_difference(const report_difference& what, std::size_t columns, colour use)
{
    std::string out;
    const auto site = [&](const std::string& name, const std::string& time, const std::string& state) {
        return fmt::format("{} at {}: {}", name, time, answer_word(state));
    };
    add_wrapped(
        out, 0,
        site(what.before_site, what.before_time, what.before_state) + " -> " +
            site(what.after_site, what.after_time, what.after_state),
        columns
    );
    add_wrapped(out, 0, counts_line(what), columns);
    for (const auto& row : what.rows) {
        add_row(out, row, columns, use);
    }
    return out;
}

json to_json(const report_difference& what)
{
    json counts = json::object();
    for (const auto kind :
         {change_kind::newly_failing, change_kind::fixed, change_kind::changed, change_kind::added,
          change_kind::removed, change_kind::unchanged}) {
        counts[to_string(kind)] = what.count(kind);
    }
    json rows = json::array();
    for (const auto& row : what.rows) {
        json runs = json::array();
        for (const auto& run : row.runs) {
            runs.push_back(run_json(run));
        }
        rows.push_back({
            {"change", to_string(row.kind)},
            {"catalogue", row.catalogue},
            {"requirement", row.requirement},
            {"before", side_json(row.before_state, row.before_sentence)},
            {"after", side_json(row.after_state, row.after_sentence)},
            {"runs", std::move(runs)},
        });
    }
    return {
        {"before",
         {{"site", what.before_site}, {"generated", what.before_time}, {"state", what.before_state}}},
        {"after", {{"site", what.after_site}, {"generated", what.after_time}, {"state", what.after_state}}},
        {"counts", std::move(counts)},
        {"requirements", std::move(rows)},
    };
}

} // namespace reachd
