// SPDX-License-Identifier: Apache-2.0
// What is written.
#include "reachd/store/history_store.hpp"

#include "sqlite_parts.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

// A clock that was ahead when the daemon began is put right later.
constexpr const char* sign_of_life = "UPDATE session SET alive = ?1, began = min(began, ?1) WHERE id = ?2";

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

void write_visit(SQLite::Database& database, std::int64_t subject, const row_visit& one)
{
    SQLite::Statement insert{database, "INSERT OR REPLACE INTO visit(subject, source, at) VALUES(?, ?, ?)"};
    binder{insert} << subject << to_text(one.source) << one.at;
    insert.exec();
}

std::vector<row_visit> read_visits(SQLite::Database& database)
{
    SQLite::Statement found{
        database, "SELECT s.catalogue, s.requirement, v.source, v.at FROM visit v "
                  "JOIN subject s ON s.id = v.subject"
    };
    std::vector<row_visit> out;
    while (found.executeStep()) {
        if (const auto source = parse_address(found.getColumn(2).getString())) {
            out.push_back({
                .catalogue = found.getColumn(0).getString(),
                .requirement = found.getColumn(1).getString(),
                .source = *source,
                .at = from_stored(found.getColumn(3).getInt64()),
            });
        }
    }
    return out;
}

} // namespace

history_store::history_store(std::unique_ptr<SQLite::Database> database, store_limits limits)
    : history_reader{std::move(database), 0}, limits_{limits}
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
    sample_writer writer{*database_};
    for (const auto& one : samples) {
        writer.write(subject_of({one.catalogue, one.requirement}), one);
    }
}

stored<void> history_store::write(const history_batch& batch, wall_time now)
{
    auto done = guarded_writing([&] {
        SQLite::Transaction whole{*database_};
        write_records(batch.records);
        write_samples(batch.samples);
        for (const auto& one : batch.sightings) {
            write_sighting(*database_, one);
        }
        for (const auto& one : batch.notes) {
            write_note(*database_, subject_of({one.catalogue, one.requirement}), one);
        }
        for (const auto& one : batch.visits) {
            write_visit(*database_, subject_of({one.catalogue, one.requirement}), one);
        }
        SQLite::Statement alive{*database_, sign_of_life};
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
    return guarded_writing([&] {
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
            "ORDER BY id DESC LIMIT 1)" // not by time: the clock may have been ahead
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
        out.visits = read_visits(*database_);
        whole.commit();
        return out;
    });
}

stored<void> history_store::end(wall_time now)
{
    return guarded_writing([&] {
        SQLite::Transaction whole{*database_};
        const history_record stop{
            .at = now,
            .kind = record_kind::stop,
            .state = "clean",
            .sentence = "the daemon was asked to end",
        };
        write_records({&stop, 1});
        SQLite::Statement alive{*database_, sign_of_life};
        binder{alive} << now << session_;
        alive.exec();
        SQLite::Statement update{*database_, "UPDATE session SET ended = ? WHERE id = ?"};
        binder{update} << now << session_;
        update.exec();
        whole.commit();
    });
}

} // namespace reachd
