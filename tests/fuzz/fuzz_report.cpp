// SPDX-License-Identifier: Apache-2.0
// What reachctl is handed as a report, by a file or by whoever answers at a socket: every format of it, and
// what is compared or derived, ends; none of it holds what a terminal would obey or a tag that is not the
// program's own.
#include "reachd/core/json.hpp"
#include "reachd/core/redact.hpp"
#include "reachd/core/render_explain.hpp"
#include "reachd/core/render_health.hpp"
#include "reachd/core/render_html.hpp"
#include "reachd/core/render_text.hpp"
#include "reachd/core/report_diff.hpp"
#include "reachd/core/report_formats.hpp"
#include "reachd/core/report_then.hpp"
#include "reachd/core/rules.hpp"
#include "reachd/core/watch_screen.hpp"
#include "support.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace {

using namespace reachd;
using fuzz::acts;
using fuzz::require;

void check_formats(const json& report)
{
    for (const auto form :
         {report_format::table, report_format::junit, report_format::markdown, report_format::json_lines}) {
        require(!acts(render_as(report, form, {})));
    }
    auto csv = render_as(report, report_format::csv, {});
    for (auto end = csv.find("\r\n"); end != std::string::npos; end = csv.find("\r\n", end)) {
        csv.erase(end, 1); // its lines end in CR LF (RFC 4180)
    }
    require(!acts(csv));
    const auto html = render_as(report, report_format::html, {});
    // A tag that no renderer writes: had one come through, so would <script>.
    require(html.find("<zz") == std::string::npos && !acts(html));
    require(!acts(render_idle(report, {})) && !acts(render_traffic(report, {})));
    require(!acts(render_summary(report, {})));
    require(!acts(render_nagios(report)) && !acts(render_checkmk(report, report)));
    require(!acts(render_collectd(report, "host", "60")));
}

void check_rows(const json& report)
{
    for (const auto& name : rows_named(report, "a")) {
        require(!acts(render_explanation(report, name, 80)));
    }
    static_cast<void>(parse_findings(report));
    static_cast<void>(report_then(report, report));
    static_cast<void>(without_secrets(report));
    address_mask mask;
    static_cast<void>(mask.apply(dump(report)));
}

void check_screen(const json& report)
{
    watch_screen screen;
    screen.show(report);
    screen.note("14:05", report);
    screen.press(watch_key::open_failing);
    screen.press(watch_key::down);
    screen.press(watch_key::toggle);
    const auto lines = screen.draw({}, 24);
    require(lines.size() == 24);
    for (const auto& line : lines) {
        require(!fuzz::acts_in_a_line(line));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto read = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz", comments::refused);
    if (!read || why_no_report(read->value)) {
        return 0;
    }
    const auto& report = read->value;
    check_formats(report);
    check_rows(report);
    check_screen(report);
    const auto same = compare_reports(report, report);
    require(same.count(change_kind::fixed) == 0 && same.count(change_kind::newly_failing) == 0);
    auto lost = compare_reports(report, json{{"schema", 1}});
    require(!acts(render_difference(lost, 80, colour::off)) && !acts(dump(to_json(lost))));
    return 0;
}
