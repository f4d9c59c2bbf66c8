// SPDX-License-Identifier: Apache-2.0
// flap_guard.hpp: keeps something that flaps from flooding the log, and loses nothing that lasts.
//
// Use     change() for each change of a key: whether it may be told now. settle() whenever the key was looked
//         at without a change: true when its present state was never told and may be told now.
// Shapes  A bucket of tokens a key: `burst` at once, then one each `refill`. `left_out` is how many changes
//         before this one were not told.
// Units   steady `now` that never goes back.
// Limits  One small entry a key; forget() removes those of rows that are gone.
#pragma once

#include "reachd/core/time.hpp"

#include <map>
#include <string>

namespace reachd {

class flap_guard {
public:
    static constexpr unsigned burst = 6;
    static constexpr std::chrono::minutes refill{10};

    struct permit {
        bool now = false;
        unsigned left_out = 0;
    };
    permit change(const std::string& key, time_point now);
    permit settle(const std::string& key, time_point now);
    void forget();

private:
    struct bucket {
        unsigned tokens = burst;
        time_point since; // when the next token began to form
        unsigned left_out = 0;
    };
    static bool take(bucket& from, time_point now);

    std::map<std::string, bucket> buckets_;
};

} // namespace reachd
