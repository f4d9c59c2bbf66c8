// SPDX-License-Identifier: Apache-2.0
#include "daemon_process.hpp"

#include "reachd/app/process_metrics.hpp"
#include "reachd/app/site_check.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/service_manager.hpp"
#include "reachd/net/tls_probe.hpp"

#include <boost/asio/co_spawn.hpp>
#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr seconds stop_time{5};
constexpr seconds last_write_time{1}; // the history gets so long, whatever the rest took
constexpr int exit_second_signal = 3;
constexpr const char* task_retire =
    "retire"; // of an engine before a reload: the present one goes on without it

} // namespace

daemon_process::daemon_process(
    asio::io_context& context, const daemon_options& options, paths where, unsigned room, event_log log
)
    : context_{context},
      options_{options},
      where_{std::move(where)},
      room_{room},
      log_{std::move(log)},
      self_{std::make_shared<self_watch>(context.get_executor(), make_self_handlers())},
      status_{context.get_executor()},
      hangups_{context, SIGHUP},
      tasks_{
          context.get_executor(),
          [this](const std::string& task, const std::exception_ptr& what) {
              self_->failed(what);
              tell_failure(task, text_of(what));
              if (broken_.empty() && !ending_ && task != task_retire) {
                  broken_ = task;
                  ::raise(SIGTERM); // the service manager starts it again
              }
          }
      },
      history_{context.get_executor(), make_history_handlers()},
      server_{context.get_executor(), {}, make_control_callbacks()},
      http_{context.get_executor(), make_http_context()}
{
}

control_callbacks daemon_process::make_control_callbacks()
{
    control_callbacks out;
    out.handle = [this](rpc_request request, control_caller caller) {
        command_context context{
            .version = options_.version,
            .started = started_,
            .present = [this] { return engine_; },
            .reload = [this] { return reload(); },
            .metrics = [this] { return http_.metrics(); },
            .history = &history_,
        };
        return run_command(std::move(context), std::move(request), std::move(caller));
    };
    out.snapshot = [this] { return subscription_snapshot(*engine_, history_); };
    out.audit = [this](const rpc_request& request, const control_caller& caller) {
        log_.write(
            events::control_change, fmt::format("method {} was called", request.method->name),
            {{"uid", caller.peer().uid}, {"pid", caller.peer().pid}}
        );
    };
    out.failed = [this](const std::string& task, const std::exception_ptr& what) {
        self_->failed(what);
        tell_failure(task, text_of(what));
    };
    return out;
}

http_site_context daemon_process::make_http_context()
{
    return {
        .version = options_.version,
        .started = started_,
        .present = [this]() -> const engine& { return *engine_; },
        .sockets = [this]() -> const control_server& { return server_; },
        .health = [this] { return present_health(*engine_, history_); },
        .snapshot = [this] { return subscription_snapshot(*engine_, history_); },
        .history = [this](
                       json params
                   ) { return history_answer(history_, engine_, std::move(params), asked_by::http); },
        .failed =
            [this](const std::string& task, const std::exception_ptr& what) {
                self_->failed(what);
                tell_failure(task, text_of(what));
            },
    };
}

result<std::shared_ptr<engine>> daemon_process::make_engine(const std::shared_ptr<const plan>& what)
{
    auto trust = make_trust(what->config.tls_ca_file);
    if (!trust) {
        return std::unexpected(trust.error());
    }
    for (const auto& warning : add_trust(**trust, what->config.tls_extra_ca_files)) {
        log_.write(events::root_missing, warning, {});
    }
    auto fitting = std::make_shared<plan>(*what);
    fitting->config.limits.in_flight = std::min(fitting->config.limits.in_flight, room_);
    return std::make_shared<engine>(
        context_.get_executor(), fitting, *trust, make_listener(), depth::located, self_
    );
}

std::optional<int> daemon_process::listen()
{
    auto inherited = take_inherited_sockets();
    if (!inherited) {
        std::fprintf(stderr, "reachd: %s\n", inherited.error().detail.c_str());
        return exit_system;
    }
    auto listeners =
        inherited->empty()
            ? bind_listeners(
                  {.directory = where_.runtime_dir.string(), .control_group = options_.control_group}
              )
            : adopt_listeners(*inherited);
    if (!listeners) {
        std::fprintf(stderr, "reachd: %s\n", listeners.error().detail.c_str());
        return listeners.error().code == errc::in_use ? exit_in_use : exit_system;
    }
    auto door = http_.prepare(engine_->what().config.http);
    if (!door) {
        std::fprintf(stderr, "reachd: %s\n", door.error().detail.c_str());
        return door.error().code == errc::in_use ? exit_in_use : exit_system;
    }
    doors_.emplace(std::move(*listeners), std::move(*door));
    return std::nullopt;
}

void daemon_process::serve()
{
    server_.serve(std::move(doors_->control));
    http_.apply(engine_->what().config.http, std::move(doors_->http));
    doors_.reset();
}

std::optional<int> daemon_process::start()
{
    const auto site = load_site(where_);
    if (!site) {
        for (const auto& fault : site.error()) {
            std::fprintf(stderr, "reachd: %s\n", to_text(fault).c_str());
        }
        return exit_config;
    }
    auto made = make_engine(*site);
    if (!made) {
        std::fprintf(stderr, "reachd: %s\n", made.error().detail.c_str());
        return exit_config;
    }
    engine_ = *made;
    return listen();
}

asio::awaitable<void> daemon_process::keep_probing(std::shared_ptr<engine> work)
{
    co_await work->keep_probing();
}

asio::awaitable<void> daemon_process::retire(std::shared_ptr<engine> old)
{
    const auto left = co_await old->stop(steady::now() + stop_time);
    if (left > 0) {
        tell_failure("reload", fmt::format("{} probes of the old configuration would not end", left));
        // Destroying it would pull the ground from under them.
        static_cast<void>(new std::shared_ptr<engine>{old});
    }
}

asio::awaitable<parsed<std::size_t>> daemon_process::reload()
{
    if (ending_) { // nobody would stop a new engine
        co_return std::unexpected(
            file_faults{
                {.file = where_.config.string(),
                 .message = "reachd ends; the files are read when it is started again"}
            }
        );
    }
    const auto since_boot = std::chrono::duration_cast<microseconds>(steady::now().time_since_epoch());
    const auto notice = fmt::format("RELOADING=1\nMONOTONIC_USEC={}", since_boot.count());
    static_cast<void>(notify_service_manager(notice));
    auto site = load_site(where_);
    file_faults faults;
    std::shared_ptr<engine> made;
    if (!site) {
        faults = site.error();
    } else if (auto fresh = make_engine(*site); fresh) {
        made = *fresh;
    } else {
        faults.push_back({
            .file = where_.config.string(),
            .pointer = "/tls/ca_file",
            .message = fresh.error().detail,
            .code = fresh.error().code,
        });
    }
    auto door = made ? http_.prepare(made->what().config.http) : std::optional<http_listener>{};
    if (!door) {
        faults.push_back({
            .file = where_.config.string(),
            .pointer = "/http/listen",
            .message = door.error().detail,
            .code = door.error().code,
        });
    }
    if (!faults.empty()) {
        for (const auto& fault : faults) {
            log_.write(
                events::config_rejected, to_text(fault) + "; what was in force stays",
                {{"file", fault.file}, {"pointer", fault.pointer}, {"line", fault.line}}
            );
        }
        publish(events::config_rejected, {{"message", to_text(faults.front())}});
        static_cast<void>(notify_service_manager("READY=1\nSTATUS=" + status_.told()));
        co_return std::unexpected(std::move(faults));
    }
    const auto old = std::exchange(engine_, nullptr);
    old->fall_silent(); // its rows have other numbers
    engine_ = made;
    made->inherit(*old);
    flaps_.forget();
    http_.apply(engine_->what().config.http, std::move(*door));
    tasks_.spawn(task_retire, retire(old));
    tasks_.spawn("schedule", keep_probing(engine_));
    const auto rows = engine_->what().rows.size();
    history_.reloaded(make_history_options(where_, engine_->what().config, options_.version));
    log_.write(
        events::config_reloaded, fmt::format("{} requirements are in force", rows),
        {{"file", where_.config.string()}}
    );
    publish(events::config_reloaded, {{"requirements", rows}});
    static_cast<void>(notify_service_manager("READY=1\nSTATUS=" + status_.told()));
    co_return rows;
}

asio::awaitable<void> daemon_process::watch_reloads()
{
    while (true) {
        const auto [code, number] = co_await hangups_.async_wait(asio::as_tuple(asio::use_awaitable));
        if (code) {
            co_return;
        }
        auto ignored = co_await reload(); // it has told its faults
        static_cast<void>(ignored);
    }
}

// Fed from the event loop itself: a loop that hangs is not fed.
asio::awaitable<void> daemon_process::feed_watchdog(microseconds interval)
{
    while (true) {
        // GCC 12 frees a frame twice when the co_await stands in the condition itself.
        const bool awake = co_await sleep_until(steady::now() + interval);
        if (!awake) {
            co_return;
        }
        static_cast<void>(notify_service_manager("WATCHDOG=1"));
    }
}

asio::awaitable<void> daemon_process::shut_down()
{
    ending_ = true;
    static_cast<void>(notify_service_manager("STOPPING=1"));
    history_.after_kept([this] {
        log_.write(events::stopping, "a signal asked for the end", json::object());
    });
    const auto deadline = steady::now() + stop_time;
    hangups_.cancel();
    status_.close();
    self_->close();
    const auto last = engine_;
    auto left = co_await last->stop(deadline);
    co_await server_.stop(deadline);
    co_await http_.stop(deadline);
    tasks_.cancel();
    left += co_await tasks_.join(deadline);
    co_await history_.stop(std::max(deadline, steady::now() + last_write_time));
    if (left > 0) { // they would hold up the end for ever
        std::fprintf(stderr, "reachd: %zu tasks would not end\n", left);
        ::_exit(exit_system);
    }
}

asio::awaitable<void> daemon_process::run()
{
    asio::signal_set ends{context_, SIGTERM, SIGINT};
    const auto rows = engine_->what().rows.size();
    log_.write(
        events::started,
        fmt::format("{} requirements of {} catalogues", rows, engine_->what().catalogues.size()),
        {{"version", options_.version},
         {"config", where_.config.string()},
         {"runtime_dir", where_.runtime_dir.string()}}
    );
    co_await history_.begin(make_history_options(where_, engine_->what().config, options_.version));
    serve();
    tasks_.spawn("schedule", keep_probing(engine_));
    tasks_.spawn("reloads", watch_reloads());
    tasks_.spawn("self", self_->run());
    if (const auto interval = watchdog_interval()) {
        tasks_.spawn("watchdog", feed_watchdog(*interval));
    }
    static_cast<void>(notify_service_manager("READY=1\nSTATUS=first measurements under way"));
    co_await ends.async_wait(asio::as_tuple(asio::use_awaitable));
    // A second signal means now: nothing of it is lost that is on disk.
    ends.async_wait([](const boost::system::error_code& again, int) {
        if (!again) {
            ::_exit(exit_second_signal);
        }
    });
    co_await shut_down();
    ends.cancel();
}

int run_daemon(const daemon_options& options)
{
    ::signal(SIGPIPE, SIG_IGN);
    share_one_heap();
    const auto room = make_room_for_flows();
    auto log = event_log::make(options.log);
    if (!log) {
        std::fprintf(stderr, "reachd: %s\n", log.error().detail.c_str());
        return exit_config;
    }
    asio::io_context context{1};
    daemon_process daemon{
        context, options, find_paths(options.where, running_program()), room, std::move(*log)
    };
    if (const auto failed = daemon.start()) {
        return *failed;
    }
    std::exception_ptr broken;
    asio::co_spawn(context, daemon.run(), [&broken](const std::exception_ptr& what) { broken = what; });
    context.run();
    if (broken) {
        std::fprintf(stderr, "reachd: %s\n", text_of(broken).c_str());
        return exit_system;
    }
    if (!daemon.broken().empty()) {
        std::fprintf(
            stderr, "reachd: the task \"%s\" ended, and nothing goes on without it\n", daemon.broken().c_str()
        );
        return exit_system;
    }
    return 0;
}

} // namespace reachd
