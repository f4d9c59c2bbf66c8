// SPDX-License-Identifier: Apache-2.0
// history_desk.hpp: the daemon's history: what the engine tells is kept, and what was is found again.
//
// Use      begin() before the first measurement; the engine's events; stop() at the end.
// Lifetime The desk outlives its requests, and the engine's events.
// Executor One thread; the disk has another (history_keeper.hpp).
// Errors   A history that cannot be kept is told, and measuring goes on.
#pragma once

#include "reachd/app/engine.hpp"
#include "reachd/app/files.hpp"
#include "reachd/app/history_keeper.hpp"
#include "reachd/core/history_watch.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace reachd {

history_options make_history_options(const paths& where, const config& site, std::string version);

class history_desk {
public:
    struct handlers {
        std::function<std::shared_ptr<engine>()> present; // the engine that measures now, or null
        std::function<void(const event_kind&, const std::string& sentence, json fields)> tell;
    };
    history_desk(boost::asio::any_io_executor executor, handlers handle);

    // Opens the file; waits for a slow disk, but not for long.
    boost::asio::awaitable<void> begin(history_options options);
    boost::asio::awaitable<void> stop(time_point deadline);

    // What the engine tells.
    void row_changed(const row_change& change);
    void round_finished(std::size_t row);
    void sampled(std::size_t row, const block_result& round);
    void idle_measured(std::size_t row);
    void address_appeared(std::size_t row, const std::string& what);
    void refreshed();
    void site_drawn();
    // Another engine measures now.
    void reloaded(history_options options);

    // Runs once what was told before is kept (history_keeper.hpp); at once where nothing is kept.
    void after_kept(std::function<void()> action);
    boost::asio::awaitable<stored<json>> ask(history_question question, asked_by whom);
    // Whether all that was told is on disk by then.
    boost::asio::awaitable<bool> settle(time_point deadline);
    [[nodiscard]] json describe() const;

private:
    void begun(history_memory memory);
    void restore_notes(engine& work);

    boost::asio::any_io_executor executor_;
    handlers handle_;
    std::optional<history_keeper> keeper_;
    history_watch watch_;
    bool begun_once_ = false;
};

} // namespace reachd
