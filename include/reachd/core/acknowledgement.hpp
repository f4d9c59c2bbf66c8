// SPDX-License-Identifier: Apache-2.0
// acknowledgement.hpp: what outlives a restart of what is known of a row.
#pragma once

#include "reachd/core/time.hpp"

#include <string>

namespace reachd {

// A person's word on a failing row; it ends when the row recovers.
struct acknowledgement {
    std::string note;
    std::string by;
    wall_time since{};
    bool operator==(const acknowledgement&) const = default;
};

// How something stood before the daemon was started: what is so again has been so since then.
template <class Answer>
struct remembered {
    Answer state{};
    wall_time since{};
};

} // namespace reachd
