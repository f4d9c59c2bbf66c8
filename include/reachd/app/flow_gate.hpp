// SPDX-License-Identifier: Apache-2.0
// flow_gate.hpp: where coroutines wait for their turn to open a flow (core/pacer.hpp decides).
//
// Use      if (co_await gate.enter(address)) { ...; gate.leave(); }
// Cancel   close() lets nobody in any more: enter() answers false.
// Lifetime The gate outlives everybody who waits; `sent` outlives the gate.
// Limits   Who is let in has opened a flow in `sent`, and ends it there. Nobody is while NATs on the way are
// full.
#pragma once

#include "reachd/core/pacer.hpp"
#include "reachd/core/traffic.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <optional>
#include <utility>

namespace reachd {

class flow_gate {
public:
    class long_stay {
    public:
        explicit long_stay(flow_gate& gate) : gate_{&gate} { ++gate_->staying_; }
        long_stay(const long_stay&) = delete;
        long_stay& operator=(const long_stay&) = delete;
        long_stay(long_stay&& other) noexcept : gate_{std::exchange(other.gate_, nullptr)} {}
        long_stay& operator=(long_stay&&) = delete;
        ~long_stay()
        {
            if (gate_) {
                --gate_->staying_;
            }
        }

    private:
        flow_gate* gate_;
    };
    flow_gate(
        boost::asio::any_io_executor executor, const limits_config& limits, traffic& sent, std::uint64_t seed
    );

    boost::asio::awaitable<bool> enter(ip_address towards);
    void leave();
    // For a flow that keeps its entry in NATs for long and may need another flow to end: such flows never
    // take the last entry, or all of them would wait for it. nullopt: closed. leave() as ever; the entry is
    // given back with the stay.
    boost::asio::awaitable<std::optional<long_stay>> enter_for_long(ip_address towards);
    // Gives the place back and waits for another one: a retry is a new flow as well.
    boost::asio::awaitable<void> enter_again(ip_address towards, bool* inside);
    void close();
    // A reload does not make it faster: what an older gate let in counts.
    void inherit(const flow_gate& older) { pacer_.inherit(older.pacer_); }
    // For what keeps to the same rates and waits elsewhere.
    pacer& rates() { return pacer_; }

private:
    struct place {
        explicit place(const boost::asio::any_io_executor& executor) : ready{executor} {}
        bool granted = false;
        boost::asio::steady_timer ready;
    };
    void pump();
    void pump_at(time_point when);

    boost::asio::any_io_executor executor_;
    pacer pacer_;
    traffic& sent_;
    unsigned most_entries_;
    unsigned staying_ = 0;
    std::map<pacer::ticket, place*> waiting_;
    pacer::ticket next_ticket_ = 0;
    boost::asio::steady_timer pump_timer_;
    bool closed_ = false;
};

} // namespace reachd
