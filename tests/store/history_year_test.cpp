// SPDX-License-Identifier: Apache-2.0
// A year of two catalogues, and 100,000 changes: what they cost in bytes and in time.
#include "store/history_fixture.hpp"

#include <chrono>
#include <random>

namespace reachd::test {
namespace {

using history_year = store_test;
using clock = std::chrono::steady_clock;

constexpr int rows = 16;                     // of the two shipped catalogues
constexpr std::size_t evidence_bytes = 2500; // of a failing row, as measured in the lab; one endpoint: 900
// Whole rounds are kept for a day, so only the last one needs each; the others become hours and days anyway.
constexpr std::chrono::minutes round_interval{1};
constexpr std::chrono::minutes earlier_interval{60};

std::string filler(std::size_t bytes)
{
    return "{\"counts\":{\"total\":12,\"pass\":11,\"fail\":1,\"unproven\":0},\"evidence\":\"" +
           std::string(bytes, 'e') + "\"}";
}

double milliseconds_of(clock::duration span)
{
    return std::chrono::duration<double, std::milli>(span).count();
}

// Rounds each minute of 16 rows; a row in turn fails for ten minutes 20 times a day, as two endpoints of it
// do; on ten days one row flaps each minute; ladders and rounds of samples as scheduled.
TEST_F(history_year, of_two_catalogues_stays_under_200_MB)
{
    auto store = open({.keep = std::chrono::days{3650}});
    const auto begins = make_wall(november);
    begin(*store, begins);
    std::vector<std::string> names;
    for (int i = 0; i < rows; ++i) {
        names.push_back(fmt::format("row-{}", i));
    }
    write(*store, batch_of({make_start(begins, names)}), begins);
    std::uint64_t records = 0;
    for (int day = 0; day < 365; ++day) {
        const auto midnight = begins + std::chrono::hours{24 * day};
        history_batch batch;
        const bool flaps = day % 36 == 0;
        for (int i = 0; i < (flaps ? 24 * 60 : 20) * 2; ++i) {
            const auto at = midnight + (flaps ? std::chrono::seconds{30 * i} : std::chrono::minutes{35 * i});
            auto row =
                make_row_record(at, names[static_cast<std::size_t>(day % rows)], i % 2 ? "pass" : "fail");
            const bool detailed = !flaps || i % 120 < 30;
            row.detail = i % 2 == 0 && detailed ? filler(evidence_bytes) : filler(0);
            batch.records.push_back(std::move(row));
            if (!flaps || i % 120 < 12) {
                auto endpoint = make_endpoint_record(at, "198.51.100.7", "4200-4208");
                endpoint.detail = filler(900);
                batch.records.push_back(std::move(endpoint));
            }
        }
        for (int hour = 0; hour < 24; ++hour) { // four blocks and ports each hour, three ladders every six
            for (int i = 0; i < (hour % 6 == 0 ? 7 : 4); ++i) {
                auto one = make_row_record(midnight + std::chrono::hours{hour}, "row-0", "complete");
                one.kind = record_kind::block;
                one.detail = filler(500);
                batch.records.push_back(std::move(one));
            }
        }
        for (auto at = midnight; at < midnight + std::chrono::hours{24};
             at += day < 364 ? earlier_interval : round_interval) {
            for (const auto& name : names) {
                batch.samples.push_back({
                    .catalogue = "cat",
                    .requirement = name,
                    .at = at,
                    .rounds_pass = 1,
                    .pass = 12,
                    .rtt_min = microseconds{21'000},
                    .rtt_median = microseconds{22'000},
                    .rtt_max = microseconds{30'000},
                });
            }
        }
        records += batch.records.size();
        write(*store, batch, midnight);
        ASSERT_TRUE(store->upkeep(midnight + std::chrono::hours{24}));
    }
    const auto bytes = store->state()->bytes;
    std::printf(
        "            a year: %llu records, %.1f MB\n", static_cast<unsigned long long>(records),
        static_cast<double>(bytes) / 1e6
    );
    EXPECT_LT(bytes, 200'000'000U);
    EXPECT_EQ(store->at(begins + std::chrono::hours{1})->rows.size(), 1U) << "and nothing had to go";
}

// How long it takes is printed; tests/bench/history_bench.py holds it to its promise.
TEST_F(history_year, hundred_thousand_changes_answer_at_once)
{
    auto store = open({.keep = std::chrono::days{3650}});
    const auto begins = make_wall(november);
    begin(*store, begins);
    std::vector<std::string> names;
    for (int i = 0; i < rows; ++i) {
        names.push_back(fmt::format("row-{}", i));
    }
    write(*store, batch_of({make_start(begins, names)}), begins);
    std::mt19937 random{7};
    constexpr int changes = 100'000;
    for (int part = 0; part < 100; ++part) {
        history_batch batch;
        for (int i = 0; i < changes / 100; ++i) {
            const auto number = part * (changes / 100) + i;
            auto one = make_row_record(
                begins + seconds{25 * number}, names[random() % rows], number % 2 ? "pass" : "fail"
            );
            one.detail = filler(400);
            batch.records.push_back(std::move(one));
        }
        write(*store, batch, begins);
    }
    const auto ends = begins + seconds{25 * changes};
    const auto timed = [](const char* what, const auto& work) {
        const auto begun = clock::now();
        work();
        const auto took = milliseconds_of(clock::now() - begun);
        std::printf("            %-28s %7.2f ms\n", what, took);
    };
    timed("the newest 100", [&] { EXPECT_EQ(store->records({})->entries.size(), 100U); });
    timed("of one row", [&] { EXPECT_EQ(store->records({.requirement = "row-3"})->entries.size(), 100U); });
    timed("of a kind that never was", [&] {
        EXPECT_TRUE(store->records({.kinds = {record_kind::idle}})->entries.empty());
    });
    timed("the site as it was", [&] { EXPECT_EQ(store->at(begins + seconds{1'250'000})->rows.size(), 16U); });
    timed("the site as it began", [&] { EXPECT_FALSE(store->at(begins + seconds{100})->rows.empty()); });
    timed("the states of all rows", [&] {
        std::size_t points = 0;
        const auto all = store->rows();
        for (const auto& row : *all) {
            points += store->points(row, begins, ends)->size();
        }
        EXPECT_EQ(points, static_cast<std::size_t>(changes));
    });
}

} // namespace
} // namespace reachd::test
