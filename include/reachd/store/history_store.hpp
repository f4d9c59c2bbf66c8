// SPDX-License-Identifier: Apache-2.0
// history_store.hpp: the history in one SQLite file: written in batches, read in pages, bounded in size.
//
// Use      open_history(), or set_aside() first where it says that the file is corrupt. One thread at a
//          time; every call may wait for the disk. It reads as well (history_reader.hpp).
// Shapes   WAL, synchronous=NORMAL: what write() has answered outlives the end of the process, however
//          that comes. Each batch is one transaction.
// Errors   store_error says which kind; a batch that failed left nothing behind.
// Limits   keep_days and max_mb, kept by upkeep(): the oldest samples go first, then the oldest records.
// Source   sqlite.org/wal.html; docs/HISTORY.md, "The file".
#pragma once

#include "reachd/store/history_reader.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace reachd {

inline constexpr int history_schema = 3;

struct store_limits {
    std::chrono::days keep{90};
    unsigned max_mb = 200;
};

class history_store : public history_reader {
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
    // From the next upkeep() on.
    void set_limits(const store_limits& limits) { limits_ = limits; }

private:
    std::int64_t subject_of(const row_key& row);
    void write_records(std::span<const history_record> records);
    void write_samples(std::span<const round_sample> samples);
    void compact_samples(wall_time now, sample_width from, sample_width into, std::chrono::hours older_than);
    void remove_old(wall_time now);
    void shrink();

    store_limits limits_;
    std::map<row_key, std::int64_t> subjects_; // those that were written by this object
};

// Opens or makes the file, checks it, and brings an older one to the present schema.
stored<std::unique_ptr<history_store>>
open_history(const std::filesystem::path& file, const store_limits& limits);

// Renames a corrupt file, and what SQLite keeps beside it; its new name.
stored<std::filesystem::path> set_aside(const std::filesystem::path& file, wall_time now);

} // namespace reachd
