// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

constexpr std::size_t narrowest = 40;

std::size_t number_at(const json& from, const char* key)
{
    const auto found = from.find(key);
    return found != from.end() && found->is_number_unsigned() ? found->get<std::size_t>() : 0;
}

std::string counted(std::size_t number, const char* one, const char* more)
{
    return fmt::format("{} {}", grouped(number), number == 1 ? one : more);
}

} // namespace

std::string render_traffic(const json& report, const page& format)
{
    const auto sent = report.find("traffic");
    if (sent == report.end() || !sent->is_object()) {
        return {};
    }
    const auto entries = sent->value("nat_entries", json::object());
    auto text = fmt::format(
        "Sent {} in {} s; left {} in NAT tables, at most {} at once.",
        counted(number_at(*sent, "packets"), "packet", "packets"),
        grouped(static_cast<std::size_t>(std::max(0LL, sent->value("duration_s", 0LL)))),
        counted(number_at(entries, "left"), "entry", "entries"),
        grouped(number_at(entries, "at_once_at_most"))
    );
    if (const auto left_out = number_at(*sent, "left_out"); left_out > 0) {
        text += fmt::format(
            " {} not sent, as too many would have followed.", counted(left_out, "probe was", "probes were")
        );
    }
    std::string out;
    for (const auto& line : wrap(text, std::max(format.columns, narrowest))) {
        out += line + '\n';
    }
    return out;
}

} // namespace reachd
