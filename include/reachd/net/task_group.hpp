// SPDX-License-Identifier: Apache-2.0
// task_group.hpp: the only way to start a coroutine that nobody awaits.
//
// Use      spawn() counts, names and contains a task; cancel() asks all of them to end; join() waits
//          until none is left or the deadline has passed.
// Cancel   Each task gets its own terminal cancellation; join() itself is not cancellable.
// Lifetime The group outlives its tasks: destroy it only after join() has said zero.
// Errors   An exception that leaves a task goes to the failure handler under the task's name; the
//          other tasks go on.
// Executor One thread; no locks.
#pragma once

#include "reachd/core/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <functional>
#include <list>
#include <string>
#include <vector>

namespace reachd {

// What it says of itself.
std::string text_of(const std::exception_ptr& what);

class task_group {
public:
    // Called with the task's name and what left it.
    using failure_handler = std::function<void(const std::string& name, const std::exception_ptr& what)>;

    task_group(boost::asio::any_io_executor executor, failure_handler on_failure);
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;
    ~task_group();

    void spawn(std::string name, boost::asio::awaitable<void> task);
    // Asks every running task to end. Tasks spawned later are not affected.
    void cancel();
    // Waits until no task is left; answers how many still run at the deadline.
    boost::asio::awaitable<std::size_t> join(time_point deadline);
    [[nodiscard]] std::size_t running() const { return tasks_.size(); }

private:
    struct entry {
        std::string name;
        boost::asio::cancellation_signal cancel;
        bool started = false;
        bool asked_to_end = false; // before it had started
    };
    using position = std::list<entry>::iterator;
    boost::asio::awaitable<void> start(position here, boost::asio::awaitable<void> task);
    void finished(position task, const std::exception_ptr& what);

    boost::asio::any_io_executor executor_;
    failure_handler on_failure_;
    std::list<entry> tasks_;
    std::vector<boost::asio::steady_timer*> joiners_; // cancelled when the last task has gone
};

} // namespace reachd
