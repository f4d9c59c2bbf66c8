// SPDX-License-Identifier: Apache-2.0
// Files that are old, new, foreign, garbage, truncated; a process that is killed while it writes.
#include "store/history_fixture.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <csignal>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

namespace reachd::test {
namespace {

using history_file_test = store_test;
namespace fs = std::filesystem;

TEST_F(history_file_test, makes_the_file_and_its_directory)
{
    const auto deep = directory_ / "a" / "b" / "history.db";
    EXPECT_TRUE(open_history(deep, {}));
    EXPECT_TRUE(fs::exists(deep));
}

TEST_F(history_file_test, brings_an_older_file_to_the_present_schema)
{
    {
        SQLite::Database old{file().string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
        old.exec(
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 1919246691; PRAGMA user_version = 1;"
        );
        old.exec(R"sql(
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
INSERT INTO subject VALUES(1, 'cat', 'maps');
INSERT INTO record(at, kind, subject, state, was, since, sentence, detail)
  VALUES(1793491200000, 1, 1, 'fail', 'pass', 1793491200000, 'it fails', '');
)sql");
    }
    auto store = open();
    ASSERT_TRUE(store);
    const auto memory = begin(*store, make_wall(november));
    EXPECT_EQ(memory.last.at({"cat", "maps"}).state, "fail");
    write(
        *store, {.sightings = {{"a.example", "192.0.2.1", make_wall(november), make_wall(november)}}},
        make_wall(november)
    );
    store.reset();
    SQLite::Database now{file().string(), SQLite::OPEN_READONLY};
    EXPECT_EQ(now.execAndGet("PRAGMA user_version").getInt(), history_schema);
}

TEST_F(history_file_test, does_not_touch_a_file_of_a_later_version)
{
    open().reset();
    {
        SQLite::Database later{file().string(), SQLite::OPEN_READWRITE};
        later.exec("PRAGMA user_version = 99");
    }
    const auto opened = open_history(file(), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what, store_fault::foreign);
    EXPECT_NE(opened.error().sentence.find("later version"), std::string::npos);
    SQLite::Database still{file().string(), SQLite::OPEN_READONLY};
    EXPECT_EQ(still.execAndGet("PRAGMA user_version").getInt(), 99);
}

TEST_F(history_file_test, does_not_touch_another_programs_database)
{
    {
        SQLite::Database other{file().string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
        other.exec("CREATE TABLE moz_places(id INTEGER)");
    }
    const auto opened = open_history(file(), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what, store_fault::foreign);
    SQLite::Database still{file().string(), SQLite::OPEN_READONLY};
    EXPECT_TRUE(still.tableExists("moz_places"));
    EXPECT_FALSE(still.tableExists("record"));
}

struct damage {
    const char* name;
    void (*done)(const fs::path&);
};

class damaged_file : public store_test, public ::testing::WithParamInterface<damage> {};

TEST_P(damaged_file, T27_is_found_and_set_aside)
{
    {
        auto store = open();
        begin(*store, make_wall(november));
        history_batch batch;
        for (int i = 0; i < 2000; ++i) {
            batch.records.push_back(make_row_record(make_wall(november + seconds{i}), "a", "fail"));
        }
        write(*store, batch, make_wall(november));
        ASSERT_TRUE(store->end(make_wall(november)));
    }
    GetParam().done(file());
    const auto opened = open_history(file(), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what, store_fault::corrupt) << opened.error().sentence;
    const auto size = fs::file_size(file());
    const auto aside = set_aside(file(), make_wall(november + seconds{3723}));
    ASSERT_TRUE(aside);
    EXPECT_EQ(aside->filename(), "history.db.corrupt-20261101T010203Z");
    EXPECT_EQ(fs::file_size(*aside), size) << "nothing of it is lost";
    EXPECT_TRUE(open_history(file(), {})) << "and there is a new one";
}

INSTANTIATE_TEST_SUITE_P(
    history, damaged_file,
    ::testing::Values(
        damage{
            "garbage",
            [](const fs::path& file) { std::ofstream{file, std::ios::trunc} << std::string(5000, 'g'); }
        },
        damage{
            "torn_pages",
            [](const fs::path& file) {
                std::fstream stream{file, std::ios::in | std::ios::out | std::ios::binary};
                for (int page = 2; page < 20; ++page) {
                    stream.seekp(page * 4096 + 3);
                    stream << std::string(900, '\xee');
                }
            }
        },
        damage{"half", [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }},
        damage{
            "tables_gone",
            [](const fs::path& file) {
                SQLite::Database database{file.string(), SQLite::OPEN_READWRITE};
                database.exec("DROP TABLE record; PRAGMA user_version = 1");
            }
        }
    ),
    [](const auto& tested) { return std::string{tested.param.name}; }
);

TEST_F(history_file_test, sightings_of_an_older_file_are_kept)
{
    open().reset();
    {
        SQLite::Database old{file().string(), SQLite::OPEN_READWRITE};
        old.exec(
            "DROP INDEX sighting_last; DROP TABLE sighting; DROP INDEX record_order; DROP TABLE visit;"
            "CREATE TABLE sighting(name TEXT NOT NULL, address TEXT NOT NULL, first INTEGER NOT NULL,"
            " last INTEGER NOT NULL, PRIMARY KEY(name, address)) WITHOUT ROWID;"
            "INSERT INTO sighting VALUES('a.example', '192.0.2.1', 1, 2); PRAGMA user_version = 2"
        );
    }
    auto store = open();
    ASSERT_TRUE(store);
    const auto found = store->sightings({});
    ASSERT_EQ(found->entries.size(), 1U);
    EXPECT_EQ(found->entries[0].last, wall_time{milliseconds{2}});
}

class schema_that_is_none : public store_test, public ::testing::WithParamInterface<const char*> {};

TEST_P(schema_that_is_none, is_corrupt)
{
    open().reset();
    {
        SQLite::Database database{file().string(), SQLite::OPEN_READWRITE};
        database.exec(GetParam());
    }
    const auto opened = open_history(file(), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what, store_fault::corrupt) << opened.error().sentence;
}

INSTANTIATE_TEST_SUITE_P(
    history, schema_that_is_none,
    ::testing::Values(
        "DROP TABLE sample", "DROP TABLE record; CREATE VIEW record AS SELECT * FROM sample",
        "DROP INDEX record_state; DROP INDEX record_order; ALTER TABLE record DROP COLUMN since",
        "PRAGMA user_version = -1"
    )
);

TEST_F(history_file_test, another_programs_empty_database_with_a_version_is_left_alone)
{
    {
        SQLite::Database other{file().string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
        other.exec("PRAGMA user_version = -3");
    }
    const auto opened = open_history(file(), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what, store_fault::foreign);
}

TEST_F(history_file_test, tables_that_go_while_it_is_open_are_a_corrupt_file)
{
    auto store = open();
    begin(*store, make_wall(november));
    {
        SQLite::Database other{file().string(), SQLite::OPEN_READWRITE};
        other.exec("DROP TABLE sample");
    }
    const auto done =
        store->write({.samples = {{.catalogue = "cat", .requirement = "a"}}}, make_wall(november));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().what, store_fault::corrupt) << done.error().sentence;
}

TEST_F(history_file_test, a_second_one_set_aside_in_the_same_second_gets_another_name)
{
    const auto when = make_wall(november);
    std::ofstream{file()} << "one";
    const auto first = set_aside(file(), when);
    std::ofstream{file()} << "two";
    const auto second = set_aside(file(), when);
    ASSERT_TRUE(first && second);
    EXPECT_NE(*first, *second);
    EXPECT_TRUE(fs::exists(*first) && fs::exists(*second));
}

TEST_F(history_file_test, says_where_a_directory_cannot_be_made)
{
    std::ofstream{directory_ / "file"} << "x";
    const auto opened = open_history(directory_ / "file" / "history.db", {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what, store_fault::unavailable);
    EXPECT_NE(opened.error().sentence.find("--state-dir"), std::string::npos);
}

// Writes one record after the other and tells each on the pipe once write() has answered.
[[noreturn]] void write_until_killed(const fs::path& file, int pipe, std::uint64_t first)
{
    auto store = open_history(file, {});
    if (!store || !(*store)->begin(make_wall(november), "0.1.0")) {
        ::_exit(1);
    }
    for (std::uint64_t number = first;; ++number) {
        const auto at = make_wall(november + seconds{static_cast<long>(number)});
        const auto batch = batch_of({make_row_record(at, fmt::format("n{}", number % 16), "fail")});
        if (!(*store)->write(batch, at) || (number % 50 == 0 && !(*store)->upkeep(at)) ||
            ::write(pipe, &number, sizeof number) != sizeof number) {
            ::_exit(1);
        }
    }
}

TEST_F(history_file_test, T28_thirty_kills_lose_nothing_that_was_written)
{
    std::uint64_t told = 0;
    for (int round = 0; round < 30; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const auto child = ::fork();
        if (child == 0) {
            write_until_killed(file(), ends[1], told + 1);
        }
        ::close(ends[1]);
        // Some time after the first word: in the middle of whatever it does then.
        std::uint64_t number = 0;
        ASSERT_EQ(::read(ends[0], &number, sizeof number), static_cast<ssize_t>(sizeof number));
        ::usleep(static_cast<useconds_t>(500 + round * 731 % 20'000));
        ::kill(child, SIGKILL);
        told = std::max(told, number);
        while (::read(ends[0], &number, sizeof number) == static_cast<ssize_t>(sizeof number)) {
            told = std::max(told, number);
        }
        ::close(ends[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself in round " << round;
        auto store = open();
        ASSERT_TRUE(store);
        const auto last = store->records({.kinds = {record_kind::requirement}, .limit = 1});
        ASSERT_GE(last->entries.at(0).what.at, make_wall(november + seconds{static_cast<long>(told)}))
            << "what was told is there";
        told = static_cast<std::uint64_t>((last->entries[0].what.at - make_wall(november)) / seconds{1});
        SQLite::Database check{file().string(), SQLite::OPEN_READONLY};
        ASSERT_EQ(check.execAndGet("PRAGMA integrity_check").getString(), "ok");
        ASSERT_EQ(
            check.execAndGet("SELECT count(*) FROM record WHERE kind = 1").getInt64(),
            static_cast<std::int64_t>(told)
        );
    }
    std::printf("            %llu records in 30 lives\n", static_cast<unsigned long long>(told));
}

} // namespace
} // namespace reachd::test
