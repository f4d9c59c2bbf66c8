// SPDX-License-Identifier: Apache-2.0
// idle_runner.hpp: carries out the ladders of rows that ask for an idle timer, over a reflector, a STUN
// server or a service.
//
// Use      start() begins the ladders of a row unless they are under way. Without a reflector that answers
//          they wait until a row that they can be measured over has been checked, TCP alone. The results are
//          written into the row's state.
// Cancel   close(), then the owner cancels and joins the tasks.
// Lifetime The plan, the state, the gate, the resolver and the task group outlive it.
// Limits   Some 40 flows a class at once to one endpoint, opened at the configured pace; while they are idle
//          they take no place of limits.in_flight, and one of limits.nat_entries each.
#pragma once

#include "reachd/app/flow_gate.hpp"
#include "reachd/app/reflector_link.hpp"
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
        flow_gate& gate, resolver& names, task_group& tasks, handlers told
    );

    void start(std::size_t row, idle_depth how_far);
    // Waits until no ladder is under way.
    boost::asio::awaitable<void> finished();
    void close();
    // When the last ladder under way ends if nothing has to be repeated; nullopt: none, or not begun yet.
    [[nodiscard]] std::optional<time_point> ends() const;

private:
    struct ladder {
        std::size_t row = 0;
        idle_need need;
        std::string via;
        endpoint target;
        way_out way;
        std::optional<reflector_access> reflector; // or STUN server; nullopt: over a service
        std::optional<ip_address> seen_as;         // of the last flow that a STUN server saw
        std::string without;                       // why there is no reflector
        std::vector<idle_reading> readings;
        std::vector<refreshed_flow> refreshed;
        idle_owner owner;
        std::size_t left = 0;           // flows
        std::optional<time_point> ends; // if nothing has to be repeated
        bool done = false;
    };
    using ladders = std::vector<std::shared_ptr<ladder>>;
    boost::asio::awaitable<void> run_row(std::size_t row, idle_depth how_far);
    boost::asio::awaitable<void> measure_row(std::size_t row, idle_depth how_far);
    boost::asio::awaitable<std::optional<idle_target>> find_target(std::size_t row);
    boost::asio::awaitable<ladders> find_places(std::size_t row);
    [[nodiscard]] std::string why_too_few_entries() const;
    boost::asio::awaitable<void> run_ladder(std::shared_ptr<ladder> what, idle_depth how_far);
    boost::asio::awaitable<void> climb(std::shared_ptr<ladder> what, std::vector<idle_rung> rungs);
    boost::asio::awaitable<void> run_flow(std::shared_ptr<ladder> what, idle_rung rung, time_point begun);
    // One flow, left alone but for its refreshes.
    boost::asio::awaitable<idle_seen>
    hold(std::shared_ptr<ladder> what, idle_rung rung, idle_refresh refresh);
    boost::asio::awaitable<idle_seen>
    hold_connection(std::shared_ptr<ladder> what, idle_rung rung, idle_refresh refresh);
    boost::asio::awaitable<idle_seen>
    hold_datagrams(std::shared_ptr<ladder> what, idle_rung rung, idle_refresh refresh);
    boost::asio::awaitable<idle_seen> hold_mapping(std::shared_ptr<ladder> what, idle_rung rung);
    // Which box it is, once a silence was lost.
    boost::asio::awaitable<void> find_owner(std::shared_ptr<ladder> what);
    boost::asio::awaitable<void> run_refreshed(
        std::shared_ptr<ladder> what, unsigned hops, bool all_the_way, std::shared_ptr<const idle_trial> trial
    );
    boost::asio::awaitable<bool> fresh_flow_works(std::shared_ptr<ladder> what);
    boost::asio::awaitable<void> pause();
    void write_results(const ladders& all);
    [[nodiscard]] std::optional<stun_view> view_of(const ladder& what) const;

    boost::asio::any_io_executor executor_;
    std::shared_ptr<const plan> plan_;
    site_state& state_;
    flow_gate& gate_;
    task_group& tasks_;
    handlers told_;
    local_change_watch watch_;
    reflector_link link_;
    std::map<std::size_t, ladders> running_; // by row
    bool closed_ = false;
};

} // namespace reachd
