// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/history.hpp"

#include "reachd/core/history_json.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using std::chrono::minutes;

constexpr wall_time midnight{seconds{1'793'491'200}};

round_sample sample(minutes at, int rtt, std::uint64_t fail = 0)
{
    return {
        .catalogue = "cat",
        .requirement = "a",
        .at = midnight + at,
        .rounds_pass = fail == 0 ? 1U : 0U,
        .rounds_fail = fail == 0 ? 0U : 1U,
        .pass = 10 - fail,
        .fail = fail,
        .rtt_min = microseconds{rtt - 1},
        .rtt_median = microseconds{rtt},
        .rtt_max = microseconds{rtt + 1},
    };
}

TEST(samples, of_an_hour_become_one)
{
    const auto hours = compact(
        {sample(minutes{5}, 100), sample(minutes{25}, 300, 4), sample(minutes{59}, 200),
         sample(minutes{60}, 50)},
        sample_width::hour
    );
    ASSERT_EQ(hours.size(), 2U);
    EXPECT_EQ(hours[0].at, midnight);
    EXPECT_EQ(hours[0].width, sample_width::hour);
    EXPECT_EQ(hours[0].rounds, 3U);
    EXPECT_EQ(hours[0].rounds_pass, 2U);
    EXPECT_EQ(hours[0].rounds_fail, 1U);
    EXPECT_EQ(hours[0].pass, 26U);
    EXPECT_EQ(hours[0].fail, 4U);
    EXPECT_EQ(hours[0].rtt_min, microseconds{99});
    EXPECT_EQ(hours[0].rtt_median, microseconds{200});
    EXPECT_EQ(hours[0].rtt_max, microseconds{301});
    EXPECT_EQ(hours[1].at, midnight + minutes{60});
    EXPECT_EQ(hours[1].rounds, 1U);
}

TEST(samples, hours_become_days_with_every_round_counted)
{
    std::vector<round_sample> rounds;
    for (int i = 0; i < 48 * 60; ++i) {
        rounds.push_back(sample(minutes{i}, 100 + i));
    }
    const auto days = compact(compact(rounds, sample_width::hour), sample_width::day);
    ASSERT_EQ(days.size(), 2U);
    EXPECT_EQ(days[1].at, midnight + std::chrono::hours{24});
    EXPECT_EQ(days[0].rounds + days[1].rounds, 48U * 60);
    EXPECT_EQ(days[0].rtt_min, microseconds{99});
}

TEST(samples, without_a_round_trip_time_have_none)
{
    auto one = sample(minutes{1}, 1);
    one.rtt_min = one.rtt_median = one.rtt_max = std::nullopt;
    const auto hours = compact({one}, sample_width::hour);
    EXPECT_FALSE(hours[0].rtt_median);
    EXPECT_EQ(to_json(hours[0])["rtt_median_us"], nullptr);
}

TEST(history, kinds_have_words_that_read_back)
{
    for (const auto kind :
         {record_kind::site, record_kind::requirement, record_kind::endpoint, record_kind::idle,
          record_kind::address, record_kind::block, record_kind::start, record_kind::stop,
          record_kind::reload, record_kind::acknowledge}) {
        EXPECT_EQ(parse_record_kind(to_string(kind)), kind);
    }
    EXPECT_FALSE(parse_record_kind("verdict"));
}

TEST(history, a_record_as_JSON_has_its_target_where_it_has_one)
{
    history_record one{
        .at = midnight,
        .kind = record_kind::endpoint,
        .catalogue = "cat",
        .requirement = "a",
        .state = "blocked",
        .before = "open",
        .sentence = "silence",
        .target = endpoint_span{.address = "192.0.2.1", .ports = *parse_ports("80,443")},
        .detail = R"({"stage":"connect"})",
    };
    const auto shown = to_json(one);
    EXPECT_EQ(shown["time"], "2026-11-01T00:00:00.000Z");
    EXPECT_EQ(shown["ports"], "80,443");
    EXPECT_EQ(shown["name"], nullptr);
    EXPECT_EQ(shown["since"], nullptr);
    EXPECT_EQ(shown["detail"]["stage"], "connect");
    one.target.reset();
    one.detail = "no JSON";
    EXPECT_FALSE(to_json(one).contains("ports"));
    EXPECT_EQ(to_json(one)["detail"], nullptr);
}

TEST(history, a_row_as_it_was_is_told_from_its_record_and_whole_where_the_detail_is_none)
{
    history_record one{
        .at = midnight + minutes{5},
        .kind = record_kind::requirement,
        .catalogue = "cat",
        .requirement = "a",
        .state = "fail",
        .since = midnight,
        .sentence = "dropped",
        .target = {},
        .detail =
            R"({"counts": {"fail": 2}, "runs": [{"ports": "80"}], "runs_left_out": 7, "evidence": [{}]})",
    };
    const auto row = row_then_json(one);
    EXPECT_EQ(row["id"], "a");
    EXPECT_EQ(row["since"], "2026-11-01T00:00:00.000Z");
    EXPECT_EQ(row["recorded"], "2026-11-01T00:05:00.000Z");
    EXPECT_EQ(row["counts"]["fail"], 2);
    EXPECT_EQ(row["runs"][0]["ports"], "80");
    EXPECT_EQ(row["runs_left_out"], 7);
    EXPECT_EQ(row["evidence"].size(), 1U);
    for (const char* detail : {"", "no JSON", "[1]", "{}"}) {
        one.detail = detail;
        const auto bare = row_then_json(one);
        EXPECT_EQ(bare["counts"], nullptr) << detail;
        EXPECT_EQ(bare["runs"], nlohmann::json::array()) << detail;
        EXPECT_EQ(bare["runs_left_out"], 0) << detail;
    }
}

TEST(history, availability_as_JSON_has_no_share_of_a_time_that_nobody_saw)
{
    availability one;
    one.window = seconds{3600};
    one.up = seconds{1799};
    one.down = seconds{1};
    one.unknown = seconds{1800};
    const auto shown = to_json(one);
    EXPECT_EQ(shown["window_s"], 3600.0);
    EXPECT_EQ(shown["availability"], 0.999444);
    EXPECT_EQ(shown["coverage"], 0.5);
    one.up = one.down = seconds{0};
    one.unknown = one.window;
    EXPECT_EQ(to_json(one)["availability"], nullptr);
    EXPECT_EQ(to_json(one)["coverage"], 0.0);
}

TEST(history, a_note_as_JSON_says_what_who_and_since_when)
{
    const auto shown = to_json(acknowledgement{.note = "ticket 4711", .by = "ana", .since = midnight});
    EXPECT_EQ(
        shown, (nlohmann::json{{"note", "ticket 4711"}, {"by", "ana"}, {"since", "2026-11-01T00:00:00.000Z"}})
    );
}

TEST(history, an_outage_as_JSON_has_start_end_cause)
{
    const outage over{
        .start = midnight, .end = midnight + minutes{2}, .ended_as = standing::up, .unwatched = seconds{3}
    };
    const history_record words{.catalogue = "cat", .requirement = "a", .sentence = "dropped at hop 2"};
    const auto shown = to_json(over, words, midnight + minutes{10});
    EXPECT_EQ(shown["duration_s"], 120.0);
    EXPECT_EQ(shown["unwatched_s"], 3.0);
    EXPECT_EQ(shown["cause"], "dropped at hop 2");
    EXPECT_EQ(shown["ended_as"], "up");
    const auto open = to_json(outage{.start = midnight}, words, midnight + minutes{10});
    EXPECT_EQ(open["end"], nullptr);
    EXPECT_EQ(open["duration_s"], 600.0);
}

} // namespace
} // namespace reachd
