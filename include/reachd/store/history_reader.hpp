// SPDX-License-Identifier: Apache-2.0
// history_reader.hpp: what is asked of the history's file.
//
// Use      open_history_reader(), beside the history_store that writes: WAL lets both work at once. One
//          thread at a time; every call may wait for the disk.
// Cancel   give_up_when(): it is asked all the time while a question is answered.
// Errors   store_error says which kind; `busy` where the question was given up.
// Source   sqlite.org/wal.html, "Concurrency"; sqlite.org/c3ref/progress_handler.html.
#pragma once

#include "reachd/core/availability.hpp"
#include "reachd/core/history.hpp"
#include "reachd/store/history_query.hpp"

#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace SQLite {
class Database;
}

namespace reachd {

enum class store_fault : std::uint8_t {
    corrupt,     // the file is no database, or a broken one: to be set aside
    foreign,     // of a later version, or of another program: not to be touched
    unavailable, // full, read-only, no permission: may be better later
    refused,     // this batch, whatever the disk: a fault of ours
    busy,        // too many questions, or one that takes too long
};

struct store_error {
    store_fault what{};
    std::string sentence;
};

template <class T>
using stored = std::expected<T, store_error>;

class history_reader {
public:
    // `session`: of the daemon that runs, whose end is not known yet; 0: none does.
    history_reader(std::unique_ptr<SQLite::Database> database, std::int64_t session);
    ~history_reader();
    history_reader(const history_reader&) = delete;
    history_reader& operator=(const history_reader&) = delete;

    // From now on a question ends, with `busy`, once this is true.
    void give_up_when(std::function<bool()> enough);

    stored<page_of<stored_record>> records(const record_query& query);
    stored<page_of<round_sample>> samples(const record_query& query);
    // Those of a name or a row are not told apart here: `address`, `from` and `to` narrow.
    stored<page_of<address_sighting>> sightings(const record_query& query);
    stored<site_then> at(wall_time when);
    // The rows in force since the last start or reload; the site is {"", ""}, first.
    stored<std::vector<row_key>> rows();
    // The states of a row in [from, to], and the one before.
    stored<std::vector<state_point>> points(const row_key& row, wall_time from, wall_time to);
    stored<std::vector<watch_span>> watched(wall_time from, wall_time to);
    stored<history_record> record(std::int64_t id);
    stored<store_state> state();

    [[nodiscard]] std::int64_t session() const { return session_; }

protected:
    std::unique_ptr<SQLite::Database> database_;
    std::int64_t session_ = 0;

private:
    std::function<bool()> enough_;
};

// Another way into a file that a history_store has open.
stored<std::unique_ptr<history_reader>>
open_history_reader(const std::filesystem::path& file, std::int64_t session);

} // namespace reachd
