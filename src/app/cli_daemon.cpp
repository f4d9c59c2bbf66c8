// SPDX-License-Identifier: Apache-2.0
// The commands that ask the daemon.
#include "reachd/app/cli.hpp"
#include "reachd/app/cli_link.hpp"
#include "reachd/core/json.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace reachd {
namespace {

void print(const std::string& text)
{
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

void print_json(const json& value)
{
    print(dump(value, 2) + '\n');
}

std::string text_or(const json& from, const char* key, const std::string& otherwise)
{
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? printable(found->get<std::string>()) : otherwise;
}

long long number_or(const json& from, const char* key, long long otherwise)
{
    const auto found = from.find(key);
    return found != from.end() ? integer_of(*found).value_or(otherwise) : otherwise;
}

// "tcp 1.2.3.4 443" as given on the command line, or "1.2.3.4:443", "[::1]:443" for TCP.
std::optional<json> endpoint_params(const std::vector<std::string>& words)
{
    if (words.size() == 1) {
        const auto colon = words[0].rfind(':');
        auto address = words[0].substr(0, colon);
        if (colon == std::string::npos) {
            return std::nullopt;
        }
        if (address.starts_with('[') && address.ends_with(']')) {
            address = address.substr(1, address.size() - 2);
        }
        return endpoint_params({"tcp", address, words[0].substr(colon + 1)});
    }
    if (words.size() != 3 || !parse_transport(words[0]) || !parse_address(words[1])) {
        return std::nullopt;
    }
    const auto ports = parse_ports(words[2]);
    if (!ports || ports->size() != 1) {
        return std::nullopt;
    }
    return json{{"transport", words[0]}, {"address", words[1]}, {"port", ports->ranges.front().first}};
}

// Rows that were probed one after the other, under one heading each catalogue.
void add_catalogue(json& shown, const json& one)
{
    for (auto& other : shown) {
        if (other.value("id", json()) == one.value("id", json())) {
            for (const auto& row : one.value("requirements", json::array())) {
                other["requirements"].push_back(row);
            }
            return;
        }
    }
    shown.push_back(one);
}

} // namespace

int command_status(const cli_common& common, const cli_query& options)
{
    const auto health = ask_daemon(common, "health", json::object(), usual_wait);
    if (!health) {
        return exit_unproven;
    }
    if (options.format == "json") {
        print_json(*health);
    } else {
        print(render_summary(*health, stdout_page(common.colour)));
    }
    return exit_of(text_or(*health, "state", ""));
}

int command_endpoint(const cli_common& common, const cli_query& options)
{
    const auto params = endpoint_params(options.words);
    if (!params) {
        std::fputs("reachctl: name the endpoint as in: reachctl endpoint tcp 54.215.171.160 443\n", stderr);
        return exit_usage;
    }
    const auto found = ask_daemon(common, "endpoint", *params, usual_wait);
    if (!found) {
        return exit_unproven;
    }
    if (options.format == "json") {
        print_json(*found);
    } else {
        print(render_endpoints(found->value("endpoints", json::array()), stdout_page(common.colour)));
    }
    return 0;
}

namespace {

// On a terminal alone, beside the data.
void tell_progress(const control_notification& heard)
{
    if (heard.method == "progress" && ::isatty(STDERR_FILENO) == 1) {
        std::fprintf(
            stderr, "\rprobing: %lld of %lld requirements are done\x1b[K",
            number_or(heard.params, "requirements_done", 0), number_or(heard.params, "requirements", 0)
        );
    }
}

void clear_progress()
{
    if (::isatty(STDERR_FILENO) == 1) {
        std::fputs("\r\x1b[K", stderr);
    }
}

} // namespace

int command_probe(const cli_common& common, const cli_query& options)
{
    std::vector<json> wanted;
    for (const auto& word : options.words) {
        wanted.push_back({{"requirement", word}});
    }
    if (wanted.empty()) {
        wanted.push_back(json::object());
    }
    json last;
    json shown = json::array();
    for (const auto& params : wanted) {
        const auto report = ask_daemon(common, "probe", params, probe_wait, tell_progress);
        clear_progress();
        if (!report) {
            return exit_unproven;
        }
        last = *report;
        for (const auto& one : report->value("catalogues", json::array())) {
            add_catalogue(shown, one);
        }
    }
    last["catalogues"] = std::move(shown);
    if (options.format == "json") {
        print_json(last);
    } else {
        print(render_report(last, stdout_page(common.colour)));
    }
    return exit_of(text_or(last, "state", ""));
}

int command_reload(const cli_common& common, const cli_query&)
{
    const auto done = ask_daemon(common, "reload", json::object(), usual_wait);
    if (!done) {
        return exit_unproven;
    }
    print(fmt::format("reloaded: {} requirements are in force\n", number_or(*done, "requirements", 0)));
    return 0;
}

int command_catalogues(const cli_common& common, const cli_query& options)
{
    const auto answer = ask_daemon(common, "catalogues", json::object(), usual_wait);
    if (!answer) {
        return exit_unproven;
    }
    if (options.format == "json") {
        print_json(*answer);
        return 0;
    }
    for (const auto& one : answer->value("catalogues", json::array())) {
        print(fmt::format("{}: {}\n", text_or(one, "id", ""), text_or(one, "title", "")));
        for (const auto& row : one.value("requirements", json::array())) {
            print(fmt::format("  {:<16}  {}\n", text_or(row, "id", ""), text_or(row, "about", "")));
        }
    }
    return 0;
}

} // namespace reachd
