// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/cli_link.hpp"

#include <cstdio>

namespace reachd {

std::string socket_for(const cli_common& common, std::string_view method)
{
    if (!common.socket.empty()) {
        return common.socket;
    }
    const auto* info = find_method(method);
    const bool changes = info && info->access == access_level::change;
    const auto directory = find_paths(common.where, running_program()).runtime_dir;
    return directory / (changes ? control_socket_name : status_socket_name);
}

namespace {

std::string sentence_of(const call_error& failed)
{
    if (failed.link) {
        return failed.sentence;
    }
    std::string text = failed.sentence;
    const auto& details = failed.refused.details;
    if (details.is_object() && details.contains("faults")) { // a refused reload: every fault on its line
        for (const auto& fault : details["faults"]) {
            text += "\n  " + fault.value("text", std::string{});
        }
    }
    return text;
}

} // namespace

std::optional<json> ask_daemon_quietly(
    const cli_common& common, std::string_view method, json params, seconds wait, std::string& why
)
{
    const auto deadline = steady::now() + wait;
    auto client =
        connect_control(socket_for(common, method), std::min(deadline, steady::now() + plugin_wait));
    if (!client) {
        why = client.error().sentence;
        return std::nullopt;
    }
    auto answer = client->call(method, std::move(params), deadline, [](const control_notification&) {});
    if (!answer) {
        why = sentence_of(answer.error());
        return std::nullopt;
    }
    return std::move(*answer);
}

std::optional<json> ask_daemon(const cli_common& common, std::string_view method, json params, seconds wait)
{
    std::string why;
    auto answer = ask_daemon_quietly(common, method, std::move(params), wait, why);
    if (!answer) {
        std::fprintf(stderr, "reachctl: %s\n", why.c_str());
    }
    return answer;
}

} // namespace reachd
