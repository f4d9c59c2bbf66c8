// SPDX-License-Identifier: Apache-2.0
// `reachctl history` and `reachctl acknowledge`.
#include "reachd/app/cli_link.hpp"
#include "reachd/core/render_history.hpp"
#include "reachd/core/time_text.hpp"
#include "reachd/net/wall_clock.hpp"

#include <array>
#include <cstdio>
#include <ctime>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <unistd.h>

namespace reachd {
namespace {

std::tm local_parts(wall_time when)
{
    const std::time_t seconds_since = std::chrono::floor<seconds>(when).time_since_epoch().count();
    std::tm out{};
    ::localtime_r(&seconds_since, &out);
    return out;
}

// The zone is named once, as it is now; where clocks went otherwise then, the time says so itself.
std::string local_text(const std::string& utc)
{
    const auto when = parse_time(utc);
    if (!when) {
        return utc;
    }
    const auto parts = local_parts(*when);
    const bool as_now = parts.tm_gmtoff == local_parts(wall_now()).tm_gmtoff;
    std::array<char, 32> text{};
    const auto size = as_now ? std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts)
                             : std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %z", &parts);
    return {text.data(), size};
}

std::string zone_text()
{
    const auto here = local_parts(wall_now());
    std::array<char, 64> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Z (%z)", &here)};
}

local_time to_local(wall_time when)
{
    const auto parts = local_parts(when);
    constexpr int first_year = 1900; // of struct tm
    const std::chrono::year_month_day date{
        std::chrono::year{parts.tm_year + first_year},
        std::chrono::month{static_cast<unsigned>(parts.tm_mon + 1)},
        std::chrono::day{static_cast<unsigned>(parts.tm_mday)}
    };
    return std::chrono::local_days{date} + std::chrono::hours{parts.tm_hour} +
           std::chrono::minutes{parts.tm_min} + seconds{parts.tm_sec};
}

// The system knows which of its hours are an hour later in summer.
wall_time from_local(local_time when)
{
    const auto day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date{day};
    const auto clock = std::chrono::floor<seconds>(when - day).count();
    constexpr int first_year = 1900;
    constexpr int minute = 60;
    std::tm parts{};
    parts.tm_year = static_cast<int>(date.year()) - first_year;
    parts.tm_mon = static_cast<int>(static_cast<unsigned>(date.month())) - 1;
    parts.tm_mday = static_cast<int>(static_cast<unsigned>(date.day()));
    parts.tm_hour = static_cast<int>(clock / (minute * minute));
    parts.tm_min = static_cast<int>(clock / minute % minute);
    parts.tm_sec = static_cast<int>(clock % minute);
    parts.tm_isdst = -1;
    return wall_time{seconds{std::mktime(&parts)}};
}

// Puts a time as it was typed into the parameters; false, said on stderr, where it is none.
bool add_time(json& params, const char* name, const std::string& text)
{
    if (text.empty()) {
        return true;
    }
    const auto now = wall_now();
    const auto when = parse_when(text, now, to_local(now));
    if (!when) {
        std::fprintf(
            stderr,
            "reachctl: --%s: '%s' is no time; write one as in 14:05, \"yesterday 14:05\", \"tuesday 09:30\", "
            "2026-11-21, \"2 h ago\" or 2026-11-21T14:05:00Z\n",
            name, printable(text).c_str()
        );
        return false;
    }
    const auto* local = std::get_if<local_time>(&*when);
    params[name] = to_text(local ? from_local(*local) : std::get<wall_time>(*when));
    return true;
}

// "198.51.100.7", "198.51.100.7:443", "[2001:db8::1]:443", "tcp 198.51.100.7 443".
bool add_endpoint(json& params, const std::string& text)
{
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find(' ', begin), text.size());
        if (end > begin) {
            words.push_back(text.substr(begin, end - begin));
        }
        begin = end + 1;
    }
    if (!words.empty() && parse_transport(words.front())) {
        params["transport"] = words.front();
        words.erase(words.begin());
    }
    std::string address = words.empty() ? "" : words.front();
    std::string port = words.size() == 2 ? words.back() : "";
    const bool bare = parse_address(address).has_value();
    if (const auto colon = address.rfind(':'); !bare && colon != std::string::npos && port.empty()) {
        port = address.substr(colon + 1);
        address.resize(colon);
    }
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    }
    const auto ports = parse_ports(port);
    if (words.size() > 2 || !parse_address(address) || (!port.empty() && (!ports || ports->size() != 1))) {
        return false;
    }
    params["address"] = address;
    if (ports) {
        params["port"] = ports->ranges.front().first;
    }
    return true;
}

std::optional<json> history_params(const cli_history& options)
{
    json params = json::object();
    const auto add = [&params](const char* name, const std::string& text) {
        if (!text.empty()) {
            params[name] = text;
        }
    };
    add("catalogue", options.catalogue);
    add("requirement", options.requirement);
    add("kinds", options.kinds);
    add("cursor", options.cursor);
    const bool timed = add_time(params, "from", options.from) && add_time(params, "to", options.to) &&
                       add_time(params, "at", options.at);
    if (!timed) {
        return std::nullopt;
    }
    if (!options.endpoint.empty() && !add_endpoint(params, options.endpoint)) {
        std::fputs(
            "reachctl: --endpoint: write it as in 198.51.100.7:443 or \"tcp 198.51.100.7 443\"\n", stderr
        );
        return std::nullopt;
    }
    if (options.limit > 0) {
        params["limit"] = options.limit;
    }
    add("what", options.what);
    return params;
}

// Who asks, for people to know whom to ask.
std::string user_name()
{
    const auto* entry = ::getpwuid(::getuid());
    return entry && *entry->pw_name ? entry->pw_name : fmt::format("uid {}", ::getuid());
}

} // namespace

int command_history(const cli_common& common, const cli_history& options)
{
    const auto params = history_params(options);
    if (!params) {
        return exit_usage;
    }
    const auto answer = ask_daemon(common, "history", *params, history_wait);
    if (!answer) {
        return exit_unproven;
    }
    std::string text;
    if (options.format == "json") {
        text = dump(*answer, 2) + '\n';
    } else if (options.format == "csv") {
        text = render_history_csv(*answer);
    } else {
        text = render_history(*answer, stdout_page(common.colour), local_text, zone_text());
    }
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
}

int command_acknowledge(const cli_common& common, const cli_acknowledge& options)
{
    const auto note = fmt::format("{}", fmt::join(options.note, " "));
    if (note.empty() != options.withdraw) {
        std::fputs(
            "reachctl: give the row and a note, as in: reachctl acknowledge signaling \"ticket 4711, carrier "
            "informed\"; or --withdraw\n",
            stderr
        );
        return exit_usage;
    }
    json params = {{"requirement", options.requirement}};
    if (!options.withdraw) {
        params["note"] = note;
        params["by"] = options.by.empty() ? user_name() : options.by;
    }
    const auto answer = ask_daemon(common, "acknowledge", params, usual_wait);
    if (!answer) {
        return exit_unproven;
    }
    const auto row = printable(answer->value("requirement", options.requirement));
    const bool kept = answer->value("kept", false);
    std::printf(
        "%s: %s%s\n", row.c_str(), options.withdraw ? "the note is gone" : "noted until it recovers",
        kept ? "" : "; the history cannot be written: the note does not survive a restart"
    );
    return 0;
}

} // namespace reachd
