// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/task_group.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cassert>
#include <utility>
#include <vector>

namespace reachd {

namespace asio = boost::asio;

namespace {

// A task that was asked to end may do so by Asio's own exception: that is no failure.
bool is_cancellation(const std::exception_ptr& what)
{
    try {
        std::rethrow_exception(what);
    } catch (const boost::system::system_error& thrown) {
        return thrown.code() == asio::error::operation_aborted;
    } catch (...) {
        return false;
    }
}

} // namespace

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

task_group::task_group(asio::any_io_executor executor, failure_handler on_failure)
    : executor_{std::move(executor)}, on_failure_{std::move(on_failure)}
{
}

task_group::~task_group()
{
    assert(tasks_.empty() && "join() a task_group before it is destroyed");
}

void task_group::spawn(std::string name, asio::awaitable<void> task)
{
    const auto here = tasks_.emplace(tasks_.end());
    here->name = std::move(name);
    // The completion handler may run while the slot's owner is still in use: finish in a turn of its own.
    const auto on_end = [this, here](const std::exception_ptr& what) {
        asio::post(executor_, [this, here, what] { finished(here, what); });
    };
    asio::co_spawn(
        executor_, start(here, std::move(task)), asio::bind_cancellation_slot(here->cancel.slot(), on_end)
    );
}

// Asio 1.28 (Boost 1.83) lets an exception out of io_context::run() where co_spawn()'s own frame is cancelled
// before the task has begun: so that is held back until it has.
asio::awaitable<void> task_group::start(position here, asio::awaitable<void> task)
{
    here->started = true;
    if (here->asked_to_end) {
        // Runs before finished(), which is posted later.
        asio::post(executor_, [here] { here->cancel.emit(asio::cancellation_type::terminal); });
    }
    co_await std::move(task);
}

void task_group::finished(position task, const std::exception_ptr& what)
{
    const std::string name = std::move(task->name);
    tasks_.erase(task);
    if (what && on_failure_ && !is_cancellation(what)) {
        on_failure_(name, what);
    }
    if (tasks_.empty()) {
        for (auto* joiner : joiners_) {
            joiner->cancel();
        }
    }
}

void task_group::cancel()
{
    // emit() may end tasks, but they leave the list only in a later turn.
    for (auto& task : tasks_) {
        if (task.started) {
            task.cancel.emit(asio::cancellation_type::terminal);
        } else {
            task.asked_to_end = true;
        }
    }
}

asio::awaitable<std::size_t> task_group::join(time_point deadline)
{
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!tasks_.empty() && steady::now() < deadline) {
        asio::steady_timer empty{executor_, deadline};
        joiners_.push_back(&empty);
        co_await empty.async_wait(asio::as_tuple(asio::use_awaitable));
        std::erase(joiners_, &empty);
    }
    co_return tasks_.size();
}

} // namespace reachd
