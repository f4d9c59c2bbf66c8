// SPDX-License-Identifier: Apache-2.0
// render_health.hpp: the daemon's health as monitoring systems read it, made from the JSON form alone.
//
// Shapes  Each text ends in a line break. What a peer or a file said cannot end a line, begin performance
// data
//         or make a service of its own.
// Source  Monitoring Plugins Development Guidelines; Checkmk, "Local checks"; collectd-exec(5).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace reachd {

// 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
struct plugin_state {
    int code = 3;
    const char* word = "UNKNOWN";
};
// "reachd itself: ..." with the daemon's own troubles; "" where it has none.
std::string own_troubles(const nlohmann::json& health);
// A daemon that measured nothing lately is UNKNOWN, whatever it found before. One in trouble of its own is no
// better than WARNING, and no worse for that.
plugin_state plugin_state_of(const nlohmann::json& health);

std::string render_nagios(const nlohmann::json& health);
// A line for the site and one for each requirement of the report.
std::string render_checkmk(const nlohmann::json& health, const nlohmann::json& report);
// PUTVAL lines; `host` and `interval` as collectd gives them to the program.
std::string render_collectd(const nlohmann::json& health, std::string_view host, std::string_view interval);

} // namespace reachd
