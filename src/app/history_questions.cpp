// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/history_questions.hpp"

#include "reachd/net/deadline.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <exception>
#include <fmt/format.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr milliseconds look_every{2}; // whether the thread has ended

std::unexpected<store_error> fault(store_fault what, std::string sentence)
{
    return std::unexpected(store_error{what, std::move(sentence)});
}

} // namespace

stored<json>
answer_from_file(const history_source& from, const history_question& question, std::function<bool()> enough)
{
    auto reader = open_history_reader(from.file, from.session);
    if (!reader) {
        return std::unexpected(reader.error());
    }
    (*reader)->give_up_when(std::move(enough));
    return answer_history(**reader, question);
}

history_questions::history_questions(
    asio::any_io_executor executor, question_limits limits, history_answerer answer
)
    : executor_{std::move(executor)},
      limits_{limits},
      answer_{std::move(answer)},
      pool_{std::make_unique<asio::thread_pool>(1)}
{
}

history_questions::~history_questions()
{
    stop();
    *alive_ = false;
}

void history_questions::next()
{
    std::erase_if(waiting_, [](const auto& one) { return one->gone.load(); });
    if (present_ || waiting_.empty() || stopped_) {
        return;
    }
    const auto other = std::ranges::find_if(waiting_, [&](const auto& one) { return one->whom != last_; });
    const auto chosen = other == waiting_.end() ? waiting_.begin() : other;
    present_ = std::move(*chosen);
    waiting_.erase(chosen);
    last_ = present_->whom;
    const auto work = [this, one = present_, answer = answer_, limit = limits_.work, alive = alive_,
                       back = executor_] {
        const auto until = steady::now() + limit;
        auto found = std::make_shared<stored<json>>();
        try {
            *found = answer(one->from, one->question, [&one, until] {
                return one->gone.load() || steady::now() >= until;
            });
        } catch (const std::exception& thrown) { // nothing may leave this thread
            *found = fault(store_fault::refused, thrown.what());
        }
        asio::post(back, [this, alive, one, found] {
            if (*alive) {
                one->answer = std::move(*found);
                done(one);
            }
        });
    };
    asio::post(*pool_, work);
}

void history_questions::done(const std::shared_ptr<asked>& one)
{
    one->ready.cancel();
    present_.reset();
    next();
}

asio::awaitable<stored<json>>
history_questions::ask(history_source from, history_question question, asked_by whom)
{
    next(); // forgets those that have gone
    if (stopped_) {
        co_return fault(store_fault::unavailable, "the daemon ends");
    }
    const auto ahead = std::ranges::count(waiting_, whom, [](const auto& one) { return one->whom; });
    if (static_cast<std::size_t>(ahead) >= limits_.waiting) {
        co_return fault(store_fault::busy, fmt::format("{} questions to the history wait already", ahead));
    }
    const auto one = std::make_shared<asked>(executor_);
    one->from = std::move(from);
    one->question = std::move(question);
    one->whom = whom;
    // However this coroutine ends.
    struct leaving {
        std::shared_ptr<asked> what;
        ~leaving() { what->gone = true; }
    };
    const leaving guard{one};
    one->ready.expires_after(limits_.answer);
    waiting_.push_back(one);
    next();
    co_await one->ready.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!one->answer && stopped_) {
        co_return fault(store_fault::unavailable, "the daemon ends");
    }
    if (!one->answer && one != present_) {
        co_return fault(store_fault::busy, "other questions to the history have not been answered yet");
    }
    if (!one->answer) {
        co_return fault(
            store_fault::unavailable,
            fmt::format("the disk has not answered within {}", to_text(duration{limits_.answer}))
        );
    }
    co_return std::move(*one->answer);
}

void history_questions::stop()
{
    stopped_ = true;
    if (present_) {
        present_->gone = true;
        present_->ready.cancel();
    }
    for (const auto& one : waiting_) {
        one->gone = true;
        one->ready.cancel();
    }
}

asio::awaitable<bool> history_questions::ended(time_point deadline)
{
    while (present_ && steady::now() < deadline) {
        const bool slept = co_await sleep_until(std::min(deadline, steady::now() + look_every));
        static_cast<void>(slept);
    }
    if (present_) {
        *alive_ = false;
        static_cast<void>(pool_.release()); // its thread sits in the disk: joining it would wait as well
        co_return false;
    }
    pool_.reset();
    co_return true;
}

} // namespace reachd
