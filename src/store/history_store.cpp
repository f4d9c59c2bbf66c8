// SPDX-License-Identifier: Apache-2.0
// What is written.
#include "reachd/store/history_store.hpp"

#include "sqlite_parts.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

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

void bind_target(binder& values, const std::optional<endpoint_span>& target)
{
    constexpr int columns = 7;
    if (!target) {
        values.skip(columns);
        return;
    }
    const auto& ranges = target->ports.ranges;
    values << target->address << static_cast<std::int64_t>(target->transport)
           << std::int64_t{ranges.empty() ? std::uint16_t{0} : ranges.front().first}
           << std::int64_t{ranges.empty() ? std::uint16_t{0} : ranges.back().last} << to_text(target->ports)
           << target->name << target->vantage;
}

void write_sighting(SQLite::Database& database, const address_sighting& one)
{
    SQLite::Statement insert{
        database, "INSERT INTO sighting(name, address, first, last) VALUES(?, ?, ?, ?) "
                  "ON CONFLICT DO UPDATE SET last = max(last, excluded.last)"
    };
    binder{insert} << one.name << one.address << one.first << one.last;
    insert.exec();
}

void write_note(SQLite::Database& database, std::int64_t subject, const acknowledgement_change& one)
{
    if (!one.note) {
        SQLite::Statement gone{database, "DELETE FROM note WHERE subject = ?"};
        binder{gone} << subject;
        gone.exec();
        return;
    }
    SQLite::Statement insert{
        database, "INSERT OR REPLACE INTO note(subject, note, author, since) VALUES(?, ?, ?, ?)"
    };
    binder{insert} << subject << one.note->note << one.note->by << one.note->since;
    insert.exec();
}

} // namespace

history_store::history_store(std::unique_ptr<SQLite::Database> database, store_limits limits)
    : database_{std::move(database)}, limits_{limits}
{
}

history_store::~history_store() = default;

std::int64_t history_store::subject_of(const row_key& row)
{
    if (const auto known = subjects_.find(row); known != subjects_.end()) {
        return known->second;
    }
    SQLite::Statement insert{
        *database_, "INSERT INTO subject(catalogue, requirement) VALUES(?, ?) "
                    "ON CONFLICT DO UPDATE SET catalogue = excluded.catalogue RETURNING id"
    };
    binder{insert} << row.first << row.second;
    insert.executeStep();
    const auto id = insert.getColumn(0).getInt64();
    insert.executeStep(); // to its end
    subjects_.emplace(row, id);
    return id;
}

void history_store::write_records(std::span<const history_record> records)
{
    SQLite::Statement insert{
        *database_,
        "INSERT INTO record(at, kind, subject, state, was, since, address, transport, port_first, "
        "port_last, ports, name, vantage, sentence, detail) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?)"
    };
    for (const auto& one : records) {
        binder values{insert};
        values << one.at << static_cast<std::int64_t>(one.kind)
               << subject_of({one.catalogue, one.requirement}) << one.state << one.before << one.since;
        bind_target(values, one.target);
        values << one.sentence << one.detail;
        insert.exec();
        insert.reset();
        insert.clearBindings();
    }
}

void history_store::write_samples(std::span<const round_sample> samples)
{
    SQLite::Statement insert{
        *database_,
        "INSERT OR REPLACE INTO sample(subject, width, at, rounds, rounds_pass, rounds_fail, pass, fail, "
        "unproven, rtt_min, rtt_median, rtt_max) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    };
    for (const auto& one : samples) {
        binder{insert} << subject_of({one.catalogue, one.requirement}) << static_cast<std::int64_t>(one.width)
                       << one.at << one.rounds << one.rounds_pass << one.rounds_fail << one.pass << one.fail
                       << one.unproven << one.rtt_min << one.rtt_median << one.rtt_max;
        insert.exec();
        insert.reset();
        insert.clearBindings();
    }
}

stored<void> history_store::write(const history_batch& batch, wall_time now)
{
    auto done = guarded([&] {
        SQLite::Transaction whole{*database_};
        write_records(batch.records);
        write_samples(batch.samples);
        for (const auto& one : batch.sightings) {
            write_sighting(*database_, one);
        }
        for (const auto& one : batch.notes) {
            write_note(*database_, subject_of({one.catalogue, one.requirement}), one);
        }
        SQLite::Statement alive{*database_, "UPDATE session SET alive = max(alive, ?) WHERE id = ?"};
        binder{alive} << now << session_;
        alive.exec();
        whole.commit();
    });
    if (!done) {
        subjects_.clear(); // those of the batch are gone with it
    }
    return done;
}

stored<history_memory> history_store::begin(wall_time now, const std::string& version)
{
    return guarded([&] {
        SQLite::Transaction whole{*database_};
        SQLite::Statement unfinished{*database_, "SELECT alive FROM session WHERE ended IS NULL"};
        while (unfinished.executeStep()) {
            const history_record stop{
                .at = from_stored(unfinished.getColumn(0).getInt64()),
                .kind = record_kind::stop,
                .state = "unclean",
                .sentence = "the daemon ended without a word at this time or a little later: it was killed, "
                            "or the power failed",
            };
            write_records({&stop, 1});
        }
        database_->exec("UPDATE session SET ended = alive WHERE ended IS NULL");
        SQLite::Statement insert{*database_, "INSERT INTO session(version, began, alive) VALUES(?, ?, ?)"};
        binder{insert} << version << now << now;
        insert.exec();
        session_ = database_->getLastInsertRowid();

        history_memory out;
        SQLite::Statement last{
            *database_,
            "SELECT s.catalogue, s.requirement, r.at, r.kind, r.state, r.was, r.since, r.sentence, r.detail "
            "FROM subject s JOIN record r ON r.id = (SELECT id FROM record WHERE subject = s.id AND kind <= "
            "1 "
            "ORDER BY at DESC, id DESC LIMIT 1)"
        };
        while (last.executeStep()) {
            history_record one{
                .at = from_stored(last.getColumn(2).getInt64()),
                .kind = static_cast<record_kind>(last.getColumn(3).getInt()),
                .catalogue = last.getColumn(0).getString(),
                .requirement = last.getColumn(1).getString(),
                .state = last.getColumn(4).getString(),
                .before = last.getColumn(5).getString(),
                .since = from_stored(last.getColumn(6).getInt64()),
                .sentence = last.getColumn(7).getString(),
                .detail = last.getColumn(8).getString(),
            };
            const row_key key{one.catalogue, one.requirement};
            out.last.emplace(key, std::move(one));
        }
        SQLite::Statement notes{
            *database_, "SELECT s.catalogue, s.requirement, n.note, n.author, n.since FROM note n "
                        "JOIN subject s ON s.id = n.subject"
        };
        while (notes.executeStep()) {
            out.notes[{notes.getColumn(0).getString(), notes.getColumn(1).getString()}] = {
                .note = notes.getColumn(2).getString(),
                .by = notes.getColumn(3).getString(),
                .since = from_stored(notes.getColumn(4).getInt64()),
            };
        }
        whole.commit();
        return out;
    });
}

stored<void> history_store::end(wall_time now)
{
    return guarded([&] {
        SQLite::Transaction whole{*database_};
        const history_record stop{
            .at = now,
            .kind = record_kind::stop,
            .state = "clean",
            .sentence = "the daemon was asked to end",
        };
        write_records({&stop, 1});
        SQLite::Statement update{*database_, "UPDATE session SET alive = ?, ended = ? WHERE id = ?"};
        binder{update} << now << now << session_;
        update.exec();
        whole.commit();
    });
}

} // namespace reachd
