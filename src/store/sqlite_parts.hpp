// SPDX-License-Identifier: Apache-2.0
// sqlite_parts.hpp: moments and faults on their way into and out of SQLite; for src/store alone.
#pragma once

#include "reachd/store/history_store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <exception>
#include <string>

namespace reachd {

inline std::int64_t to_stored(wall_time when)
{
    return when.time_since_epoch().count();
}

inline wall_time from_stored(std::int64_t milliseconds_since_epoch)
{
    return wall_time{milliseconds{milliseconds_since_epoch}};
}

store_error error_of(const SQLite::Exception& what);

// Runs one piece of work; what SQLite throws comes out as a value.
template <class Work>
auto guarded(const Work& work) -> stored<decltype(work())>
{
    try {
        if constexpr (std::is_void_v<decltype(work())>) {
            work();
            return {};
        } else {
            return work();
        }
    } catch (const SQLite::Exception& thrown) {
        return std::unexpected(error_of(thrown));
    } catch (const std::exception& thrown) {
        return std::unexpected(store_error{store_fault::refused, thrown.what()});
    }
}

// Brings the schema of an open database to history_schema, one step at a time.
void migrate(SQLite::Database& database);

} // namespace reachd
