// SPDX-License-Identifier: Apache-2.0
// daemon_process.hpp: one running reachd: daemon.cpp starts and ends it, daemon_tell.cpp says what happened.
#pragma once

#include "reachd/app/commands.hpp"
#include "reachd/app/daemon.hpp"
#include "reachd/app/history_commands.hpp"
#include "reachd/app/http_site.hpp"
#include "reachd/app/status_notice.hpp"
#include "reachd/core/flap_guard.hpp"
#include "reachd/core/json.hpp"
#include "reachd/net/control_server.hpp"
#include "reachd/net/wall_clock.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <exception>

namespace reachd {

class daemon_process {
public:
    daemon_process(
        boost::asio::io_context& context, const daemon_options& options, paths where, unsigned room,
        event_log log
    );

    // The first configuration; the exit code when it cannot be used.
    std::optional<int> start();
    boost::asio::awaitable<void> run();
    // The task that ended by an exception and took the daemon with it; "" for none.
    [[nodiscard]] const std::string& broken() const { return broken_; }
    boost::asio::awaitable<parsed<std::size_t>> reload();

private:
    // Bound at the start, served once the history has been read: nobody hears that all is new.
    struct doors {
        control_listeners control;
        std::optional<http_listener> http;
    };
    result<std::shared_ptr<engine>> make_engine(const std::shared_ptr<const plan>& what);
    control_callbacks make_control_callbacks();
    http_site_context make_http_context();
    engine_listener make_listener();
    history_desk::handlers make_history_handlers();
    std::optional<int> listen();
    void serve();
    boost::asio::awaitable<void> watch_reloads();
    boost::asio::awaitable<void> feed_watchdog(microseconds interval);
    boost::asio::awaitable<void> keep_probing(std::shared_ptr<engine> work);
    boost::asio::awaitable<void> retire(std::shared_ptr<engine> old);
    boost::asio::awaitable<void> shut_down();
    void tell(const event_kind& kind, severity level, const std::string& sentence, json fields);
    void tell_row(const row_change& change);
    void
    log_row(json fields, row_answer state, const std::string& sentence, const flap_guard::permit& permit);
    json row_fields(std::size_t row) const;
    void tell_idle(std::size_t row);
    void tell_site();
    void tell_status();
    void tell_failure(const std::string& task, const std::string& what);
    void publish(const event_kind& kind, json fields);
    self_watch::handlers make_self_handlers();
    void tell_self(const event_kind& kind, const self_finding& what, const std::string& sentence);

    boost::asio::io_context& context_;
    daemon_options options_;
    paths where_;
    unsigned room_;
    wall_time started_ = wall_now();
    event_log log_;
    flap_guard flaps_;
    std::shared_ptr<self_watch> self_;
    std::uint64_t refused_ = 0; // connections that could not be accepted
    std::shared_ptr<engine> engine_;
    std::optional<doors> doors_;
    site_answer told_ = site_answer::unproven;
    bool ending_ = false;
    std::string broken_; // the task without which nothing is worth going on
    status_notice status_;
    boost::asio::signal_set hangups_;
    task_group tasks_;
    history_desk history_;
    control_server server_;
    http_site http_;
};

} // namespace reachd
