// SPDX-License-Identifier: Apache-2.0
// answer_turns.hpp: answers that are dear to make are made one at a time, with pauses, so that whoever asks
// for many of them leaves the event loop to others, and to the probes.
//
// Use      answer_turns::place mine{turns}; co_await mine.turn(closed); make, encode; destroy it.
// Shapes   First come, first served. The pause after an answer is a few times what it took.
// Lifetime The turns outlive their places. One thread.
#pragma once

#include "reachd/core/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>

namespace reachd {

class answer_turns {
public:
    explicit answer_turns(const boost::asio::any_io_executor& executor)
        : changed_{executor, time_point::max()}
    {
    }

    class place {
    public:
        explicit place(answer_turns& turns);
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place();

        // Returns when it is this one's turn, or when nobody waits for its answer any more.
        boost::asio::awaitable<void> turn(const bool& in_vain);

    private:
        answer_turns* turns_;
        std::list<const place*>::iterator at_;
        time_point begun_{}; // of the making; none yet
    };

private:
    std::list<const place*> line_;
    time_point next_{}; // when the next answer may be made
    boost::asio::steady_timer changed_;
};

} // namespace reachd
