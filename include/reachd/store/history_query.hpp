// SPDX-License-Identifier: Apache-2.0
// history_query.hpp: what may be asked of the history, and what comes back.
#pragma once

#include "reachd/core/history.hpp"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace reachd {

// Which entries are wanted; empty words and nullopt: all.
struct record_query {
    std::string catalogue;
    std::string requirement; // an id, or "catalogue/id"
    std::string address;
    std::optional<std::uint16_t> port;
    std::optional<transport> how;
    std::set<record_kind> kinds;
    std::optional<wall_time> from; // not before
    std::optional<wall_time> to;   // before
    std::size_t limit = 100;
    std::optional<std::pair<wall_time, std::int64_t>> after; // the last of the page before
};

struct stored_record {
    std::int64_t id = 0;
    history_record what;
};

template <class T>
struct page_of {
    std::vector<T> entries;                                 // newest first
    std::optional<std::pair<wall_time, std::int64_t>> next; // nullopt: that was all
};

// The site as it was: the last record of each row that was in force.
struct site_then {
    std::vector<stored_record> rows; // in the order of the plan; those without a record are left out
    std::optional<stored_record> site;
    std::optional<wall_time> last_alive; // nullopt: the daemon ran; else its last sign of life before
};

struct store_state {
    std::uint64_t bytes = 0;
};

} // namespace reachd
