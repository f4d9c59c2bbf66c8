// SPDX-License-Identifier: Apache-2.0
#include "store/history_fixture.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <algorithm>
#include <set>

namespace reachd::test {
namespace {

using history_store_test = store_test;

constexpr auto minute = std::chrono::minutes{1};

TEST_F(history_store_test, gives_back_what_was_written)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    const auto record = make_endpoint_record(now, "192.0.2.1", "80,443-445");
    write(*store, batch_of({record}), now);
    const auto page = store->records({});
    ASSERT_TRUE(page);
    ASSERT_EQ(page->entries.size(), 1U);
    EXPECT_EQ(page->entries.front().what, record);
    EXPECT_FALSE(page->next);
}

TEST_F(history_store_test, pages_from_the_newest_without_gap_or_repetition)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    history_batch batch;
    for (int i = 0; i < 25; ++i) { // five of a kind at the same moment
        batch.records.push_back(make_row_record(now + minute * (i / 5), fmt::format("r{}", i), "pass"));
    }
    write(*store, batch, now);
    std::vector<std::int64_t> seen;
    record_query query{.limit = 7};
    for (int pages = 0; pages < 10; ++pages) {
        const auto page = store->records(query);
        ASSERT_TRUE(page);
        for (const auto& one : page->entries) {
            seen.push_back(one.id);
        }
        if (!page->next) {
            break;
        }
        query.after = page->next;
    }
    ASSERT_EQ(seen.size(), 25U);
    EXPECT_TRUE(std::ranges::is_sorted(seen, std::ranges::greater{}));
}

TEST_F(history_store_test, another_connection_reads_while_it_is_written_and_can_be_stopped)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    history_batch batch;
    for (int i = 0; i < 2000; ++i) {
        batch.records.push_back(make_row_record(now + minute * i, "a", "fail"));
    }
    write(*store, batch, now);
    auto reader = open_history_reader(file(), store->session());
    ASSERT_TRUE(reader);
    EXPECT_EQ((*reader)->records({.limit = 5000})->entries.size(), 2000U);
    write(*store, batch_of({make_row_record(now, "b", "pass")}), now);
    EXPECT_EQ((*reader)->records({.requirement = "b"})->entries.size(), 1U);
    EXPECT_FALSE((*reader)->at(now)->last_alive) << "this daemon runs";
    int looks = 0;
    (*reader)->give_up_when([&looks] { return ++looks > 3; });
    const auto given_up = (*reader)->records({.limit = 5000});
    ASSERT_FALSE(given_up);
    EXPECT_EQ(given_up.error().what, store_fault::busy);
    (*reader)->give_up_when(nullptr);
    EXPECT_TRUE((*reader)->records({}));
}

TEST_F(history_store_test, narrows_by_row_endpoint_kind_and_time)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    write(
        *store,
        batch_of({
            make_row_record(now, "maps", "pass"),
            make_row_record(now + minute, "signaling", "fail"),
            make_endpoint_record(now + 2 * minute, "192.0.2.1", "80,4200-4208"),
            make_endpoint_record(now + 3 * minute, "192.0.2.2", "443"),
        }),
        now
    );
    const auto count = [&](const record_query& query) { return store->records(query)->entries.size(); };
    EXPECT_EQ(count({.requirement = "maps"}), 1U);
    EXPECT_EQ(count({.requirement = "cat/signaling"}), 3U);
    EXPECT_EQ(count({.requirement = "dog/signaling"}), 0U);
    EXPECT_EQ(count({.catalogue = "cat"}), 4U);
    EXPECT_EQ(count({.address = "192.0.2.1"}), 1U);
    EXPECT_EQ(count({.address = "192.0.2.1", .port = 4204}), 1U);
    EXPECT_EQ(count({.address = "192.0.2.1", .port = 443}), 0U) << "between two of its ports";
    EXPECT_EQ(count({.port = 443}), 1U);
    EXPECT_EQ(count({.how = transport::udp}), 0U);
    EXPECT_EQ(count({.kinds = {record_kind::endpoint}}), 2U);
    EXPECT_EQ(count({.from = now + minute, .to = now + 3 * minute}), 2U);
}

TEST_F(history_store_test, shows_the_site_as_it_was)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    auto site = make_row_record(now, "", "not_ready");
    site.kind = record_kind::site;
    site.catalogue = "";
    write(
        *store,
        batch_of({
            make_start(now, {"b", "a", "silent"}),
            make_row_record(now + minute, "a", "fail"),
            make_row_record(now + minute, "b", "pass"),
            make_row_record(now + minute, "gone", "pass"),
            site,
            make_row_record(now + 10 * minute, "a", "pass", "fail"),
        }),
        now + 20 * minute
    );
    const auto then = store->at(now + 5 * minute);
    ASSERT_TRUE(then);
    ASSERT_EQ(then->rows.size(), 2U) << "a row that is not in force, or has no record, is not shown";
    EXPECT_EQ(then->rows[0].what.requirement, "b");
    EXPECT_EQ(then->rows[1].what.state, "fail");
    EXPECT_EQ(then->site->what.state, "not_ready");
    EXPECT_FALSE(then->last_alive) << "this daemon ran then";
    EXPECT_EQ(store->at(now + 10 * minute)->rows[1].what.state, "pass");
    EXPECT_TRUE(store->at(now - minute)->rows.empty());
    EXPECT_TRUE(store->at(now - minute)->last_alive) << "nobody watched then";
}

TEST_F(history_store_test, tells_a_daemon_what_the_one_before_left)
{
    const auto now = make_wall(november);
    {
        auto store = open();
        EXPECT_TRUE(begin(*store, now).last.empty());
        auto batch =
            batch_of({make_row_record(now, "a", "pass"), make_row_record(now + minute, "a", "fail")});
        batch.notes.push_back({"cat", "a", acknowledgement{"a ticket", "somebody", now}});
        batch.notes.push_back({"cat", "b", acknowledgement{"another", "somebody", now}});
        write(*store, batch, now + minute);
        write(*store, {.notes = {{"cat", "b", std::nullopt}}}, now + minute);
        ASSERT_TRUE(store->end(now + 2 * minute));
    }
    auto store = open();
    const auto memory = begin(*store, now + 10 * minute);
    ASSERT_EQ(memory.last.size(), 1U);
    EXPECT_EQ(memory.last.at({"cat", "a"}).state, "fail");
    EXPECT_EQ(memory.last.at({"cat", "a"}).since, now + minute);
    ASSERT_EQ(memory.notes.size(), 1U);
    EXPECT_EQ(memory.notes.at({"cat", "a"}).note, "a ticket");
    const auto stops = store->records({.kinds = {record_kind::stop}});
    ASSERT_EQ(stops->entries.size(), 1U);
    EXPECT_EQ(stops->entries[0].what.state, "clean");
    const auto watched = store->watched(now, now + 20 * minute);
    ASSERT_EQ(watched->size(), 2U);
    EXPECT_EQ(watched->at(0).to, now + 2 * minute);
    EXPECT_EQ(watched->at(1).from, now + 10 * minute);
    EXPECT_EQ(store->at(now + 5 * minute)->last_alive, now + 2 * minute) << "nobody watched in between";
}

TEST_F(history_store_test, keeps_the_last_visit_of_each_source)
{
    const auto now = make_wall(november);
    const auto one = *parse_address("192.0.2.1");
    const auto other = *parse_address("2001:db8::1");
    {
        auto store = open({.keep = std::chrono::days{10}});
        begin(*store, now);
        write(*store, {.visits = {{"cat", "help", one, now}, {"cat", "help", other, now}}}, now);
        write(*store, {.visits = {{"cat", "help", one, now + 5 * minute}}}, now);
    }
    auto store = open({.keep = std::chrono::days{10}});
    const auto visits = begin(*store, now + minute).visits;
    ASSERT_EQ(visits.size(), 2U);
    EXPECT_EQ(visits[0], (row_visit{"cat", "help", one, now + 5 * minute}));
    EXPECT_EQ(visits[1], (row_visit{"cat", "help", other, now}));
    ASSERT_TRUE(store->upkeep(now + std::chrono::hours{24 * 10} + minute));
    EXPECT_EQ(begin(*store, now).visits.size(), 1U);
}

TEST_F(history_store_test, T28_a_daemon_that_was_killed_ends_where_it_was_last_alive)
{
    const auto now = make_wall(november);
    {
        auto store = open();
        begin(*store, now);
        write(*store, {}, now + 3 * minute); // a sign of life
    }
    auto store = open();
    begin(*store, now + 30 * minute);
    const auto stops = store->records({.kinds = {record_kind::stop}});
    ASSERT_EQ(stops->entries.size(), 1U);
    EXPECT_EQ(stops->entries[0].what.state, "unclean");
    EXPECT_EQ(stops->entries[0].what.at, now + 3 * minute);
    EXPECT_EQ(store->watched(now, now + 40 * minute)->at(0).to, now + 3 * minute);
}

TEST_F(history_store_test, T28_a_batch_is_written_whole_or_not_at_all)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    {
        SQLite::Database other{file().string(), SQLite::OPEN_READWRITE};
        other.exec("CREATE TRIGGER no BEFORE INSERT ON sample BEGIN SELECT raise(ABORT, 'no samples'); END");
    }
    history_batch batch = batch_of({make_row_record(now, "new", "pass")});
    batch.samples.push_back({.catalogue = "cat", .requirement = "new", .at = now});
    const auto done = store->write(batch, now);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().what, store_fault::refused);
    EXPECT_TRUE(store->records({})->entries.empty());
    batch.samples.clear();
    write(*store, batch, now);
    EXPECT_EQ(store->records({.requirement = "new"})->entries.size(), 1U) << "its subject is made again";
}

TEST_F(history_store_test, knows_when_names_had_which_address)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    const auto sight = [&](const char* address, std::chrono::minutes at) {
        write(*store, {.sightings = {{"a.example", address, now + at, now + at}}}, now + at);
    };
    sight("192.0.2.1", minute);
    sight("192.0.2.2", 2 * minute);
    sight("192.0.2.2", 50 * minute);
    const auto found = store->sightings({});
    ASSERT_EQ(found->entries.size(), 2U);
    EXPECT_EQ(
        found->entries[0], (address_sighting{"a.example", "192.0.2.2", now + 2 * minute, now + 50 * minute})
    );
    EXPECT_EQ(found->entries[1].last, now + minute);
    EXPECT_EQ(store->sightings({.address = "192.0.2.1"})->entries.size(), 1U);
    EXPECT_EQ(store->sightings({.from = now + 2 * minute})->entries.size(), 1U);
}

TEST_F(history_store_test, pages_through_addresses_that_share_their_moments)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    history_batch batch;
    for (int i = 0; i < 25; ++i) {
        const auto at = now + minute * (i / 10);
        batch.sightings.push_back({"a.example", fmt::format("192.0.2.{}", i), at, at});
    }
    write(*store, batch, now);
    std::set<std::string> seen;
    record_query query{.limit = 7};
    std::size_t pages = 0;
    do {
        const auto page = store->sightings(query);
        ASSERT_TRUE(page);
        ASSERT_LE(page->entries.size(), 7U);
        for (const auto& one : page->entries) {
            EXPECT_TRUE(seen.insert(one.address).second) << one.address << " comes twice";
        }
        query.after = page->next;
    } while (query.after && ++pages < 10);
    EXPECT_EQ(seen.size(), 25U);
}

TEST_F(history_store_test, upkeep_puts_samples_of_past_days_together)
{
    const auto now = make_wall(november);
    auto store = open();
    begin(*store, now);
    history_batch batch;
    for (int i = 0; i < 3 * 24 * 60; ++i) { // three days, every minute
        batch.samples.push_back({
            .catalogue = "cat",
            .requirement = "a",
            .at = now + minute * i,
            .rounds_pass = 1,
            .pass = 4,
            .rtt_min = microseconds{i},
        });
    }
    write(*store, batch, now);
    const auto all = [&] { return store->samples({.limit = 100'000})->entries; };
    ASSERT_EQ(all().size(), 3U * 24 * 60);
    ASSERT_TRUE(store->upkeep(now + std::chrono::hours{72}));
    auto left = all();
    ASSERT_EQ(left.size(), 48U + 24 * 60) << "two days by the hour, the last one whole";
    EXPECT_EQ(left.back().width, sample_width::hour);
    EXPECT_EQ(left.back().rounds, 60U);
    EXPECT_EQ(left.back().pass, 240U);
    ASSERT_TRUE(store->upkeep(now + std::chrono::hours{24 * 40}));
    left = all();
    ASSERT_EQ(left.size(), 3U);
    EXPECT_EQ(left.back().width, sample_width::day);
    EXPECT_EQ(left.back().rounds, 24U * 60);
    EXPECT_EQ(left.back().rtt_min, microseconds{0});
}

TEST_F(history_store_test, upkeep_removes_what_is_too_old_but_not_what_still_holds)
{
    const auto now = make_wall(november);
    auto store = open({.keep = std::chrono::days{10}});
    begin(*store, now);
    write(
        *store,
        batch_of({
            make_start(now, {"a", "b"}),
            make_row_record(now, "a", "pass"),
            make_row_record(now + minute, "a", "fail"),
            make_row_record(now, "b", "pass"),
            make_row_record(now + std::chrono::hours{24 * 15}, "b", "fail"),
        }),
        now
    );
    const auto later = now + std::chrono::hours{24 * 20};
    ASSERT_TRUE(store->upkeep(later));
    const auto then = store->at(later);
    ASSERT_EQ(then->rows.size(), 2U);
    EXPECT_EQ(then->rows[0].what.state, "fail") << "it has failed for 20 days, and still does";
    EXPECT_EQ(store->records({.requirement = "a"})->entries.size(), 1U);
    EXPECT_EQ(store->records({.requirement = "b"})->entries.size(), 2U)
        << "how it stood when the time begins";
}

TEST_F(history_store_test, stays_below_its_size_samples_go_first)
{
    const auto now = make_wall(november);
    auto store = open({.max_mb = 2});
    begin(*store, now);
    write(*store, batch_of({make_start(now, {"a"})}), now);
    for (int part = 0; part < 40; ++part) {
        history_batch batch;
        for (int i = 0; i < 250; ++i) {
            const auto at = now + minute * (part * 250 + i);
            auto record = make_row_record(at, "a", "fail");
            record.detail = "{\"x\":\"" + std::string(300, 'x') + "\"}";
            batch.records.push_back(record);
            batch.samples.push_back({.catalogue = "cat", .requirement = "a", .at = at});
        }
        write(*store, batch, now);
    }
    ASSERT_GT(store->state()->bytes, 4'000'000U);
    ASSERT_TRUE(store->upkeep(now + std::chrono::hours{1}));
    EXPECT_LT(store->state()->bytes, 2'000'000U);
    EXPECT_TRUE(store->samples({})->entries.empty());
    const auto left = store->records({.kinds = {record_kind::requirement}, .limit = 100'000})->entries;
    EXPECT_GT(left.size(), 1000U);
    EXPECT_EQ(left.front().what.at, now + minute * 9999) << "the newest stay";
    EXPECT_EQ(store->at(now + minute * 9999)->rows.size(), 1U) << "and the plan in force";
}

} // namespace
} // namespace reachd::test
