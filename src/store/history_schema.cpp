// SPDX-License-Identifier: Apache-2.0
// The schema, and the way to it from every older one: a step is never changed once it was released.
#include "sqlite_parts.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sqlite3.h>
#include <string_view>
#include <vector>

namespace reachd {
namespace {

// `kind` is the number of a record_kind, `width` of a sample_width, `transport` of a transport; times are
// milliseconds since 1970. The partial index serves the site as it was, and availability, by itself.
constexpr const char* records_and_samples = R"sql(
CREATE TABLE subject(
  id INTEGER PRIMARY KEY, catalogue TEXT NOT NULL, requirement TEXT NOT NULL,
  UNIQUE(catalogue, requirement));
CREATE TABLE session(
  id INTEGER PRIMARY KEY, version TEXT NOT NULL, began INTEGER NOT NULL, alive INTEGER NOT NULL,
  ended INTEGER);
CREATE TABLE record(
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, subject INTEGER NOT NULL,
  state TEXT NOT NULL, was TEXT NOT NULL, since INTEGER NOT NULL,
  address TEXT, transport INTEGER, port_first INTEGER, port_last INTEGER, ports TEXT, name TEXT,
  vantage TEXT, sentence TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX record_at ON record(at);
CREATE INDEX record_subject ON record(subject, at);
CREATE INDEX record_state ON record(subject, at, since, state, kind) WHERE kind <= 1;
CREATE INDEX record_kind ON record(kind, at);
CREATE INDEX record_address ON record(address, at) WHERE address IS NOT NULL;
CREATE TABLE sample(
  subject INTEGER NOT NULL, width INTEGER NOT NULL, at INTEGER NOT NULL, rounds INTEGER NOT NULL,
  rounds_pass INTEGER NOT NULL, rounds_fail INTEGER NOT NULL, pass INTEGER NOT NULL,
  fail INTEGER NOT NULL, unproven INTEGER NOT NULL, rtt_min INTEGER, rtt_median INTEGER,
  rtt_max INTEGER, PRIMARY KEY(subject, width, at)) WITHOUT ROWID;
)sql";

constexpr const char* sightings_and_notes = R"sql(
CREATE TABLE sighting(
  name TEXT NOT NULL, address TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY(name, address)) WITHOUT ROWID;
CREATE TABLE note(
  subject INTEGER PRIMARY KEY, note TEXT NOT NULL, author TEXT NOT NULL, since INTEGER NOT NULL);
)sql";

// Sightings in the order of time, for pages and for upkeep; the last word on a row, whatever the clock said.
constexpr const char* orders_and_visits = R"sql(
ALTER TABLE sighting RENAME TO sighting_before;
CREATE TABLE sighting(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, first INTEGER NOT NULL,
  last INTEGER NOT NULL, UNIQUE(name, address));
INSERT INTO sighting(name, address, first, last)
  SELECT name, address, first, last FROM sighting_before ORDER BY last;
DROP TABLE sighting_before;
CREATE INDEX sighting_last ON sighting(last);
CREATE INDEX record_order ON record(subject, id, at, kind) WHERE kind <= 1;
CREATE TABLE visit(
  subject INTEGER NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY(subject, source)) WITHOUT ROWID;
)sql";

constexpr std::array<const char*, history_schema> steps{
    records_and_samples, sightings_and_notes, orders_and_visits
};

std::vector<std::string> words_of(SQLite::Database& database, const char* question, const std::string& about)
{
    SQLite::Statement found{database, question};
    if (!about.empty()) {
        found.bind(1, about);
    }
    std::vector<std::string> out;
    while (found.executeStep()) {
        out.push_back(found.getColumn(0).getString());
    }
    return out;
}

bool has(const std::vector<std::string>& list, const std::string& word)
{
    return std::ranges::find(list, word) != list.end();
}

} // namespace

store_error error_of(const SQLite::Exception& what)
{
    constexpr int primary = 0xff; // the rest is the extended code
    const auto with = [&what](store_fault fault) { return store_error{fault, what.what()}; };
    switch (what.getErrorCode() & primary) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return with(store_fault::corrupt);
    case SQLITE_INTERRUPT:
        return {store_fault::busy, "the question takes too long: ask for a shorter time, or for one row"};
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_MISUSE:
    case SQLITE_RANGE: return with(store_fault::refused);
    default: return with(store_fault::unavailable);
    }
}

store_error error_of_writing(const SQLite::Exception& what)
{
    auto out = error_of(what);
    const std::string_view said{what.what()};
    for (const auto* sign :
         {"no such table", "no such column", "has no column named", "ON CONFLICT clause",
          "because it is a view"}) {
        if (what.getErrorCode() == SQLITE_ERROR && said.find(sign) != std::string_view::npos) {
            out.what = store_fault::corrupt;
        }
    }
    return out;
}

std::string missing_of_schema(SQLite::Database& database)
{
    constexpr const char* tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    constexpr const char* columns = "SELECT name FROM pragma_table_info(?)";
    SQLite::Database model{":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
    migrate(model);
    const auto present = words_of(database, tables, "");
    for (const auto& table : words_of(model, tables, "")) {
        if (!has(present, table)) {
            return "the table " + table;
        }
        const auto known = words_of(database, columns, table);
        for (const auto& column : words_of(model, columns, table)) {
            if (!has(known, column)) {
                return fmt::format("the column {}.{}", table, column);
            }
        }
    }
    return {};
}

void migrate(SQLite::Database& database)
{
    const int present = database.execAndGet("PRAGMA user_version").getInt();
    for (int step = present; step < history_schema; ++step) {
        SQLite::Transaction whole{database};
        database.exec(steps[static_cast<std::size_t>(step)]);
        database.exec("PRAGMA user_version = " + std::to_string(step + 1));
        whole.commit();
    }
}

} // namespace reachd
