// SPDX-License-Identifier: Apache-2.0
// history_store.hpp: the history in one SQLite file: written in batches, read in pages, bounded in size.
//
// Use      open_history(), or set_aside() first where it says that the file is corrupt. One thread at a
//          time; every call may wait for the disk.
// Shapes   WAL, synchronous=NORMAL: what write() has answered outlives the end of the process, however
//          that comes. Each batch is one transaction.
// Errors   store_error says which kind; a batch that failed left nothing behind.
// Limits   keep_days and max_mb, kept by upkeep(): the oldest samples go first, then the oldest records.
// Source   sqlite.org/wal.html; docs/HISTORY.md, "The file".
#pragma once

#include "reachd/core/availability.hpp"
#include "reachd/core/history.hpp"
#include "reachd/store/history_query.hpp"

#include <expected>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace SQLite {
class Database;
}

namespace reachd {

inline constexpr int history_schema = 2;

enum class store_fault : std::uint8_t {
    corrupt,     // the file is no database, or a broken one: to be set aside
    foreign,     // of a later version, or of another program: not to be touched
    unavailable, // full, read-only, no permission: may be better later
    refused,     // this batch, whatever the disk: a fault of ours
};

struct store_error {
    store_fault what{};
    std::string sentence;
};

template <class T>
using stored = std::expected<T, store_error>;

struct store_limits {
    std::chrono::days keep{90};
    unsigned max_mb = 200;
};

class history_store {
public:
    history_store(std::unique_ptr<SQLite::Database> database, store_limits limits);
    ~history_store();
    history_store(const history_store&) = delete;
    history_store& operator=(const history_store&) = delete;

    // A daemon begins to watch; one that ended without a word gets its `stop` where it was last alive.
    stored<history_memory> begin(wall_time now, const std::string& version);
    // It ends, cleanly.
    stored<void> end(wall_time now);
    // All or nothing; an empty batch is a sign of life.
    stored<void> write(const history_batch& batch, wall_time now);
    // Puts samples together, removes what is too old, and what is too much.
    stored<void> upkeep(wall_time now);

    stored<page_of<stored_record>> records(const record_query& query);
    stored<page_of<round_sample>> samples(const record_query& query);
    stored<std::vector<address_sighting>> sightings();
    stored<site_then> at(wall_time when);
    // The rows in force since the last start or reload; the site is {"", ""}, first.
    stored<std::vector<row_key>> rows();
    // The states of a row in [from, to], and the one before.
    stored<std::vector<state_point>> points(const row_key& row, wall_time from, wall_time to);
    stored<std::vector<watch_span>> watched(wall_time from, wall_time to);
    stored<history_record> record(std::int64_t id);
    stored<store_state> state();

private:
    std::int64_t subject_of(const row_key& row);
    void write_records(std::span<const history_record> records);
    void write_samples(std::span<const round_sample> samples);
    void compact_samples(wall_time now, sample_width from, sample_width into, std::chrono::hours older_than);
    void remove_old(wall_time now);
    void shrink();

    std::unique_ptr<SQLite::Database> database_;
    store_limits limits_;
    std::map<row_key, std::int64_t> subjects_; // those that were written by this object
    std::int64_t session_ = 0;                 // 0: no daemon began
};

// Opens or makes the file, checks it, and brings an older one to the present schema.
stored<std::unique_ptr<history_store>>
open_history(const std::filesystem::path& file, const store_limits& limits);

// Renames a corrupt file, and what SQLite keeps beside it; its new name.
stored<std::filesystem::path> set_aside(const std::filesystem::path& file, wall_time now);

} // namespace reachd
