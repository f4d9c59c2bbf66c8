// SPDX-License-Identifier: Apache-2.0
// What upkeep removes where times are unusual: all of one moment, ahead of now, again in an hour that is
// over.
#include "store/history_fixture.hpp"

#include <algorithm>

namespace reachd::test {
namespace {

using history_upkeep_test = store_test;

constexpr auto minute = std::chrono::minutes{1};
constexpr std::chrono::hours day{24};

TEST_F(history_upkeep_test, records_of_one_moment_go_the_oldest_first)
{
    const auto now = make_wall(november);
    auto store = open({.max_mb = 2});
    begin(*store, now);
    write(*store, batch_of({make_start(now, {"a"}), make_row_record(now, "a", "fail")}), now);
    history_batch batch;
    for (int i = 0; i < 9000; ++i) { // two moments
        auto one = make_endpoint_record(now + minute * (i / 4500), fmt::format("10.0.0.{}", i), "443");
        one.detail = "{\"x\":\"" + std::string(300, 'x') + "\"}";
        batch.records.push_back(std::move(one));
    }
    write(*store, batch, now);
    ASSERT_GT(store->state()->bytes, 4'000'000U);
    ASSERT_TRUE(store->upkeep(now + std::chrono::hours{1}));
    EXPECT_LT(store->state()->bytes, 2'000'000U);
    const auto left = store->records({.kinds = {record_kind::endpoint}, .limit = 10'000})->entries;
    ASSERT_GT(left.size(), 300U) << "no more than necessary";
    EXPECT_EQ(left.front().what.target->address, "10.0.0.8999");
    EXPECT_EQ(left.back().what.target->address, fmt::format("10.0.0.{}", 9000 - left.size()));
    const auto then = store->at(now + minute);
    ASSERT_EQ(then->rows.size(), 1U) << "what stands is kept";
    EXPECT_EQ(then->rows[0].what.state, "fail");
}

TEST_F(history_upkeep_test, sightings_go_before_changes_do)
{
    const auto now = make_wall(november);
    auto store = open({.max_mb = 2});
    begin(*store, now);
    history_batch batch;
    for (int i = 0; i < 60'000; ++i) {
        const auto at = now + milliseconds{i};
        batch.sightings.push_back({"a.example", fmt::format("2001:db8::{:x}:aaaa:bbbb:cccc", i), at, at});
    }
    for (int i = 0; i < 500; ++i) {
        batch.records.push_back(make_row_record(now + minute * i, "a", i % 2 ? "pass" : "fail"));
    }
    write(*store, batch, now);
    ASSERT_GT(store->state()->bytes, 5'000'000U);
    ASSERT_TRUE(store->upkeep(now + std::chrono::hours{9}));
    EXPECT_LT(store->state()->bytes, 2'000'000U);
    EXPECT_EQ(store->records({.requirement = "a", .limit = 1000})->entries.size(), 500U);
    EXPECT_EQ(store->sightings({.limit = 1})->entries.at(0).last, now + milliseconds{59'999})
        << "the newest stay";
}

TEST_F(history_upkeep_test, other_limits_count_from_the_next_time_on)
{
    const auto now = make_wall(november);
    auto store = open({.keep = std::chrono::days{90}});
    begin(*store, now);
    write(*store, batch_of({make_endpoint_record(now, "192.0.2.1", "80")}), now);
    ASSERT_TRUE(store->upkeep(now + 20 * day));
    EXPECT_EQ(store->records({})->entries.size(), 1U);
    store->set_limits({.keep = std::chrono::days{10}});
    ASSERT_TRUE(store->upkeep(now + 20 * day));
    EXPECT_TRUE(store->records({})->entries.empty());
}

TEST_F(history_upkeep_test, an_hour_that_gets_samples_again_keeps_those_that_it_had)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    const auto measure = [&](wall_time at, std::uint64_t passed) {
        write(*store, {.samples = {{.catalogue = "cat", .requirement = "a", .at = at, .pass = passed}}}, now);
    };
    for (int i = 0; i < 30; ++i) {
        measure(now + minute * i, 1);
    }
    ASSERT_TRUE(store->upkeep(now + 2 * day));
    for (int i = 30; i < 60; ++i) { // the clock was ahead, and is not any more
        measure(now + minute * i, 2);
    }
    ASSERT_TRUE(store->upkeep(now + 2 * day));
    const auto found = store->samples({})->entries;
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].rounds, 60U);
    EXPECT_EQ(found[0].pass, 90U);
}

// A daemon whose clock was a month ahead, and the one after it.
class clock_that_was_ahead : public store_test {
protected:
    clock_that_was_ahead()
    {
        {
            auto store = open();
            begin(*store, ahead);
            write(
                *store, batch_of({make_start(ahead, {"a", "old"}), make_row_record(ahead, "a", "fail")}),
                ahead
            );
        }
        store_ = open();
        begin(*store_, now);
        write(*store_, batch_of({make_start(now, {"a"}), make_row_record(now, "a", "pass")}), now);
    }

    const wall_time now = make_wall(november);
    const wall_time ahead = now + 30 * day;
    std::unique_ptr<history_store> store_;
};

TEST_F(clock_that_was_ahead, the_last_word_is_the_one_that_was_written_last)
{
    EXPECT_EQ(store_->rows()->size(), 2U) << "the site, and the row of the plan in force";
    auto next = open();
    EXPECT_EQ(begin(*next, now + minute).last.at({"cat", "a"}).state, "pass");
    const auto then = next->at(ahead + day);
    ASSERT_EQ(then->rows.size(), 1U);
    EXPECT_EQ(then->rows[0].what.state, "pass");
}

TEST_F(clock_that_was_ahead, what_has_not_happened_yet_is_no_outage_later)
{
    const auto later = ahead + day;
    const auto points = store_->points({"cat", "a"}, now - day, later);
    const auto spans = make_timeline(*points, *store_->watched(now - day, later), now - day, later);
    EXPECT_TRUE(outages(spans).empty());
    EXPECT_EQ(measure(spans, now, later).up, later - now);
    const auto only_later = store_->points({"cat", "a"}, later, later + day);
    ASSERT_EQ(only_later->size(), 1U);
    EXPECT_EQ(only_later->at(0).is, standing::up) << "the one before";
}

TEST_F(clock_that_was_ahead, upkeep_keeps_the_last_word)
{
    ASSERT_TRUE(store_->upkeep(ahead + 200 * day));
    const auto left = store_->records({.requirement = "a"})->entries;
    ASSERT_EQ(left.size(), 1U);
    EXPECT_EQ(left[0].what.state, "pass");
}

TEST_F(history_upkeep_test, a_clock_that_is_put_back_while_it_runs_leaves_no_gap)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now + day);
    write(*store, {}, now + day);
    write(*store, {}, now + 5 * minute); // it was a day ahead
    const auto watched = store->watched(now, now + 10 * minute);
    ASSERT_EQ(watched->size(), 1U);
    EXPECT_EQ(watched->at(0).from, now + 5 * minute);
    store.reset();
    auto next = open();
    begin(*next, now + 30 * minute);
    EXPECT_EQ(next->records({.kinds = {record_kind::stop}})->entries.at(0).what.at, now + 5 * minute);
}

} // namespace
} // namespace reachd::test
