// SPDX-License-Identifier: Apache-2.0
// http_site.hpp: what the daemon serves over HTTP: health, report, metrics, events.
//
// Use      prepare() and apply() at start and at each reload: what cannot be bound changes nothing.
// Cancel   stop() before the end.
// Lifetime The daemon outlives it, and it outlives its coroutines: destroy it only after stop().
// Executor One thread.
// Limits   A large answer is made once a second at most, and making them takes a tenth of the time at most,
//          however often they are asked for (docs/HTTP.md).
#pragma once

#include "reachd/app/engine.hpp"
#include "reachd/core/exposition.hpp"
#include "reachd/net/control_server.hpp"
#include "reachd/net/http_server.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace reachd {

struct http_site_context {
    std::string version;
    wall_time started{};
    std::function<const engine&()> present;         // which a reload replaces
    std::function<const control_server&()> sockets; // whose clients the metrics count
    std::function<json()> health;                   // the method `health`
    std::function<json()> snapshot;                 // of the method `subscribe`
    // The method `history`.
    std::function<boost::asio::awaitable<rpc_answer>(json params)> history;
    std::function<void(const std::string& task, const std::exception_ptr& what)> failed;
};

class http_site {
public:
    http_site(boost::asio::any_io_executor executor, http_site_context context);

    // Binds where `wanted` listens elsewhere than now; nullopt where nothing is to be replaced.
    result<std::optional<http_listener>> prepare(const http_config& wanted) const;
    void apply(const http_config& wanted, std::optional<http_listener> prepared);
    // One event, as subscribers of the control socket get it.
    void publish(const json& event);
    // So late was the event loop at a look.
    void observe_lag(duration late) { lag_.observe(late); }
    // Connections that could not be accepted.
    [[nodiscard]] std::uint64_t accept_failures() const { return server_.counters().accept_failures; }
    boost::asio::awaitable<std::size_t> stop(time_point deadline);

    // Everything in Prometheus's text format.
    [[nodiscard]] std::string metrics() const;

private:
    struct made {
        http_response answer;
        time_point at;
    };
    boost::asio::awaitable<http_reply> handle(http_request request);
    boost::asio::awaitable<void> wait_turn(std::string name);
    boost::asio::awaitable<http_response> history(http_target target);
    boost::asio::awaitable<http_response> page_then(http_target target);
    http_response answer(const http_request& request);
    http_response health() const;
    http_response report(const http_target& target);
    http_response page(const http_target& target);
    std::optional<http_response> row(const std::string& path);
    // The answer of that name, made anew when an event or a second has passed since.
    template <class Make>
    http_response cached(const std::string& name, Make make);
    time_point has_taken(time_point begun);
    void write_clients(exposition& out) const;
    void write_history(exposition& out) const;
    void write_self(exposition& out) const;

    http_site_context context_;
    std::string listening_; // as configured; "" for nowhere
    std::map<std::string, made> made_;
    time_point next_large_{}; // when the next answer that takes long may be made
    duration_histogram lag_;
    http_server server_;
};

} // namespace reachd
