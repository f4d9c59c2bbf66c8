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

// A statement's next values, in their order.
class binder {
public:
    explicit binder(SQLite::Statement& statement) : statement_{statement} {}

    binder& operator<<(std::int64_t value)
    {
        statement_.bind(++index_, value);
        return *this;
    }
    binder& operator<<(std::uint64_t value) { return *this << static_cast<std::int64_t>(value); }
    binder& operator<<(const std::string& value)
    {
        statement_.bind(++index_, value);
        return *this;
    }
    binder& operator<<(wall_time value) { return *this << to_stored(value); }
    binder& operator<<(const std::optional<microseconds>& value)
    {
        ++index_;
        if (value) {
            statement_.bind(index_, static_cast<std::int64_t>(value->count()));
        }
        return *this;
    }
    void skip(int count) { index_ += count; } // they stay NULL

private:
    SQLite::Statement& statement_;
    int index_ = 0;
};

// Writes samples, in place of those of the same row, width and time.
class sample_writer {
public:
    explicit sample_writer(SQLite::Database& database);
    void write(std::int64_t subject, const round_sample& one);

private:
    SQLite::Statement insert_;
};

store_error error_of(const SQLite::Exception& what);
// Where the tables are not those that our statements were written for, the file is not what it says it is.
store_error error_of_writing(const SQLite::Exception& what);

// Runs one piece of work; what SQLite throws comes out as a value.
template <class Work>
auto guarded(const Work& work, store_error (*meaning)(const SQLite::Exception&) = error_of)
    -> stored<decltype(work())>
{
    try {
        if constexpr (std::is_void_v<decltype(work())>) {
            work();
            return {};
        } else {
            return work();
        }
    } catch (const SQLite::Exception& thrown) {
        return std::unexpected(meaning(thrown));
    } catch (const std::exception& thrown) {
        return std::unexpected(store_error{store_fault::refused, thrown.what()});
    }
}

template <class Work>
auto guarded_writing(const Work& work) -> stored<decltype(work())>
{
    return guarded(work, error_of_writing);
}

// Brings the schema of an open database to history_schema, one step at a time.
void migrate(SQLite::Database& database);
// What it lacks of the present schema: "the table sample", "the column record.at"; "": nothing.
std::string missing_of_schema(SQLite::Database& database);

} // namespace reachd
