// SPDX-License-Identifier: Apache-2.0
// history_keeper.hpp: the store in threads of their own: the event loop never waits for the disk.
//
// Use      begin() once; keep() whatever is to be remembered; ask() for what was; stop() at the end.
// Cancel   A caller of ask() may go away: the answer is then dropped.
// Lifetime The keeper outlives its callers; stop() before it is destroyed.
// Executor One thread of the caller's, one that writes, and one that answers questions: whoever asks keeps
//          nothing from being written.
// Limits   most_waiting entries wait for a disk that cannot be written; then the oldest are lost, counted.
// Errors   unavailable: told once, tried again after 1 s, then less and less often, every minute at last.
//          corrupt: the file is set aside and a new one begun.
#pragma once

#include "reachd/app/history_questions.hpp"
#include "reachd/app/history_worker.hpp"
#include "reachd/core/events.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace reachd {

inline constexpr std::size_t most_waiting = 10'000;

class history_keeper {
public:
    struct handlers {
        // A file was opened; what it tells of the time before. Again after one was set aside.
        std::function<void(history_memory)> begun;
        std::function<void(const event_kind&, const std::string& sentence, json fields)> tell;
    };

    history_keeper(
        boost::asio::any_io_executor executor, history_options options, handlers handle,
        history_answerer answer = answer_from_file
    );
    ~history_keeper();
    history_keeper(const history_keeper&) = delete;
    history_keeper& operator=(const history_keeper&) = delete;

    // Opens the file; waits no longer than until `deadline` for it.
    boost::asio::awaitable<void> begin(time_point deadline);
    // Another file, or other limits.
    void change(history_options options);
    // Writes what waits, and the end; answers whether that was done in time.
    boost::asio::awaitable<bool> stop(time_point deadline);

    void keep(history_batch batch);
    // Runs once all that was kept before is on its way to the disk, at the latest after a second; in order.
    void after_kept(std::function<void()> action);
    // The answer has what was kept before, unless the disk is slow.
    boost::asio::awaitable<stored<json>> ask(history_question question, asked_by whom = asked_by::control);
    // Waits until all that was kept so far is written; false when it is not, or cannot be.
    boost::asio::awaitable<bool> settle(time_point deadline);

    // For `health`: {"state": "kept" | "unavailable", "lost", ...}.
    [[nodiscard]] json describe() const;

private:
    struct held_action {
        std::uint64_t ticket;
        std::function<void()> action;
    };

    enum class urgency : std::uint8_t {
        usual,   // when something waits, and nothing is wrong
        anyhow,  // a sign of life, a new try
        closing, // the last one
    };
    void pump(urgency how);
    void done(history_outcome what);
    void take_fault(store_error why, std::deque<waiting_batch> unwritten);
    void make_room();
    void run_actions();
    void pump_later();
    [[nodiscard]] bool settled() const { return settled_ >= issued_; }
    boost::asio::awaitable<void> wait_for_change(time_point deadline);

    boost::asio::any_io_executor executor_;
    history_options options_;
    handlers handle_;
    std::shared_ptr<history_worker> worker_;
    std::unique_ptr<boost::asio::thread_pool> pool_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    boost::asio::steady_timer changed_;  // cancelled when a job has ended
    boost::asio::steady_timer tick_;     // the next sign of life, or new try
    boost::asio::steady_timer patience_; // of held actions
    std::deque<waiting_batch> waiting_;
    std::size_t entries_ = 0; // in `waiting_`
    std::deque<held_action> held_;
    std::uint64_t issued_ = 0;
    std::uint64_t settled_ = 0; // written, or given up
    bool busy_ = false;
    bool open_ = false;
    history_source source_;      // the file that is open
    std::uint64_t openings_ = 0; // of files, so far
    history_questions questions_;
    std::optional<store_error> broken_; // what a question found of the file
    bool out_of_patience_ = false;      // the disk does not answer: actions are not held
    std::optional<store_error> fault_;
    std::string refused_; // the last refusal, told once
    std::uint64_t lost_ = 0;
    std::uint64_t bytes_ = 0;
    seconds pause_{1};
};

} // namespace reachd
