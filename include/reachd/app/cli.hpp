// SPDX-License-Identifier: Apache-2.0
// cli.hpp: the commands of reachctl, each a function from its options to an exit code.
//
// Errors  Every failure is one sentence on stderr that says what to do.
// Source  docs/CLI.md: exit codes 0 ready, 2 not ready, 3 unproven or no daemon, 64 wrong usage.
#pragma once

#include "reachd/app/files.hpp"
#include "reachd/app/terminal.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace reachd {

inline constexpr int exit_ready = 0;
inline constexpr int exit_not_ready = 2;
inline constexpr int exit_unproven = 3;
inline constexpr int exit_usage = 64;
inline constexpr int exit_faulty_files = 78; // EX_CONFIG of sysexits.h

// What all commands share.
struct cli_common {
    path_options where;
    colour_choice colour = colour_choice::automatic;
    std::string socket;  // "" for the runtime directory's
    std::string version; // of reachctl
};

struct cli_check {
    std::vector<std::string> only;
    std::string vantage;
    std::string format;   // of report_format; "": the output's extension tells, else table
    std::string output;   // a file; "" for stdout
    std::string baseline; // a file with an older report; ""
    bool quick = false;
    bool fast = false;
    bool dry_run = false; // tell what would be sent, and send nothing
};
int command_check(const cli_common& common, const cli_check& options);

struct cli_idle {
    std::string format = "table"; // table, json
    unsigned hold_s = 0;          // in place of what the catalogues require; 0: theirs
    bool refine = false;
};
int command_idle(const cli_common& common, const cli_idle& options);

struct cli_rules {
    bool failing = false;
    bool resolve = false;
    std::vector<std::string> only;
    std::string format = "table"; // of rule_format
    std::string report;           // a file; "" for the daemon's
    std::string output;           // a file; "" for stdout
};
int command_rules(const cli_common& common, const cli_rules& options);

struct cli_report {
    std::string catalogue;
    std::string requirement;
    std::string format;   // as of cli_check
    std::string output;   // a file; "" for stdout
    std::string baseline; // a file with an older report; ""
};
int command_report(const cli_common& common, const cli_report& options);

struct cli_diff {
    std::string before; // files
    std::string after;
    std::string format = "text"; // text, json
};
int command_diff(const cli_common& common, const cli_diff& options);

struct cli_explain {
    std::string row;    // id or catalogue/id
    std::string report; // a file; "" for the daemon's
};
int command_explain(const cli_common& common, const cli_explain& options);

enum class site_addresses : std::uint8_t {
    told,
    masked, // those that are not global: "site-address-1"
};

struct cli_bundle {
    std::string output; // a .tar.gz; "": only the list
    std::string log;    // a file whose end goes in
    site_addresses addresses = site_addresses::told;
};
int command_support_bundle(const cli_common& common, const cli_bundle& options);

struct cli_query {
    std::string format = "text";    // text, json; health also nagios, checkmk, collectd
    std::string textfile;           // of metrics; "" for stdout
    std::vector<std::string> words; // what follows the command: an endpoint's parts, or requirements
};
int command_status(const cli_common& common, const cli_query& options);
int command_health(const cli_common& common, const cli_query& options);
int command_endpoint(const cli_common& common, const cli_query& options);
int command_watch(const cli_common& common, const cli_query& options);
int command_probe(const cli_common& common, const cli_query& options);
int command_reload(const cli_common& common, const cli_query& options);
int command_catalogues(const cli_common& common, const cli_query& options);
int command_metrics(const cli_common& common, const cli_query& options);
int command_doctor(const cli_common& common, const cli_query& options);

struct cli_history {
    std::string from; // times as they are typed (core/time_text.hpp); "" for not given
    std::string to;
    std::string at;
    std::string catalogue;
    std::string requirement;
    std::string endpoint;
    std::string kinds;
    std::string what; // of the method's; "" for changes
    std::string cursor;
    unsigned limit = 0;          // 0: the daemon's
    std::string format = "text"; // text, json, csv
};
int command_history(const cli_common& common, const cli_history& options);

struct cli_acknowledge {
    std::string requirement;
    std::vector<std::string> note; // words
    std::string by;                // "" for the user's name
    bool withdraw = false;
};
int command_acknowledge(const cli_common& common, const cli_acknowledge& options);

// The ids of rows or of catalogues (`what`), a line each, for the shells' completions.
int command_completion_words(const cli_common& common, const std::string& what);

// To stdout where `file` is empty, else the file as a whole; otherwise than 0 when it could not, said on
// stderr.
int write_out(const std::string& text, const std::string& file);
int exit_of(const std::string& site_state);

} // namespace reachd
