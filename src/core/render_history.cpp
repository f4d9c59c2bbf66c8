// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_history.hpp"

#include "reachd/core/time.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

constexpr std::size_t narrowest = 40;
constexpr std::size_t indent = 4;

std::string text_at(const json& from, const char* key)
{
    const auto found = from.is_object() ? from.find(key) : from.end();
    return found != from.end() && found->is_string() ? printable(found->get<std::string>()) : std::string{};
}

double number_at(const json& from, const char* key)
{
    const auto found = from.is_object() ? from.find(key) : from.end();
    return found != from.end() && found->is_number() ? found->get<double>() : 0.0;
}

json list_at(const json& from, const char* key)
{
    const auto found = from.is_object() ? from.find(key) : from.end();
    return found != from.end() && found->is_array() ? *found : json::array();
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
    return to_text(std::chrono::duration_cast<duration>(seconds{std::llround(span_s)}));
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
    const auto found = window.is_object() ? window.find("availability") : window.end();
    if (found == window.end() || !found->is_number()) {
        return "-";
    }
    constexpr double hundredths = 10'000;
    const double share = std::floor(found->get<double>() * hundredths) / 100;
    return number_at(window, "down_s") > 0 ? fmt::format("{:.2f} %", std::min(share, 99.99))
                                           : std::string{"100 %"};
}

std::string watched_share(const json& window)
{
    const auto whole = number_at(window, "window_s");
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
    const auto windows = rows.front().value("windows", json::object());
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
        line(row.empty() ? "the site" : row, one.value("windows", json::object()), percent);
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
        const auto rtt = one.is_object() ? one.value("rtt_median_us", json()) : json();
        out += fmt::format(
            "{:<19}  {:<5}  {:<18}  {:>6}  {:>6}  {:>9}\n", clock(text_at(one, "time")),
            text_at(one, "width"), shorten(text_at(one, "requirement"), 18), number_at(one, "rounds"),
            number_at(one, "rounds_fail"),
            rtt.is_number() ? to_text(duration{microseconds{rtt.get<std::int64_t>()}}) : "-"
        );
    }
    return out;
}

std::string addresses_text(const json& answer, const local_clock& clock)
{
    std::string out;
    std::string name;
    for (const auto& one : list_at(answer, "addresses")) {
        if (text_at(one, "name") != name) {
            name = text_at(one, "name");
            out += name + '\n';
        }
        out += fmt::format(
            "  {:<39}  {:<16}  {}\n", text_at(one, "address"),
            clock(text_at(one, "first_seen")).substr(0, 16), clock(text_at(one, "last_seen")).substr(0, 16)
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
    const auto site = answer.value("site", json());
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
    if (!answer.value("running", true)) {
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
