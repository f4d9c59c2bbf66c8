// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/cli_output.hpp"
#include "reachd/app/site_check.hpp"
#include "reachd/core/dry_run.hpp"
#include "reachd/core/json.hpp"

#include <cstdio>

namespace reachd {
namespace {

// Sends nothing: also not to DNS.
int tell_dry_run(const cli_common& common, const cli_check& options, const plan& what)
{
    const auto form = chosen_format(options.format, options.output);
    if (form != report_format::table && form != report_format::json_text) {
        std::fputs("reachctl: --dry-run has the formats table and json\n", stderr);
        return exit_usage;
    }
    const auto told = dry_run_of(
        what, options.quick || options.fast ? dry_run_ladders::left_out : dry_run_ladders::measured
    );
    const auto text = form == report_format::json_text ? dump(told, 2) + '\n'
                                                       : render_dry_run(told, stdout_page(common.colour));
    return write_out(text, options.output) == 0 ? exit_ready : exit_unproven;
}

} // namespace

int exit_of(const std::string& site_state)
{
    return site_state == "ready" ? exit_ready : site_state == "not_ready" ? exit_not_ready : exit_unproven;
}

int command_check(const cli_common& common, const cli_check& options)
{
    const auto where = find_paths(common.where, running_program());
    const auto site = load_site(where);
    if (!site) {
        for (const auto& fault : site.error()) {
            std::fprintf(stderr, "reachctl: %s\n", to_text(fault).c_str());
        }
        return exit_faulty_files;
    }
    if (const auto code = check_output(options.format, options.output); code != 0) {
        return code;
    }
    auto before = read_baseline(options.baseline);
    if (before.faulty) {
        return exit_faulty_files;
    }
    before.of_more = !options.only.empty();
    const auto form = chosen_format(options.format, options.output);
    progress_line line;
    check_options wanted{
        .only = options.only,
        .vantage = options.vantage,
        .quick = options.quick,
        .fast = options.fast,
        .detail = form == report_format::table ? report_detail::runs : report_detail::endpoints,
    };
    wanted.progressed = [&line](const progress& now) { line.show(now); };
    const auto narrowed = narrow(**site, wanted);
    if (!narrowed) {
        std::fprintf(stderr, "reachctl: %s\n", narrowed.error().detail.c_str());
        return exit_usage;
    }
    if (options.dry_run) {
        return tell_dry_run(common, options, **narrowed);
    }
    const auto result = run_site_check(*narrowed, wanted);
    line.clear();
    if (!result) {
        std::fprintf(stderr, "reachctl: %s\n", result.error().detail.c_str());
        return exit_faulty_files; // the trust store that they name
    }
    for (const auto& warning : result->warnings) {
        std::fprintf(stderr, "reachctl: %s\n", warning.c_str());
    }
    if (write_report(common, result->report, form, options.output, before) != 0) {
        return exit_unproven;
    }
    if (result->interrupted) {
        std::fputs("reachctl: stopped before the end; what was not run is unproven\n", stderr);
    }
    return exit_of(to_string(result->answer));
}

} // namespace reachd
