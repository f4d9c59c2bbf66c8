// SPDX-License-Identifier: Apache-2.0
// The daemon's health for those who poll it: from what it knows already, in milliseconds.
#include "reachd/app/cli.hpp"
#include "reachd/app/cli_link.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/render_health.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>

namespace reachd {
namespace {

void print(const std::string& text)
{
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

const char* variable(const char* name)
{
    const char* value = std::getenv(name);
    return value ? value : "";
}

// "service was not running" is CRITICAL.
int print_no_daemon(const std::string& format, std::string why)
{
    // Of a poller's line: a new line begins another service, and a bar the performance data.
    std::ranges::replace(why, '\n', ' ');
    std::ranges::replace(why, '|', '/');
    if (format == "checkmk") {
        print("2 \"reachd\" - " + why + "\n");
        return 0;
    }
    print("REACHD CRITICAL - " + why + "\n");
    return 2;
}

} // namespace

int command_health(const cli_common& common, const cli_query& options)
{
    const bool polled = options.format == "nagios" || options.format == "checkmk";
    std::string why;
    const auto health = polled ? ask_daemon_quietly(common, "health", json::object(), plugin_wait, why)
                               : ask_daemon(common, "health", json::object(), plugin_wait);
    if (!health) {
        return polled ? print_no_daemon(options.format, why) : exit_unproven;
    }
    if (options.format == "nagios") {
        print(render_nagios(*health));
        return plugin_state_of(*health).code;
    }
    if (options.format == "checkmk") {
        const auto report = ask_daemon_quietly(common, "report", json::object(), plugin_wait, why);
        print(render_checkmk(*health, report.value_or(json::object())));
        return 0; // the lines say it
    }
    if (options.format == "collectd") {
        print(render_collectd(*health, variable("COLLECTD_HOSTNAME"), variable("COLLECTD_INTERVAL")));
        return 0;
    }
    const auto word = [&](const char* key) {
        return health->contains(key) && (*health)[key].is_string() ? (*health)[key].get<std::string>() : "";
    };
    if (options.format == "json") {
        print(dump(*health, 2) + '\n');
    } else {
        const auto own = own_troubles(*health);
        const auto verdict = printable(fmt::format("{}: {}", word("state"), word("summary")));
        print(verdict + '\n' + (own.empty() ? "" : own + '\n'));
    }
    return exit_of(word("state"));
}

} // namespace reachd
