// SPDX-License-Identifier: Apache-2.0
// `reachctl idle`: the ladders by themselves.
#include "reachd/app/cli.hpp"
#include "reachd/app/site_check.hpp"
#include "reachd/core/json.hpp"

#include <algorithm>
#include <cstdio>

namespace reachd {
namespace {

// A row of more ports costs more than it helps to find one endpoint that answers.
constexpr std::size_t most_ports = 16;

bool is_named_by(const std::vector<plan_row>& rows, const plan_row& one)
{
    return std::ranges::any_of(rows, [&](const plan_row& row) {
        const auto* timer = std::get_if<idle_timer>(&row.what);
        return timer && row.catalogue == one.catalogue &&
               std::ranges::find(timer->over, one.id) != timer->over.end();
    });
}

bool is_small_tcp(const plan_row& row)
{
    const auto* out = std::get_if<outbound_row>(&row.what);
    return out && out->transport == transport::tcp && out->blocks.empty() && out->ports.size() <= most_ports;
}

// The idle rows, and those to measure over: the named ones that are configured, or any small one.
plan narrow_to_idle(plan what, unsigned hold_s)
{
    const auto all = what.rows;
    const bool any_named = std::ranges::any_of(all, [&](const plan_row& row) {
        return is_small_tcp(row) && row.not_configured.empty() && is_named_by(all, row);
    });
    std::erase_if(what.rows, [&](const plan_row& row) {
        const bool idle = std::holds_alternative<idle_timer>(row.what);
        return !idle && !(is_small_tcp(row) && (!any_named || is_named_by(all, row)));
    });
    for (auto& row : what.rows) {
        if (auto* timer = std::get_if<idle_timer>(&row.what); timer && hold_s > 0) {
            timer->hold = seconds{hold_s};
        }
    }
    return what;
}

int exit_of_idle(const json& idle)
{
    bool all_pass = !idle.empty();
    for (const auto& one : idle) {
        if (one["state"] == "fail") {
            return exit_not_ready;
        }
        all_pass = all_pass && one["state"] == "pass";
    }
    return all_pass ? exit_ready : exit_unproven;
}

} // namespace

int command_idle(const cli_common& common, const cli_idle& options)
{
    const auto site = load_site(find_paths(common.where, running_program()));
    if (!site) {
        for (const auto& fault : site.error()) {
            std::fprintf(stderr, "reachctl: %s\n", to_text(fault).c_str());
        }
        return exit_faulty_files;
    }
    progress_line line;
    check_options wanted{
        .ladders = options.refine ? idle_depth::refined : idle_depth::bracket,
        .detail = report_detail::runs,
    };
    wanted.progressed = [&line](const progress& now) { line.show(now); };
    const auto what = std::make_shared<const plan>(narrow_to_idle(**site, options.hold_s));
    const auto result = run_site_check(what, wanted);
    line.clear();
    if (!result) {
        std::fprintf(stderr, "reachctl: %s\n", result.error().detail.c_str());
        return exit_faulty_files;
    }
    const json report = {{"idle", result->report["idle"]}};
    const auto text =
        options.format == "json" ? dump(report, 2) + '\n' : render_idle(report, stdout_page(common.colour));
    if (write_out(text, "") != 0) {
        return exit_unproven;
    }
    if (result->interrupted) {
        std::fputs("reachctl: stopped before the end; what was not run is unproven\n", stderr);
    }
    return exit_of_idle(report["idle"]);
}

} // namespace reachd
