// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/process.hpp"

#include "reachd/core/json.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/service_manager.hpp"
#include "reachd/reflector/server.hpp"
#include "settings.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace reachd::reflector {

namespace asio = boost::asio;

namespace {

constexpr int exit_in_use = 75; // EX_TEMPFAIL of sysexits.h: somebody else serves the address
constexpr int exit_system = 71; // EX_OSERR
constexpr int exit_config = 78; // EX_CONFIG
constexpr seconds stop_time{5};
constexpr seconds metrics_interval{15}; // what Prometheus usually scrapes at

// One descriptor a TCP connection, and some; says how many connections fit.
std::uint32_t make_room(std::uint32_t connections)
{
    constexpr rlim_t others = 64;
    rlimit now{};
    ::getrlimit(RLIMIT_NOFILE, &now);
    now.rlim_cur = std::min<rlim_t>(now.rlim_max, rlim_t{connections} + others);
    ::setrlimit(RLIMIT_NOFILE, &now);
    ::getrlimit(RLIMIT_NOFILE, &now);
    const auto room = now.rlim_cur > others ? now.rlim_cur - others : 1;
    return static_cast<std::uint32_t>(std::min<rlim_t>(room, connections));
}

class process {
public:
    process(asio::io_context& io, settings found, std::string version, log_function log)
        : io_{&io},
          settings_{std::move(found)},
          version_{std::move(version)},
          log_{std::move(log)},
          hangups_{io, SIGHUP},
          server_{io, settings_.what, make_listener()},
          tasks_{io.get_executor(), [this](const std::string& task, const std::exception_ptr& what) {
                     tell_failure(task, what);
                 }}
    {
        server_.replace_keys(settings_.keys);
    }

    result<void> start() { return server_.start(); }
    asio::awaitable<void> run();

private:
    server_listener make_listener();
    void tell_failure(const std::string& task, const std::exception_ptr& what)
    {
        log_(events::failed, task + " ended: " + text_of(what), {{"task", task}});
    }
    void reload();
    void write_metrics();
    asio::awaitable<void> watch_reloads();
    asio::awaitable<void> keep_metrics();
    asio::awaitable<void> feed_watchdog(microseconds interval);

    asio::io_context* io_;
    settings settings_;
    std::string version_;
    log_function log_;
    asio::signal_set hangups_;
    server server_;
    task_group tasks_;
};

server_listener process::make_listener()
{
    return {
        .dropped =
            [this](const socket_address& peer, drop why) {
                log_(
                    events::dropped, "dropping packets of a source; the counters have the rest",
                    {{"source", to_text(peer)}, {"reason", to_string(why)}}
                );
            },
        .failed =
            [this](const std::string& task, const std::exception_ptr& what) { tell_failure(task, what); },
    };
}

void process::reload()
{
    const auto keys = read_keys(settings_.what.key_file);
    if (!keys) {
        for (const auto& fault : keys.error()) {
            log_(events::keys_rejected, to_text(fault) + "; the keys in force stay", json::object());
        }
        return;
    }
    if (const auto why = why_not_start(settings_.what, keys->size())) {
        log_(events::keys_rejected, *why + "; the keys in force stay", json::object());
        return;
    }
    server_.replace_keys(*keys);
    log_(events::keys_reloaded, fmt::format("{} keys are in force", keys->size()), {{"keys", keys->size()}});
}

asio::awaitable<void> process::watch_reloads()
{
    while (true) {
        const auto [code, number] = co_await hangups_.async_wait(asio::as_tuple(asio::use_awaitable));
        if (code) {
            co_return;
        }
        reload();
    }
}

void process::write_metrics()
{
    const auto& path = settings_.what.metrics_file;
    if (path.empty()) {
        return;
    }
    const auto fresh = path + ".new";
    std::ofstream{fresh} << to_prometheus(server_.counted(), server_.now());
    static_cast<void>(std::rename(fresh.c_str(), path.c_str())); // readers see all of it or what was before
}

asio::awaitable<void> process::keep_metrics()
{
    while (true) {
        write_metrics();
        const bool awake = co_await sleep_until(steady::now() + metrics_interval);
        if (!awake) {
            co_return;
        }
    }
}

// Fed from the event loop itself: a loop that hangs is not fed.
asio::awaitable<void> process::feed_watchdog(microseconds interval)
{
    while (true) {
        const bool awake = co_await sleep_until(steady::now() + interval);
        if (!awake) {
            co_return;
        }
        static_cast<void>(notify_service_manager("WATCHDOG=1"));
    }
}

asio::awaitable<void> process::run()
{
    asio::signal_set ends{*io_, SIGTERM, SIGINT};
    tasks_.spawn("reloads", watch_reloads());
    tasks_.spawn("metrics", keep_metrics());
    if (const auto interval = watchdog_interval()) {
        tasks_.spawn("watchdog", feed_watchdog(*interval));
    }
    std::string served;
    for (const auto& one : settings_.what.listen) {
        served += (served.empty() ? "" : ", ") + to_text(one);
    }
    log_(
        events::started, fmt::format("serving {} with {} keys", served, settings_.keys.size()),
        {{"version", version_}, {"connections", settings_.what.limits.tcp_connections}}
    );
    static_cast<void>(notify_service_manager("READY=1\nSTATUS=serving " + served));
    co_await ends.async_wait(asio::as_tuple(asio::use_awaitable));
    static_cast<void>(notify_service_manager("STOPPING=1"));
    log_(events::stopping, "a signal asked for the end", json::object());
    const auto deadline = steady::now() + stop_time;
    hangups_.cancel();
    const auto left = co_await server_.stop(deadline);
    tasks_.cancel();
    co_await tasks_.join(deadline);
    write_metrics();
    if (left > 0) {
        log_(events::failed, fmt::format("{} tasks would not end", left), json::object());
    }
}

} // namespace

int run(const process_options& options, log_function log)
{
    ::signal(SIGPIPE, SIG_IGN);
    auto found = read_settings(options);
    if (!found) {
        for (const auto& fault : found.error()) {
            std::fprintf(stderr, "reachd-reflector: %s\n", to_text(fault).c_str());
        }
        return exit_config;
    }
    if (options.check_only) {
        std::printf(
            "the files are sound: %zu addresses, %zu keys\n", found->what.listen.size(), found->keys.size()
        );
        return 0;
    }
    found->what.limits.tcp_connections = make_room(found->what.limits.tcp_connections);
    asio::io_context io{1};
    process running{io, std::move(*found), options.version, std::move(log)};
    if (const auto started = running.start(); !started) {
        std::fprintf(stderr, "reachd-reflector: %s\n", started.error().detail.c_str());
        return started.error().code == errc::in_use ? exit_in_use : exit_system;
    }
    std::exception_ptr broken;
    asio::co_spawn(io, running.run(), [&broken](const std::exception_ptr& what) { broken = what; });
    io.run();
    if (broken) {
        std::fprintf(stderr, "reachd-reflector: %s\n", text_of(broken).c_str());
        return exit_system;
    }
    return 0;
}

} // namespace reachd::reflector
