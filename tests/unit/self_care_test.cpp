// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/self_care.hpp"

#include "reachd/core/unheard_names.hpp"
#include "reachd/core/version.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace std::chrono_literals;

constexpr wall_time made{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};
constexpr duration interval = self_look_interval;

// A machine whose clocks a test moves; looks are due every quarter of a second.
class self_care_test : public testing::Test {
protected:
    self_care_test() { care.looked(at.now, at); }
    void pass(duration time, duration slept = {})
    {
        at.now += time;
        at.asleep += slept;
        at.wall += std::chrono::duration_cast<milliseconds>(time + slept);
    }
    // The next look comes that much later than it was due.
    void look(duration late = {}, duration slept = {})
    {
        const auto due = at.now + interval;
        pass(interval + late, slept);
        care.looked(due, at);
    }
    void look_for(duration time)
    {
        for (const auto end = at.now + time; at.now < end;) {
            look();
        }
    }
    [[nodiscard]] std::string troubles() const
    {
        std::string out;
        for (const auto& one : care.findings(at.now)) {
            out += (out.empty() ? "" : " ") + std::string{to_string(one.what)};
        }
        return out;
    }
    [[nodiscard]] duration lost_since(time_point begun) const
    {
        return care.stood_still(begun, at.now + interval, at);
    }

    clock_reading at{.now = time_point{} + 1000s, .asleep = {}, .wall = wall_time{made} + 100h};
    self_care care{made};
};

TEST_F(self_care_test, finds_nothing_where_looks_come_a_little_late)
{
    for (int i = 0; i < 1000; ++i) {
        look(i % 2 ? 0ms : 200ms);
    }
    EXPECT_EQ(troubles(), "");
}

TEST_F(self_care_test, tells_a_late_loop_for_half_a_minute_with_its_longest_standstill)
{
    look(900ms);
    EXPECT_EQ(troubles(), "");
    look(1100ms);
    const auto since = at.wall;
    look(5200ms);
    look(1500ms);
    ASSERT_EQ(troubles(), "event_loop_lag");
    const auto told = care.findings(at.now).front();
    EXPECT_EQ(told.since, since);
    EXPECT_NE(told.sentence.find("stood still for 5.2 s"), std::string::npos) << told.sentence;
    look_for(29s);
    EXPECT_EQ(troubles(), "event_loop_lag");
    look_for(1500ms);
    EXPECT_EQ(troubles(), "");
    look(2s);
    EXPECT_EQ(care.findings(at.now).front().sentence.find("5.2 s"), std::string::npos);
}

TEST_F(self_care_test, counts_a_suspended_machine_as_a_standstill_and_not_as_a_step_of_its_clock)
{
    look(0s, 60s);
    EXPECT_EQ(troubles(), "event_loop_lag");
}

TEST_F(self_care_test, an_exchange_lost_only_the_part_of_a_standstill_that_fell_into_it)
{
    look();
    const auto before = at.now;
    look(4s);
    EXPECT_EQ(lost_since(before), 4s);
    EXPECT_EQ(lost_since(at.now - 1s), 1s);
    EXPECT_EQ(lost_since(at.now), 0s);
    look(2s);
    EXPECT_EQ(lost_since(before), 6s);
    look_for(10s);
    EXPECT_EQ(lost_since(at.now - 3s), 0s);
}

TEST_F(self_care_test, a_standstill_counts_before_the_look_that_sees_it)
{
    look();
    const auto begun = at.now;
    const auto due = at.now + interval;
    pass(interval + 5s, 7s); // a probe is looked at before the clocks are
    EXPECT_EQ(care.stood_still(begun, due, at), 12s);
    EXPECT_EQ(care.stood_still(at.now - 1s, due, at), 8s);
    // Where nobody looks nothing is known.
    EXPECT_EQ(self_care{made}.stood_still(begun, time_point::max(), at), 0s);
}

TEST_F(self_care_test, remembers_no_more_standstills_than_it_has_room_for)
{
    const auto begun = at.now;
    for (int i = 0; i < 200; ++i) {
        look(1s);
    }
    EXPECT_EQ(lost_since(begun), 64s);
}

TEST_F(self_care_test, tells_want_of_descriptors_and_memory_by_their_causes_alone)
{
    for (const auto cause : {local_cause::no_route, local_cause::refused_here, local_cause::other}) {
        care.failed(cause, at);
    }
    EXPECT_EQ(troubles(), "");
    care.failed(local_cause::no_memory, at);
    EXPECT_EQ(troubles(), "no_memory");
    care.failed(local_cause::no_descriptors, at);
    EXPECT_EQ(troubles(), "no_descriptors no_memory");
    look_for(31s);
    EXPECT_EQ(troubles(), "");
}

TEST_F(self_care_test, tells_descriptors_that_are_nearly_gone)
{
    care.counted({.open = 970, .limit = 1024}, at);
    EXPECT_EQ(troubles(), "");
    care.counted({.open = 980, .limit = 1024}, at);
    ASSERT_EQ(troubles(), "no_descriptors");
    EXPECT_NE(care.findings(at.now).front().sentence.find("980 of its 1024"), std::string::npos);
    care.failed(local_cause::no_descriptors, at);
    care.counted({.open = 1000, .limit = 1024}, at);
    EXPECT_NE(care.findings(at.now).front().sentence.find("is out of file descriptors"), std::string::npos);
    look_for(31s);
    care.counted({.open = 60, .limit = 64}, at);
    EXPECT_EQ(troubles(), "");
    care.counted({.open = 70, .limit = 64}, at); // a limit that was lowered
    EXPECT_EQ(troubles(), "no_descriptors");
}

TEST_F(self_care_test, tells_a_clock_that_was_set_and_for_which_way)
{
    for (const auto step : {3600s, -3600s}) {
        at.wall += step;
        look();
        ASSERT_EQ(troubles(), "clock");
        const auto sentence = care.findings(at.now).front().sentence;
        EXPECT_NE(sentence.find(step > 0s ? "forward by 60 min" : "back by 60 min"), std::string::npos)
            << sentence;
    }
    look_for(601s);
    EXPECT_EQ(troubles(), "");
    EXPECT_EQ(care.clock_steps(), 2U);
    at.wall = made - 720h; // told as a clock that is wrong, and counted all the same
    look();
    EXPECT_EQ(care.clock_steps(), 3U);
}

TEST_F(self_care_test, a_clock_that_is_slewed_was_not_set)
{
    for (int i = 0; i < 4000; ++i) {
        at.wall += 2s;
        look();
    }
    EXPECT_EQ(troubles(), "");
    EXPECT_EQ(care.clock_steps(), 0U);
}

TEST_F(self_care_test, tells_a_clock_from_before_the_program_was_made_for_as_long_as_it_is_so)
{
    at.wall = made - 23h; // somebody's time zone
    self_care fresh{made};
    fresh.looked(at.now, at);
    EXPECT_TRUE(fresh.findings(at.now).empty());
    at.wall = wall_time{} + 1h;
    care = self_care{made};
    for (int i = 0; i < 400; ++i) {
        look();
        ASSERT_EQ(troubles(), "clock");
    }
    const auto sentence = care.findings(at.now).front().sentence;
    EXPECT_NE(sentence.find("1970-01-01"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("(2026-11-22)"), std::string::npos) << sentence;
    at.wall = made + 1h;
    look(); // it was set: that is told in its place
    EXPECT_NE(care.findings(at.now).front().sentence.find("forward"), std::string::npos);
}

TEST(unheard_names, are_blamed_on_this_machine_and_answers_that_were_heard_stay)
{
    name_lookup found{.name = "a.example"};
    found.system = {.server = "system", .status = dns_status::no_reply};
    found.servers = {{.server = "10.0.0.53", .status = dns_status::no_reply}};
    EXPECT_TRUE(lacks_answers(found));
    EXPECT_EQ(judge_name(found, false).unusable->kind, verdict_kind::unresolved);
    auto unheard = found;
    blame_standstill(unheard);
    EXPECT_FALSE(lacks_answers(unheard));
    const auto judged = judge_name(unheard, false).unusable;
    ASSERT_TRUE(judged);
    EXPECT_EQ(judged->kind, verdict_kind::unproven);
    EXPECT_EQ(judged->blame, blame::host);
    EXPECT_NE(judged->sentence.find("stood still"), std::string::npos) << judged->sentence;
    // A server that denied the name was heard.
    found.servers.front().status = dns_status::no_such_name;
    blame_standstill(found);
    EXPECT_EQ(judge_name(found, false).unusable->kind, verdict_kind::unresolved);
    // Where a server answered, applications may be served as well.
    found.servers.front().status = dns_status::answered;
    found.servers.front().addresses = {{*parse_address("54.215.171.160"), std::nullopt}};
    EXPECT_FALSE(judge_name(found, false).unusable);
}

TEST_F(self_care_test, jitter_of_a_busy_machine_does_not_add_up)
{
    const auto begun = at.now;
    for (int i = 0; i < 20; ++i) {
        look(150ms);
    }
    EXPECT_EQ(lost_since(begun), 0s);
}

TEST(program_date, is_a_day_on_which_there_was_this_program)
{
    const auto day = program_date();
    EXPECT_EQ(day, std::chrono::floor<std::chrono::days>(day));
    EXPECT_GT(day, wall_time{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}});
    EXPECT_LT(day, wall_time{std::chrono::sys_days{std::chrono::year{2126} / 1 / 1}});
}

TEST_F(self_care_test, json_has_the_word_the_time_and_the_sentence)
{
    care.failed(local_cause::no_memory, at);
    const auto told = to_json(care.findings(at.now));
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0]["trouble"], "no_memory");
    EXPECT_EQ(told[0]["since"], to_text(at.wall));
    EXPECT_NE(told[0]["sentence"].get<std::string>().find("memory"), std::string::npos);
    EXPECT_TRUE(to_json(std::vector<self_finding>{}).is_array());
}

} // namespace
} // namespace reachd
