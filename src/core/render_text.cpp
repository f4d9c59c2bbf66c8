// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_text.hpp"

#include "report_reading.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;
using reading::list_at;
using reading::number_at;
using reading::object_at;

constexpr std::size_t narrowest = 40;
constexpr std::size_t indent = 8; // under the state word
constexpr std::size_t most_runs_shown = 6;

// Texts of a report are a peer's words.
std::string text_at(const json& from, const char* key)
{
    return printable(reading::text_at(from, key));
}

struct state_word {
    const char* text;
    ink with;
};

state_word word_of(const std::string& state)
{
    if (state == "pass") {
        return {"PASS", ink::good};
    }
    if (state == "fail") {
        return {"FAIL", ink::bad};
    }
    if (state == "not_configured") {
        return {"BLANK", ink::faint};
    }
    return {"?", ink::unsure};
}

std::string answer_line(const std::string& state, const page& format)
{
    if (state == "ready") {
        return paint("READY", ink::good, format.use);
    }
    return state == "not_ready" ? paint("NOT READY", ink::bad, format.use)
                                : paint("UNPROVEN", ink::unsure, format.use);
}

void add_wrapped(std::string& out, std::size_t left, const std::string& text, const page& format)
{
    const auto columns = std::max(format.columns, narrowest) - left;
    for (const auto& line : wrap(text, columns)) {
        out += std::string(left, ' ') + line + '\n';
    }
}

// "tcp 2100-2199 to connect.helpdeskbuttons.com (34.0.0.10): no answer in ..."
std::string run_text(const json& run, const std::string& transport)
{
    auto target = fmt::format("{} {} to {}", transport, text_at(run, "ports"), text_at(run, "destination"));
    const auto addresses = reading::texts_at(run, "addresses");
    if (addresses.size() == 1 && addresses.front() != reading::text_at(run, "destination")) {
        target += fmt::format(" ({})", printable(addresses.front()));
    } else if (addresses.size() > 1) {
        target += fmt::format(" ({} addresses)", addresses.size());
    }
    if (const auto vantage = text_at(run, "vantage"); !vantage.empty()) {
        target += " via " + vantage;
    }
    return fmt::format("{}: {}", target, text_at(run, "sentence"));
}

// "at 10.77.1.1", "after 10.77.1.1 (hop 1), before 100.64.0.1 (hop 2)"
std::string where_text(const json& where)
{
    std::string out;
    for (const char* key : {"at", "after", "before"}) {
        if (!where.contains(key)) {
            continue;
        }
        const auto& one = object_at(where, key);
        const auto address = text_at(one, "address");
        out += fmt::format(
            "{}{} {}", out.empty() ? "" : ", ", key, address.empty() ? "no address seen" : address
        );
        if (const auto number = number_at(one, "hop"); number != 0) {
            out += fmt::format(" (hop {})", number);
        }
    }
    return out;
}

void add_runs(std::string& out, const json& row, const page& format)
{
    std::size_t shown = 0;
    std::size_t hidden = 0;
    for (const auto& run : list_at(row, "runs")) {
        if (text_at(run, "result") != "fail") {
            continue;
        }
        if (shown == most_runs_shown) {
            ++hidden;
            continue;
        }
        add_wrapped(out, indent, run_text(run, text_at(row, "transport")), format);
        ++shown;
    }
    if (hidden > 0) {
        add_wrapped(out, indent, fmt::format("and {} more runs of ports that fail", hidden), format);
    }
}

std::string what_column(const json& row)
{
    if (text_at(row, "kind") != "outbound") {
        return text_at(row, "kind");
    }
    return fmt::format("{} {}", text_at(row, "transport"), text_at(row, "ports"));
}

void add_findings(std::string& out, std::size_t left, const json& from, const page& format)
{
    for (const auto& finding : reading::texts_at(from, "findings")) {
        add_wrapped(out, left, "note: " + printable(finding), format);
    }
}

// A head that leaves less than this for the rest gets lines of its own.
constexpr std::size_t least_rest = 20;

void add_head(std::string& out, const std::string& head, const std::string& rest, const page& format)
{
    const auto columns = std::max(format.columns, narrowest);
    const auto left = indent + columns_of(head);
    if (left + least_rest > columns) {
        const auto lines = wrap(head.substr(0, head.find_last_not_of(' ') + 1), columns - indent);
        out += lines.front() + '\n';
        for (std::size_t i = 1; i < lines.size(); ++i) {
            out += std::string(indent, ' ') + lines[i] + '\n';
        }
        add_wrapped(out, indent, rest, format);
        return;
    }
    const auto lines = wrap(rest, columns - left);
    auto first = head + lines.front();
    first.erase(first.find_last_not_of(' ') + 1);
    out += first + '\n';
    for (std::size_t i = 1; i < lines.size(); ++i) {
        out += std::string(left, ' ') + lines[i] + '\n';
    }
}

void add_row(std::string& out, const json& row, const page& format, std::size_t id_width)
{
    const auto state = text_at(row, "state");
    const auto word = word_of(state);
    const bool passes = state == "pass";
    out += "  " + paint(fmt::format("{:<5}", word.text), word.with, format.use) + ' ';
    const auto head = fmt::format("{:<{}}  {:<14}  ", text_at(row, "id"), id_width, what_column(row));
    const auto left = std::min(indent + columns_of(head), std::max(format.columns, narrowest) - least_rest);
    const auto destinations =
        shorten(text_at(row, "destinations"), std::max(format.columns, narrowest) - left);
    add_head(out, head, passes ? text_at(row, "sentence") : destinations, format);
    const auto failing = std::ranges::count_if(list_at(row, "runs"), [](const json& run) {
        return text_at(run, "result") == "fail";
    });
    if (failing > 1) {
        add_runs(out, row, format);
        if (const auto fallback = text_at(object_at(row, "fallback"), "sentence"); !fallback.empty()) {
            add_wrapped(out, indent, fallback, format);
        }
    } else if (!passes) {
        add_wrapped(out, indent, text_at(row, "sentence"), format);
    }
    add_findings(out, indent, row, format);
    if (const auto& noted = object_at(row, "acknowledged"); !noted.empty()) {
        add_wrapped(
            out, indent, fmt::format("noted by {}: {}", text_at(noted, "by"), text_at(noted, "note")), format
        );
    }
    if (const auto advice = text_at(row, "advice"); !advice.empty()) {
        add_wrapped(out, indent, "-> " + advice, format);
    }
}

void add_title(std::string& out, const std::string& title, const std::string& document, const page& format)
{
    const auto columns = std::max(format.columns, narrowest);
    const bool first = columns_of(title) + columns_of(document) + 3 <= columns;
    if (first) {
        out += paint(title, ink::strong, format.use) + " (" + document + ")\n";
        return;
    }
    for (const auto& line : wrap(title, columns)) {
        out += paint(line, ink::strong, format.use) + '\n';
    }
    add_wrapped(out, 0, "(" + document + ")", format);
}

} // namespace

std::string render_report(const json& report, const page& format)
{
    auto heading = fmt::format("Site {}, {}", text_at(report, "site"), text_at(report, "generated"));
    if (const auto vantage = text_at(report, "vantage"); !vantage.empty()) {
        heading += ", from " + vantage;
    }
    std::string out;
    add_wrapped(out, 0, heading, format);
    out += '\n' + answer_line(text_at(report, "state"), format) + '\n';
    add_wrapped(out, 0, text_at(report, "sentence"), format);
    add_findings(out, 0, report, format);
    for (const auto& one : list_at(report, "catalogues")) {
        const auto& document = object_at(one, "document");
        const auto revised = text_at(document, "revised");
        out += '\n';
        add_title(
            out, text_at(one, "title"),
            fmt::format("{}{}{}", text_at(document, "title"), revised.empty() ? "" : ", ", revised), format
        );
        std::size_t id_width = 0;
        for (const auto& row : list_at(one, "requirements")) {
            id_width = std::max(id_width, columns_of(text_at(row, "id")));
        }
        for (const auto& row : list_at(one, "requirements")) {
            add_row(out, row, format, id_width);
        }
    }
    return out;
}

std::string render_row(const json& row, const page& format)
{
    std::string out;
    add_row(out, row, format, columns_of(text_at(row, "id")));
    return out;
}

std::string render_summary(const json& health, const page& format)
{
    std::string out = answer_line(text_at(health, "state"), format) + '\n';
    const auto since = text_at(health, "since");
    add_wrapped(out, 0, text_at(health, "site") + (since.empty() ? "" : ", since " + since), format);
    add_wrapped(out, 0, text_at(health, "summary"), format);
    for (const auto& one : list_at(health, "self")) {
        add_wrapped(out, 0, "reachd itself: " + text_at(one, "sentence"), format);
    }
    if (const auto checked = text_at(health, "checked"); !checked.empty()) {
        out += fmt::format("Last measured {}", checked);
        if (const auto age = reading::decimal_at(health, "age_s")) {
            out += fmt::format(", {:.0f} s ago", *age);
        }
        out += reading::is_true(health, "stale") ? " (stale)\n" : "\n";
    } else {
        out += "Nothing measured yet\n";
    }
    return out;
}

std::string render_endpoints(const json& endpoints, const page& format)
{
    std::string out;
    for (const auto& one : endpoints) {
        const auto name = text_at(one, "name");
        add_wrapped(
            out, 0,
            fmt::format(
                "{} {} port {}{} in {}/{}", text_at(one, "transport"), text_at(one, "address"),
                number_at(one, "port"), name.empty() ? "" : " (" + name + ")", text_at(one, "catalogue"),
                text_at(one, "requirement")
            ),
            format
        );
        add_wrapped(out, 2, fmt::format("{}: {}", text_at(one, "verdict"), text_at(one, "sentence")), format);
        add_wrapped(
            out, 2,
            fmt::format(
                "stage {}, blame {}, since {}", text_at(one, "stage"), text_at(one, "blame"),
                text_at(one, "since")
            ),
            format
        );
        if (const auto& where = object_at(one, "where"); !where.empty()) {
            add_wrapped(out, 2, "where " + where_text(where), format);
        }
        if (const auto& way = object_at(one, "path"); !way.empty()) {
            for (const auto& hop : list_at(way, "hops")) {
                const auto address = text_at(hop, "address");
                add_wrapped(
                    out, 2,
                    fmt::format(
                        "hop {} {}{}", number_at(hop, "hop"), address.empty() ? "(silent)" : address,
                        reading::is_true(hop, "site") ? " (site)" : ""
                    ),
                    format
                );
            }
        }
        for (const auto& seen : list_at(one, "evidence")) {
            std::string with;
            if (seen.contains("hop_limit")) {
                with = fmt::format(
                    " with {} hops allowed{}", number_at(seen, "hop_limit"),
                    reading::is_true(seen, "decoy") ? ", a decoy" : ""
                );
            } else if (seen.contains("min_ttl")) {
                with = fmt::format(" hearing TTL {} and more", number_at(seen, "min_ttl"));
            } else if (seen.contains("on_link")) {
                with = " hearing the link only";
            }
            add_wrapped(
                out, 4,
                fmt::format(
                    "{}  {} #{}{}: {} ({:.1f} ms)", text_at(seen, "at"), text_at(seen, "probe"),
                    number_at(seen, "attempt"), with, text_at(seen, "text"),
                    static_cast<double>(number_at(seen, "took_us")) / 1000.0
                ),
                format
            );
        }
    }
    return out;
}

} // namespace reachd
