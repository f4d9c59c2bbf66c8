// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/cli.hpp"
#include "reachd/app/site_check.hpp"
#include "reachd/core/dry_run.hpp"
#include "reachd/core/json.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <fstream>

namespace reachd {
namespace {

std::string jsonl(const json& report)
{
    std::string out;
    for (const auto& one : report["catalogues"]) {
        for (auto row : one["requirements"]) {
            row["catalogue"] = one["id"];
            row["site"] = report["site"];
            row["generated"] = report["generated"];
            out += dump(row) + '\n';
        }
    }
    return out;
}

std::string text_of(const json& report, const cli_check& options, const page& format)
{
    if (options.format == "json") {
        return dump(report, 2) + '\n';
    }
    if (options.format == "jsonl") {
        return jsonl(report);
    }
    return render_report(report, format) + '\n' + render_traffic(report, format);
}

// Sends nothing: also not to DNS.
int tell_dry_run(const cli_common& common, const cli_check& options, const plan& what)
{
    if (options.format == "jsonl") {
        std::fputs("reachctl: --dry-run has the formats table and json\n", stderr);
        return exit_usage;
    }
    const auto told = dry_run_of(
        what, options.quick || options.fast ? dry_run_ladders::left_out : dry_run_ladders::measured
    );
    const auto text =
        options.format == "json" ? dump(told, 2) + '\n' : render_dry_run(told, stdout_page(common.colour));
    return write_out(text, options.output) == 0 ? exit_ready : exit_unproven;
}

} // namespace

int write_out(const std::string& text, const std::string& file)
{
    if (file.empty()) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        return std::fflush(stdout) == 0 ? 0 : 1;
    }
    std::ofstream stream{file, std::ios::binary | std::ios::trunc};
    stream << text;
    stream.close();
    if (!stream) {
        std::fprintf(stderr, "reachctl: cannot write %s: %s\n", file.c_str(), std::strerror(errno));
        return 1;
    }
    return 0;
}

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
    progress_line line;
    check_options wanted{
        .only = options.only,
        .vantage = options.vantage,
        .quick = options.quick,
        .fast = options.fast,
        .detail = options.format == "table" ? report_detail::runs : report_detail::endpoints,
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
    auto format = stdout_page(common.colour);
    if (!options.output.empty()) {
        format.use = colour::off;
    }
    if (write_out(text_of(result->report, options, format), options.output) != 0) {
        return exit_unproven;
    }
    if (result->interrupted) {
        std::fputs("reachctl: stopped before the end; what was not run is unproven\n", stderr);
    }
    return exit_of(to_string(result->answer));
}

} // namespace reachd
