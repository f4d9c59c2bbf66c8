// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/cli_link.hpp"

#include "reachd/core/text.hpp"

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

std::string sentence_of(const call_error& failed)
{
    if (failed.link) {
        return printable(failed.sentence);
    }
    std::string text = printable(failed.sentence);
    const auto& details = failed.refused.details;
    if (details.is_object() && details.contains("faults")) { // a refused reload: every fault on its line
        for (const auto& fault : details["faults"]) {
            const bool told = fault.is_object() && fault.contains("text") && fault["text"].is_string();
            text += told ? "\n  " + printable(fault["text"].get<std::string>()) : "";
        }
    }
    return text;
}

namespace {

std::expected<json, call_error> ask_once(
    const cli_common& common, std::string_view method, const json& params, time_point deadline,
    const control_client::listener& heard
)
{
    auto client =
        connect_control(socket_for(common, method), std::min(deadline, steady::now() + plugin_wait));
    if (!client) {
        return std::unexpected{std::move(client.error())};
    }
    return client->call(method, params, deadline, heard);
}

// The daemon ended under the question: under a service manager the next one is about to take the socket over.
// A method that only reads can be asked twice.
bool may_ask_again(std::string_view method, const call_error& failed)
{
    const auto* info = find_method(method);
    const bool ended = failed.link ? *failed.link == link_fault::closed
                                   : failed.refused.reason == reasons::shutting_down.word;
    return ended && info && info->access == access_level::read;
}

} // namespace

std::optional<json> ask_daemon_quietly(
    const cli_common& common, std::string_view method, const json& params, seconds wait, std::string& why,
    const control_client::listener& heard
)
{
    const auto deadline = steady::now() + wait;
    auto answer = ask_once(common, method, params, deadline, heard);
    if (!answer && may_ask_again(method, answer.error())) {
        answer = ask_once(common, method, params, deadline, heard);
    }
    if (!answer) {
        why = sentence_of(answer.error());
        return std::nullopt;
    }
    return std::move(*answer);
}

std::optional<json> ask_daemon(
    const cli_common& common, std::string_view method, const json& params, seconds wait,
    const control_client::listener& heard
)
{
    std::string why;
    auto answer = ask_daemon_quietly(common, method, params, wait, why, heard);
    if (!answer) {
        std::fprintf(stderr, "reachctl: %s\n", why.c_str());
    }
    return answer;
}

} // namespace reachd
