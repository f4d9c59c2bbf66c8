// SPDX-License-Identifier: Apache-2.0
// What keeps the file small: samples are put together, the old and the superfluous is removed.
#include "reachd/store/history_store.hpp"

#include "sqlite_parts.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

using std::chrono::hours;

constexpr hours whole_for{24};       // single rounds
constexpr hours hourly_for{24 * 30}; // then days
constexpr int removed_at_once = 500; // entries of one transaction: little more than is too much
constexpr double share_after = 0.9;  // of max_mb, so that the next hour fits

// Columns as samples() of history_queries.cpp reads them are not needed here: one row at a time is summed.
std::vector<round_sample>
fine_samples(SQLite::Database& database, std::int64_t subject, sample_width width, wall_time before)
{
    SQLite::Statement found{
        database, "SELECT at, rounds, rounds_pass, rounds_fail, pass, fail, unproven, rtt_min, rtt_median, "
                  "rtt_max FROM sample WHERE subject = ? AND width = ? AND at < ? ORDER BY at"
    };
    found.bind(1, subject);
    found.bind(2, static_cast<int>(width));
    found.bind(3, to_stored(before));
    const auto count = [&found](int column) {
        return static_cast<std::uint64_t>(found.getColumn(column).getInt64());
    };
    const auto time = [&found](int column) {
        const auto value = found.getColumn(column);
        return value.isNull() ? std::nullopt : std::optional{microseconds{value.getInt64()}};
    };
    std::vector<round_sample> out;
    while (found.executeStep()) {
        out.push_back({
            .at = from_stored(found.getColumn(0).getInt64()),
            .width = width,
            .rounds = count(1),
            .rounds_pass = count(2),
            .rounds_fail = count(3),
            .pass = count(4),
            .fail = count(5),
            .unproven = count(6),
            .rtt_min = time(7),
            .rtt_median = time(8),
            .rtt_max = time(9),
        });
    }
    return out;
}

void write_sample(SQLite::Database& database, std::int64_t subject, const round_sample& one)
{
    SQLite::Statement insert{
        database, "INSERT OR REPLACE INTO sample VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    };
    const std::int64_t counts[] = {
        subject,
        static_cast<std::int64_t>(one.width),
        to_stored(one.at),
        static_cast<std::int64_t>(one.rounds),
        static_cast<std::int64_t>(one.rounds_pass),
        static_cast<std::int64_t>(one.rounds_fail),
        static_cast<std::int64_t>(one.pass),
        static_cast<std::int64_t>(one.fail),
        static_cast<std::int64_t>(one.unproven),
    };
    int index = 0;
    for (const auto value : counts) {
        insert.bind(++index, value);
    }
    for (const auto& time : {one.rtt_min, one.rtt_median, one.rtt_max}) {
        ++index;
        if (time) {
            insert.bind(index, static_cast<std::int64_t>(time->count()));
        }
    }
    insert.exec();
}

std::uint64_t used_bytes(SQLite::Database& database)
{
    const auto pages = database.execAndGet("PRAGMA page_count").getInt64();
    const auto free = database.execAndGet("PRAGMA freelist_count").getInt64();
    const auto size = database.execAndGet("PRAGMA page_size").getInt64();
    return static_cast<std::uint64_t>((pages - free) * size);
}

int remove(SQLite::Database& database, const std::string& statement)
{
    SQLite::Transaction whole{database};
    const int count = database.exec(statement);
    whole.commit();
    return count;
}

// The last word on each row, and the last plan, before the time: without them the site as it was is lost.
constexpr const char* superseded_before = R"sql(
DELETE FROM record WHERE at < {0} AND id NOT IN (
  SELECT (SELECT id FROM record WHERE subject = s.id AND kind <= 1 AND at < {0} ORDER BY at DESC, id DESC LIMIT 1)
  FROM subject s WHERE EXISTS (SELECT 1 FROM record WHERE subject = s.id AND kind <= 1 AND at < {0})
  UNION ALL
  SELECT * FROM (SELECT id FROM record WHERE kind IN (6, 8) AND at < {0} ORDER BY at DESC, id DESC LIMIT 1)))sql";

} // namespace

void history_store::compact_samples(
    wall_time now, sample_width from, sample_width into, std::chrono::hours older_than
)
{
    const auto before = beginning_of(now - older_than, into); // only whole hours and days
    std::vector<std::int64_t> subjects;
    SQLite::Statement all{*database_, "SELECT id FROM subject"};
    while (all.executeStep()) {
        subjects.push_back(all.getColumn(0).getInt64());
    }
    for (const auto subject : subjects) {
        const auto fine = fine_samples(*database_, subject, from, before);
        if (fine.empty()) {
            continue;
        }
        SQLite::Transaction whole{*database_};
        for (const auto& one : compact(fine, into)) {
            write_sample(*database_, subject, one);
        }
        SQLite::Statement gone{*database_, "DELETE FROM sample WHERE subject = ? AND width = ? AND at < ?"};
        gone.bind(1, subject);
        gone.bind(2, static_cast<int>(from));
        gone.bind(3, to_stored(before));
        gone.exec();
        whole.commit();
    }
}

void history_store::remove_old(wall_time now)
{
    const auto before = to_stored(now - limits_.keep);
    remove(*database_, fmt::format(fmt::runtime(superseded_before), before));
    remove(*database_, fmt::format("DELETE FROM sample WHERE at < {}", before));
    remove(*database_, fmt::format("DELETE FROM sighting WHERE last < {}", before));
    remove(*database_, fmt::format("DELETE FROM session WHERE ended IS NOT NULL AND ended < {}", before));
}

void history_store::shrink()
{
    constexpr double megabyte = 1e6;
    const auto most = static_cast<std::uint64_t>(megabyte * limits_.max_mb);
    if (used_bytes(*database_) > most) {
        const auto enough = static_cast<std::uint64_t>(share_after * static_cast<double>(most));
        while (used_bytes(*database_) > enough) {
            const auto samples = fmt::format(
                "DELETE FROM sample WHERE (subject, width, at) IN (SELECT subject, width, at FROM sample "
                "ORDER BY at LIMIT {})",
                removed_at_once
            );
            if (remove(*database_, samples) > 0) {
                continue;
            }
            const auto limit = database_->execAndGet(
                fmt::format(
                    "SELECT coalesce(max(at), 0) FROM (SELECT at FROM record ORDER BY at LIMIT {})",
                    removed_at_once
                )
            );
            if (remove(*database_, fmt::format(fmt::runtime(superseded_before), limit.getInt64())) == 0) {
                break; // what is left is what stands now
            }
        }
    }
    database_->exec("PRAGMA incremental_vacuum");
}

stored<void> history_store::upkeep(wall_time now)
{
    return guarded([&] {
        compact_samples(now, sample_width::round, sample_width::hour, whole_for);
        compact_samples(now, sample_width::hour, sample_width::day, hourly_for);
        remove_old(now);
        shrink();
        database_->exec("PRAGMA optimize");
    });
}

} // namespace reachd
