// SPDX-License-Identifier: Apache-2.0
// The file itself: opened, checked, brought up to date; or set aside.
#include "sqlite_parts.hpp"

#include <fmt/format.h>
#include <system_error>

namespace reachd {

namespace fs = std::filesystem;

namespace {

constexpr int our_application_id = 0x72656163; // "reac": tells our files from another program's
constexpr int busy_timeout_ms = 5000;          // somebody else reads it with sqlite3(1)

int number_of(SQLite::Database& database, const char* question)
{
    return database.execAndGet(question).getInt();
}

std::optional<store_error> check_owner(SQLite::Database& database, const fs::path& file)
{
    const int version = number_of(database, "PRAGMA user_version");
    const bool ours = number_of(database, "PRAGMA application_id") == our_application_id;
    if (!ours && (version != 0 || number_of(database, "SELECT count(*) FROM sqlite_schema") > 0)) {
        return store_error{
            store_fault::foreign,
            fmt::format(
                "{} is a database of another program; name another file in history.path", file.string()
            )
        };
    }
    if (version < 0) {
        return store_error{
            store_fault::corrupt,
            fmt::format("{} has the schema {}, which there never was", file.string(), version)
        };
    }
    if (version > history_schema) {
        return store_error{
            store_fault::foreign,
            fmt::format(
                "{} was written by a later version of reachd (its schema is {}, this one knows {}); run that "
                "version, or name another file in history.path",
                file.string(), version, history_schema
            )
        };
    }
    return std::nullopt;
}

std::optional<store_error> check_soundness(SQLite::Database& database, const fs::path& file)
{
    const auto said = database.execAndGet("PRAGMA quick_check(1)").getString();
    if (said == "ok") {
        return std::nullopt;
    }
    return store_error{store_fault::corrupt, fmt::format("{} is damaged: {}", file.string(), said)};
}

void prepare(SQLite::Database& database)
{
    // Only takes effect in an empty file; then a full one can give space back without being copied.
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    database.execAndGet("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = NORMAL");
    database.execAndGet("PRAGMA journal_size_limit = 4194304"); // bytes that the -wal file keeps when idle
    database.exec("PRAGMA cache_size = -1024");                 // KiB; the daemon has 20 MB in all
    database.exec("PRAGMA temp_store = MEMORY");
    if (number_of(database, "PRAGMA user_version") == 0) {
        database.exec("PRAGMA application_id = " + std::to_string(our_application_id));
    }
    migrate(database);
}

stored<std::unique_ptr<history_store>> open_checked(const fs::path& file, const store_limits& limits)
{
    auto database = std::make_unique<SQLite::Database>(
        file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, busy_timeout_ms
    );
    if (auto fault = check_owner(*database, file)) {
        return std::unexpected(std::move(*fault));
    }
    if (auto fault = check_soundness(*database, file)) {
        return std::unexpected(std::move(*fault));
    }
    prepare(*database);
    if (const auto missing = missing_of_schema(*database); !missing.empty()) {
        return std::unexpected(
            store_error{
                store_fault::corrupt,
                fmt::format("{} is no whole history: it lacks {}", file.string(), missing)
            }
        );
    }
    return std::make_unique<history_store>(std::move(database), limits);
}

} // namespace

stored<std::unique_ptr<history_store>> open_history(const fs::path& file, const store_limits& limits)
{
    std::error_code code;
    if (file.has_parent_path()) {
        fs::create_directories(file.parent_path(), code);
    }
    if (code) {
        return std::unexpected(
            store_error{
                store_fault::unavailable,
                fmt::format(
                    "the directory {} cannot be made: {}; --state-dir or history.path names another one",
                    file.parent_path().string(), code.message()
                )
            }
        );
    }
    auto opened = guarded([&] { return open_checked(file, limits); });
    if (!opened) {
        auto fault = opened.error();
        fault.sentence = fmt::format("{}: {}", file.string(), fault.sentence);
        // Our own statements do not fit what is in the file: it is not what it says it is.
        fault.what = fault.what == store_fault::refused ? store_fault::corrupt : fault.what;
        return std::unexpected(std::move(fault));
    }
    return std::move(*opened);
}

// Nothing is created, checked or brought up to date: the store has done that. It may still be the last
// one to let go of the file, and then tidies up beside it; so it is not opened read-only.
stored<std::unique_ptr<history_reader>> open_history_reader(const fs::path& file, std::int64_t session)
{
    return guarded([&] {
        auto database =
            std::make_unique<SQLite::Database>(file.string(), SQLite::OPEN_READWRITE, busy_timeout_ms);
        database->exec("PRAGMA query_only = 1");
        database->exec("PRAGMA cache_size = -1024");
        database->exec("PRAGMA temp_store = MEMORY");
        return std::make_unique<history_reader>(std::move(database), session);
    });
}

stored<fs::path> set_aside(const fs::path& file, wall_time now)
{
    auto stamp = to_text(now);
    std::erase_if(stamp, [](char one) { return one == '-' || one == ':'; });
    const auto whole_seconds = stamp.substr(0, stamp.find('.'));
    fs::path target = fmt::format("{}.corrupt-{}Z", file.string(), whole_seconds);
    std::error_code code;
    for (int number = 2; fs::exists(target, code); ++number) {
        target = fmt::format("{}.corrupt-{}Z-{}", file.string(), whole_seconds, number);
    }
    fs::rename(file, target, code);
    if (code) {
        return std::unexpected(
            store_error{
                store_fault::unavailable,
                fmt::format("{} cannot be renamed: {}", file.string(), code.message())
            }
        );
    }
    for (const char* beside : {"-wal", "-shm"}) {
        fs::rename(file.string() + beside, target.string() + beside, code); // where there is one
    }
    return target;
}

} // namespace reachd
