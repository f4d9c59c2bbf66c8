// SPDX-License-Identifier: Apache-2.0
// The commands that show reports: the daemon's, and those in files.
#include "reachd/app/cli_link.hpp"
#include "reachd/app/cli_output.hpp"
#include "reachd/app/report_file.hpp"
#include "reachd/core/render_explain.hpp"
#include "reachd/core/report_diff.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace reachd {
namespace {

constexpr std::size_t pasted_columns = 80; // of a mail or a ticket

int refuse(const std::string& sentence, int code)
{
    std::fprintf(stderr, "reachctl: %s\n", printable(sentence).c_str());
    return code;
}

std::string state_of(const json& report)
{
    const auto found = report.find("state");
    return found != report.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

} // namespace

int command_report(const cli_common& common, const cli_report& options)
{
    if (const auto code = check_output(options.format, options.output); code != 0) {
        return code;
    }
    auto before = read_baseline(options.baseline);
    if (before.faulty) {
        return exit_faulty_files;
    }
    before.of_more = !options.catalogue.empty() || !options.requirement.empty();
    json params = json::object();
    if (!options.catalogue.empty()) {
        params["catalogue"] = options.catalogue;
    }
    if (!options.requirement.empty()) {
        params["requirement"] = options.requirement;
    }
    const auto report = ask_daemon(common, "report", std::move(params), usual_wait);
    if (!report) {
        return exit_unproven;
    }
    const auto form = chosen_format(options.format, options.output);
    const auto code = write_report(common, *report, form, options.output, before);
    return code != 0 ? code : exit_of(state_of(*report));
}

int command_diff(const cli_common& common, const cli_diff& options)
{
    const auto before = read_report_file(options.before);
    const auto after = read_report_file(options.after);
    for (const auto* one : {&before, &after}) {
        if (!*one) {
            return refuse(one->error(), exit_faulty_files);
        }
    }
    const auto what = compare_reports(*before, *after);
    const auto screen = stdout_page(common.colour);
    const auto text = options.format == "json" ? dump(to_json(what), 2) + '\n'
                                               : render_difference(what, screen.columns, screen.use);
    if (write_out(text, "") != 0) {
        return exit_unproven;
    }
    return what.count(change_kind::newly_failing) > 0 ? exit_not_ready : exit_ready;
}

int command_explain(const cli_common& common, const cli_explain& options)
{
    std::optional<json> report;
    if (options.report.empty()) {
        report = ask_daemon(common, "report", {{"requirement", options.row}}, usual_wait);
        if (!report) {
            return exit_unproven;
        }
    } else {
        auto read = read_report_file(options.report);
        if (!read) {
            return refuse(read.error(), exit_faulty_files);
        }
        report = std::move(*read);
    }
    const auto rows = rows_named(*report, options.row);
    if (rows.empty()) {
        return refuse("the report has no requirement \"" + options.row + '"', exit_usage);
    }
    if (rows.size() > 1) {
        std::string all;
        for (const auto& one : rows) {
            all += (all.empty() ? "" : " or ") + one;
        }
        return refuse("more than one requirement is called so: say " + all, exit_usage);
    }
    const auto columns = std::min(stdout_page(common.colour).columns, pasted_columns);
    return write_out(render_explanation(*report, rows.front(), columns), "") == 0 ? exit_ready
                                                                                  : exit_unproven;
}

} // namespace reachd
