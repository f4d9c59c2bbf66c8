// SPDX-License-Identifier: Apache-2.0
// What was seen, folded away: the answers of DNS and, for each group of endpoints found alike, every
// observation of the one that was looked at most. All of the others' are in the JSON report.
#include "html_parts.hpp"
#include "reachd/core/escape.hpp"
#include "report_words.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd::html {

using namespace reading;

namespace {

constexpr std::size_t most_named = 12; // destinations that were found alike

std::string observation_item(const json& seen)
{
    const auto how = how_asked(seen);
    const auto source = text_at(seen, "source");
    return fmt::format(
        "<li><time datetime=\"{}\">{}</time> {} {}{}{}: <strong>{}</strong> <span "
        "class=\"faint\">{}</span></li>\n",
        html_text(text_at(seen, "at")), html_text(time_words(text_at(seen, "at"))),
        html_text(probe_words(text_at(seen, "probe"))), number_at(seen, "attempt"),
        source.empty() ? "" : " from " + html_text(source), how.empty() ? "" : ", " + html_text(how),
        html_text(text_at(seen, "text")), took_words(seen)
    );
}

// Whose evidence it is where it stands for that of others too.
std::string stands_for(const endpoint_group& group)
{
    const auto& one = *group.most_seen;
    const auto count = group.ports.size() * group.destinations.size();
    if (count < 2) {
        return {};
    }
    std::string others;
    for (std::size_t i = 1; i < std::min(group.destinations.size(), most_named); ++i) {
        others += (i == 1 ? " (also " : ", ") + group.destinations[i];
    }
    others += others.empty() ? "" : group.destinations.size() > most_named ? ", ...)" : ")";
    return element(
        "p", "faint",
        fmt::format(
            "{} endpoints were found alike{}; this is what was seen of {} port {}. The JSON report has all "
            "of it.",
            count, others, text_at(one, "address"), number_at(one, "port")
        )
    );
}

std::string group_evidence(const endpoint_group& group)
{
    const auto& one = *group.most_seen;
    std::string items;
    for (const auto& seen : list_at(one, "evidence")) {
        items += observation_item(seen);
    }
    return fmt::format("<div class=\"found{}\">\n", is_passable(one) ? " passable" : "") +
           element("h4", "target", group_words(group)) + element("p", "sentence", text_at(one, "sentence")) +
           (items.empty() ? "" : stands_for(group) + "<ol class=\"seen\">\n" + items + "</ol>\n") +
           "</div>\n";
}

std::string answers_table(const json& row)
{
    std::string lines;
    for (const auto& name : list_at(row, "names")) {
        for (const auto& one : list_at(name, "answers")) {
            lines += fmt::format(
                "<tr><th scope=\"row\" data-label=\"Name\">{}</th><td data-label=\"Asked\">{}</td>"
                "<td data-label=\"Answer\">{}</td></tr>\n",
                html_text(text_at(name, "name")), html_text(text_at(one, "server")),
                html_text(text_at(one, "text"))
            );
        }
    }
    return lines.empty() ? lines
                         : "<table class=\"answers\"><caption>What DNS said</caption>\n<thead><tr><th "
                           "scope=\"col\">Name</th><th scope=\"col\">Asked</th><th "
                           "scope=\"col\">Answer</th></tr></thead>\n<tbody>\n" +
                               lines + "</tbody></table>\n";
}

} // namespace

std::string evidence(const json& row)
{
    auto inside = answers_table(row);
    auto groups = groups_of(row);
    std::ranges::stable_partition(groups, [](const endpoint_group& one) {
        return !is_passable(*one.most_seen);
    });
    for (const auto& one : groups) {
        inside += group_evidence(one);
    }
    if (inside.empty()) {
        return {};
    }
    const auto endpoints = list_at(row, "endpoints").size();
    const auto observations = observations_of(row);
    const auto summary = observations == 0
                           ? std::string{"what DNS said"}
                           : fmt::format(
                                 "{} {}, {} {}", endpoints, endpoints == 1 ? "endpoint" : "endpoints",
                                 observations, observations == 1 ? "observation" : "observations"
                             );
    return fmt::format(
        "<details class=\"evidence\"><summary>Evidence: {}</summary>\n{}</details>\n", summary, inside
    );
}

} // namespace reachd::html
