// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_health.hpp"

#include "reachd/core/json.hpp"
#include "reachd/core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

std::string text_of(const json& from, const char* key)
{
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? printable(found->get<std::string>()) : std::string{};
}

long long number_of(const json& from, const char* key)
{
    const auto found = from.find(key);
    return found != from.end() ? integer_of(*found).value_or(0) : 0;
}

bool is_stale(const json& health)
{
    const auto found = health.find("stale");
    return found != health.end() && found->is_boolean() && found->get<bool>();
}

struct numbers {
    long long pass = 0;
    long long fail = 0;
    long long unproven = 0;
    long long not_configured = 0;
    long long endpoints_ok = 0;
    long long endpoints = 0;
    std::string age; // "U" before the first round

    [[nodiscard]] long long rows() const { return pass + fail + unproven + not_configured; }
};

numbers numbers_of(const json& health)
{
    const auto counts = health.value("counts", json::object());
    const auto endpoints = health.value("endpoints", json::object());
    const bool has_age = health.contains("age_s") && health["age_s"].is_number();
    return {
        .pass = number_of(counts, "pass"),
        .fail = number_of(counts, "fail"),
        .unproven = number_of(counts, "unproven"),
        .not_configured = number_of(counts, "not_configured"),
        .endpoints_ok = number_of(endpoints, "pass"),
        .endpoints = number_of(endpoints, "total"),
        .age = has_age ? fmt::format("{}", number_of(health, "age_s")) : std::string{"U"},
    };
}

// Not all is measured since the start, and what is does not contradict the failure of before.
bool was_not_ready(const json& health)
{
    const auto before = health.value("before_start", json::object());
    return before.is_object() && text_of(before, "state") == "not_ready";
}

std::string verdict_of_site(const json& health)
{
    auto out = text_of(health, "summary");
    if (was_not_ready(health)) {
        return fmt::format(
            "measured anew after a restart, before which the site was not ready since {}: {}",
            text_of(health["before_start"], "since"), out
        );
    }
    return is_stale(health) ? "nothing was measured lately: " + out : out;
}

// What is wrong comes first: the network where a row fails, else the daemon.
std::string summary_of(const json& health)
{
    auto out = verdict_of_site(health);
    if (const auto own = own_troubles(health); !own.empty()) {
        out = plugin_state_of(health).code == 2 ? out + "; " + own : own + "; " + out;
    }
    std::ranges::replace(out, '|', '/'); // the bar begins the performance data
    return out;
}

plugin_state row_state_of(const std::string& word, const json& health)
{
    if (is_stale(health)) {
        return {};
    }
    if (word == "fail") {
        return {2, "CRITICAL"};
    }
    // What nobody configured is the site's own choice.
    return word == "unproven" ? plugin_state{1, "WARNING"} : plugin_state{0, "OK"};
}

// A service's name stands in quotes.
std::string service(std::string name)
{
    std::ranges::replace(name, '"', '\'');
    return '"' + name + '"';
}

// Of an identifier of collectd: a slash or a blank would part it.
std::string identifier(std::string_view text)
{
    std::string out{text};
    std::ranges::replace_if(out, [](char c) { return c == '/' || c == '"' || c <= ' '; }, '_');
    return out.empty() ? "localhost" : out;
}

std::string row_line(const json& catalogue, const json& row, const json& health)
{
    auto sentence = text_of(row, "sentence");
    std::ranges::replace(sentence, '|', '/');
    const auto counts = row.value("counts", json::object());
    const auto state = text_of(row, "state");
    return fmt::format(
        "{} {} failing={};;;0;{} {}: {}\n", row_state_of(state, health).code,
        service(fmt::format("reachd {} {}", text_of(catalogue, "id"), text_of(row, "id"))),
        number_of(counts, "fail"), number_of(counts, "total"), state, sentence
    );
}

} // namespace

std::string own_troubles(const json& health)
{
    const auto list = health.value("self", json::array());
    std::string out;
    for (const auto& one : list.is_array() ? list : json::array()) {
        if (one.is_object()) {
            out += (out.empty() ? "reachd itself: " : "; ") + text_of(one, "sentence");
        }
    }
    return out;
}

plugin_state plugin_state_of(const json& health)
{
    if (was_not_ready(health)) {
        return {2, "CRITICAL"}; // a restart mends no firewall
    }
    if (is_stale(health)) {
        return {};
    }
    const auto state = text_of(health, "state");
    if (state == "not_ready") {
        return {2, "CRITICAL"};
    }
    const bool good = state == "ready" && own_troubles(health).empty();
    return good ? plugin_state{0, "OK"} : plugin_state{1, "WARNING"};
}

std::string render_nagios(const json& health)
{
    const auto all = numbers_of(health);
    return fmt::format(
        "REACHD {} - {} | 'pass'={};;;0;{} 'fail'={};;0;0;{} 'unproven'={};;;0;{} 'not_configured'={};;;0;{} "
        "'endpoints_ok'={};;;0;{} 'age'={}{};;;0\n",
        plugin_state_of(health).word, summary_of(health), all.pass, all.rows(), all.fail, all.rows(),
        all.unproven, all.rows(), all.not_configured, all.rows(), all.endpoints_ok, all.endpoints, all.age,
        all.age == "U" ? "" : "s"
    );
}

std::string render_checkmk(const json& health, const json& report)
{
    const auto all = numbers_of(health);
    auto out = fmt::format(
        "{} {} pass={}|fail={}|unproven={}|not_configured={}{} {}\n", plugin_state_of(health).code,
        service("reachd"), all.pass, all.fail, all.unproven, all.not_configured,
        all.age == "U" ? std::string{} : "|age=" + all.age,
        text_of(health, "site") + ": " + summary_of(health)
    );
    for (const auto& catalogue :
         report.is_object() ? report.value("catalogues", json::array()) : json::array()) {
        for (const auto& row : catalogue.value("requirements", json::array())) {
            out += row_line(catalogue, row, health);
        }
    }
    return out;
}

std::string render_collectd(const json& health, std::string_view host, std::string_view interval)
{
    const auto all = numbers_of(health);
    std::string out;
    const auto put = [&](std::string_view name, const std::string& value) {
        out += fmt::format(
            "PUTVAL \"{}/reachd/gauge-{}\" interval={} N:{}\n", identifier(host), name,
            interval.empty() ? "60" : interval, value
        );
    };
    put("state", fmt::format("{}", plugin_state_of(health).code));
    put("pass", fmt::format("{}", all.pass));
    put("fail", fmt::format("{}", all.fail));
    put("unproven", fmt::format("{}", all.unproven));
    put("not_configured", fmt::format("{}", all.not_configured));
    put("endpoints_ok", fmt::format("{}", all.endpoints_ok));
    put("age_s", all.age);
    return out;
}

} // namespace reachd
