// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/history_keeper.hpp"

#include "reachd/net/deadline.hpp"
#include "run.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

namespace reachd {
namespace {

using namespace test;
namespace fs = std::filesystem;

class history_keeper_test : public ::testing::Test {
protected:
    history_keeper_test()
    {
        std::string pattern = fs::temp_directory_path() / "reachd-keeper-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
    }
    ~history_keeper_test() override { fs::remove_all(directory_); }

    history_options options(const fs::path& file) { return {.file = file, .version = "test"}; }
    history_keeper::handlers handlers()
    {
        return {
            .begun = [this](const history_memory&) { ++begun_; },
            .tell = [this](
                        const event_kind& kind, const std::string&, const json&
                    ) { told_ += kind.id + std::string{" "}; },
        };
    }
    static history_batch one(int number)
    {
        history_record record{
            .at = wall_time{seconds{1'793'491'200 + number}}, .catalogue = "cat", .requirement = "a"
        };
        return {.records = {record}};
    }

    fs::path directory_;
    asio::io_context io_{1};
    int begun_ = 0;
    std::string told_;
};

asio::awaitable<void> open_and_stop(history_keeper& keeper, std::function<void()> between)
{
    co_await keeper.begin(in(late));
    between();
    const bool settled = co_await keeper.settle(in(late));
    static_cast<void>(settled);
    const bool whole = co_await keeper.stop(in(late));
    static_cast<void>(whole);
}

// One batch after the other.
asio::awaitable<void> keep_and_settle(history_keeper& keeper)
{
    co_await keeper.begin(in(late));
    for (int i = 0; i < 3; ++i) {
        history_record record{.at = wall_time{seconds{1}}, .catalogue = "cat", .requirement = "a"};
        history_batch batch;
        batch.records.push_back(std::move(record));
        keeper.keep(std::move(batch));
        const bool settled = co_await keeper.settle(in(late));
        static_cast<void>(settled);
    }
    const bool whole = co_await keeper.stop(in(late));
    static_cast<void>(whole);
}

TEST_F(history_keeper_test, tells_of_nothing_before_it_is_on_disk)
{
    const auto file = directory_ / "history.db";
    history_keeper keeper{io_.get_executor(), options(file), handlers()};
    std::vector<std::size_t> on_disk;
    const auto count = [&] {
        auto store = open_history(file, {}); // another connection: it sees what was committed
        on_disk.push_back(
            store ? (*store)->records({.kinds = {record_kind::requirement}})->entries.size() : 999
        );
    };
    finish(io_, open_and_stop(keeper, [&] {
               for (int i = 0; i < 3; ++i) {
                   keeper.keep(one(i));
                   keeper.after_kept(count);
               }
               EXPECT_TRUE(on_disk.empty()) << "the loop does not wait for the disk";
           }));
    ASSERT_EQ(on_disk.size(), 3U);
    EXPECT_GE(on_disk[0], 1U);
    EXPECT_GE(on_disk[1], 2U);
    EXPECT_EQ(on_disk[2], 3U);
    EXPECT_EQ(begun_, 1);
    EXPECT_EQ(told_, "");
}

TEST_F(history_keeper_test, where_nothing_can_be_written_it_says_so_once_and_holds_nothing_back)
{
    std::ofstream{directory_ / "file"} << "x"; // no directory: nothing can be made below it
    history_keeper keeper{io_.get_executor(), options(directory_ / "file" / "history.db"), handlers()};
    int ran = 0;
    finish(io_, open_and_stop(keeper, [&] {
               for (int i = 0; i < 5; ++i) {
                   keeper.keep(one(i));
                   keeper.after_kept([&] { ++ran; });
               }
               EXPECT_EQ(ran, 5);
               EXPECT_EQ(keeper.describe()["state"], "unavailable");
           }));
    EXPECT_EQ(told_, "history.unavailable ");
    EXPECT_EQ(begun_, 0);
}

TEST_F(history_keeper_test, what_waits_is_bounded_and_what_is_lost_is_counted)
{
    std::ofstream{directory_ / "file"} << "x";
    history_keeper keeper{io_.get_executor(), options(directory_ / "file" / "history.db"), handlers()};
    finish(io_, open_and_stop(keeper, [&] {
               for (std::size_t i = 0; i < most_waiting + 7; ++i) {
                   keeper.keep(one(static_cast<int>(i)));
               }
               EXPECT_EQ(keeper.describe()["waiting"], most_waiting);
               EXPECT_EQ(keeper.describe()["lost"], 7);
           }));
}

asio::awaitable<void> wait_until_available(history_keeper& keeper, const fs::path& obstacle)
{
    co_await keeper.begin(in(late));
    keeper.keep({.records = {history_record{.catalogue = "cat", .requirement = "a"}}});
    fs::remove(obstacle);
    const auto deadline = in(late);
    while (keeper.describe()["state"] != "kept" && steady::now() < deadline) {
        const bool slept = co_await sleep_until(in(soon));
        static_cast<void>(slept);
    }
    const bool whole = co_await keeper.stop(in(late));
    EXPECT_TRUE(whole);
}

TEST_F(history_keeper_test, what_waited_is_written_when_the_disk_is_back)
{
    const auto file = directory_ / "file" / "history.db";
    std::ofstream{directory_ / "file"} << "x";
    history_keeper keeper{io_.get_executor(), options(file), handlers()};
    finish(io_, wait_until_available(keeper, directory_ / "file"));
    EXPECT_EQ(told_, "history.unavailable history.available ");
    auto store = open_history(file, {});
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->records({.requirement = "a"})->entries.size(), 1U);
}

TEST_F(history_keeper_test, other_limits_do_not_end_the_session)
{
    const auto file = directory_ / "history.db";
    history_keeper keeper{io_.get_executor(), options(file), handlers()};
    finish(io_, open_and_stop(keeper, [&] {
               auto other = options(file);
               other.limits = {.keep = std::chrono::days{1}, .max_mb = 10};
               keeper.change(other);
               keeper.keep(one(1)); // longer ago than a day: upkeep removes it
           }));
    EXPECT_EQ(begun_, 1);
    auto store = open_history(file, {});
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->records({.kinds = {record_kind::stop}})->entries.size(), 1U) << "its end alone";
}

TEST_F(history_keeper_test, what_is_refused_is_told_once)
{
    const auto file = directory_ / "history.db";
    ASSERT_TRUE(open_history(file, {}));
    {
        SQLite::Database other{file.string(), SQLite::OPEN_READWRITE};
        other.exec("CREATE TRIGGER no BEFORE INSERT ON record BEGIN SELECT raise(ABORT, 'no'); END");
    }
    history_keeper keeper{io_.get_executor(), options(file), handlers()};
    finish(io_, keep_and_settle(keeper));
    EXPECT_EQ(told_, "task.failed ");
    EXPECT_EQ(keeper.describe()["lost"], 3);
}

TEST_F(history_keeper_test, a_table_that_goes_is_found_and_the_file_set_aside)
{
    const auto file = directory_ / "history.db";
    history_keeper keeper{io_.get_executor(), options(file), handlers()};
    finish(io_, open_and_stop(keeper, [&] {
               SQLite::Database other{file.string(), SQLite::OPEN_READWRITE};
               other.exec("DROP TABLE record");
               keeper.keep(one(1));
           }));
    EXPECT_EQ(told_, "history.aside ");
    EXPECT_EQ(begun_, 2);
    EXPECT_EQ(keeper.describe()["lost"], 0);
    auto store = open_history(file, {});
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->records({.requirement = "a"})->entries.size(), 1U) << "in the new one";
}

TEST_F(history_keeper_test, a_file_that_was_removed_is_made_again)
{
    const auto file = directory_ / "history.db";
    history_keeper keeper{io_.get_executor(), options(file), handlers()};
    finish(io_, open_and_stop(keeper, [&] {
               fs::remove(file);
               keeper.keep(one(1));
           }));
    EXPECT_EQ(told_, "history.aside ");
    EXPECT_EQ(begun_, 2);
    auto store = open_history(file, {});
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->records({.requirement = "a"})->entries.size(), 1U);
}

} // namespace
} // namespace reachd
