// SPDX-License-Identifier: Apache-2.0
// pacer.hpp: decides which waiting probe may start, and when, so that no firewall sees a scan.
//
// Use     add() what waits; next(now) says what to start, until when to wait, or that nothing is to
//         be done; finished() gives a place back.
// Shapes  One queue per destination address, served in turn, so that a range of 500 ports at one
//         host does not hold up the other hosts.
// Units   Rates are new flows per second; the spacing between two of one destination varies by a
//         quarter either way, as regular spacing is itself a scanner's mark.
// Source  Thresholds of common firewalls: docs/CONFIGURATION.md.
#pragma once

#include "reachd/core/address.hpp"
#include "reachd/core/config.hpp"
#include "reachd/core/time.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <variant>

namespace reachd {

// Repeats of flows that a firewall has just seen are no new ports or hosts to a scan detector: they count as
// this part of a new flow.
inline constexpr unsigned repeats_faster = 4;

class pacer {
public:
    using ticket = std::uint64_t; // the caller's own number for what waits

    struct start {
        ticket which;
    };
    struct wait_until {
        time_point when;
    };
    struct nothing {}; // the queue is empty, or all places are taken: wait for add() or finished()
    using action = std::variant<start, wait_until, nothing>;

    pacer(const limits_config& limits, std::uint64_t seed);

    void add(ticket which, const ip_address& towards);
    action next(time_point now);
    void finished();
    // From when on something that does not wait here may be sent to this address: it may be one spacing
    // early, and what waits here makes up for it.
    [[nodiscard]] time_point spendable_at(const ip_address& towards, time_point now) const;
    // It was sent, and counts as this share of a new flow.
    void spend(const ip_address& towards, double share, time_point now);
    // What an older one has let go counts as this one's.
    void inherit(const pacer& older);
    // Forgets what waits; answers those tickets.
    std::deque<ticket> drop_all();

    [[nodiscard]] std::size_t waiting() const { return waiting_; }
    [[nodiscard]] unsigned in_flight() const { return in_flight_; }
    [[nodiscard]] std::size_t lanes() const { return lanes_.size(); } // busy ones, and some that were

private:
    struct lane {
        std::deque<ticket> queue;
        time_point free_at{};
    };
    duration jittered(duration spacing);
    void forget_idle_lanes(time_point now);

    duration global_spacing_{};
    duration lane_spacing_{};
    unsigned places_;
    unsigned in_flight_ = 0;
    std::size_t waiting_ = 0;
    time_point global_free_at_{};
    std::map<ip_address, lane> lanes_;
    std::size_t lanes_left_ = 0; // the last time that idle ones were dropped
    std::optional<ip_address> last_served_;
    std::mt19937_64 random_;
};

} // namespace reachd
