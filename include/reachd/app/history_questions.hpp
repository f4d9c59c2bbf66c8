// SPDX-License-Identifier: Apache-2.0
// history_questions.hpp: questions to the history, answered one after the other in a thread of their own.
//
// Use      ask() from coroutines; stop() and then ended() at the end.
// Cancel   A question whose caller has gone is skipped, or given up where it is being answered.
// Lifetime Outlives its callers.
// Executor One thread of the caller's; the other one only reads the file, and keeps nothing from being
// written. Limits   At most `waiting` questions wait; each is answered within `work`, or given up. Errors
// busy: too many wait, or it took too long. Else those of the store.
#pragma once

#include "reachd/app/history_answers.hpp"

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>

namespace reachd {

// A file that a daemon has open, and what that daemon's session is called in it.
struct history_source {
    std::filesystem::path file;
    std::int64_t session = 0;
};

// By which way a question came: each has places of its own, and they take turns.
enum class asked_by : std::uint8_t { control, status, http };

struct question_limits {
    std::size_t waiting = 8; // by each way: a page asks three at once; whoever asks more may ask again
    seconds work{5};         // 100,000 changes take 0.1 s
    seconds answer{15};      // a disk that takes longer does not answer
};

// Runs in the other thread; `enough`: nobody wants the answer any more.
using history_answerer =
    std::function<stored<json>(const history_source&, const history_question&, std::function<bool()> enough)>;
// Opens the file for this one question: nothing stays open that may be renamed, or removed.
stored<json>
answer_from_file(const history_source& from, const history_question& question, std::function<bool()> enough);

class history_questions {
public:
    history_questions(boost::asio::any_io_executor executor, question_limits limits, history_answerer answer);
    ~history_questions();
    history_questions(const history_questions&) = delete;
    history_questions& operator=(const history_questions&) = delete;

    boost::asio::awaitable<stored<json>> ask(history_source from, history_question question, asked_by whom);
    // Gives up whatever waits or is being answered.
    void stop();
    // Whether the thread has ended by then; where it has not, it is left behind.
    boost::asio::awaitable<bool> ended(time_point deadline);

private:
    struct asked {
        explicit asked(const boost::asio::any_io_executor& executor) : ready{executor} {}
        history_source from;
        history_question question;
        asked_by whom = asked_by::control;
        std::optional<stored<json>> answer;
        boost::asio::steady_timer ready;
        std::atomic<bool> gone = false; // the other thread looks at it
    };
    void next();
    void done(const std::shared_ptr<asked>& one);

    boost::asio::any_io_executor executor_;
    question_limits limits_;
    history_answerer answer_;
    std::unique_ptr<boost::asio::thread_pool> pool_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::deque<std::shared_ptr<asked>> waiting_;
    std::shared_ptr<asked> present_; // is being answered
    asked_by last_ = asked_by::http; // whose question was answered last
    bool stopped_ = false;
};

} // namespace reachd
