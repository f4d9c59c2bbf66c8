// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/site_check.hpp"

#include "reachd/app/commands.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/site_report.hpp"
#include "reachd/net/tls_probe.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

// Flows at once with --fast; the kernel's own limits are far higher.
constexpr unsigned fast_in_flight = 4096;
// With --fast: half of a table of 16384 (docs/CONFIGURATION.md). Not lifted: a full table cuts others off.
constexpr unsigned fast_entries = 8000;
// Samples of a block cost a second each, as routers give one ICMP error a second: fast and quick checks
// take fewer, and the row then says that they prove little.
constexpr unsigned fast_samples = 4;
constexpr unsigned quick_samples = 16;
// Descriptors that are no flows: logs, DNS, timers, sockets of the daemon.
constexpr rlim_t reserved_descriptors = 64;
constexpr rlim_t most_descriptors = 65536;
constexpr seconds stop_time{5};
constexpr int exit_second_signal = 3; // what was checked is lost: unproven

result<void> keep_vantage(plan& out, const std::string& name)
{
    const auto found = std::ranges::find(out.vantages, name, &vantage::name);
    if (found == out.vantages.end()) {
        std::vector<std::string> names;
        for (const auto& one : out.vantages) {
            names.push_back(one.name.empty() ? "(none is configured)" : one.name);
        }
        return std::unexpected(
            error{
                errc::not_found,
                stage::configure,
                fmt::format("there is no vantage \"{}\"; known: {}", name, fmt::join(names, ", ")),
            }
        );
    }
    out.vantages = {*found};
    return {};
}

result<void> keep_rows(plan& out, const std::vector<std::string>& only)
{
    for (const auto& word : only) {
        if (std::ranges::none_of(out.rows, [&](const plan_row& row) { return is_named(row, word); })) {
            return std::unexpected(
                error{
                    errc::not_found,
                    stage::configure,
                    fmt::format("no requirement is named {}; {}", in_quotes(word), known_rows_for(out, word)),
                }
            );
        }
    }
    std::erase_if(out.rows, [&](const plan_row& row) {
        return std::ranges::none_of(only, [&](const std::string& word) { return is_named(row, word); });
    });
    return {};
}

struct check_run {
    std::shared_ptr<engine> work;
    std::shared_ptr<self_watch> self;
    idle_depth ladders = idle_depth::bracket;
    bool interrupted = false;
};

asio::awaitable<void> run_all(check_run& run, asio::signal_set& signals)
{
    std::vector<std::size_t> rows(run.work->what().rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i] = i;
    }
    run.work->start_ladders(run.ladders); // the longest wait first; the rest goes on meanwhile
    run.work->watch_services();
    co_await run.work->probe(rows);
    co_await run.work->finish_inquiry();
    co_await run.work->finish_ladders();
    co_await run.work->stop(steady::now() + stop_time);
    run.self->close();
    signals.cancel();
}

asio::awaitable<void> stop_early(check_run& run)
{
    co_await run.work->stop(steady::now() + stop_time);
}

void mark_not_run(check_run& run)
{
    for (std::size_t i = 0; i < run.work->what().rows.size(); ++i) {
        const auto& row = run.work->what().rows[i];
        const bool measurable =
            (!std::holds_alternative<inbound>(row.what) || row.here) && row.not_configured.empty();
        if (measurable && !run.work->state().rows[i].checked && run.work->state().rows[i].not_run.empty()) {
            run.work->leave_out(i, "the check was stopped first");
        }
    }
    run.work->refresh();
}

} // namespace

unsigned make_room_for_flows()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 256;
    }
    limit.rlim_cur = std::min(limit.rlim_max, most_descriptors);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto room = limit.rlim_cur > 2 * reserved_descriptors ? limit.rlim_cur - reserved_descriptors
                                                                : limit.rlim_cur / 2;
    return static_cast<unsigned>(std::max<rlim_t>(room, 1));
}

result<std::shared_ptr<const plan>> narrow(const plan& whole, const check_options& options)
{
    auto out = std::make_shared<plan>(whole);
    if (!options.vantage.empty()) {
        if (auto kept = keep_vantage(*out, options.vantage); !kept) {
            return std::unexpected(kept.error());
        }
    }
    if (!options.only.empty()) {
        if (auto kept = keep_rows(*out, options.only); !kept) {
            return std::unexpected(kept.error());
        }
    }
    auto& limits = out->config.limits;
    if (options.fast) {
        limits.new_flows_per_s = 0;
        limits.new_flows_per_destination_per_s = 0;
        limits.in_flight = fast_in_flight;
        if (limits.icmp_per_hop_per_s == limits_config{}.icmp_per_hop_per_s) {
            limits.icmp_per_hop_per_s = 0; // unless the site knows what its routers give
        }
        if (limits.nat_entries == limits_config{}.nat_entries) {
            limits.nat_entries = fast_entries;
        }
        limits.samples_per_block = std::min(limits.samples_per_block, fast_samples);
    }
    if (options.quick) {
        limits.samples_per_block = std::min(limits.samples_per_block, quick_samples);
    }
    return out;
}

result<check_result> run_site_check(const std::shared_ptr<const plan>& what, const check_options& options)
{
    auto trust = make_trust(what->config.tls_ca_file);
    if (!trust) {
        return std::unexpected(trust.error());
    }
    auto warnings = add_trust(**trust, what->config.tls_extra_ca_files);
    const auto room = make_room_for_flows();
    auto fitting = std::make_shared<plan>(*what);
    fitting->config.limits.in_flight = std::min(fitting->config.limits.in_flight, room);

    asio::io_context context{1};
    check_run run;
    engine_listener listener;
    listener.progressed = options.progressed;
    listener.round_finished = [&run, &options](std::size_t row) {
        if (options.row_done) {
            options.row_done(run.work->what().rows[row].id, to_string(run.work->state().rows[row].state));
        }
    };
    run.self = std::make_shared<self_watch>(context.get_executor(), self_watch::handlers{});
    run.work =
        std::make_shared<engine>(context.get_executor(), fitting, *trust, listener, depth::located, run.self);
    run.ladders = options.ladders;
    if (options.quick || options.fast) {
        for (std::size_t i = 0; i < what->rows.size(); ++i) {
            if (std::holds_alternative<idle_timer>(what->rows[i].what)) {
                run.work->leave_out(
                    i, fmt::format(
                           "an idle timer needs a long wait, which {} leaves out",
                           options.quick ? "--quick" : "--fast"
                       )
                );
            }
        }
    }
    asio::signal_set signals{context, SIGINT, SIGTERM};
    std::string broken; // by what
    task_group* all = nullptr;
    task_group tasks{context.get_executor(), [&](const std::string& task, const std::exception_ptr& why) {
                         if (std::exchange(broken, task + ": " + text_of(why)).empty()) {
                             all->spawn("stop", stop_early(run));
                             run.self->close();
                             signals.cancel();
                         }
                     }};
    all = &tasks;
    tasks.spawn("self", run.self->run());
    tasks.spawn("check", run_all(run, signals));
    signals.async_wait([&](const boost::system::error_code& code, int) {
        if (!code) {
            run.interrupted = true;
            tasks.spawn("stop", stop_early(run));
            // A second one means now.
            signals.async_wait([](const boost::system::error_code& again, int) {
                if (!again) {
                    ::_exit(exit_second_signal);
                }
            });
        }
    });
    context.run();
    if (!broken.empty()) {
        warnings.push_back("the check ended early: " + broken);
        run.interrupted = true;
    }
    if (run.interrupted) {
        mark_not_run(run);
    } else {
        run.work->refresh();
    }
    return check_result{
        .report = present_report(*run.work, {.detail = options.detail}),
        .answer = run.work->state().state,
        .interrupted = run.interrupted,
        .warnings = std::move(warnings),
    };
}

} // namespace reachd
