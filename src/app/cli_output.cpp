// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/cli_output.hpp"

#include "reachd/app/report_file.hpp"
#include "reachd/core/report_diff.hpp"

#include <cstdio>
#include <fmt/format.h>

namespace reachd {
namespace {

std::string text_at(const json& from, const char* key)
{
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? printable(found->get<std::string>()) : std::string{};
}

void tell_changes(const cli_common& common, const json& report, const baseline& before, std::FILE* to)
{
    if (!before.report) {
        return;
    }
    const auto screen = stdout_page(common.colour);
    auto changes = compare_reports(*before.report, report);
    if (before.of_more) {
        leave_out_removed(changes);
    }
    const auto text = fmt::format(
        "\nChanges since {}:\n{}", printable(before.file),
        render_difference(changes, screen.columns, to == stdout ? screen.use : colour::off)
    );
    std::fwrite(text.data(), 1, text.size(), to);
}

} // namespace

int write_out(const std::string& text, const std::string& file)
{
    if (file.empty()) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        return std::fflush(stdout) == 0 ? 0 : 1;
    }
    const auto written = write_whole_file(text, file);
    if (!written) {
        std::fprintf(stderr, "reachctl: %s\n", printable(written.error()).c_str());
        return 1;
    }
    return 0;
}

report_format chosen_format(const std::string& format, const std::string& output)
{
    const auto said = parse_report_format(format);
    return said ? *said : format_of_file(output).value_or(report_format::table);
}

int check_output(const std::string& format, const std::string& output)
{
    if (format.empty() && is_foreign_form(output)) {
        std::fprintf(
            stderr, "reachctl: %s: reports have no such form: give --format, or one of %s\n",
            printable(output).c_str(), report_extension_list().c_str()
        );
        return exit_usage;
    }
    const auto able = output.empty() ? std::expected<void, std::string>{} : may_write_file(output);
    if (!able) {
        std::fprintf(stderr, "reachctl: %s\n", printable(able.error()).c_str());
        return exit_unproven;
    }
    return 0;
}

baseline read_baseline(const std::string& file)
{
    baseline out{.report = {}, .file = file};
    if (file.empty()) {
        return out;
    }
    auto read = read_report_file(file);
    if (!read) {
        std::fprintf(stderr, "reachctl: %s\n", printable(read.error()).c_str());
        out.faulty = true;
        return out;
    }
    out.report = std::move(*read);
    return out;
}

int write_report(
    const cli_common& common, const json& report, report_format form, const std::string& output,
    const baseline& before
)
{
    const auto screen = stdout_page(common.colour);
    const report_style style{
        .columns = screen.columns,
        .use = output.empty() ? screen.use : colour::off,
        .version = common.version,
    };
    if (write_out(render_as(report, form, style), output) != 0) {
        return exit_unproven;
    }
    const bool stdout_is_free = !output.empty() || form == report_format::table;
    tell_changes(common, report, before, stdout_is_free ? stdout : stderr);
    if (!output.empty() && stderr_is_terminal()) { // a person sees the answer too; a script has the exit code
        std::fprintf(
            stderr, "%s: %s Written to %s.\n", text_at(report, "state").c_str(),
            text_at(report, "sentence").c_str(), printable(output).c_str()
        );
    }
    return 0;
}

} // namespace reachd
