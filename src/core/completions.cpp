// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/completions.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd {
namespace {

// Within single quotes of every one of the three shells.
std::string quoted(std::string_view text)
{
    std::string out = "'";
    for (const char byte : text) {
        out += byte == '\'' ? "'\\''" : std::string(1, byte);
    }
    return out + "'";
}

std::string names_of(const std::vector<command_option>& options)
{
    std::string out;
    for (const auto& one : options) {
        for (const auto& name : one.names) {
            out += (out.empty() ? "" : " ") + name;
        }
    }
    return out;
}

// What the shell runs for words that only the files know; "" for words that are known here.
std::string asked_of_program(const std::string& program, argument takes)
{
    return takes == argument::row       ? program + " completions rows 2>/dev/null"
         : takes == argument::catalogue ? program + " completions catalogues 2>/dev/null"
                                        : std::string{};
}

// --- bash ---

std::string bash_words(const std::string& program, const command_option& one)
{
    const auto asked = asked_of_program(program, one.takes);
    return asked.empty() ? quoted(fmt::format("{}", fmt::join(one.choices, " "))) : "\"$(" + asked + ")\"";
}

void add_bash_values(
    std::string& out, const std::string& program, const std::string& command,
    const std::vector<command_option>& options
)
{
    for (const auto& one : options) {
        if (one.takes == argument::none || one.names.empty()) {
            continue;
        }
        std::string pattern;
        for (const auto& name : one.names) {
            pattern += fmt::format("{}{}:{}", pattern.empty() ? "" : "|", command, name);
        }
        const auto reply =
            one.takes == argument::file
                ? std::string{"compopt -o default; COMPREPLY=()"}
                : fmt::format("COMPREPLY=($(compgen -W {} -- \"$current\"))", bash_words(program, one));
        out += fmt::format("        {}) {}; return ;;\n", pattern, reply);
    }
}

std::string bash_script(const command_table& table)
{
    std::string commands;
    std::string values;
    std::string words;
    for (const auto& one : table.commands) {
        commands += (commands.empty() ? "" : " ") + one.name;
        add_bash_values(values, table.program, one.name, one.options);
        std::string plain;
        bool files = false;
        for (const auto& each : one.positionals) {
            plain += (plain.empty() ? "" : "' '") + bash_words(table.program, each);
            files = files || each.takes == argument::file;
        }
        words += fmt::format(
            "        {}) options={}; plain={}; files={} ;;\n", one.name, quoted(names_of(one.options)), plain,
            files ? "yes" : ""
        );
    }
    add_bash_values(values, table.program, "*", table.options);
    return fmt::format(
        R"(# bash completion of {0}, made by `{0} completions bash`
_{0}()
{{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local command= options= plain= files= i
    for ((i = 1; i < COMP_CWORD; ++i)); do
        case " {1} " in
            *" ${{COMP_WORDS[i]}} "*) command=${{COMP_WORDS[i]}}; break ;;
        esac
    done
    COMPREPLY=()
    case $command:$before in
{2}    esac
    case $command in
{3}        *) plain={4} ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options "{5} -- "$current"))
    elif [[ -n $files ]]; then
        compopt -o default
    else
        COMPREPLY=($(compgen -W "$plain" -- "$current"))
    fi
}}
complete -F _{0} {0}
)",
        table.program, commands, values, words, quoted(commands), quoted(names_of(table.options))
    );
}

// --- zsh ---

std::string zsh_escaped(std::string_view text, std::string_view which)
{
    std::string out;
    for (const char byte : text) {
        out += which.find(byte) != std::string_view::npos ? std::string{'\\', byte} : std::string(1, byte);
    }
    return out;
}

std::string zsh_values(const std::string& program, const command_option& one)
{
    if (const auto asked = asked_of_program(program, one.takes); !asked.empty()) {
        return ":value:{compadd -- ${(f)\"$(" + asked + ")\"}}";
    }
    if (one.takes == argument::file) {
        return ":file:_files";
    }
    if (one.takes == argument::none) {
        return {};
    }
    return one.choices.empty() ? ":value: " : fmt::format(":value:({})", fmt::join(one.choices, " "));
}

std::string
zsh_arguments(const std::string& program, const std::vector<command_option>& options, std::string_view left)
{
    std::string out;
    for (const auto& one : options) {
        for (const auto& name : one.names) {
            out += fmt::format(
                " \\\n{}{}", left,
                quoted(
                    fmt::format("*{}[{}]{}", name, zsh_escaped(one.help, "[]:\\"), zsh_values(program, one))
                )
            );
        }
        if (one.names.empty()) {
            const auto values = zsh_values(program, one);
            out += fmt::format(
                " \\\n{}{}", left,
                quoted("*:" + zsh_escaped(one.help, ":\\") + values.substr(values.find(':', 1)))
            );
        }
    }
    return out;
}

std::string zsh_script(const command_table& table)
{
    std::string names;
    std::string cases;
    for (const auto& one : table.commands) {
        names += "        " + quoted(one.name + ":" + zsh_escaped(one.help, ":\\")) + '\n';
        cases += fmt::format(
            "                {})\n                    _arguments{}{}{} ;;\n", one.name,
            zsh_arguments(table.program, one.options, "                        "),
            zsh_arguments(table.program, one.positionals, "                        "),
            zsh_arguments(table.program, table.options, "                        ")
        );
    }
    return fmt::format(
        R"(#compdef {0}
# zsh completion of {0}, made by `{0} completions zsh`
_{0}()
{{
    local curcontext=$curcontext state line
    local -a commands
    commands=(
{1}    )
    _arguments -C{2} \
        '1: :->command' '*:: :->argument'
    case $state in
        command) _describe -t commands command commands ;;
        argument)
            case $line[1] in
{3}            esac ;;
    esac
}}
if [[ $funcstack[1] == _{0} ]]; then
    _{0} "$@"
else
    compdef _{0} {0}
fi
)",
        table.program, names, zsh_arguments(table.program, table.options, "        "), cases
    );
}

// --- fish ---

std::string fish_option(const std::string& program, const std::string& begin, const command_option& one)
{
    const auto asked = asked_of_program(program, one.takes);
    auto out = begin;
    for (const auto& name : one.names) {
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (one.takes == argument::file) {
        out += " -r -F";
    } else if (one.takes != argument::none && !one.names.empty()) {
        out += " -x";
    }
    if (!asked.empty()) {
        out += " -a " + quoted('(' + asked + ')');
    } else if (!one.choices.empty()) {
        out += " -a " + quoted(fmt::format("{}", fmt::join(one.choices, " ")));
    }
    return out + " -d " + quoted(one.help) + '\n';
}

std::string fish_script(const command_table& table)
{
    auto out = fmt::format(
        "# fish completion of {0}, made by `{0} completions fish`\ncomplete -c {0} -f\n", table.program
    );
    const auto begin = "complete -c " + table.program;
    for (const auto& one : table.options) {
        out += fish_option(table.program, begin, one);
    }
    for (const auto& one : table.commands) {
        out += fmt::format("{} -n __fish_use_subcommand -a {} -d {}\n", begin, one.name, quoted(one.help));
        const auto within = fmt::format("{} -n '__fish_seen_subcommand_from {}'", begin, one.name);
        for (const auto& each : one.options) {
            out += fish_option(table.program, within, each);
        }
        for (const auto& each : one.positionals) {
            if (each.takes == argument::file) {
                out += within + " -F\n";
            } else if (!each.choices.empty() || each.takes != argument::other) {
                out += fish_option(table.program, within, each);
            }
        }
    }
    return out;
}

} // namespace

std::optional<shell> parse_shell(std::string_view word)
{
    return word == "bash" ? std::optional{shell::bash}
         : word == "zsh"  ? std::optional{shell::zsh}
         : word == "fish" ? std::optional{shell::fish}
                          : std::nullopt;
}

std::string render_completions(const command_table& table, shell which)
{
    switch (which) {
    case shell::bash: return bash_script(table);
    case shell::zsh: return zsh_script(table);
    case shell::fish: return fish_script(table);
    }
    return {};
}

} // namespace reachd
