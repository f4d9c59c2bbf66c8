// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/history_json.hpp"

#include "reachd/core/json.hpp"

#include <cmath>

namespace reachd {
namespace {

json text_or_null(const std::string& text)
{
    return text.empty() ? json(nullptr) : json(text);
}

json time_or_null(wall_time when)
{
    return when == wall_time{} ? json(nullptr) : json(to_text(when));
}

json span_json(const std::optional<microseconds>& value)
{
    return value ? json(value->count()) : json(nullptr);
}

json detail_of(const history_record& what)
{
    auto out = json::parse(what.detail, nullptr, false);
    return out.is_object() ? out : json(nullptr);
}

double seconds_of(milliseconds span)
{
    return static_cast<double>(span.count()) / 1000.0;
}

// Six digits tell one second in ten days.
json share_json(double value)
{
    constexpr double digits = 1e6;
    return std::round(value * digits) / digits;
}

} // namespace

json to_json(const history_record& what)
{
    json out = {
        {"time", to_text(what.at)},
        {"kind", to_string(what.kind)},
        {"catalogue", text_or_null(what.catalogue)},
        {"requirement", text_or_null(what.requirement)},
        {"state", text_or_null(what.state)},
        {"before", text_or_null(what.before)},
        {"since", time_or_null(what.since)},
        {"sentence", what.sentence},
        {"detail", detail_of(what)},
    };
    if (what.target) {
        out["address"] = text_or_null(what.target->address);
        out["name"] = text_or_null(what.target->name);
        out["vantage"] = text_or_null(what.target->vantage);
        out["transport"] = to_string(what.target->transport);
        out["ports"] = to_text(what.target->ports);
    }
    return out;
}

json to_json(const round_sample& what)
{
    return {
        {"catalogue", what.catalogue},
        {"requirement", what.requirement},
        {"time", to_text(what.at)},
        {"width", to_string(what.width)},
        {"rounds", what.rounds},
        {"rounds_pass", what.rounds_pass},
        {"rounds_fail", what.rounds_fail},
        {"endpoints", {{"pass", what.pass}, {"fail", what.fail}, {"unproven", what.unproven}}},
        {"rtt_min_us", span_json(what.rtt_min)},
        {"rtt_median_us", span_json(what.rtt_median)},
        {"rtt_max_us", span_json(what.rtt_max)},
    };
}

json to_json(const address_sighting& what)
{
    return {
        {"name", what.name},
        {"address", what.address},
        {"first_seen", to_text(what.first)},
        {"last_seen", to_text(what.last)},
    };
}

json to_json(const acknowledgement& what)
{
    return {{"note", what.note}, {"by", what.by}, {"since", to_text(what.since)}};
}

json to_json(const availability& what)
{
    const auto share = what.share_up();
    return {
        {"window_s", seconds_of(what.window)},
        {"up_s", seconds_of(what.up)},
        {"down_s", seconds_of(what.down)},
        {"unproven_s", seconds_of(what.unproven)},
        {"unknown_s", seconds_of(what.unknown)},
        {"availability", share ? share_json(*share) : json(nullptr)},
        {"coverage", share_json(what.coverage())},
    };
}

json to_json(const outage& what, const history_record& words, wall_time now)
{
    auto detail = detail_of(words);
    return {
        {"catalogue", text_or_null(words.catalogue)},
        {"requirement", text_or_null(words.requirement)},
        {"start", to_text(what.start)},
        {"end", what.end ? json(to_text(*what.end)) : json(nullptr)},
        {"duration_s", seconds_of(what.end.value_or(now) - what.start)},
        {"unwatched_s", seconds_of(what.unwatched)},
        {"ended_as", what.end ? json(to_string(what.ended_as)) : json(nullptr)},
        {"cause", words.sentence},
        {"runs", detail.is_object() ? detail.value("runs", json::array()) : json::array()},
    };
}

json row_then_json(const history_record& what)
{
    const auto detail = detail_of(what);
    const auto member = [&detail](const char* key, json otherwise) {
        return detail.is_object() ? detail.value(key, std::move(otherwise)) : otherwise;
    };
    return {
        {"catalogue", what.catalogue},
        {"id", what.requirement},
        {"state", what.state},
        {"sentence", what.sentence},
        {"since", time_or_null(what.since)},
        {"recorded", to_text(what.at)},
        {"counts", member("counts", nullptr)},
        {"runs", member("runs", json::array())},
        {"runs_left_out", member("runs_left_out", 0)},
        {"evidence", member("evidence", json::array())},
    };
}

} // namespace reachd
