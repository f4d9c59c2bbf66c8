// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_history.hpp"

#include "reachd/core/time.hpp"
#include "report_reading.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;
using reading::list_at;
using reading::object_at;

constexpr std::size_t narrowest = 40;
constexpr std::size_t indent = 4;

// Texts of a report are a peer's words.
std::string text_at(const json& from, const char* key)
{
    return printable(reading::text_at(from, key));
}

double number_at(const json& from, const char* key)
{
    return reading::decimal_at(from, key).value_or(0.0);
}

std::string indented(const std::string& text, const page& format)
{
    std::string out;
    for (const auto& line : wrap(text, std::max(format.columns, narrowest) - indent)) {
        out += std::string(indent, ' ') + line + '\n';
    }
    return out;
}

ink ink_of(const std::string& state)
{
    const bool good = state == "pass" || state == "ready" || state == "open" || state == "permitted";
    const bool bad = state == "fail" || state == "not_ready" || state == "blocked" || state == "intercepted";
    return good ? ink::good : bad ? ink::bad : ink::unsure;
}

constexpr long long most_rtt_us = 3'600'000'000; // an hour: what an answer has above is no time

std::string lasted(double span_s)
{
    constexpr double hour = 3600;
    constexpr double day = 86400;
    if (span_s >= 2 * day) {
        return fmt::format("{:.1f} d", span_s / day);
    }
    if (span_s >= 2 * hour) {
        return fmt::format("{:.1f} h", span_s / hour);
    }
    return to_text(std::chrono::duration_cast<duration>(seconds{std::llround(std::max(span_s, 0.0))}));
}

// What the entry is about.
std::string subject_of(const json& entry)
{
    const auto kind = text_at(entry, "kind");
    const auto row = text_at(entry, "requirement");
    if (kind == "endpoint") {
        const auto address = text_at(entry, "address");
        return fmt::format(
            "{}: {} {} {}", row, text_at(entry, "transport"),
            address.empty() ? text_at(entry, "name") : address, text_at(entry, "ports")
        );
    }
    return row.empty() ? kind : kind == "requirement" ? row : row + ": " + kind;
}

std::string change_text(const json& entry, const page& format, const local_clock& clock)
{
    const auto state = text_at(entry, "state");
    const auto before = text_at(entry, "before");
    auto line = fmt::format("{}  ", clock(text_at(entry, "time")));
    if (!state.empty()) {
        line += paint(state, ink_of(state), format.use) + "  ";
    }
    line += subject_of(entry);
    if (!before.empty()) {
        line += before == state ? " (as before)" : fmt::format(" (was {})", before);
    }
    return line + '\n' + indented(text_at(entry, "sentence"), format);
}

std::string changes_text(const json& answer, const page& format, const local_clock& clock)
{
    const auto list = list_at(answer, "changes");
    std::string out;
    for (const auto& one : list) {
        out += change_text(one, format, clock);
    }
    return list.empty() ? "nothing was recorded in this time\n" : out;
}

std::string outages_text(const json& answer, const page& format, const local_clock& clock)
{
    const auto list = list_at(answer, "outages");
    if (list.empty()) {
        return "no outage in this time\n";
    }
    auto out = fmt::format("{:<19}  {:<19}  {:>8}  {}\n", "start", "end", "lasted", "requirement");
    for (const auto& one : list) {
        const auto end = text_at(one, "end");
        const auto row = text_at(one, "requirement");
        out += fmt::format(
            "{:<19}  {}  {:>8}  {}\n", clock(text_at(one, "start")),
            end.empty() ? paint(fmt::format("{:<19}", "not over"), ink::bad, format.use)
                        : fmt::format("{:<19}", clock(end)),
            lasted(number_at(one, "duration_s")), row.empty() ? "the site" : row
        );
        auto words = text_at(one, "cause");
        if (const auto gap = number_at(one, "unwatched_s"); gap >= 1) {
            words += fmt::format(" (of this time {} were not watched)", lasted(gap));
        }
        if (text_at(one, "ended_as") == "unproven") {
            words += " (afterwards it was undecided)";
        }
        out += indented(words, format);
    }
    return out;
}

// Rounded down: 100 means that it never failed.
std::string percent(const json& window)
{
    const auto available = reading::decimal_at(window, "availability");
    if (!available) {
        return "-";
    }
    if (number_at(window, "unproven_s") > number_at(window, "up_s") + number_at(window, "down_s")) {
        return "unproven"; // most of the time: a share of the rest would mislead
    }
    constexpr double hundredths = 10'000;
    const double share = std::floor(*available * hundredths) / 100;
    return number_at(window, "down_s") > 0 ? fmt::format("{:.2f} %", std::min(share, 99.99))
                                           : std::string{"100 %"};
}

std::string watched_share(const json& window)
{
    const auto whole = number_at(window, "window_s");
    const auto known = whole - number_at(window, "unknown_s");
    if (known > 0 && known < whole / 100) {
        return "< 1 %";
    }
    return whole > 0 ? fmt::format("{:.0f} %", std::floor(100 * (1 - number_at(window, "unknown_s") / whole)))
                     : std::string{"-"};
}

std::string availability_text(const json& answer)
{
    static const std::vector<std::pair<const char*, const char*>> columns{
        {"1h", "1 h"}, {"24h", "24 h"}, {"7d", "7 d"}, {"30d", "30 d"}, {"range", "the range"}
    };
    const auto rows = list_at(answer, "availability");
    if (rows.empty()) {
        return "nothing was recorded yet\n";
    }
    const auto windows = object_at(rows.front(), "windows");
    std::string head = fmt::format("{:<36}", "requirement");
    for (const auto& [key, title] : columns) {
        head += windows.contains(key) ? fmt::format("  {:>9}", title) : std::string{};
    }
    std::string out = head + '\n';
    const auto line = [&](const std::string& name, const json& of, const auto& cell) {
        out += fmt::format("{:<36}", shorten(name, 36));
        for (const auto& [key, title] : columns) {
            out += of.contains(key) ? fmt::format("  {:>9}", cell(of.at(key))) : std::string{};
        }
        out += '\n';
    };
    for (const auto& one : rows) {
        const auto row = text_at(one, "requirement");
        line(row.empty() ? "the site" : row, object_at(one, "windows"), percent);
    }
    line("(of this time it was known)", windows, watched_share);
    return out;
}

std::string samples_text(const json& answer, const local_clock& clock)
{
    const auto list = list_at(answer, "samples");
    if (list.empty()) {
        return "nothing was measured in this time\n";
    }
    auto out = fmt::format(
        "{:<19}  {:<5}  {:<18}  {:>6}  {:>6}  {:>9}\n", "time", "of", "requirement", "rounds", "failed", "rtt"
    );
    for (const auto& one : list) {
        const auto rtt = reading::number_at(one, "rtt_median_us"); // none is as fast as that
        out += fmt::format(
            "{:<19}  {:<5}  {:<18}  {:>6}  {:>6}  {:>9}\n", clock(text_at(one, "time")),
            text_at(one, "width"), shorten(text_at(one, "requirement"), 18), number_at(one, "rounds"),
            number_at(one, "rounds_fail"),
            rtt > 0 && rtt < most_rtt_us ? to_text(duration{microseconds{rtt}}) : "-"
        );
    }
    return out;
}

// "2026-11-22 14:05:09 -0600" -> "2026-11-22 14:05 -0600".
std::string without_seconds(std::string text)
{
    constexpr std::size_t minutes_end = 16;
    constexpr std::size_t seconds_size = 3;
    return text.size() > minutes_end ? text.erase(minutes_end, seconds_size) : text;
}

// They come newest first; here those of a name are together.
std::string addresses_text(const json& answer, const local_clock& clock)
{
    std::string out;
    std::string name;
    auto list = list_at(answer, "addresses").get<std::vector<json>>();
    std::ranges::stable_sort(list, {}, [](const json& one) { return text_at(one, "name"); });
    for (const auto& one : list) {
        if (text_at(one, "name") != name) {
            name = text_at(one, "name");
            out += name + '\n';
        }
        out += fmt::format(
            "  {:<39}  {:<16}  {}\n", text_at(one, "address"),
            without_seconds(clock(text_at(one, "first_seen"))),
            without_seconds(clock(text_at(one, "last_seen")))
        );
    }
    return out.empty() ? "no name was resolved yet\n" : out;
}

std::string row_text(const json& row, const page& format, const local_clock& clock)
{
    const auto state = text_at(row, "state");
    auto out =
        "  " +
        paint(fmt::format("{:<8}", state == "not_configured" ? "blank" : state), ink_of(state), format.use);
    out += "  " + text_at(row, "id");
    if (const auto since = text_at(row, "since"); !since.empty()) {
        out += ", since " + clock(since);
    }
    return out + '\n' + indented(text_at(row, "sentence"), format);
}

std::string rows_text(const json& answer, const page& format, const local_clock& clock)
{
    const auto site = object_at(answer, "site");
    const auto state = text_at(site, "state");
    std::string out = "\n";
    if (!state.empty()) {
        out += paint(state, ink_of(state), format.use) + '\n' + indented(text_at(site, "sentence"), format);
    }
    std::string catalogue;
    for (const auto& row : list_at(answer, "requirements")) {
        if (text_at(row, "catalogue") != catalogue) {
            catalogue = text_at(row, "catalogue");
            out += '\n' + catalogue + '\n';
        }
        out += row_text(row, format, clock);
    }
    return out + '\n';
}

std::string then_text(const json& answer, const page& format, const local_clock& clock)
{
    auto out = fmt::format("The site as it was at {}", clock(text_at(answer, "at")));
    if (list_at(answer, "requirements").empty()) {
        return out + ": nothing is known of that time.\n";
    }
    if (const auto running = answer.find("running"); running != answer.end() && *running == false) {
        out += fmt::format(
            ", as far as it is known: reachd did not run then. It was last alive at {}",
            clock(text_at(answer, "last_alive"))
        );
    }
    std::string head;
    for (const auto& line : wrap(out + ".", std::max(format.columns, narrowest))) {
        head += line + '\n';
    }
    return head + rows_text(answer, format, clock);
}

} // namespace

std::string
render_history(const json& answer, const page& format, const local_clock& clock, const std::string& zone)
{
    if (!answer.is_object()) {
        return {};
    }
    auto out = answer.contains("at")           ? then_text(answer, format, clock)
             : answer.contains("outages")      ? outages_text(answer, format, clock)
             : answer.contains("availability") ? availability_text(answer)
             : answer.contains("samples")      ? samples_text(answer, clock)
             : answer.contains("addresses")    ? addresses_text(answer, clock)
                                               : changes_text(answer, format, clock);
    if (const auto next = text_at(answer, "next"); !next.empty()) {
        out += fmt::format("There is more: --cursor {}\n", next);
    }
    return out + fmt::format("Times are {}.\n", zone);
}

} // namespace reachd
