// SPDX-License-Identifier: Apache-2.0
#include "command_table.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace reachd {
namespace {

constexpr std::string_view file_options[] = {
    "--config",   "--catalogue-dir", "--runtime-dir", "--socket", "--output", "--baseline",
    "--textfile", "--report",        "--log",         "before",   "after",
};
constexpr std::string_view row_options[] = {"--only", "--requirement", "requirement"};
constexpr std::string_view catalogue_options[] = {"--catalogue"};

// "TEXT:{json,text}" or "ENUM:value in {always->1,auto->0} OR {1,0}": the words in the first braces.
std::vector<std::string> choices_of(const std::string& type)
{
    std::vector<std::string> out;
    const auto from = type.find('{');
    const auto to = type.find('}', from);
    if (from == std::string::npos || to == std::string::npos) {
        return out;
    }
    for (const auto& word : CLI::detail::split(type.substr(from + 1, to - from - 1), ',')) {
        out.push_back(word.substr(0, word.find("->")));
    }
    return out;
}

command_option option_of(const CLI::Option& from)
{
    command_option out{
        .names = {}, .help = from.get_description(), .choices = choices_of(from.get_type_name())
    };
    for (const auto& name : from.get_lnames()) {
        out.names.push_back("--" + name);
    }
    for (const auto& name : from.get_snames()) {
        out.names.push_back("-" + name);
    }
    const auto is_named = [&](std::string_view name) {
        return std::ranges::find(out.names, name) != out.names.end() || from.get_name() == name;
    };
    const bool flag = from.get_items_expected_max() == 0;
    out.takes = flag                                             ? argument::none
              : std::ranges::any_of(file_options, is_named)      ? argument::file
              : std::ranges::any_of(row_options, is_named)       ? argument::row
              : std::ranges::any_of(catalogue_options, is_named) ? argument::catalogue
                                                                 : argument::other;
    return out;
}

void add_options(
    const CLI::App& app, std::vector<command_option>& options, std::vector<command_option>* positionals
)
{
    for (const auto* one : app.get_options()) {
        if (one->nonpositional()) {
            options.push_back(option_of(*one));
        }
        if (one->get_positional() && positionals != nullptr) {
            positionals->push_back(option_of(*one));
        }
    }
}

} // namespace

command_table table_of(const CLI::App& app, std::string program)
{
    command_table out{.program = std::move(program), .options = {}, .commands = {}};
    add_options(app, out.options, nullptr);
    for (const auto* one : app.get_subcommands([](const CLI::App*) { return true; })) {
        auto& entry = out.commands.emplace_back(
            command_entry{
                .name = one->get_name(), .help = one->get_description(), .options = {}, .positionals = {}
            }
        );
        add_options(*one, entry.options, &entry.positionals);
    }
    return out;
}

} // namespace reachd
