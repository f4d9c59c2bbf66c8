// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/history_keeper.hpp"

#include "reachd/app/history_worker.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr seconds life_interval{60}; // a killed daemon was alive this long ago at most
constexpr seconds longest_pause{60}; // between two tries
constexpr seconds hold_at_most{1};   // a log line is not kept from its reader for longer
constexpr seconds written_within{1}; // then a question is answered without what is not on disk yet
constexpr milliseconds look_every{2};

} // namespace

history_keeper::history_keeper(
    asio::any_io_executor executor, history_options options, handlers handle, history_answerer answer
)
    : executor_{std::move(executor)},
      options_{std::move(options)},
      handle_{std::move(handle)},
      worker_{std::make_shared<history_worker>()},
      pool_{std::make_unique<asio::thread_pool>(1)},
      changed_{executor_},
      tick_{executor_},
      patience_{executor_},
      questions_{executor_, {}, std::move(answer)}
{
}

history_keeper::~history_keeper()
{
    *alive_ = false;
}

void history_keeper::pump(urgency how)
{
    const bool wanted = how != urgency::usual || (!waiting_.empty() && !fault_);
    if (busy_ || !wanted || !pool_) {
        return;
    }
    busy_ = true;
    entries_ = 0;
    history_job job{
        .options = options_,
        .batches = std::exchange(waiting_, {}),
        .now = wall_now(),
        .last = how == urgency::closing,
        .broken = std::exchange(broken_, std::nullopt),
    };
    asio::post(
        *pool_, [this, job = std::move(job), work = worker_, alive = alive_, back = executor_]() mutable {
            auto what = std::make_shared<history_outcome>();
            try {
                *what = work->run(job);
            } catch (const std::exception& thrown) { // nothing may leave this thread
                what->fault = store_error{store_fault::unavailable, thrown.what()};
                what->unwritten = std::move(job.batches);
            }
            asio::post(back, [this, alive, what] {
                if (*alive) {
                    done(std::move(*what));
                }
            });
        }
    );
}

void history_keeper::pump_later()
{
    tick_.expires_after(fault_ ? pause_ : life_interval);
    tick_.async_wait([this, alive = alive_](const boost::system::error_code& code) {
        if (!code && *alive) {
            pump(urgency::anyhow);
        }
    });
}

void history_keeper::make_room()
{
    while (entries_ > most_waiting) {
        const auto size = waiting_.front().what.size();
        entries_ -= size;
        lost_ += size;
        settled_ = std::max(settled_, waiting_.front().ticket);
        waiting_.pop_front();
    }
}

void history_keeper::take_fault(store_error why, std::deque<waiting_batch> unwritten)
{
    if (why.what == store_fault::refused && open_) { // trying again would not help
        for (const auto& one : unwritten) {
            lost_ += one.what.size();
            settled_ = std::max(settled_, one.ticket);
        }
        if (std::exchange(refused_, why.sentence) != why.sentence) {
            handle_.tell(events::task_failed, "history ended: " + why.sentence, {{"task", "history"}});
        }
        return;
    }
    for (auto& one : waiting_) {
        unwritten.push_back(std::move(one));
    }
    waiting_ = std::move(unwritten);
    entries_ = 0;
    for (const auto& one : waiting_) {
        entries_ += one.what.size();
    }
    make_room();
    pause_ = fault_ ? std::min(pause_ * 2, longest_pause) : seconds{1};
    const bool is_new = !fault_;
    fault_ = std::move(why);
    if (is_new) {
        handle_.tell(
            events::history_unavailable, fault_->sentence + "; measuring goes on, and it is tried again",
            {{"file", options_.file.string()}}
        );
    }
}

void history_keeper::done(history_outcome what)
{
    busy_ = false;
    open_ = what.open;
    source_ = {what.file, what.session};
    bytes_ = what.open ? what.bytes : bytes_;
    for (const auto& sentence : what.set_aside) {
        handle_.tell(events::history_set_aside, sentence, {{"file", options_.file.string()}});
    }
    settled_ = std::max(settled_, what.ticket);
    if (what.fault) {
        take_fault(std::move(*what.fault), std::move(what.unwritten));
    } else {
        out_of_patience_ = false;
        if (std::exchange(fault_, std::nullopt)) {
            handle_.tell(
                events::history_available,
                fmt::format("the history is written again; {} entries are lost", lost_),
                {{"file", options_.file.string()}, {"lost", lost_}}
            );
        }
    }
    if (what.memory) {
        ++openings_;
        broken_.reset(); // it was found in the file of before
        handle_.begun(std::move(*what.memory));
    }
    run_actions();
    changed_.cancel();
    pump_later();
    pump(urgency::usual);
}

void history_keeper::keep(history_batch batch)
{
    if (batch.size() == 0) {
        return;
    }
    entries_ += batch.size();
    waiting_.push_back({++issued_, std::move(batch)});
    make_room();
    pump(urgency::usual);
}

void history_keeper::after_kept(std::function<void()> action)
{
    if (held_.empty() && (settled() || fault_ || out_of_patience_)) {
        action();
        return;
    }
    held_.push_back({issued_, std::move(action)});
    if (held_.size() == 1) {
        patience_.expires_after(hold_at_most);
        patience_.async_wait([this, alive = alive_](const boost::system::error_code& code) {
            if (!code && *alive) {
                out_of_patience_ = true;
                run_actions();
            }
        });
    }
}

void history_keeper::run_actions()
{
    while (!held_.empty() && (held_.front().ticket <= settled_ || fault_ || out_of_patience_)) {
        const auto action = std::move(held_.front().action);
        held_.pop_front();
        action();
    }
    if (held_.empty()) {
        patience_.cancel();
    }
}

asio::awaitable<void> history_keeper::wait_for_change(time_point deadline)
{
    changed_.expires_at(deadline);
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> history_keeper::begin(time_point deadline)
{
    pump(urgency::anyhow);
    while (busy_ && steady::now() < deadline) {
        co_await wait_for_change(deadline);
    }
}

asio::awaitable<bool> history_keeper::settle(time_point deadline)
{
    const auto wanted = issued_;
    const auto ready = [this, wanted] { return settled_ >= wanted && (open_ || !busy_); };
    while (!ready() && !fault_ && steady::now() < deadline) {
        co_await sleep_until(std::min(deadline, steady::now() + look_every));
    }
    co_return settled_ >= wanted && !fault_ && open_;
}

void history_keeper::change(history_options options)
{
    options_ = std::move(options);
    pump(urgency::anyhow);
}

asio::awaitable<bool> history_keeper::stop(time_point deadline)
{
    questions_.stop();
    while (busy_ && steady::now() < deadline) {
        co_await wait_for_change(deadline);
    }
    pump(urgency::closing);
    while (busy_ && steady::now() < deadline) {
        co_await wait_for_change(deadline);
    }
    tick_.cancel();
    out_of_patience_ = true;
    run_actions();
    const bool written = !busy_;
    if (written) {
        pool_.reset();
    } else {
        *alive_ = false;
        static_cast<void>(pool_.release()); // its thread sits in the disk: joining it would wait as well
    }
    const bool answered = co_await questions_.ended(deadline);
    static_cast<void>(answered); // nobody waits for it
    co_return written && !fault_;
}

asio::awaitable<stored<json>> history_keeper::ask(history_question question, asked_by whom)
{
    if (!pool_) {
        co_return std::unexpected(store_error{store_fault::unavailable, "the daemon ends"});
    }
    const bool written = co_await settle(steady::now() + written_within);
    static_cast<void>(written); // what is on disk is better than nothing
    if (!open_) {
        co_return std::unexpected(store_error{store_fault::unavailable, "the history is not open"});
    }
    const auto opening = openings_;
    auto asking = questions_.ask(source_, std::move(question), whom);
    auto answer = co_await std::move(asking);
    if (!answer && opening == openings_) {
        const auto what = answer.error().what;
        if (what == store_fault::corrupt) {
            broken_ = answer.error();
        }
        if (what == store_fault::corrupt || what == store_fault::unavailable) {
            pump(urgency::anyhow); // it sets the file aside, or finds that it was removed
        }
    }
    co_return answer;
}

json history_keeper::describe() const
{
    json out = {
        {"state", fault_ || !open_ ? "unavailable" : "kept"},
        {"file", options_.file.string()},
        {"bytes", bytes_},
        {"waiting", entries_},
        {"lost", lost_},
    };
    if (fault_) {
        out["reason"] = fault_->sentence;
    }
    return out;
}

} // namespace reachd
