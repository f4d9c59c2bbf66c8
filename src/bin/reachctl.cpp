// SPDX-License-Identifier: Apache-2.0
#include "command_table.hpp"
#include "reachd/app/cli.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/report_formats.hpp"
#include "reachd/core/rules.hpp"
#include "reachd/core/text.hpp"
#include "reachd/core/version.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {

using reachd::cli_acknowledge;
using reachd::cli_bundle;
using reachd::cli_check;
using reachd::cli_common;
using reachd::cli_diff;
using reachd::cli_explain;
using reachd::cli_history;
using reachd::cli_idle;
using reachd::cli_query;
using reachd::cli_report;
using reachd::cli_rules;

// Which options of a query a command has.
enum takes : unsigned {
    nothing = 0,
    json = 1,     // --format text|json
    pollers = 2,  // --format text|json|nagios|checkmk|collectd
    words = 4,    // what follows
    textfile = 8, // --textfile
    rows = 16,    // requirements that follow
};

struct command {
    const char* name;
    int (*run)(const cli_common&, const cli_query&);
    unsigned options;
    const char* help;
    const char* example;
};

constexpr command commands[] = {
    {"status", reachd::command_status, json, "the site's answer, from the daemon", "reachctl status"},
    {"health", reachd::command_health, pollers, "one line for monitoring systems",
     "reachctl health --format nagios"},
    {"endpoint", reachd::command_endpoint, json | words, "one endpoint with all its evidence",
     "reachctl endpoint tcp 54.215.171.160 443"},
    {"watch", reachd::command_watch, nothing, "what changes, as it changes", "reachctl watch"},
    {"probe", reachd::command_probe, json | rows, "measure requirements now (none named: all)",
     "reachctl probe signaling maps"},
    {"reload", reachd::command_reload, nothing, "have the daemon read its files again", "reachctl reload"},
    {"catalogues", reachd::command_catalogues, json, "what the daemon measures, and why",
     "reachctl catalogues"},
    {"metrics", reachd::command_metrics, textfile, "everything in Prometheus's text format",
     "reachctl metrics --textfile /var/lib/prometheus/node-exporter/reachd.prom"},
    {"doctor", reachd::command_doctor, json, "what this machine can and cannot measure", "reachctl doctor"},
};

void add_query_options(CLI::App& app, const command& what, cli_query& query)
{
    if (what.options & json) {
        app.add_option("--format", query.format, "text or json")->check(CLI::IsMember({"text", "json"}));
    }
    if (what.options & pollers) {
        app.add_option("--format", query.format, "text, json, nagios, checkmk or collectd")
            ->check(CLI::IsMember({"text", "json", "nagios", "checkmk", "collectd"}));
    }
    if (what.options & textfile) {
        app.add_option(
            "--textfile", query.textfile, "put it in place of this file, whole, for node_exporter"
        );
    }
    if (what.options & words) {
        app.add_option("what", query.words, "as in the example");
    }
    if (what.options & rows) {
        app.add_option("requirement", query.words, "ids, or catalogue/id");
    }
}

// The forms of a report, "text" among them as it was before.
void add_report_options(CLI::App& one, std::string& format, std::string& output, std::string& baseline)
{
    one.add_option("--format", format, reachd::report_format_list())
        ->check(CLI::IsMember({"table", "json", "jsonl", "junit", "csv", "html", "markdown", "text"}));
    one.add_option(
        "--output", output, "write to this file; its extension tells the format where --format does not"
    );
    one.add_option("--baseline", baseline, "an older report as JSON: tell what changed since");
}

void add_report(CLI::App& app, cli_report& report)
{
    auto* one = app.add_subcommand("report", "every requirement, from the daemon");
    one->footer("Example: reachctl report --output report.html");
    one->add_option("--catalogue", report.catalogue, "only this catalogue");
    one->add_option("--requirement", report.requirement, "only this requirement");
    add_report_options(*one, report.format, report.output, report.baseline);
}

void add_diff(CLI::App& app, cli_diff& diff)
{
    auto* one = app.add_subcommand("diff", "what changed between two reports");
    one->footer("Example: reachctl diff monday.json today.json");
    one->add_option("before", diff.before, "a report as JSON")->required();
    one->add_option("after", diff.after, "a later one")->required();
    one->add_option("--format", diff.format, "text or json")->check(CLI::IsMember({"text", "json"}));
}

void add_explain(CLI::App& app, cli_explain& explain)
{
    auto* one =
        app.add_subcommand("explain", "the evidence of one requirement in order, to paste into a ticket");
    one->footer("Example: reachctl explain signaling --report report.json");
    one->add_option("requirement", explain.row, "its id, or catalogue/id")->required();
    one->add_option("--report", explain.report, "a report as JSON, in place of the daemon's");
}

void add_check(CLI::App& app, cli_check& check)
{
    auto* one = app.add_subcommand("check", "check the whole site now, without a daemon");
    one->footer("Example: reachctl check --only signaling --output signaling.html");
    one->add_option("--only", check.only, "only this requirement; may be given again")
        ->allow_extra_args(false);
    one->add_option("--vantage", check.vantage, "only from this vantage of the configuration");
    add_report_options(*one, check.format, check.output, check.baseline);
    one->add_flag("--quick", check.quick, "leave out what needs a long wait (it is then unproven)");
    one->add_flag("--dry-run", check.dry_run, "tell what would be sent, and send nothing");
    one->add_flag("--fast", check.fast, "lift the pacing: firewalls may take the check for a port scan");
}

void add_idle(CLI::App& app, cli_idle& idle)
{
    constexpr unsigned most_hold_s = 86400; // as hold_s of a catalogue
    auto* one = app.add_subcommand("idle", "measure idle timers now, without a daemon");
    one->footer("Example: reachctl idle --hold 60");
    one->add_option("--format", idle.format, "table or json")->check(CLI::IsMember({"table", "json"}));
    one->add_option("--hold", idle.hold_s, "seconds to be held, in place of what the catalogues require")
        ->check(CLI::Range(1U, most_hold_s));
    one->add_flag("--refine", idle.refine, "narrow the bracket by a second ladder");
}

void add_history(CLI::App& app, cli_history& history)
{
    auto* one = app.add_subcommand("history", "what changed, and the site as it was, from the daemon");
    one->footer(
        "Times: 14:05, \"yesterday 14:05\", \"tuesday 09:30\", 2026-11-21, \"2 h ago\", "
        "2026-11-21T14:05:00Z.\nExample: reachctl history --at \"yesterday 14:05\""
    );
    one->add_option("--from", history.from, "not before this time");
    one->add_option("--to", history.to, "before this time");
    one->add_option("--at", history.at, "the site as it was at this time");
    one->add_option("--catalogue", history.catalogue, "only this catalogue");
    one->add_option("requirement,--requirement", history.requirement, "only this requirement");
    one->add_option(
        "--endpoint", history.endpoint, "only this one: 198.51.100.7:443, \"udp 198.51.100.7 4200\""
    );
    one->add_option("--kinds", history.kinds, "only these kinds of changes, with commas between");
    const auto add_what = [&](const char* what, const char* about) {
        one->add_flag_callback(std::string{"--"} + what, [&history, what] { history.what = what; }, about);
    };
    add_what("outages", "when requirements failed, from when to when, and why");
    add_what("availability", "the share of the time that each passed");
    add_what("samples", "what the rounds measured");
    add_what("addresses", "which addresses names had, and when");
    one->add_option("--limit", history.limit, "entries of one page (100)")->check(CLI::Range(1U, 1000U));
    one->add_option("--cursor", history.cursor, "where the page before ended");
    one->add_option("--format", history.format, "text, json or csv")
        ->check(CLI::IsMember({"text", "json", "csv"}));
}

void add_acknowledge(CLI::App& app, cli_acknowledge& acknowledge)
{
    auto* one = app.add_subcommand("acknowledge", "note a failing requirement until it recovers");
    one->footer("Example: reachctl acknowledge signaling \"ticket 4711, carrier informed\"");
    one->add_option("requirement", acknowledge.requirement, "its id, or catalogue/id")->required();
    one->add_option("note", acknowledge.note, "what to say of it");
    one->add_option("--by", acknowledge.by, "who says so, instead of the user's name");
    one->add_flag("--withdraw", acknowledge.withdraw, "take the note away");
}

// As the completions look for choices: "table, asa" -> "{table,asa}".
std::string in_braces(std::string list)
{
    std::erase(list, ' ');
    return '{' + list + '}';
}

void add_rules(CLI::App& app, cli_rules& rules)
{
    auto* one = app.add_subcommand("rules", "what to ask the firewall team for");
    one->footer("Example: reachctl rules --failing --format nftables --output missing.nft");
    one->add_flag(
        "--failing", rules.failing, "only what fails in the daemon's report, or in that of --report"
    );
    const auto known = [](const std::string& text) {
        return reachd::parse_rule_format(text) ? std::string{} : "one of " + reachd::rule_format_list();
    };
    one->add_option("--format", rules.format, reachd::rule_format_list())
        ->check(known)
        ->type_name(in_braces(reachd::rule_format_list()));
    one->add_option("--only", rules.only, "only this requirement; may be given again")
        ->allow_extra_args(false);
    one->add_option("--report", rules.report, "a file made by `reachctl check --format json`");
    one->add_flag("--resolve", rules.resolve, "ask DNS now for names that have no address yet");
    one->add_option("--output", rules.output, "write to this file instead of stdout");
}

void add_support_bundle(CLI::App& app, cli_bundle& bundle)
{
    auto* one =
        app.add_subcommand("support-bundle", "what support asks for, without secrets: the list first");
    one->footer("Example: reachctl support-bundle --output support.tar.gz");
    one->add_option("--output", bundle.output, "the .tar.gz to write; without it only the list is shown");
    one->add_option("--log", bundle.log, "a log file whose last lines go in");
    one->add_flag_callback(
        "--redact-addresses", [&bundle] { bundle.addresses = reachd::site_addresses::masked; },
        "name the site's own addresses instead of telling them"
    );
}

void add_completions(CLI::App& app, std::string& shell)
{
    auto* one = app.add_subcommand("completions", "a script that completes these commands in a shell");
    one->footer("Example: reachctl completions bash > /etc/bash_completion.d/reachctl");
    one->add_option("shell", shell, "bash, zsh or fish; rows or catalogues: the ids that the scripts ask for")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish", "rows", "catalogues"}));
}

} // namespace

namespace {

// No command of ours was named; a misspelt one is told.
int refuse_command(CLI::App& app, const CLI::RequiredError& wrong)
{
    const auto words = app.remaining(true);
    const auto word = std::ranges::find_if(words, [](const auto& one) { return !one.starts_with('-'); });
    if (!app.get_subcommands().empty() || word == words.end()) {
        app.exit(wrong);
        return reachd::exit_usage;
    }
    std::vector<std::string> names;
    for (const auto* one : app.get_subcommands({})) {
        names.push_back(one->get_name());
    }
    const auto hint = reachd::nearest(*word, {names.begin(), names.end()});
    std::string advice = "reachctl --help lists them";
    if (hint) {
        advice = "did you mean " + reachd::in_quotes(*hint) + "?";
    }
    std::fprintf(
        stderr, "reachctl: there is no command %s: %s\n", reachd::in_quotes(*word).c_str(), advice.c_str()
    );
    return reachd::exit_usage;
}

int run(int count, char** arguments)
{
    cli_common common{.version = reachd::program_version()};
    cli_check check;
    cli_idle idle;
    cli_history history;
    cli_acknowledge acknowledge;
    cli_rules rules;
    cli_report report;
    cli_diff diff;
    cli_explain explain;
    cli_bundle bundle;
    std::string shell;
    std::array<cli_query, std::size(commands)> queries;

    CLI::App app{"Proves what a site can and cannot reach.\nExit codes: 0 ready, 2 not ready, 3 unproven or "
                 "no daemon, 64 wrong usage, 78 faulty files."};
    app.set_version_flag("-V,--version", reachd::program_version());
    app.footer("Example: reachctl check");
    app.require_subcommand(1);
    app.fallthrough();
    const std::map<std::string, reachd::colour_choice> colours{
        {"auto", reachd::colour_choice::automatic},
        {"always", reachd::colour_choice::always},
        {"never", reachd::colour_choice::never},
    };
    app.add_option("--color", common.colour, "auto, always or never")
        ->transform(CLI::CheckedTransformer(colours))
        ->option_text("auto|always|never");
    app.add_option("--config", common.where.config, "the site's configuration");
    app.add_option("--catalogue-dir", common.where.catalogue_dirs, "where to look for catalogues first")
        ->allow_extra_args(false);
    app.add_option("--runtime-dir", common.where.runtime_dir, "where the daemon's sockets are");
    app.add_option("--socket", common.socket, "one socket of the daemon");
    add_check(app, check);
    add_idle(app, idle);
    add_history(app, history);
    add_acknowledge(app, acknowledge);
    add_rules(app, rules);
    add_report(app, report);
    add_diff(app, diff);
    add_explain(app, explain);
    add_support_bundle(app, bundle);
    add_completions(app, shell);
    for (std::size_t i = 0; i < std::size(commands); ++i) {
        auto* one = app.add_subcommand(commands[i].name, commands[i].help);
        one->footer(std::string{"Example: "} + commands[i].example);
        add_query_options(*one, commands[i], queries[i]);
    }
    try {
        app.parse(count, arguments);
    } catch (const CLI::RequiredError& wrong) {
        return refuse_command(app, wrong);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong) == 0 ? 0 : reachd::exit_usage;
    }
    if (app.got_subcommand("check")) {
        return command_check(common, check);
    }
    if (app.got_subcommand("idle")) {
        return command_idle(common, idle);
    }
    if (app.got_subcommand("history")) {
        return command_history(common, history);
    }
    if (app.got_subcommand("acknowledge")) {
        return command_acknowledge(common, acknowledge);
    }
    if (app.got_subcommand("rules")) {
        return command_rules(common, rules);
    }
    if (app.got_subcommand("report")) {
        return command_report(common, report);
    }
    if (app.got_subcommand("diff")) {
        return command_diff(common, diff);
    }
    if (app.got_subcommand("support-bundle")) {
        return command_support_bundle(common, bundle);
    }
    if (app.got_subcommand("completions")) {
        const auto which = reachd::parse_shell(shell);
        return which ? reachd::write_out(
                           reachd::render_completions(reachd::table_of(app, "reachctl"), *which), ""
                       )
                     : reachd::command_completion_words(common, shell);
    }
    if (app.got_subcommand("explain")) {
        return command_explain(common, explain);
    }
    for (std::size_t i = 0; i < std::size(commands); ++i) {
        if (app.got_subcommand(commands[i].name)) {
            return commands[i].run(common, queries[i]);
        }
    }
    return reachd::exit_usage;
}

} // namespace

int main(int count, char** arguments)
{
    try {
        return run(count, arguments);
    } catch (const std::bad_alloc&) {
        std::fputs("reachctl: there is not enough memory for this\n", stderr);
        return reachd::exit_unproven;
    } catch (const nlohmann::json::exception&) {
        std::fputs("reachctl: what was answered is not an answer of reachd's: is this its socket?\n", stderr);
        return reachd::exit_unproven;
    }
}
