// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/cli_link.hpp"

#include "cli_watch_screen.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <thread>
#include <unistd.h>

namespace reachd {
namespace {

constexpr seconds reconnect_every{1};

void say(const std::string& text)
{
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

std::string member(const json& from, const char* key)
{
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? printable(found->get<std::string>()) : std::string{};
}

void show_snapshot(const json& answer, const page& format)
{
    const auto snapshot = answer.value("snapshot", answer);
    say(render_summary(snapshot.value("health", json::object()), format));
    for (const auto& row : snapshot.value("requirements", json::array())) {
        say(fmt::format("  {:<14}  {:<16}\n", member(row, "state"), member(row, "requirement")));
    }
}

void show_event(const json& event, const page& format)
{
    const auto kind = member(event, "kind");
    if (kind == "round.finished") {
        return; // nothing has changed by itself
    }
    const auto state = member(event, "state");
    const auto with = state == "fail" || state == "not_ready" ? ink::bad
                    : state == "pass" || state == "ready"     ? ink::good
                                                              : ink::plain;
    auto line = fmt::format("{}  {}", member(event, "time"), kind);
    if (const auto row = member(event, "requirement"); !row.empty()) {
        line += "  " + row;
    }
    if (!state.empty()) {
        line += "  " + paint(state, with, format.use);
    }
    say(line + '\n');
    for (const char* key : {"sentence", "address", "message"}) {
        if (const auto text = member(event, key); !text.empty()) {
            for (const auto& part : wrap(text, format.columns - 4)) {
                say("    " + part + '\n');
            }
        }
    }
}

// Until the daemon goes; false when it was never there.
bool follow(const cli_common& common, const page& format, std::string& why)
{
    auto client = connect_control(socket_for(common, "subscribe"), steady::now() + plugin_wait);
    if (!client) {
        why = sentence_of(client.error());
        return false;
    }
    const auto snapshot = client->call("subscribe", json::object(), steady::now() + usual_wait);
    if (!snapshot) {
        why = sentence_of(snapshot.error());
        return false;
    }
    show_snapshot(*snapshot, format);
    while (true) {
        const auto heard = client->next_notification(steady::now() + std::chrono::hours{24});
        if (!heard) {
            why = sentence_of(heard.error());
            return true;
        }
        show_event(heard->params, format);
    }
}

} // namespace

int command_watch(const cli_common& common, const cli_query&)
{
    const char* terminal = std::getenv("TERM");
    if (::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO) && terminal &&
        std::string_view{terminal} != "dumb") {
        return watch_on_screen(common);
    }
    const auto format = stdout_page(common.colour);
    std::string why;
    if (!follow(common, format, why)) {
        std::fprintf(stderr, "reachctl: %s\n", why.c_str());
        return exit_unproven;
    }
    while (true) { // a restart of the daemon is no reason to stop watching
        std::fprintf(stderr, "reachctl: %s; waiting for the daemon\n", why.c_str());
        while (!follow(common, format, why)) {
            std::this_thread::sleep_for(reconnect_every);
        }
    }
}

} // namespace reachd
