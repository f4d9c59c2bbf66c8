// SPDX-License-Identifier: Apache-2.0
// schedule.hpp: which row is probed next, and when.
//
// Use     next_due() names the earliest row; started() and finished() move it on.
// Shapes  First rounds are spread over one interval; later ones keep their own phase with a jitter of
//         a tenth, so that many daemons started together drift apart.
// Units   std::chrono; `now` is steady and never goes back.
// Limits  A row that fails in the same way again and again backs off, doubling up to eight intervals;
//         any change brings it back to one.
#pragma once

#include "reachd/core/time.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace reachd {

class schedule {
public:
    struct due {
        std::size_t row;
        time_point when;
    };
    enum class round_result : std::uint8_t {
        healthy,        // does not fail: keep the pace
        changed,        // any change: back to the pace
        still_the_same, // fails as before: back off
    };

    // `rows` that take part, due first within one interval of `now` unless `interval` is zero.
    schedule(
        const std::vector<std::size_t>& rows, std::chrono::seconds interval, time_point now,
        std::uint64_t seed
    );

    // The earliest row that is not being probed; nullopt when all are, or there is none.
    [[nodiscard]] std::optional<due> next_due() const;
    void started(std::size_t row);
    void finished(std::size_t row, round_result how, time_point now);
    // A row is due then at the latest: what is known of it is from before this schedule.
    void no_later(std::size_t row, time_point when);
    // Makes a row due at once (a person asked).
    void hurry(std::size_t row, time_point now);

private:
    struct entry {
        std::size_t row;
        time_point when;
        unsigned back_off = 0; // doublings
        bool running = false;
        bool hurried = false; // while it ran: due again at its end
    };
    entry* find(std::size_t row);

    std::chrono::seconds interval_;
    std::vector<entry> entries_;
    std::mt19937_64 random_;
};

} // namespace reachd
