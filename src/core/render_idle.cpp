// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_text.hpp"

#include "report_reading.hpp"

#include <cmath>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

constexpr std::size_t narrowest = 40;
constexpr std::size_t indent = 8;

// Texts of a report are a peer's words.
std::string text_at(const json& from, const char* key)
{
    return printable(reading::text_at(from, key));
}

// Whole or with one digit behind the point.
std::string number_at(const json& from, const char* key)
{
    const auto number = reading::decimal_at(from, key);
    return number ? fmt::format("{:.{}f}", *number, *number == std::floor(*number) ? 0 : 1) : "-";
}

void add_wrapped(std::string& out, const std::string& text, const page& format)
{
    for (const auto& line : wrap(text, std::max(format.columns, narrowest) - indent)) {
        out += std::string(indent, ' ') + line + '\n';
    }
}

// "held (inbound): 60, 120 s", one line for each grade.
void add_rungs(std::string& out, const json& one, const page& format)
{
    std::map<std::string, std::string> lines;
    for (const auto& rung : reading::list_at(one, "rungs")) {
        const auto grade = text_at(rung, "grade");
        const auto reason = text_at(rung, "reason");
        auto& line = lines
            [text_at(rung, "outcome") + (grade.empty() ? "" : " (" + grade + ")") +
             (reason.empty() ? "" : " (" + reason + ")")];
        line += (line.empty() ? "" : ", ") + number_at(rung, "idle_s");
    }
    for (const auto& [what, silences] : lines) {
        add_wrapped(out, fmt::format("{}: {} s", what, silences), format);
    }
}

} // namespace

std::string render_idle(const json& report, const page& format)
{
    std::string out;
    const auto& idle = reading::list_at(report, "idle");
    if (idle.empty()) {
        return "no row of the catalogues asks for an idle timer\n";
    }
    for (const auto& one : idle) {
        const auto state = text_at(one, "state");
        const auto word = state == "pass" ? paint("PASS ", ink::good, format.use)
                        : state == "fail" ? paint("FAIL ", ink::bad, format.use)
                                          : paint("?    ", ink::unsure, format.use);
        const auto via = text_at(one, "via");
        const auto which = text_at(one, "class");
        out += fmt::format(
            "  {} {}  {}{}{}, required {} s: held {}, answered {}, lost {}\n", word,
            text_at(one, "requirement"), text_at(one, "transport"), which.empty() ? "" : " " + which,
            via.empty() ? "" : " over " + via, number_at(one, "required_s"), number_at(one, "held_s"),
            number_at(one, "answered_s"), number_at(one, "lost_s")
        );
        add_wrapped(out, text_at(one, "sentence"), format);
        add_rungs(out, one, format);
    }
    return out;
}

} // namespace reachd
