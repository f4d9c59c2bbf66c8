// SPDX-License-Identifier: Apache-2.0
// Idle timers as the report has them.
#include "reachd/core/idle_result.hpp"
#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

// Whole seconds as they are, others to the tenth.
json seconds_json(duration span)
{
    const auto tenths = std::chrono::round<std::chrono::duration<std::int64_t, std::deci>>(span).count();
    return tenths % 10 == 0 ? json(tenths / 10) : json(static_cast<double>(tenths) / 10);
}

json seconds_json(const std::optional<duration>& span)
{
    return span ? seconds_json(*span) : json(nullptr);
}

const char* outcome_of(idle_grade grade)
{
    return has_held(grade) ? "held" : was_lost(grade) ? "lost" : "unproven";
}

json rungs_json(std::vector<idle_reading> readings)
{
    std::ranges::stable_sort(readings, {}, &idle_reading::idle);
    json out = json::array();
    for (const auto& one : readings) {
        json rung = {
            {"idle_s", seconds_json(one.idle)},
            {"outcome", outcome_of(one.grade)},
            {"grade", one.grade == idle_grade::none ? json(nullptr) : json(to_string(one.grade))},
        };
        if (!one.reason.empty()) {
            rung["reason"] = one.reason;
        }
        out.push_back(std::move(rung));
    }
    return out;
}

json empty_json(const plan_row& what, const row_state& row, const idle_timer& timer)
{
    return {
        {"requirement", what.id},
        {"catalogue", what.catalogue},
        {"transport", to_string(timer.transport)},
        {"class", nullptr},
        {"via", nullptr},
        {"target", nullptr},
        {"required_s", timer.hold.count()},
        {"held_s", nullptr},
        {"answered_s", nullptr},
        {"lost_s", nullptr},
        {"grade", nullptr},
        {"state", to_string(row.state)},
        {"after_expiry", nullptr},
        {"where", nullptr},
        {"measured", nullptr},
        {"mapped", nullptr},
        {"sentence", row.sentence},
        {"rungs", json::array()},
    };
}

} // namespace

std::vector<json> idle_json(const plan_row& what, const row_state& row, const idle_timer& timer)
{
    if (row.idle.empty()) {
        return {empty_json(what, row, timer)};
    }
    std::vector<json> out;
    for (const auto& one : row.idle) {
        auto& entry = out.emplace_back(empty_json(what, row, timer));
        const auto* word = class_word(one.which);
        entry["class"] = word ? json(word) : json(nullptr);
        entry["via"] = one.via;
        entry["target"] = {{"address", to_text(one.target.address)}, {"port", one.target.port}};
        entry["required_s"] = one.required.count();
        entry["held_s"] = seconds_json(one.judged.held);
        entry["answered_s"] = seconds_json(one.judged.answered);
        entry["lost_s"] = seconds_json(one.judged.lost);
        entry["grade"] = one.judged.grade ? json(to_string(*one.judged.grade)) : json(nullptr);
        entry["state"] = to_string(one.judged.answer);
        entry["after_expiry"] = one.judged.after ? json(to_string(*one.judged.after)) : json(nullptr);
        entry["measured"] = to_text(one.measured);
        entry["where"] = one.owner.where ? to_json(*one.owner.where) : json(nullptr);
        entry["sentence"] =
            one.judged.sentence + (one.owner.sentence.empty() ? "" : "; " + one.owner.sentence);
        if (one.seen_as) {
            entry["mapped"] = {
                {"address", to_text(one.seen_as->address)},
                {"mapping", to_string(one.seen_as->mapping)},
                {"before", one.seen_as->before ? json(to_text(*one.seen_as->before)) : json(nullptr)},
            };
        }
        entry["rungs"] = rungs_json(one.readings);
    }
    return out;
}

} // namespace reachd
