// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/daemon.hpp"

#include "reachd/app/commands.hpp"
#include "reachd/app/history_commands.hpp"
#include "reachd/app/http_site.hpp"
#include "reachd/app/site_check.hpp"
#include "reachd/app/status_notice.hpp"
#include "reachd/core/json.hpp"
#include "reachd/net/control_server.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/service_manager.hpp"
#include "reachd/net/tls_probe.hpp"
#include "reachd/net/wall_clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <unistd.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr seconds stop_time{5};
constexpr int exit_second_signal = 3;

std::string text_of(const std::exception_ptr& what)
{
    try {
        std::rethrow_exception(what);
    } catch (const std::exception& thrown) {
        return thrown.what();
    } catch (...) {
        return "an unknown exception";
    }
}

class daemon_process {
public:
    daemon_process(asio::io_context& context, const daemon_options& options, paths where, unsigned room);

    // The first configuration; the exit code when it cannot be used.
    std::optional<int> start();
    asio::awaitable<void> run();
    asio::awaitable<parsed<std::size_t>> reload();

private:
    result<std::shared_ptr<engine>> make_engine(std::shared_ptr<const plan> what);
    control_callbacks make_control_callbacks();
    http_site_context make_http_context();
    engine_listener make_listener();
    history_desk::handlers make_history_handlers();
    std::optional<int> listen();
    asio::awaitable<void> watch_reloads();
    asio::awaitable<void> feed_watchdog(microseconds interval);
    asio::awaitable<void> keep_probing(std::shared_ptr<engine> work);
    asio::awaitable<void> retire(std::shared_ptr<engine> old);
    asio::awaitable<void> shut_down();
    void tell(const event_kind& kind, severity level, const std::string& sentence, json fields);
    void tell_row(const row_change& change);
    void tell_idle(std::size_t row);
    void tell_site();
    void tell_status();
    void tell_failure(const std::string& task, const std::string& what);
    void publish(const event_kind& kind, json fields);

    asio::io_context& context_;
    daemon_options options_;
    paths where_;
    unsigned room_;
    wall_time started_ = wall_now();
    event_log log_;
    std::shared_ptr<engine> engine_;
    site_answer told_ = site_answer::unproven;
    status_notice status_;
    asio::signal_set hangups_;
    task_group tasks_;
    history_desk history_;
    control_server server_;
    http_site http_;
};

daemon_process::daemon_process(
    asio::io_context& context, const daemon_options& options, paths where, unsigned room
)
    : context_{context},
      options_{options},
      where_{std::move(where)},
      room_{room},
      log_{options.format},
      status_{context.get_executor()},
      hangups_{context, SIGHUP},
      tasks_{
          context.get_executor(),
          [this](const std::string& task, const std::exception_ptr& what) {
              tell_failure(task, text_of(what));
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
    out.snapshot = [this] { return subscription_snapshot(*engine_); };
    out.audit = [this](const rpc_request& request, const control_caller& caller) {
        log_.write(
            events::control_change, fmt::format("method {} was called", request.method->name),
            {{"uid", caller.peer().uid}, {"pid", caller.peer().pid}}
        );
    };
    out.failed = [this](const std::string& task, const std::exception_ptr& what) {
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
        .history = [this](json params) { return history_answer(history_, engine_, std::move(params)); },
        .failed = [this](
                      const std::string& task, const std::exception_ptr& what
                  ) { tell_failure(task, text_of(what)); },
    };
}

history_desk::handlers daemon_process::make_history_handlers()
{
    return {
        .present = [this] { return engine_; },
        .tell = [this](
                    const event_kind& kind, const std::string& sentence, json fields
                ) { tell(kind, kind.level, sentence, fields); },
    };
}

engine_listener daemon_process::make_listener()
{
    engine_listener out;
    out.row_changed = [this](const row_change& change) { tell_row(change); };
    out.address_appeared = [this](std::size_t row, const std::string& what) {
        history_.address_appeared(row, what);
        history_.after_kept([this, what, id = engine_->what().rows[row].id] {
            log_.write(events::address_new, what, {{"requirement", id}});
            publish(events::address_new, {{"requirement", id}, {"address", what}});
        });
    };
    out.refreshed = [this] {
        tell_status();
        history_.refreshed();
    };
    out.round_finished = [this](std::size_t row) {
        history_.round_finished(row);
        tell_site();
        const auto& what = engine_->what().rows[row];
        json fields = {
            {"catalogue", what.catalogue},
            {"requirement", what.id},
            {"state", to_string(engine_->state().rows[row].state)}
        };
        history_.after_kept([this, fields = std::move(fields)] { publish(events::round_finished, fields); });
    };
    out.sampled = [this](std::size_t row, const block_result& round) { history_.sampled(row, round); };
    out.idle_measured = [this](std::size_t row) { tell_idle(row); };
    out.failed = [this](const std::string& task, const std::string& what) { tell_failure(task, what); };
    return out;
}

void daemon_process::publish(const event_kind& kind, json fields)
{
    fields["kind"] = kind.id;
    fields["time"] = to_text(wall_now());
    http_.publish(fields);
    server_.publish("event", std::move(fields));
}

// What was told is on disk: a line of the log is never more than the history knows.
void daemon_process::tell(const event_kind& kind, severity level, const std::string& sentence, json fields)
{
    history_.after_kept([this, &kind, level, sentence, fields = std::move(fields)] {
        log_.write(kind, level, sentence, fields);
        auto told = fields;
        told["sentence"] = sentence;
        publish(kind, std::move(told));
    });
}

void daemon_process::tell_row(const row_change& change)
{
    if (!engine_) {
        return; // still being set up
    }
    history_.row_changed(change);
    const auto& what = engine_->what().rows[change.row];
    const auto& state = engine_->state().rows[change.row];
    const json fields = {
        {"catalogue", what.catalogue},     {"requirement", what.id},
        {"state", to_string(state.state)}, {"before", to_string(change.before)},
        {"failing", state.counts.fail},    {"endpoints", state.counts.total},
    };
    const auto level = state.state == row_answer::fail ? severity::warning : severity::info;
    history_.after_kept([this, level, id = what.id, sentence = state.sentence, fields] {
        log_.write(events::verdict_changed, level, id + ": " + sentence, fields);
        auto told = fields;
        told["sentence"] = sentence;
        publish(events::verdict_changed, std::move(told));
    });
}

void daemon_process::tell_idle(std::size_t row)
{
    const auto& what = engine_->what().rows[row];
    const auto& state = engine_->state().rows[row];
    history_.idle_measured(row);
    for (const auto& entry : idle_json(what, state, std::get<idle_timer>(what.what))) {
        json fields;
        for (const char* key :
             {"catalogue", "requirement", "state", "via", "required_s", "held_s", "answered_s", "lost_s"}) {
            fields[key] = entry[key];
        }
        const auto level = state.state == row_answer::fail ? severity::warning : severity::info;
        history_.after_kept([this, level, id = what.id, sentence = entry["sentence"].get<std::string>(),
                             fields] {
            log_.write(events::idle_measured, level, id + ": " + sentence, fields);
            auto told = fields;
            told["sentence"] = sentence;
            publish(events::idle_measured, std::move(told));
        });
    }
}

void daemon_process::tell_site()
{
    history_.site_drawn();
    const auto& state = engine_->state();
    if (state.state != told_) {
        told_ = state.state;
        const auto level = told_ == site_answer::not_ready ? severity::warning : severity::info;
        tell(events::site_changed, level, state.sentence, {{"state", to_string(state.state)}});
    }
}

void daemon_process::tell_status()
{
    if (engine_) {
        status_.tell(engine_->state().sentence);
    }
}

void daemon_process::tell_failure(const std::string& task, const std::string& what)
{
    log_.write(events::task_failed, task + " ended: " + what, {{"task", task}});
}

result<std::shared_ptr<engine>> daemon_process::make_engine(std::shared_ptr<const plan> what)
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
    return std::make_shared<engine>(context_.get_executor(), fitting, *trust, make_listener());
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
    server_.serve(std::move(*listeners));
    http_.apply(engine_->what().config.http, std::move(*door));
    return std::nullopt;
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
    notify_service_manager(
        fmt::format(
            "RELOADING=1\nMONOTONIC_USEC={}",
            std::chrono::duration_cast<microseconds>(steady::now().time_since_epoch()).count()
        )
    );
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
        notify_service_manager("READY=1\nSTATUS=" + status_.told());
        co_return std::unexpected(std::move(faults));
    }
    const auto old = std::exchange(engine_, nullptr);
    made->inherit(*old);
    engine_ = made;
    http_.apply(engine_->what().config.http, std::move(*door));
    tasks_.spawn("retire", retire(old));
    tasks_.spawn("schedule", keep_probing(engine_));
    const auto rows = engine_->what().rows.size();
    history_.reloaded(make_history_options(where_, engine_->what().config, options_.version));
    log_.write(
        events::config_reloaded, fmt::format("{} requirements are in force", rows),
        {{"file", where_.config.string()}}
    );
    publish(events::config_reloaded, {{"requirements", rows}});
    notify_service_manager("READY=1\nSTATUS=" + status_.told());
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
        notify_service_manager("WATCHDOG=1");
    }
}

asio::awaitable<void> daemon_process::shut_down()
{
    notify_service_manager("STOPPING=1");
    history_.after_kept([this] {
        log_.write(events::stopping, "a signal asked for the end", json::object());
    });
    const auto deadline = steady::now() + stop_time;
    hangups_.cancel();
    status_.close();
    co_await engine_->stop(deadline);
    co_await server_.stop(deadline);
    co_await http_.stop(deadline);
    tasks_.cancel();
    co_await tasks_.join(deadline);
    co_await history_.stop(steady::now() + stop_time);
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
    tasks_.spawn("schedule", keep_probing(engine_));
    tasks_.spawn("reloads", watch_reloads());
    tasks_.spawn("loop watch", http_.watch_loop());
    if (const auto interval = watchdog_interval()) {
        tasks_.spawn("watchdog", feed_watchdog(*interval));
    }
    notify_service_manager("READY=1\nSTATUS=first measurements under way");
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

} // namespace

int run_daemon(const daemon_options& options)
{
    ::signal(SIGPIPE, SIG_IGN);
    const auto room = make_room_for_flows();
    asio::io_context context{1};
    daemon_process daemon{context, options, find_paths(options.where, running_program()), room};
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
    return 0;
}

} // namespace reachd
