// SPDX-License-Identifier: Apache-2.0
// The schema, and the way to it from every older one: a step is never changed once it was released.
#include "sqlite_parts.hpp"

#include <array>
#include <sqlite3.h>

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
CREATE INDEX record_state ON record(subject, at, since, state) WHERE kind <= 1;
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

constexpr std::array<const char*, history_schema> steps{records_and_samples, sightings_and_notes};

} // namespace

store_error error_of(const SQLite::Exception& what)
{
    constexpr int primary = 0xff; // the rest is the extended code
    const auto with = [&what](store_fault fault) { return store_error{fault, what.what()}; };
    switch (what.getErrorCode() & primary) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return with(store_fault::corrupt);
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_MISUSE:
    case SQLITE_RANGE: return with(store_fault::refused);
    default: return with(store_fault::unavailable);
    }
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
