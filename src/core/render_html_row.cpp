// SPDX-License-Identifier: Apache-2.0
// One row of a report's page: what it asks for, what is found, what to do, whom to ask, pictures, evidence.
#include "html_parts.hpp"
#include "reachd/core/escape.hpp"
#include "reachd/core/render_html.hpp"
#include "report_words.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace reachd::html {

using namespace reading;

namespace {

constexpr std::size_t most_pictures = 3; // of the path: more places than these are told in the table
constexpr std::size_t most_runs = 40;
constexpr std::size_t most_named = 6; // destinations that were found alike

// Runs that were found alike: the same ports, answer and place, of several destinations.
struct alike {
    const json* first;
    std::vector<std::string> others; // destinations
};

bool is_needed(const json& run)
{
    return !run.contains("needed") || is_true(run, "needed");
}

std::string likeness(const json& run)
{
    std::string key = where_words(object_at(run, "where"));
    for (const char* part : {"ports", "result", "verdict", "blame", "sentence", "vantage"}) {
        key += '\n' + text_at(run, part);
    }
    return key;
}

// What does not pass, failing first.
std::vector<alike> open_runs(const json& row)
{
    std::vector<alike> out;
    for (const char* wanted : {"fail", "unproven"}) {
        std::map<std::string, std::size_t> known;
        for (const auto& run : list_at(row, "runs")) {
            if (text_at(run, "result") != wanted || !is_needed(run)) {
                continue;
            }
            const auto [at, added] = known.try_emplace(likeness(run), out.size());
            if (added) {
                out.push_back({&run, {}});
            } else if (
                const auto name = text_at(run, "destination");
                std::ranges::find(out[at->second].others, name) == out[at->second].others.end() &&
                name != text_at(*out[at->second].first, "destination")
            ) {
                out[at->second].others.push_back(name);
            }
        }
    }
    return out;
}

std::string who_and_where(const json& run)
{
    const auto where = where_words(object_at(run, "where"));
    return blame_words(text_at(run, "blame")) + (where.empty() ? "" : ", " + where);
}

std::string run_line(const alike& which, const std::string& transport)
{
    const auto& run = *which.first;
    const auto result = text_at(run, "result");
    auto target = "<strong>" + html_text(run_target(run, transport)) + "</strong>";
    for (std::size_t i = 0; i < std::min(which.others.size(), most_named); ++i) {
        target += ", " + html_text(which.others[i]);
    }
    if (which.others.size() > most_named) {
        target += fmt::format(" and {} more", which.others.size() - most_named);
    }
    return fmt::format(
        "<tr><td data-label=\"Result\"><span class=\"badge {}\">{}{}</span></td>"
        "<th scope=\"row\" data-label=\"What\">{}</th><td data-label=\"Found\"><strong>{}</strong>: {}</td>"
        "<td data-label=\"Who\">{}</td></tr>\n",
        state_class(result), mark(result), state_word(result), target, html_text(text_at(run, "verdict")),
        html_text(text_at(run, "sentence")), html_text(who_and_where(run))
    );
}

// Of a row with one finding nothing: its sentence has said it.
std::string runs_table(const json& row, const std::vector<alike>& open)
{
    if (open.size() < 2) {
        return {};
    }
    std::string lines;
    for (std::size_t i = 0; i < std::min(open.size(), most_runs); ++i) {
        lines += run_line(open[i], text_at(row, "transport"));
    }
    const auto more = open.size() <= most_runs
                        ? std::string{}
                        : element(
                              "p", "faint",
                              fmt::format("And {} more; all are in the JSON report.", open.size() - most_runs)
                          );
    return "<table class=\"runs\"><caption>What does not pass</caption>\n<thead><tr><th "
           "scope=\"col\">Result</th>"
           "<th scope=\"col\">What</th><th scope=\"col\">Found</th><th scope=\"col\">Who, and "
           "where</th></tr></thead>\n"
           "<tbody>\n" +
           lines + "</tbody></table>\n" + more;
}

// The endpoint of a run that was looked at most: its hops are the picture's.
const json* endpoint_of(const json& row, const json& run)
{
    const json* best = nullptr;
    for (const auto& one : list_at(row, "endpoints")) {
        const bool same = one.contains("where") && run.contains("where") && one["where"] == run["where"] &&
                          text_at(one, "sentence") == text_at(run, "sentence");
        if (same && (!best || list_at(one, "evidence").size() > list_at(*best, "evidence").size())) {
            best = &one;
        }
    }
    return best;
}

std::string path_pictures(const json& report, const json& row)
{
    std::string out;
    std::set<std::string> places;
    for (const auto& run : list_at(row, "runs")) {
        const auto& where = object_at(run, "where");
        const bool wanted = text_at(run, "result") != "pass" && is_needed(run) && !where.empty();
        if (wanted && places.size() < most_pictures && places.insert(where_words(where)).second) {
            out += path_picture(report, endpoint_of(row, run), &run);
        }
    }
    return out;
}

std::string inbound_facts(const json& row)
{
    const auto& what = object_at(row, "inbound");
    if (what.empty()) {
        return {};
    }
    std::string sources;
    for (const auto& one : texts_at(what, "sources")) {
        sources += (sources.empty() ? "" : ", ") + one;
    }
    auto out = "<dl class=\"facts\">\n" + term("Who may connect", sources) +
               term("Service inside", text_at(what, "service")) +
               term("Published as", text_at(what, "public"));
    const auto& knock = object_at(what, "connect_back");
    out += knock.empty() ? term("Tried from outside", "no: " + text_at(what, "not_tried"))
                         : term(
                               "Tried from outside", fmt::format(
                                                         "{}, from {}: {}", text_at(knock, "via"),
                                                         text_at(knock, "from"), text_at(knock, "outcome")
                                                     )
                           );
    for (const auto& one : list_at(what, "visits")) {
        out +=
            term("Seen connected", text_at(one, "source") + ", " + time_words(text_at(one, "at")) + " UTC");
    }
    return out + "</dl>\n";
}

std::string act(const json& row, const std::vector<alike>& open)
{
    const bool passes = text_at(row, "state") == "pass";
    auto out = term("What to do", text_at(row, "advice"));
    if (!passes) {
        out += term("Whom to ask", ask_words(row));
    }
    if (open.size() == 1) {
        out += term("Who stops it", who_and_where(*open.front().first));
    }
    return out.empty() ? out : "<dl class=\"act\">\n" + out + "</dl>\n";
}

std::string pictures(const json& report, const row_view& which)
{
    const auto& row = *which.row;
    std::string out = path_pictures(report, row);
    for (const auto* one : idle_of(report, which)) {
        out += idle_picture(*one);
    }
    if (text_at(row, "state") != "pass") {
        out += port_strips(row);
    }
    out += block_strips(row);
    return out.empty() ? out : "<div class=\"pictures\">\n" + out + "</div>\n";
}

std::string since_line(const json& row)
{
    const auto since = text_at(row, "since");
    const auto checked = text_at(row, "checked");
    std::string text = checked.empty() ? "" : "Measured " + time_words(checked) + " UTC";
    if (!since.empty()) {
        text +=
            (text.empty() ? "In this state since " : ", in this state since ") + time_words(since) + " UTC";
    }
    return element("p", "faint", text);
}

} // namespace

std::string state_class(std::string_view state)
{
    return state == "pass" || state == "ready"     ? "pass"
         : state == "fail" || state == "not_ready" ? "fail"
         : state == "not_configured"               ? "blank"
                                                   : "unproven";
}

std::string mark(std::string_view state)
{
    constexpr std::string_view shapes[] = {
        "<circle cx=\"8\" cy=\"8\" r=\"7\"/><path d=\"M4.5 8.2l2.4 2.5 4.6-5\"/>",
        "<rect x=\"1\" y=\"1\" width=\"14\" height=\"14\" rx=\"2\"/><path d=\"M5 5l6 6M11 5l-6 6\"/>",
        "<circle class=\"ring\" cx=\"8\" cy=\"8\" r=\"6.5\"/>"
        "<path class=\"sign\" d=\"M5.9 6.2c.1-2.7 4.2-2.6 4.2 0 0 1.6-2.1 1.5-2.1 3.2M8 11.8v.1\"/>",
        "<rect class=\"ring\" x=\"2\" y=\"2\" width=\"12\" height=\"12\" rx=\"2\" stroke-dasharray=\"3 2\"/>",
    };
    const auto word = state_class(state);
    const auto shape = word == "pass" ? 0U : word == "fail" ? 1U : word == "unproven" ? 2U : 3U;
    return fmt::format(
        "<svg class=\"mark {}\" viewBox=\"0 0 16 16\" width=\"16\" height=\"16\" "
        "aria-hidden=\"true\">{}</svg>",
        word, shapes[shape]
    );
}

std::string element(std::string_view tag, std::string_view css, std::string_view text)
{
    return text.empty() ? std::string{}
                        : fmt::format("<{0} class=\"{1}\">{2}</{0}>\n", tag, css, html_text(text));
}

std::string term(std::string_view name, std::string_view text)
{
    return text.empty() ? std::string{}
                        : fmt::format("<dt>{}</dt><dd>{}</dd>\n", html_text(name), html_text(text));
}

std::string row_section(const json& report, const row_view& which)
{
    const auto& row = *which.row;
    const auto state = text_at(row, "state");
    auto out = fmt::format(
        "<section class=\"row {}\" id=\"{}\">\n<h3><span class=\"badge {}\">{}{}</span> {} <span "
        "class=\"faint\">{}</span></h3>\n",
        state_class(state), row_anchor(text_at(*which.catalogue, "id"), text_at(row, "id")),
        state_class(state), mark(state), state_word(state), html_text(text_at(row, "id")),
        html_text(text_at(*which.catalogue, "title"))
    );
    const auto about = text_at(row, "about");
    const bool says_more = !about.empty() && about != text_at(row, "id");
    out += element("p", "about", (says_more ? about + ": " : "") + row_target(row));
    const auto sentence = text_at(row, "sentence");
    const auto open = state == "pass" ? std::vector<alike>{} : open_runs(row);
    out += element("p", "sentence", sentence) + act(row, open);
    if (const auto fallback = text_at(object_at(row, "fallback"), "sentence"); !sentence.contains(fallback)) {
        out += element("p", "finding", fallback);
    }
    for (const auto& finding : texts_at(row, "findings")) {
        out += element("p", "finding", finding);
    }
    if (const auto noted = noted_words(row); !noted.empty()) {
        out += element("p", "finding", "Noted by " + noted);
    }
    out += runs_table(row, open) + pictures(report, which) + inbound_facts(row);
    if (const auto note = text_at(row, "note"); !note.empty()) {
        out += element("p", "note", "From the document: " + note);
    }
    return out + since_line(row) + evidence(row) + "</section>\n";
}

} // namespace reachd::html
