// SPDX-License-Identifier: Apache-2.0
// self_watch.hpp: looks at this process's own clocks and descriptors, and tells when a trouble begins and
// ends.
//
// Use      run() beside the probes; cut_into() before a silence is believed; failed() where a call failed.
// Cancel   close(), or by the task group.
// Lifetime It outlives its run().
// Executor One thread.
#pragma once

#include "reachd/core/self_care.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <functional>

namespace reachd {

class self_watch {
public:
    struct handlers {
        std::function<void(duration late)> looked;
        std::function<void(const self_finding&)> began;
        std::function<void(const self_finding&)> ended;
    };
    struct counters {
        std::array<std::uint64_t, all_self_troubles.size()> begun{};
        std::uint64_t voided = 0; // exchanges whose silence did not count
    };

    self_watch(const boost::asio::any_io_executor& executor, handlers told);

    boost::asio::awaitable<void> run();
    void close();

    void failed(local_cause why);
    // An exception that ended something: want of memory is noticed.
    void failed(const std::exception_ptr& what);
    // Whether so much of an exchange that was begun then, with that time limit, fell into a standstill that
    // its silence proves nothing. False where nobody looks.
    [[nodiscard]] bool cut_into(time_point begun, duration limit) const;
    void voided() { ++counts_.voided; }

    [[nodiscard]] std::vector<self_finding> findings() const;
    [[nodiscard]] unsigned clock_steps() const { return care_.clock_steps(); }
    [[nodiscard]] const counters& counts() const { return counts_; }

private:
    void look();
    void tell();

    handlers told_;
    self_care care_;
    boost::asio::steady_timer timer_;
    time_point next_look_ = time_point::max();
    unsigned looks_ = 0;
    bool closed_ = false;
    std::vector<self_finding> telling_;
    counters counts_;
};

} // namespace reachd
