// SPDX-License-Identifier: Apache-2.0
// What keeps the file small: samples are put together, the old and the superfluous is removed.
#include "reachd/store/history_store.hpp"

#include "sqlite_parts.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

namespace reachd {
namespace {

using std::chrono::hours;

constexpr hours whole_for{24};                  // single rounds
constexpr hours hourly_for{24 * 30};            // then days
constexpr int removed_at_once = 500;            // entries of one transaction: little more than is too much
constexpr int sightings_removed_at_once = 5000; // they are small
constexpr std::int64_t sightings_left = 1000;   // as long as there is something else to remove
constexpr double share_after = 0.9;             // of max_mb, so that the next hour fits

// Of one row and width, in [from, to).
std::vector<round_sample>
samples_of(SQLite::Database& database, std::int64_t subject, sample_width width, wall_time from, wall_time to)
{
    SQLite::Statement found{
        database, "SELECT at, rounds, rounds_pass, rounds_fail, pass, fail, unproven, rtt_min, rtt_median, "
                  "rtt_max FROM sample WHERE subject = ? AND width = ? AND at >= ? AND at < ? ORDER BY at"
    };
    binder{found} << subject << static_cast<std::int64_t>(width) << from << to;
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

// The last word on each row, and the last plan (kinds 6 and 8: start, reload), before the time and id:
// without them the site as it was is lost.
// (The plus: by time alone, or all of a kind would be looked at.)
constexpr const char* superseded_before = R"sql(
DELETE FROM record WHERE (at, id) < ({0}, {1}) AND id NOT IN (
  SELECT max(id) FROM record WHERE (at, id) < ({0}, {1}) AND +kind <= 1 GROUP BY subject
  UNION ALL
  SELECT max(id) FROM record WHERE (at, id) < ({0}, {1}) AND +kind IN (6, 8) GROUP BY subject))sql";

int remove_superseded(SQLite::Database& database, std::int64_t at, std::int64_t id)
{
    return remove(database, fmt::format(fmt::runtime(superseded_before), at, id));
}

// The oldest records that may go, some hundred; 0: what is left is what stands now.
int remove_some_records(SQLite::Database& database)
{
    // As many may have to stay: one for each row, and the plan.
    const auto may_stay = database.execAndGet("SELECT count(*) + 1 FROM subject").getInt64();
    SQLite::Statement cut{database, "SELECT at, id FROM record ORDER BY at, id LIMIT 1 OFFSET ?"};
    binder{cut} << removed_at_once + may_stay;
    constexpr auto all = std::numeric_limits<std::int64_t>::max();
    if (!cut.executeStep()) {
        return remove_superseded(database, all, all);
    }
    const auto at = cut.getColumn(0).getInt64();
    const auto id = cut.getColumn(1).getInt64();
    cut.reset(); // or its view of the file would hold up what follows
    return remove_superseded(database, at, id);
}

int remove_some_samples(SQLite::Database& database)
{
    return remove(
        database,
        fmt::format(
            "DELETE FROM sample WHERE (subject, width, at) IN (SELECT subject, width, at FROM sample "
            "ORDER BY at LIMIT {})",
            removed_at_once
        )
    );
}

// All but the newest `left`.
int remove_some_sightings(SQLite::Database& database, std::int64_t left)
{
    const auto count = database.execAndGet("SELECT count(*) FROM sighting").getInt64();
    return remove(
        database, fmt::format(
                      "DELETE FROM sighting WHERE id IN (SELECT id FROM sighting ORDER BY last, id LIMIT {})",
                      std::clamp<std::int64_t>(count - left, 0, sightings_removed_at_once)
                  )
    );
}

} // namespace

sample_writer::sample_writer(SQLite::Database& database)
    : insert_{
          database,
          "INSERT OR REPLACE INTO sample(subject, width, at, rounds, rounds_pass, rounds_fail, pass, fail, "
          "unproven, rtt_min, rtt_median, rtt_max) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      }
{
}

void sample_writer::write(std::int64_t subject, const round_sample& one)
{
    binder{insert_} << subject << static_cast<std::int64_t>(one.width) << one.at << one.rounds
                    << one.rounds_pass << one.rounds_fail << one.pass << one.fail << one.unproven
                    << one.rtt_min << one.rtt_median << one.rtt_max;
    insert_.exec();
    insert_.reset();
    insert_.clearBindings();
}

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
        const auto fine = samples_of(*database_, subject, from, wall_time{}, before);
        if (fine.empty()) {
            continue;
        }
        // Where the clock was put back, an hour gets samples again after it was put together.
        auto all_of = samples_of(*database_, subject, into, beginning_of(fine.front().at, into), before);
        all_of.insert(all_of.end(), fine.begin(), fine.end());
        std::ranges::stable_sort(all_of, {}, [into](const round_sample& one) {
            return beginning_of(one.at, into);
        });
        SQLite::Transaction whole{*database_};
        sample_writer writer{*database_};
        for (const auto& one : compact(all_of, into)) {
            writer.write(subject, one);
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
    remove_superseded(*database_, before, 0);
    remove(*database_, fmt::format("DELETE FROM sample WHERE at < {}", before));
    remove(*database_, fmt::format("DELETE FROM sighting WHERE last < {}", before));
    remove(*database_, fmt::format("DELETE FROM visit WHERE at < {}", before));
    remove(*database_, fmt::format("DELETE FROM session WHERE ended IS NOT NULL AND ended < {}", before));
}

void history_store::shrink()
{
    constexpr double megabyte = 1e6;
    const auto most = static_cast<std::uint64_t>(megabyte * limits_.max_mb);
    if (used_bytes(*database_) > most) {
        const auto enough = static_cast<std::uint64_t>(share_after * static_cast<double>(most));
        while (used_bytes(*database_) > enough) {
            const bool less = remove_some_sightings(*database_, sightings_left) > 0 ||
                              remove_some_samples(*database_) > 0 || remove_some_records(*database_) > 0 ||
                              remove_some_sightings(*database_, 0) > 0;
            if (!less) {
                break;
            }
        }
    }
    database_->exec("PRAGMA incremental_vacuum");
}

stored<void> history_store::upkeep(wall_time now)
{
    return guarded_writing([&] {
        compact_samples(now, sample_width::round, sample_width::hour, whole_for);
        compact_samples(now, sample_width::hour, sample_width::day, hourly_for);
        remove_old(now);
        shrink();
        database_->exec("PRAGMA optimize");
    });
}

} // namespace reachd
