// SPDX-License-Identifier: Apache-2.0
// The report for a ticket: the answer, a table of all rows, then what fails and what is not proven in full.
#include "reachd/core/escape.hpp"
#include "reachd/core/report_formats.hpp"
#include "report_words.hpp"

#include <fmt/format.h>

namespace reachd {

using namespace reading;

namespace {

constexpr std::size_t most_runs = 40;

// Failing first.
constexpr const char* states[] = {"fail", "unproven", "not_configured", "pass"};

std::string table(const json& report)
{
    std::string out = "| State | Requirement | What | Found |\n|---|---|---|---|\n";
    for (const char* state : states) {
        for (const auto& one : rows_of(report, state)) {
            const auto& row = *one.row;
            out += fmt::format(
                "| {} | {}/{} | {} | {} |\n", state_word(state), markdown_text(text_at(*one.catalogue, "id")),
                markdown_text(text_at(row, "id")), markdown_text(row_target(row)),
                markdown_text(text_at(row, "sentence"))
            );
        }
    }
    return out;
}

void add_item(std::string& out, std::string_view name, const std::string& text)
{
    if (!text.empty()) {
        out += fmt::format("- **{}:** {}\n", name, markdown_text(text));
    }
}

std::string runs_list(const json& row)
{
    std::string out;
    std::size_t shown = 0;
    std::size_t hidden = 0;
    for (const auto& run : list_at(row, "runs")) {
        const auto result = text_at(run, "result");
        if (result == "pass" || (run.contains("needed") && !is_true(run, "needed"))) {
            continue;
        }
        if (shown == most_runs) {
            ++hidden;
            continue;
        }
        ++shown;
        out += fmt::format(
            "  - {}: {}: {}: {}\n", state_word(result),
            markdown_text(run_target(run, text_at(row, "transport"))), markdown_text(text_at(run, "verdict")),
            markdown_text(text_at(run, "sentence"))
        );
    }
    return hidden == 0 ? out : out + fmt::format("  - and {} more; all are in the JSON report\n", hidden);
}

std::string details(const row_view& which)
{
    const auto& row = *which.row;
    auto out = fmt::format(
        "\n### {}: {}/{}\n\n", state_word(text_at(row, "state")),
        markdown_text(text_at(*which.catalogue, "id")), markdown_text(text_at(row, "id"))
    );
    add_item(out, "Needed for", text_at(row, "about"));
    add_item(out, "Found", text_at(row, "sentence"));
    add_item(out, "What to do", text_at(row, "advice"));
    add_item(out, "Whom to ask", ask_words(row));
    for (const auto& finding : texts_at(row, "findings")) {
        add_item(out, "Note", finding);
    }
    add_item(out, "Noted by", noted_words(row));
    add_item(out, "From the document", text_at(row, "note"));
    if (const auto since = text_at(row, "since"); !since.empty()) {
        add_item(out, "Since", time_words(since) + " UTC");
    }
    if (const auto runs = runs_list(row); !runs.empty()) {
        out += "- **Ports and addresses:**\n" + runs;
    }
    return out;
}

} // namespace

std::string render_markdown(const json& report, std::string_view version)
{
    auto out = fmt::format(
        "# {}: {}\n\n{}\n\n", markdown_text(text_at(report, "site")), answer_word(text_at(report, "state")),
        markdown_text(text_at(report, "sentence"))
    );
    for (const auto& finding : texts_at(report, "findings")) {
        out += "**Note:** " + markdown_text(finding) + "\n\n";
    }
    out += table(report);
    for (const char* state : {"fail", "unproven", "not_configured"}) {
        for (const auto& one : rows_of(report, state)) {
            out += details(one);
        }
    }
    const auto vantage = text_at(report, "vantage");
    return out + fmt::format(
                     "\nMade {} UTC by reachd{}{}{}.\n",
                     markdown_text(time_words(text_at(report, "generated"))), version.empty() ? "" : " ",
                     markdown_text(version), vantage.empty() ? "" : ", seen from " + markdown_text(vantage)
                 );
}

} // namespace reachd
