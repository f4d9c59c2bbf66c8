// SPDX-License-Identifier: Apache-2.0
// What is asked of the file.
#include "reachd/store/history_reader.hpp"

#include "sqlite_parts.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <variant>

namespace reachd {
namespace {

using bound = std::variant<std::int64_t, std::string>;

// A condition put together piece by piece; values are bound, never written into it.
struct condition {
    std::vector<std::string> parts{"1"};
    std::vector<bound> values;

    void add(std::string part) { parts.push_back(std::move(part)); }
    void add(std::string part, bound value)
    {
        parts.push_back(std::move(part));
        values.push_back(std::move(value));
    }
    [[nodiscard]] std::string text() const { return fmt::format("{}", fmt::join(parts, " AND ")); }
    void bind_to(SQLite::Statement& statement) const
    {
        int index = 0;
        for (const auto& one : values) {
            ++index;
            std::visit([&](const auto& value) { statement.bind(index, value); }, one);
        }
    }
};

constexpr const char* record_columns = "r.id, r.at, r.kind, s.catalogue, s.requirement, r.state, r.was, "
                                       "r.since, r.address, r.transport, r.ports, "
                                       "r.name, r.vantage, r.sentence, r.detail";

stored_record read_record(SQLite::Statement& from)
{
    stored_record out;
    out.id = from.getColumn(0).getInt64();
    auto& what = out.what;
    what.at = from_stored(from.getColumn(1).getInt64());
    what.kind = static_cast<record_kind>(from.getColumn(2).getInt());
    what.catalogue = from.getColumn(3).getString();
    what.requirement = from.getColumn(4).getString();
    what.state = from.getColumn(5).getString();
    what.before = from.getColumn(6).getString();
    what.since = from_stored(from.getColumn(7).getInt64());
    if (!from.getColumn(8).isNull()) {
        what.target = endpoint_span{
            .address = from.getColumn(8).getString(),
            .name = from.getColumn(11).getString(),
            .vantage = from.getColumn(12).getString(),
            .transport = static_cast<transport>(from.getColumn(9).getInt()),
            .ports = parse_ports(from.getColumn(10).getString()).value_or(port_set{}),
        };
    }
    what.sentence = from.getColumn(13).getString();
    what.detail = from.getColumn(14).getString();
    return out;
}

// The ids of the rows that are named; nullopt: all.
std::optional<std::vector<std::int64_t>> subjects_of(SQLite::Database& database, const record_query& query)
{
    if (query.catalogue.empty() && query.requirement.empty()) {
        return std::nullopt;
    }
    condition which;
    if (!query.catalogue.empty()) {
        which.add("catalogue = ?", query.catalogue);
    }
    if (const auto slash = query.requirement.find('/'); slash != std::string::npos) {
        which.add("catalogue = ?", query.requirement.substr(0, slash));
        which.add("requirement = ?", query.requirement.substr(slash + 1));
    } else if (!query.requirement.empty()) {
        which.add("requirement = ?", query.requirement);
    }
    SQLite::Statement found{database, "SELECT id FROM subject WHERE " + which.text()};
    which.bind_to(found);
    std::vector<std::int64_t> out;
    while (found.executeStep()) {
        out.push_back(found.getColumn(0).getInt64());
    }
    return out;
}

condition condition_of(SQLite::Database& database, const record_query& query)
{
    condition out;
    if (const auto ids = subjects_of(database, query)) {
        out.add(
            ids->size() == 1 ? fmt::format("r.subject = {}", ids->front())
                             : fmt::format("r.subject IN ({})", fmt::join(*ids, ","))
        );
    }
    if (query.from) {
        out.add("r.at >= ?", to_stored(*query.from));
    }
    if (query.to) {
        out.add("r.at < ?", to_stored(*query.to));
    }
    return out;
}

condition records_wanted(SQLite::Database& database, const record_query& query)
{
    auto out = condition_of(database, query);
    if (!query.address.empty()) {
        out.add("r.address = ?", query.address);
    } else if (query.port || query.how) {
        out.add("r.address IS NOT NULL");
    }
    if (query.port) {
        out.add("r.port_first <= ?", std::int64_t{*query.port});
        out.add("r.port_last >= ?", std::int64_t{*query.port});
    }
    if (query.how) {
        out.add("r.transport = ?", static_cast<std::int64_t>(*query.how));
    }
    if (!query.kinds.empty()) {
        std::vector<int> numbers;
        numbers.reserve(query.kinds.size());
        for (const auto one : query.kinds) {
            numbers.push_back(static_cast<int>(one));
        }
        // The plus keeps SQLite from an index that would have to be sorted, or that is wider than the row's.
        const bool by_kind = numbers.size() == 1 && query.address.empty() && query.catalogue.empty() &&
                             query.requirement.empty();
        out.add(fmt::format("{}r.kind IN ({})", by_kind ? "" : "+", fmt::join(numbers, ",")));
    }
    if (query.after) {
        out.add("(r.at, r.id) < (?, ?)");
        out.values.emplace_back(to_stored(query.after->first));
        out.values.emplace_back(query.after->second);
    }
    return out;
}

bool has_port(const stored_record& one, const record_query& query)
{
    return !query.port || (one.what.target && one.what.target->ports.contains(*query.port));
}

// "Last" is what was written last: the clock may have been ahead before. The plus keeps SQLite from the index
// by time, which would have to be sorted.
std::optional<stored_record> last_state(SQLite::Database& database, std::int64_t subject, wall_time when)
{
    SQLite::Statement last{
        database, fmt::format(
                      "SELECT {} FROM record r JOIN subject s ON s.id = r.subject WHERE r.id = (SELECT id "
                      "FROM record WHERE subject = ? AND kind <= 1 AND +at <= ? ORDER BY id DESC LIMIT 1)",
                      record_columns
                  )
    };
    last.bind(1, subject);
    last.bind(2, to_stored(when));
    return last.executeStep() ? std::optional{read_record(last)} : std::nullopt;
}

std::int64_t known_subject(SQLite::Database& database, const row_key& row)
{
    SQLite::Statement found{database, "SELECT id FROM subject WHERE catalogue = ? AND requirement = ?"};
    found.bind(1, row.first);
    found.bind(2, row.second);
    return found.executeStep() ? found.getColumn(0).getInt64() : 0;
}

// The rows of the plan that was in force.
std::vector<row_key> rows_in_force(SQLite::Database& database, wall_time when)
{
    SQLite::Statement last{
        database,
        fmt::format(
            "SELECT detail FROM record WHERE subject = (SELECT id FROM subject WHERE catalogue = '' AND "
            "requirement = '') AND kind IN ({}, {}) AND at <= ? ORDER BY id DESC LIMIT 1",
            static_cast<int>(record_kind::start), static_cast<int>(record_kind::reload)
        )
    };
    last.bind(1, to_stored(when));
    std::vector<row_key> out;
    if (!last.executeStep()) {
        return out;
    }
    const auto detail = nlohmann::json::parse(last.getColumn(0).getString(), nullptr, false);
    const auto rows = detail.is_object() ? detail.value("rows", nlohmann::json::array()) : nlohmann::json{};
    for (const auto& one : rows) {
        if (one.is_array() && one.size() == 2 && one[0].is_string() && one[1].is_string()) {
            out.emplace_back(one[0].get<std::string>(), one[1].get<std::string>());
        }
    }
    return out;
}

std::optional<microseconds> read_time(const SQLite::Column& from)
{
    return from.isNull() ? std::nullopt : std::optional{microseconds{from.getInt64()}};
}

round_sample read_sample(SQLite::Statement& from)
{
    return {
        .catalogue = from.getColumn(0).getString(),
        .requirement = from.getColumn(1).getString(),
        .at = from_stored(from.getColumn(3).getInt64()),
        .width = static_cast<sample_width>(from.getColumn(2).getInt()),
        .rounds = static_cast<std::uint64_t>(from.getColumn(4).getInt64()),
        .rounds_pass = static_cast<std::uint64_t>(from.getColumn(5).getInt64()),
        .rounds_fail = static_cast<std::uint64_t>(from.getColumn(6).getInt64()),
        .pass = static_cast<std::uint64_t>(from.getColumn(7).getInt64()),
        .fail = static_cast<std::uint64_t>(from.getColumn(8).getInt64()),
        .unproven = static_cast<std::uint64_t>(from.getColumn(9).getInt64()),
        .rtt_min = read_time(from.getColumn(10)),
        .rtt_median = read_time(from.getColumn(11)),
        .rtt_max = read_time(from.getColumn(12)),
    };
}

// Steps of SQLite's machine between two looks at the clock: some 10 µs (2026-11, one core at 2 GHz).
constexpr int steps_between_looks = 1000;

} // namespace

history_reader::history_reader(std::unique_ptr<SQLite::Database> database, std::int64_t session)
    : database_{std::move(database)}, session_{session}
{
}

history_reader::~history_reader() = default;

void history_reader::give_up_when(std::function<bool()> enough)
{
    enough_ = std::move(enough);
    const auto look = [](void* self) { return static_cast<history_reader*>(self)->enough_() ? 1 : 0; };
    sqlite3_progress_handler(
        database_->getHandle(), enough_ ? steps_between_looks : 0, enough_ ? +look : nullptr, this
    );
}

stored<page_of<stored_record>> history_reader::records(const record_query& query)
{
    return guarded([&] {
        const auto wanted = records_wanted(*database_, query);
        SQLite::Statement found{
            *database_, fmt::format(
                            "SELECT {} FROM record r JOIN subject s ON s.id = r.subject WHERE {} ORDER BY "
                            "r.at DESC, r.id DESC",
                            record_columns, wanted.text()
                        )
        };
        wanted.bind_to(found);
        page_of<stored_record> out;
        while (found.executeStep()) {
            auto one = read_record(found);
            if (!has_port(one, query)) {
                continue; // between two of its ports
            }
            if (out.entries.size() == query.limit) {
                const auto& last = out.entries.back();
                out.next = {last.what.at, last.id};
                break;
            }
            out.entries.push_back(std::move(one));
        }
        return out;
    });
}

stored<page_of<round_sample>> history_reader::samples(const record_query& query)
{
    return guarded([&] {
        auto wanted = condition_of(*database_, query);
        // Rows share their moments: the cursor's second part tells the subject and the width.
        constexpr const char* place = "(r.subject * 4 + r.width)";
        if (query.after) {
            wanted.add(fmt::format("(r.at, {}) < (?, ?)", place));
            wanted.values.emplace_back(to_stored(query.after->first));
            wanted.values.emplace_back(query.after->second);
        }
        SQLite::Statement found{
            *database_,
            fmt::format(
                "SELECT s.catalogue, s.requirement, r.width, r.at, r.rounds, r.rounds_pass, r.rounds_fail, "
                "r.pass, r.fail, r.unproven, r.rtt_min, r.rtt_median, r.rtt_max, {0} FROM sample r "
                "JOIN subject s ON s.id = r.subject WHERE {1} ORDER BY r.at DESC, {0} DESC",
                place, wanted.text()
            )
        };
        wanted.bind_to(found);
        page_of<round_sample> out;
        std::int64_t last_place = 0;
        while (found.executeStep()) {
            if (out.entries.size() == query.limit) {
                out.next = {out.entries.back().at, last_place};
                break;
            }
            out.entries.push_back(read_sample(found));
            constexpr int place_column = 13;
            last_place = found.getColumn(place_column).getInt64();
        }
        return out;
    });
}

stored<page_of<address_sighting>> history_reader::sightings(const record_query& query)
{
    return guarded([&] {
        condition wanted;
        if (!query.address.empty()) {
            wanted.add("address = ?", query.address);
        }
        if (query.from) {
            wanted.add("last >= ?", to_stored(*query.from));
        }
        if (query.to) {
            wanted.add("first < ?", to_stored(*query.to));
        }
        if (query.after) {
            wanted.add("(last, id) < (?, ?)");
            wanted.values.emplace_back(to_stored(query.after->first));
            wanted.values.emplace_back(query.after->second);
        }
        SQLite::Statement found{
            *database_,
            fmt::format(
                "SELECT name, address, first, last, id FROM sighting WHERE {} ORDER BY last DESC, "
                "id DESC",
                wanted.text()
            )
        };
        wanted.bind_to(found);
        page_of<address_sighting> out;
        std::int64_t last_id = 0;
        while (found.executeStep()) {
            if (out.entries.size() == query.limit) {
                out.next = {out.entries.back().last, last_id};
                break;
            }
            out.entries.push_back({
                .name = found.getColumn(0).getString(),
                .address = found.getColumn(1).getString(),
                .first = from_stored(found.getColumn(2).getInt64()),
                .last = from_stored(found.getColumn(3).getInt64()),
            });
            last_id = found.getColumn(4).getInt64();
        }
        return out;
    });
}

stored<site_then> history_reader::at(wall_time when)
{
    return guarded([&] {
        site_then out;
        out.site = last_state(*database_, known_subject(*database_, {"", ""}), when);
        for (const auto& row : rows_in_force(*database_, when)) {
            if (auto one = last_state(*database_, known_subject(*database_, row), when)) {
                out.rows.push_back(std::move(*one));
            }
        }
        SQLite::Statement alive{
            *database_, "SELECT max(CASE WHEN id = ? THEN ? ELSE coalesce(ended, alive) END) FROM session "
                        "WHERE began <= ?"
        };
        alive.bind(1, session_);
        alive.bind(2, to_stored(when)); // this daemon lives
        alive.bind(3, to_stored(when));
        alive.executeStep();
        const auto last =
            alive.getColumn(0).isNull() ? wall_time{} : from_stored(alive.getColumn(0).getInt64());
        if (last < when) {
            out.last_alive = last;
        }
        return out;
    });
}

stored<std::vector<row_key>> history_reader::rows()
{
    return guarded([&] {
        auto out = rows_in_force(*database_, wall_time::max());
        out.insert(out.begin(), row_key{"", ""});
        return out;
    });
}

stored<std::vector<state_point>> history_reader::points(const row_key& row, wall_time from, wall_time to)
{
    return guarded([&] {
        const auto subject = known_subject(*database_, row);
        SQLite::Statement found{
            *database_,
            "SELECT id, at, since, state FROM record WHERE subject = ?1 AND kind <= 1 AND at <= ?3 "
            "AND at >= coalesce((SELECT at FROM record WHERE subject = ?1 AND kind <= 1 AND +at < ?2 "
            "ORDER BY id DESC LIMIT 1), ?2)"
        };
        found.bind(1, subject);
        found.bind(2, to_stored(from));
        found.bind(3, to_stored(to));
        std::vector<state_point> out;
        while (found.executeStep()) {
            out.push_back({
                .at = from_stored(found.getColumn(1).getInt64()),
                .since = from_stored(found.getColumn(2).getInt64()),
                .is = standing_of(found.getColumn(3).getText()),
                .record = found.getColumn(0).getInt64(),
            });
        }
        return drop_overtaken(std::move(out));
    });
}

stored<std::vector<watch_span>> history_reader::watched(wall_time from, wall_time to)
{
    return guarded([&] {
        SQLite::Statement found{
            *database_, "SELECT began, CASE WHEN id = ?1 THEN ?3 ELSE coalesce(ended, alive) END AS ends "
                        "FROM session WHERE began <= ?3 AND ends >= ?2 ORDER BY began, id"
        };
        found.bind(1, session_);
        found.bind(2, to_stored(from));
        found.bind(3, to_stored(to));
        std::vector<watch_span> out;
        while (found.executeStep()) {
            out.push_back(
                {from_stored(found.getColumn(0).getInt64()), from_stored(found.getColumn(1).getInt64())}
            );
        }
        return out;
    });
}

stored<history_record> history_reader::record(std::int64_t id)
{
    return guarded([&] {
        SQLite::Statement found{
            *database_,
            fmt::format(
                "SELECT {} FROM record r JOIN subject s ON s.id = r.subject WHERE r.id = ?", record_columns
            )
        };
        found.bind(1, id);
        return found.executeStep() ? read_record(found).what : history_record{};
    });
}

stored<store_state> history_reader::state()
{
    return guarded([&] {
        store_state out;
        const auto pages = database_->execAndGet("PRAGMA page_count").getInt64();
        const auto page = database_->execAndGet("PRAGMA page_size").getInt64();
        out.bytes = static_cast<std::uint64_t>(pages * page);
        return out;
    });
}

} // namespace reachd
