// SPDX-License-Identifier: Apache-2.0
// idle_runner.hpp: carries out the ladders of rows that ask for an idle timer, over real services.
//
// Use      start() begins the ladder of a row unless one is under way; it waits until a row that it can be
//          measured over has been checked. The result is written into the row's state.
// Cancel   close(), then the owner cancels and joins the tasks.
// Lifetime The plan, the state, the gate and the task group outlive it.
// Limits   Some 40 flows at once to one endpoint, opened at the configured pace; while they are idle they
// take
//          no place of limits.in_flight. UDP needs a reflector (far_side of net/idle_flow.hpp).
#pragma once

#include "reachd/app/flow_gate.hpp"
#include "reachd/core/site_state.hpp"
#include "reachd/net/idle_flow.hpp"
#include "reachd/net/task_group.hpp"

#include <functional>
#include <map>
#include <memory>

namespace reachd {

enum class idle_depth : std::uint8_t {
    bracket, // one ladder, with what it wants repeated
    refined, // and a second one inside the bracket
};

class idle_runner {
public:
    struct handlers {
        std::function<void()> progressed;              // once a second while a ladder is under way
        std::function<void(std::size_t row)> finished; // its result is in the state
    };
    idle_runner(
        boost::asio::any_io_executor executor, std::shared_ptr<const plan> what, site_state& state,
        flow_gate& gate, task_group& tasks, handlers told
    );

    void start(std::size_t row, idle_depth how_far);
    // Waits until no ladder is under way.
    boost::asio::awaitable<void> finished();
    void close();
    // When the last ladder under way ends if nothing has to be repeated; nullopt: none, or not begun yet.
    [[nodiscard]] std::optional<time_point> ends() const;

private:
    struct ladder {
        idle_need need;
        endpoint target;
        way_out way;
        std::vector<idle_reading> readings;
        std::size_t left = 0; // flows
    };
    boost::asio::awaitable<void> run_row(std::size_t row, idle_depth how_far);
    boost::asio::awaitable<std::optional<idle_target>> find_target(std::size_t row);
    boost::asio::awaitable<void>
    climb(std::size_t row, std::shared_ptr<ladder> what, std::vector<idle_rung> rungs);
    boost::asio::awaitable<void> run_flow(std::shared_ptr<ladder> what, idle_rung rung, time_point begun);
    boost::asio::awaitable<void> hold(std::shared_ptr<ladder> what, idle_rung rung);
    boost::asio::awaitable<bool> fresh_flow_works(std::shared_ptr<ladder> what);
    boost::asio::awaitable<void> pause();
    void write_result(std::size_t row, const ladder& what, const std::string& via);

    boost::asio::any_io_executor executor_;
    std::shared_ptr<const plan> plan_;
    site_state& state_;
    flow_gate& gate_;
    task_group& tasks_;
    handlers told_;
    local_change_watch watch_;
    std::map<std::size_t, std::optional<time_point>> running_; // rows, and when they end
    bool closed_ = false;
};

} // namespace reachd
