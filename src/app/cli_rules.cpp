// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/cli.hpp"
#include "reachd/app/cli_link.hpp"
#include "reachd/app/report_file.hpp"
#include "reachd/app/site_check.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/rules.hpp"
#include "reachd/net/resolver.hpp"
#include "reachd/net/task_group.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <fmt/format.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

int refuse(const std::string& sentence, int code)
{
    std::fprintf(stderr, "reachctl: %s\n", printable(sentence).c_str());
    return code;
}

std::expected<findings_of_report, std::string> read_report(const std::string& file)
{
    const auto report = read_report_file(file);
    if (!report) {
        return std::unexpected(report.error());
    }
    auto found = parse_findings(*report);
    if (!found) {
        return std::unexpected(fmt::format("{}: {}", file, found.error().detail));
    }
    return std::move(*found);
}

struct wanted_name {
    std::string row; // "catalogue/id"
    std::string name;
    bool private_answers = false;
    std::vector<ip_address> addresses;
};

asio::awaitable<void> look_up_one(resolver& from, wanted_name& into)
{
    const auto now = steady::now();
    const auto found =
        co_await from.look_up(into.name, now + resolver::usual_wait, now + resolver::usual_system_wait);
    for (const auto& one : judge_name(found, into.private_answers).addresses) {
        if (!one.without_probing) { // forged answers are no addresses of the name
            into.addresses.push_back(one.address);
        }
    }
}

bool has_addresses(const findings_of_report& known, const std::string& row, const std::string& name)
{
    const auto at = known.rows.find(row);
    return at != known.rows.end() && std::ranges::any_of(at->second.runs, [&](const found_run& one) {
               return one.destination == name && one.stage != "resolve" && !one.addresses.empty();
           });
}

// Asks DNS for every name that has no address yet.
void resolve_into(findings_of_report& known, const plan& what)
{
    std::vector<wanted_name> names;
    for (const auto& row : what.rows) {
        const auto* out = std::get_if<outbound_row>(&row.what);
        for (const auto& name : out ? out->names : std::vector<std::string>{}) {
            const auto key = row.catalogue + "/" + row.id;
            if (!has_addresses(known, key, name)) {
                names.push_back({key, name, out->private_answers, {}});
            }
        }
    }
    asio::io_context context{1};
    resolver from{context.get_executor()};
    task_group tasks{context.get_executor(), {}};
    for (auto& one : names) {
        tasks.spawn(one.name, look_up_one(from, one));
    }
    context.run();
    for (auto& one : names) {
        known.rows[one.row].runs.push_back(
            {.destination = one.name,
             .addresses = std::move(one.addresses),
             .ports = {},
             .verdict = {},
             .stage = {},
             .blame = {},
             .result = {}}
        );
    }
    known.generated = to_text(wall_now());
}

// What the daemon knows; nullopt and a sentence where there is none.
std::optional<findings_of_report> ask_findings(const cli_common& common, std::string& why)
{
    const auto report = ask_daemon_quietly(common, "report", json::object(), usual_wait, why);
    if (!report) {
        return std::nullopt;
    }
    auto found = parse_findings(*report);
    if (!found) {
        why = found.error().detail;
        return std::nullopt;
    }
    return std::move(*found);
}

void warn_of_another_site(const findings_of_report& known, const plan& what)
{
    if (known.site != what.config.site) {
        std::fprintf(
            stderr, "reachctl: the report is of site %s, the configuration of site %s\n",
            printable(known.site).c_str(), printable(what.config.site).c_str()
        );
    }
}

int print_rules(
    const cli_common& common, const cli_rules& options, const plan& what, const findings_of_report* known
)
{
    const rule_request request{options.failing ? rule_scope::failing : rule_scope::all, options.only};
    const auto rules = make_rules(what, known, request);
    const auto columns = stdout_page(common.colour).columns;
    const auto out = render_rules(rules, *parse_rule_format(options.format), columns);
    if (write_out(out.text, options.output) != 0) {
        return exit_unproven;
    }
    for (const auto& one : out.remarks) {
        std::fprintf(stderr, "reachctl: %s\n", printable(one).c_str());
    }
    return exit_ready;
}

} // namespace

int command_rules(const cli_common& common, const cli_rules& options)
{
    const auto site = load_site(find_paths(common.where, running_program()));
    if (!site) {
        for (const auto& fault : site.error()) {
            std::fprintf(stderr, "reachctl: %s\n", to_text(fault).c_str());
        }
        return exit_faulty_files;
    }
    const auto narrowed = narrow(**site, {.only = options.only, .vantage = {}});
    if (!narrowed) {
        return refuse(narrowed.error().detail, exit_usage);
    }
    std::optional<findings_of_report> known;
    if (!options.report.empty()) {
        auto read = read_report(options.report);
        if (!read) {
            return refuse(read.error(), exit_faulty_files);
        }
        known = std::move(*read);
    } else {
        std::string why;
        known = ask_findings(common, why);
        if (!known && options.failing) {
            return refuse(why + "; or give --report FILE", exit_unproven);
        }
    }
    if (known) {
        warn_of_another_site(*known, **site);
    }
    if (options.resolve) {
        known = known ? std::move(known) : findings_of_report{};
        resolve_into(*known, **narrowed);
    }
    return print_rules(common, options, **site, known ? &*known : nullptr);
}

} // namespace reachd
