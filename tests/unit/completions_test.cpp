// SPDX-License-Identifier: Apache-2.0
// What the scripts do in real shells: tests/system/cli_test.py.
#include "reachd/core/completions.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

command_table make_table()
{
    const command_option format{
        .names = {"--format", "-f"},
        .help = "as text or JSON",
        .takes = argument::other,
        .choices = {"text", "json"}
    };
    return {
        .program = "prog",
        .options =
            {{.names = {"--config"}, .help = "the site's file", .takes = argument::file, .choices = {}},
             {.names = {"--help", "-h"}, .help = "says what it can", .takes = argument::none, .choices = {}}},
        .commands = {
            {.name = "check",
             .help = "checks: [all] rows",
             .options =
                 {format,
                  {.names = {"--only"}, .help = "the site's rows", .takes = argument::row, .choices = {}},
                  {.names = {"--catalogue"}, .help = "of one", .takes = argument::catalogue, .choices = {}},
                  {.names = {"--port"}, .help = "any", .takes = argument::other, .choices = {}}},
             .positionals =
                 {{.names = {}, .help = "a row", .takes = argument::row, .choices = {}},
                  {.names = {}, .help = "how: well", .takes = argument::other, .choices = {"fast", "slow"}}}},
            {.name = "report",
             .help = "renders",
             .options = {},
             .positionals = {{.names = {}, .help = "a report", .takes = argument::file, .choices = {}}}},
            {.name = "endpoint",
             .help = "shows one",
             .options = {},
             .positionals = {{.names = {}, .help = "an address", .takes = argument::other, .choices = {}}}},
        }
    };
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

TEST(completions, know_three_shells_and_no_other)
{
    EXPECT_EQ(parse_shell("bash"), shell::bash);
    EXPECT_EQ(parse_shell("zsh"), shell::zsh);
    EXPECT_EQ(parse_shell("fish"), shell::fish);
    EXPECT_EQ(parse_shell("sh"), std::nullopt);
    EXPECT_EQ(parse_shell(""), std::nullopt);
}

TEST(completions, of_bash_complete_what_each_option_takes)
{
    const auto script = render_completions(make_table(), shell::bash);
    EXPECT_TRUE(has(
        script, R"~(check:--format|check:-f) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;)~"
    ));
    EXPECT_TRUE(
        has(script, R"~(check:--only) COMPREPLY=($(compgen -W "$(prog completions rows 2>/dev/null)" --)~")
    );
    EXPECT_TRUE(
        has(script,
            R"~(check:--catalogue) COMPREPLY=($(compgen -W "$(prog completions catalogues 2>/dev/null)" --)~")
    );
    EXPECT_TRUE(has(script, "*:--config) compopt -o default; COMPREPLY=(); return ;;"));
    EXPECT_FALSE(has(script, ":--help)")); // nothing follows it
}

TEST(completions, of_bash_complete_what_each_command_takes)
{
    const auto script = render_completions(make_table(), shell::bash);
    EXPECT_TRUE(has(
        script,
        R"~(check) options='--format -f --only --catalogue --port'; plain="$(prog completions rows 2>/dev/null)"' ''fast slow'; files= ;;)~"
    )) << script;
    EXPECT_TRUE(has(script, "report) options=''; plain=''; files=yes ;;"));
    EXPECT_TRUE(has(script, "*) plain='check report endpoint' ;;"));
    EXPECT_TRUE(has(script, R"~($options "'--config --help -h' --)~"));
}

TEST(completions, of_zsh_show_the_help_and_escape_what_zsh_would_obey)
{
    const auto script = render_completions(make_table(), shell::zsh);
    EXPECT_TRUE(has(script, R"~('check:checks\: [all] rows')~")) << script;
    EXPECT_TRUE(has(script, R"~('*--format[as text or JSON]:value:(text json)')~"));
    EXPECT_TRUE(has(script, R"~('*-f[as text or JSON]:value:(text json)')~"));
    EXPECT_TRUE(has(script, R"~('*--config[the site'\''s file]:file:_files')~"));
    EXPECT_TRUE(has(script, R"~('*--help[says what it can]')~"));
    EXPECT_TRUE(has(script, R"~('*--port[any]:value: ')~"));
    EXPECT_TRUE(has(script, R"~('*:how\: well:(fast slow)')~"));
    EXPECT_TRUE(
        has(script, R"~('*:a row:{compadd -- ${(f)"$(prog completions rows 2>/dev/null)"}}')~")
    );
}

TEST(completions, of_fish_tell_files_values_and_flags_apart)
{
    const auto script = render_completions(make_table(), shell::fish);
    EXPECT_TRUE(has(script, "complete -c prog -l config -r -F -d 'the site'\\''s file'\n")) << script;
    EXPECT_TRUE(has(script, "complete -c prog -l help -s h -d 'says what it can'\n"));
    const std::string within = "complete -c prog -n '__fish_seen_subcommand_from ";
    EXPECT_TRUE(has(script, within + "check' -l format -s f -x -a 'text json' -d 'as text or JSON'\n"));
    EXPECT_TRUE(has(script, within + "check' -l only -x -a '(prog completions rows 2>/dev/null)' -d"));
    EXPECT_TRUE(has(script, within + "check' -l port -x -d 'any'\n"));
    EXPECT_TRUE(has(script, within + "check' -a 'fast slow' -d 'how: well'\n"));
    EXPECT_TRUE(has(script, within + "report' -F\n"));
    EXPECT_FALSE(has(script, within + "endpoint'")); // an address is not to be guessed
}

} // namespace
} // namespace reachd
