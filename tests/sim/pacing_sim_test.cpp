// SPDX-License-Identifier: Apache-2.0
// The pacer and the schedule under random load in virtual time: limits hold, nobody starves, nothing is lost.
#include "reachd/core/pacer.hpp"
#include "reachd/core/schedule.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <queue>
#include <set>

namespace reachd::test {
namespace {

using namespace std::chrono_literals;

struct begun {
    pacer::ticket which;
    ip_address towards;
    time_point when;
};

struct load {
    limits_config limits;
    std::vector<ip_address> towards; // of each ticket
    std::vector<time_point> added;   // ascending
    std::vector<duration> takes;
};

unsigned pick(std::mt19937_64& random, unsigned least, unsigned most)
{
    return std::uniform_int_distribution<unsigned>{least, most}(random);
}

ip_address make_numbered(unsigned number)
{
    ip_address address;
    address.bytes = {34, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
    return address;
}

load make_load(std::mt19937_64& random)
{
    load out;
    out.limits.new_flows_per_s = pick(random, 0, 3) == 0 ? 0 : pick(random, 1, 300);
    out.limits.new_flows_per_destination_per_s = pick(random, 0, 3) == 0 ? 0 : pick(random, 1, 100);
    out.limits.in_flight = pick(random, 1, 64);
    const auto hosts = pick(random, 1, 12);
    time_point now{1h};
    for (unsigned left = pick(random, 1, 300); left > 0; --left) {
        out.towards.push_back(make_numbered(pick(random, 1, hosts)));
        now += milliseconds{pick(random, 0, 9) == 0 ? pick(random, 0, 2000) : 0}; // bursts and pauses
        out.added.push_back(now);
        out.takes.push_back(milliseconds{pick(random, 0, 3) == 0 ? 3000 : pick(random, 0, 40)});
    }
    return out;
}

// Runs the load to its end; fails when it has none.
std::vector<begun> run(const load& what, std::uint64_t seed)
{
    pacer paced{what.limits, seed};
    std::vector<begun> starts;
    std::priority_queue<time_point, std::vector<time_point>, std::greater<>> ends;
    std::size_t next = 0;
    auto wake = time_point::max();
    while (starts.size() < what.towards.size()) {
        auto now = std::min(wake, next < what.added.size() ? what.added[next] : time_point::max());
        now = std::min(now, ends.empty() ? time_point::max() : ends.top());
        if (now == time_point::max()) {
            ADD_FAILURE() << "tickets wait and nothing will wake them";
            return starts;
        }
        while (!ends.empty() && ends.top() <= now) {
            ends.pop();
            paced.finished();
        }
        for (; next < what.added.size() && what.added[next] <= now; ++next) {
            paced.add(next, what.towards[next]);
        }
        auto action = paced.next(now);
        for (; std::holds_alternative<pacer::start>(action); action = paced.next(now)) {
            const auto which = std::get<pacer::start>(action).which;
            starts.push_back({which, what.towards.at(which), now});
            ends.push(now + what.takes.at(which));
            EXPECT_LE(paced.in_flight(), what.limits.in_flight);
            EXPECT_GE(now, what.added.at(which));
        }
        wake = time_point::max();
        if (const auto* wait = std::get_if<pacer::wait_until>(&action)) {
            EXPECT_GT(wait->when, now) << "a wait that is over already would spin";
            wake = wait->when;
        }
    }
    return starts;
}

// The most starts in any window of one second.
std::size_t busiest_second(const std::vector<time_point>& starts)
{
    std::size_t most = 0;
    for (std::size_t first = 0, last = 0; last < starts.size(); ++last) {
        while (starts[last] - starts[first] >= 1s) {
            ++first;
        }
        most = std::max(most, last - first + 1);
    }
    return most;
}

TEST(pacing_sim, T24_exceeds_no_limit_in_any_second_and_loses_no_ticket)
{
    const auto first = seed_from_environment(20290000);
    for (std::uint64_t seed = first; seed < first + 1000 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
        std::mt19937_64 random{seed};
        const auto what = make_load(random);
        const auto starts = run(what, seed);
        std::set<pacer::ticket> once;
        std::vector<time_point> all;
        std::map<ip_address, std::vector<time_point>> by_host;
        for (const auto& one : starts) {
            EXPECT_TRUE(once.insert(one.which).second) << "started twice";
            all.push_back(one.when);
            by_host[one.towards].push_back(one.when);
        }
        if (const auto limit = what.limits.new_flows_per_s; limit != 0) {
            EXPECT_LE(busiest_second(all), limit + 1U); // one where a second is no multiple of the spacing
        }
        if (const auto limit = what.limits.new_flows_per_destination_per_s; limit != 0) {
            for (const auto& [host, times] : by_host) {
                // Spacings are at least three quarters of the nominal one.
                EXPECT_LE(static_cast<double>(busiest_second(times)), std::ceil(limit / 0.75) + 1)
                    << to_text(host);
            }
        }
    }
}

TEST(pacing_sim, comes_near_to_its_limits_when_there_is_enough_to_do)
{
    const auto first = seed_from_environment(20300000);
    for (std::uint64_t seed = first; seed < first + 50; ++seed) {
        SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
        load what;
        what.limits.in_flight = 1000;
        for (unsigned i = 0; i < 500; ++i) {
            what.towards.push_back(make_numbered(i % 10));
            what.added.push_back(time_point{1h});
            what.takes.push_back(1ms);
        }
        what.limits.new_flows_per_s = 40;
        what.limits.new_flows_per_destination_per_s = 20;
        auto span = run(what, seed).back().when - time_point{1h};
        EXPECT_GE(span, 499 * 25ms);
        EXPECT_LE(span, 13s); // the total is what limits: 500 at 40 a second
        what.limits.new_flows_per_s = 0;
        what.limits.new_flows_per_destination_per_s = 5;
        span = run(what, seed).back().when - time_point{1h};
        EXPECT_GE(span, 8500ms); // 50 to each at 5 a second
        EXPECT_LE(span, 11s);
    }
}

TEST(pacing_sim, lets_a_single_probe_pass_a_range_of_hundreds)
{
    const auto first = seed_from_environment(20310000);
    for (std::uint64_t seed = first; seed < first + 50; ++seed) {
        SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
        load what;
        what.limits.new_flows_per_s = 40;
        what.limits.new_flows_per_destination_per_s = 20;
        what.limits.in_flight = 1000;
        for (unsigned i = 0; i < 500; ++i) {
            what.towards.push_back(make_numbered(7));
            what.added.push_back(time_point{1h});
            what.takes.push_back(1ms);
        }
        for (unsigned host = 1; host <= 5; ++host) { // on both sides of the range in the order of addresses
            what.towards.push_back(make_numbered(host * 3));
            what.added.push_back(time_point{1h} + 2s);
            what.takes.push_back(1ms);
        }
        for (const auto& one : run(what, seed)) {
            if (one.which >= 500) {
                EXPECT_LE(one.when - what.added[one.which], 200ms); // its turn comes after the five others
            }
        }
    }
}

// --- the schedule ---

TEST(schedule_sim, spreads_first_rounds_so_that_no_part_of_the_interval_is_crowded)
{
    for (const std::size_t rows : {1U, 2U, 7U, 16U, 60U, 500U}) {
        SCOPED_TRACE(rows);
        std::vector<std::size_t> ids(rows);
        for (std::size_t i = 0; i < rows; ++i) {
            ids[i] = i * 3;
        }
        schedule times{ids, 60s, time_point{1h}, 1};
        std::vector<std::size_t> tenths(10);
        for (std::size_t i = 0; i < rows; ++i) {
            const auto due = times.next_due();
            ASSERT_TRUE(due);
            const auto offset = due->when - time_point{1h};
            ASSERT_GE(offset, 0s);
            ASSERT_LT(offset, 60s);
            ++tenths.at(static_cast<std::size_t>(offset / 6s));
            times.started(due->row);
        }
        for (const auto count : tenths) {
            EXPECT_LE(count, rows / 10 + 1);
        }
    }
}

TEST(schedule_sim, over_days_keeps_each_row_at_its_pace_however_the_others_fare)
{
    const auto first = seed_from_environment(20320000);
    for (std::uint64_t seed = first; seed < first + 20 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
        std::mt19937_64 random{seed};
        constexpr std::size_t rows = 8;
        schedule times{{0, 1, 2, 3, 4, 5, 6, 7}, 60s, time_point{1h}, seed};
        std::vector<std::optional<time_point>> ended(rows);
        std::vector<unsigned> doublings(rows);
        std::vector<std::size_t> rounds(rows);
        for (auto now = time_point{1h}; now < time_point{49h};) {
            const auto due = times.next_due();
            ASSERT_TRUE(due);
            ASSERT_GE(due->when, now);
            now = due->when;
            auto& last = ended[due->row];
            if (last) {
                const auto nominal = 60s * (1 << doublings[due->row]);
                EXPECT_GE(now - *last, nominal * 9 / 10 - 1us);
                EXPECT_LE(now - *last, nominal * 11 / 10 + 1us);
            }
            times.started(due->row);
            const auto how = due->row == 0 ? schedule::round_result::healthy // one row is always well
                                           : static_cast<schedule::round_result>(pick(random, 0, 2));
            doublings[due->row] =
                how == schedule::round_result::still_the_same ? std::min(doublings[due->row] + 1, 3U) : 0;
            times.finished(due->row, how, now);
            last = now;
            ++rounds[due->row];
        }
        EXPECT_NEAR(static_cast<double>(rounds[0]), 48 * 60, 48);
    }
}

} // namespace
} // namespace reachd::test
