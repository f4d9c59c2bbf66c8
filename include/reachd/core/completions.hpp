// SPDX-License-Identifier: Apache-2.0
// completions.hpp: scripts that complete a program's command line, made from the table of its commands.
//
// Use     The program fills in the table from its own parser, so that the two cannot differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

enum class shell : std::uint8_t {
    bash,
    zsh,
    fish,
};
std::optional<shell> parse_shell(std::string_view word);

// What follows an option, or stands for a positional argument.
enum class argument : std::uint8_t {
    none,      // a flag
    file,      // a path
    row,       // a requirement's id: the program tells them, `completions rows`
    catalogue, // a catalogue's: `completions catalogues`
    other,     // anything, or one of the choices
};

struct command_option {
    std::vector<std::string> names; // "--format", "-h"; of a positional none
    std::string help;
    argument takes = argument::none;
    std::vector<std::string> choices;
};

struct command_entry {
    std::string name;
    std::string help;
    std::vector<command_option> options;
    std::vector<command_option> positionals;
};

struct command_table {
    std::string program;
    std::vector<command_option> options; // before or after any command
    std::vector<command_entry> commands;
};

std::string render_completions(const command_table& table, shell which);

} // namespace reachd
