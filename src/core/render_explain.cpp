// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_explain.hpp"

#include "reachd/core/text.hpp"
#include "report_words.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <map>

namespace reachd {

using namespace reading;

namespace {

constexpr std::size_t narrowest = 40;
constexpr std::size_t hang = 2;               // of a line's continuation
constexpr std::size_t most_destinations = 12; // that were found alike

// Lines of at most `columns`, each of them harmless on a terminal.
class sheet {
public:
    explicit sheet(std::size_t columns) : columns_{std::max(columns, narrowest)} {}

    void line(std::size_t left, const std::string& text)
    {
        auto from = left;
        for (const auto& one : wrap(printable(text), columns_ - left - hang)) {
            out_ += std::string(from, ' ') + one + '\n';
            from = left + hang;
        }
    }
    // Nothing where the text is empty.
    void item(std::size_t left, std::string_view name, const std::string& text)
    {
        if (!text.empty()) {
            line(left, fmt::format("{}: {}", name, text));
        }
    }
    void heading(const std::string& text)
    {
        out_ += '\n';
        line(0, text);
    }
    [[nodiscard]] std::string text() && { return std::move(out_); }

private:
    std::size_t columns_;
    std::string out_;
};

void add_head(sheet& out, const json& report, const row_view& which)
{
    const auto& row = *which.row;
    const auto& document = object_at(*which.catalogue, "document");
    const auto revised = text_at(document, "revised");
    const auto vantage = text_at(report, "vantage");
    out.line(
        0, fmt::format(
               "{}/{}: {}", text_at(*which.catalogue, "id"), text_at(row, "id"),
               state_word(text_at(row, "state"))
           )
    );
    out.item(0, "Site", text_at(report, "site") + (vantage.empty() ? "" : ", seen from " + vantage));
    out.item(0, "Report of", time_words(text_at(report, "generated")) + " UTC");
    if (const auto checked = text_at(row, "checked"); !checked.empty()) {
        out.item(0, "Measured", time_words(checked) + " UTC");
    }
    out.item(0, "Document", text_at(document, "title") + (revised.empty() ? "" : ", " + revised));
    out.heading("What is asked for");
    out.line(2, row_target(row));
    out.item(2, "Needed for", text_at(row, "about"));
    out.item(2, "Expected", text_at(row, "expect"));
    out.item(2, "From the document", text_at(row, "note"));
}

void add_answer(sheet& out, const json& row)
{
    out.heading("What that comes to");
    out.line(2, text_at(row, "sentence"));
    if (const auto counts = counts_words(row); !counts.empty()) {
        out.line(2, counts);
    }
    out.item(2, "Fallback", text_at(object_at(row, "fallback"), "sentence"));
    for (const auto& finding : texts_at(row, "findings")) {
        out.item(2, "Note", finding);
    }
    out.item(2, "Noted by", noted_words(row));
    out.item(2, "What to do", text_at(row, "advice"));
    if (text_at(row, "state") != "pass") {
        out.item(2, "Whom to ask", ask_words(row));
    }
}

void add_names(sheet& out, const json& row)
{
    const auto& names = list_at(row, "names");
    if (names.empty()) {
        return;
    }
    out.heading("What DNS said");
    for (const auto& name : names) {
        out.line(2, fmt::format("{}, asked {} UTC", text_at(name, "name"), time_words(text_at(name, "at"))));
        for (const auto& one : list_at(name, "answers")) {
            out.line(
                4, fmt::format("{}: {} ({})", text_at(one, "server"), text_at(one, "text"), took_words(one))
            );
        }
    }
}

bool is_answer(const json& seen)
{
    return text_at(seen, "outcome") != "no_reply" && !seen.contains("icmp") && !seen.contains("decoy");
}

// The lowest hop limit that whoever answers was reached with.
long long reached_at(const json& endpoint)
{
    auto out = std::numeric_limits<long long>::max();
    for (const auto& seen : list_at(endpoint, "evidence")) {
        out =
            is_answer(seen) && seen.contains("hop_limit") ? std::min(out, number_at(seen, "hop_limit")) : out;
    }
    return out;
}

// "hop 1: 10.77.1.1; hop 3: nobody answered (3 probes)"
std::string hop_walk(const json& endpoint)
{
    struct met {
        std::string who;
        unsigned silent = 0;
    };
    std::map<long long, met> hops;
    const auto reached = reached_at(endpoint);
    for (const auto& seen : list_at(endpoint, "evidence")) {
        if (!seen.contains("hop_limit") || (is_answer(seen) && number_at(seen, "hop_limit") > reached)) {
            continue; // once it is reached, more hops tell nothing
        }
        if (seen.contains("decoy")) {
            continue; // what comes to these may be anybody's
        }
        auto& hop = hops[number_at(seen, "hop_limit")];
        const auto sender = text_at(object_at(seen, "icmp"), "sender");
        const auto outcome = text_at(seen, "outcome");
        if (outcome == "no_reply") {
            ++hop.silent;
        } else {
            hop.who = sender.empty() ? "the answer itself (" + outcome + ")" : sender;
        }
    }
    std::string out;
    for (const auto& [number, hop] : hops) {
        const auto silence = hop.silent == 0 ? std::string{}
                           : hop.silent == 1 ? "1 probe without an answer"
                                             : fmt::format("{} probes without an answer", hop.silent);
        out += fmt::format(
            "{}hop {}: {}{}", out.empty() ? "" : "; ", number, hop.who,
            hop.who.empty() || silence.empty() ? silence : " (" + silence + ")"
        );
    }
    return out;
}

void add_group(sheet& out, const endpoint_group& group)
{
    const auto& one = *group.most_seen;
    out.heading(group_words(group));
    for (std::size_t i = 1; i < std::min(group.destinations.size(), most_destinations); ++i) {
        out.line(2, "and " + group.destinations[i]);
    }
    const auto alike = group.ports.size() * group.destinations.size();
    if (alike > 1) {
        out.line(
            2, fmt::format(
                   "{} endpoints were found alike; what was seen of port {}:", alike, number_at(one, "port")
               )
        );
    }
    for (const auto& seen : list_at(one, "evidence")) {
        const auto how = how_asked(seen);
        const auto source = text_at(seen, "source");
        out.line(
            2, fmt::format(
                   "{} {} {}{}{}: {}{}", time_words(text_at(seen, "at")), probe_words(text_at(seen, "probe")),
                   number_at(seen, "attempt"), source.empty() ? "" : " from " + source,
                   how.empty() ? "" : ", " + how, text_at(seen, "text"),
                   text_at(seen, "outcome") == "no_reply" ? "" : " (" + took_words(seen) + ')'
               )
        );
    }
    out.item(2, "The way", hop_walk(one));
    const auto blame = text_at(one, "blame");
    out.item(
        2, "That proves",
        fmt::format(
            "{}: {} (stage {}{})", text_at(one, "verdict"), text_at(one, "sentence"), text_at(one, "stage"),
            blame == "unknown" ? "" : "; who: " + blame_words(blame)
        )
    );
    out.item(2, "It cannot rule out", left_open(one));
}

void add_timer(sheet& out, const json& one)
{
    const auto which = text_at(one, "class");
    const auto via = text_at(one, "via");
    out.heading(
        fmt::format(
            "{} flows{} left alone{}", text_at(one, "transport"), which.empty() ? "" : " (" + which + ")",
            via.empty() ? "" : ", over " + via
        )
    );
    out.line(
        2, fmt::format(
               "required {}, held {}, answered {}, lost {}", seconds_words(one, "required_s"),
               seconds_words(one, "held_s"), seconds_words(one, "answered_s"), seconds_words(one, "lost_s")
           )
    );
    for (const auto& rung : list_at(one, "rungs")) {
        const auto grade = text_at(rung, "grade");
        const auto reason = text_at(rung, "reason");
        out.line(
            2, fmt::format(
                   "after {}: {}{}{}", seconds_words(rung, "idle_s"), text_at(rung, "outcome"),
                   grade.empty() ? "" : " (" + grade + ")", reason.empty() ? "" : ": " + reason
               )
        );
    }
    out.item(2, "That proves", text_at(one, "sentence"));
}

void add_inbound(sheet& out, const json& row)
{
    const auto& what = object_at(row, "inbound");
    if (what.empty()) {
        return;
    }
    out.heading("Connections from outside");
    for (const auto& one : texts_at(what, "sources")) {
        out.item(2, "May connect", one);
    }
    out.item(2, "Published as", text_at(what, "public"));
    const auto& knock = object_at(what, "connect_back");
    if (knock.empty()) {
        out.item(2, "Not tried from outside", text_at(what, "not_tried"));
    } else {
        out.line(
            2,
            fmt::format(
                "{} {} tried from {} to {}: {} ({})", time_words(text_at(knock, "at")), text_at(knock, "via"),
                text_at(knock, "from"), text_at(knock, "to"), text_at(knock, "outcome"), took_words(knock)
            )
        );
    }
    for (const auto& one : list_at(what, "visits")) {
        out.item(2, "Seen connected", text_at(one, "source") + ", " + time_words(text_at(one, "at")));
    }
    out.item(2, "Connections cannot be seen", text_at(what, "not_seen"));
}

bool is_named(const row_view& which, std::string_view word)
{
    const auto id = text_at(*which.row, "id");
    return word == id || word == text_at(*which.catalogue, "id") + "/" + id;
}

} // namespace

std::vector<std::string> rows_named(const json& report, std::string_view word)
{
    std::vector<std::string> out;
    for (const auto& one : rows_of(report)) {
        if (is_named(one, word)) {
            out.push_back(text_at(*one.catalogue, "id") + "/" + text_at(*one.row, "id"));
        }
    }
    return out;
}

std::string render_explanation(const json& report, std::string_view row, std::size_t columns)
{
    const auto all = rows_of(report);
    const auto found = std::ranges::find_if(all, [&](const row_view& one) { return is_named(one, row); });
    if (found == all.end()) {
        return {};
    }
    sheet out{columns};
    add_head(out, report, *found);
    add_names(out, *found->row);
    auto groups = groups_of(*found->row);
    std::ranges::stable_partition(groups, [](const endpoint_group& one) {
        return !is_passable(*one.most_seen);
    });
    for (const auto& one : groups) {
        add_group(out, one);
    }
    for (const auto& one : list_at(*found->row, "samples")) {
        out.heading("Samples of a block");
        out.line(2, text_at(one, "sentence"));
    }
    for (const auto* one : idle_of(report, *found)) {
        add_timer(out, *one);
    }
    add_inbound(out, *found->row);
    add_answer(out, *found->row);
    return std::move(out).text();
}

} // namespace reachd
