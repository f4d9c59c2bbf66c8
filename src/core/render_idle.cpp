// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_text.hpp"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

constexpr std::size_t narrowest = 40;
constexpr std::size_t indent = 8;

std::string text_at(const json& from, const char* key)
{
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? printable(found->get<std::string>()) : std::string{};
}

std::string number_text(const json& value)
{
    return value.is_number_integer() ? fmt::format("{}", value.get<long long>())
         : value.is_number()         ? fmt::format("{:.1f}", value.get<double>())
                                     : "-";
}

std::string number_at(const json& from, const char* key)
{
    const auto found = from.find(key);
    return found != from.end() ? number_text(*found) : "-";
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
    const auto rungs = one.find("rungs");
    if (rungs == one.end() || !rungs->is_array()) {
        return;
    }
    for (const auto& rung : *rungs) {
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
    const auto idle = report.find("idle");
    if (idle == report.end() || !idle->is_array() || idle->empty()) {
        return "no row of the catalogues asks for an idle timer\n";
    }
    for (const auto& one : *idle) {
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
