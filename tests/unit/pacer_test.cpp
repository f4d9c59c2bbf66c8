// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/pacer.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <vector>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;

const time_point origin{1h};

limits_config make_limits(unsigned per_s, unsigned per_destination, unsigned in_flight = 256)
{
    limits_config limits;
    limits.new_flows_per_s = per_s;
    limits.new_flows_per_destination_per_s = per_destination;
    limits.in_flight = in_flight;
    return limits;
}

std::optional<pacer::ticket> started(const pacer::action& what)
{
    const auto* one = std::get_if<pacer::start>(&what);
    return one ? std::optional{one->which} : std::nullopt;
}

std::optional<duration> wait(const pacer::action& what, time_point now)
{
    const auto* one = std::get_if<pacer::wait_until>(&what);
    return one ? std::optional{one->when - now} : std::nullopt;
}

TEST(pacer, has_nothing_to_do_without_tickets)
{
    pacer paced{make_limits(10, 10), 1};
    EXPECT_TRUE(std::holds_alternative<pacer::nothing>(paced.next(origin)));
}

TEST(pacer, starts_the_first_at_once_and_spaces_the_next_by_the_total_rate)
{
    pacer paced{make_limits(40, 0), 1};
    paced.add(1, make_address(server_text));
    paced.add(2, make_address(other_server_text));
    EXPECT_EQ(started(paced.next(origin)), 1U);
    EXPECT_EQ(wait(paced.next(origin), origin), 25ms);
    EXPECT_EQ(wait(paced.next(origin + 24ms), origin), 25ms);
    EXPECT_EQ(started(paced.next(origin + 25ms)), 2U);
    EXPECT_TRUE(std::holds_alternative<pacer::nothing>(paced.next(origin + 1s)));
}

TEST(pacer, T24_who_follows_upon_another_waits_as_that_one_would)
{
    pacer older{make_limits(10, 2), 1};
    older.add(1, make_address(server_text));
    EXPECT_EQ(started(older.next(origin)), 1U);
    pacer paced{make_limits(10, 2), 2}; // as after a reload
    paced.inherit(older);
    paced.add(2, make_address(server_text));
    paced.add(3, make_address(other_server_text));
    EXPECT_EQ(wait(paced.next(origin), origin), 100ms);
    EXPECT_EQ(started(paced.next(origin + 100ms)), 3U) << "nothing went to this one lately";
    EXPECT_FALSE(started(paced.next(origin + 300ms)));
    EXPECT_EQ(started(paced.next(origin + 700ms)), 2U);
}

TEST(pacer, T24_spaces_flows_to_one_address_by_its_own_rate_give_or_take_a_quarter)
{
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE(seed);
        pacer paced{make_limits(0, 10), seed};
        paced.add(1, make_address(server_text));
        paced.add(2, make_address(server_text));
        EXPECT_EQ(started(paced.next(origin)), 1U);
        const auto pause = wait(paced.next(origin), origin);
        ASSERT_TRUE(pause);
        EXPECT_GE(*pause, 75ms);
        EXPECT_LE(*pause, 125ms);
        EXPECT_EQ(started(paced.next(origin + *pause)), 2U);
    }
}

TEST(pacer, T24_varies_the_spacing_as_regularity_is_a_scanners_mark)
{
    pacer paced{make_limits(0, 10), 7};
    for (pacer::ticket i = 0; i < 20; ++i) {
        paced.add(i, make_address(server_text));
    }
    auto now = origin;
    std::vector<duration> pauses;
    for (int i = 0; i < 19; ++i) {
        ASSERT_TRUE(started(paced.next(now)));
        pauses.push_back(wait(paced.next(now), now).value());
        now += pauses.back();
    }
    const auto [least, most] = std::ranges::minmax(pauses);
    EXPECT_LT(least, 90ms);
    EXPECT_GT(most, 110ms);
}

TEST(pacer, serves_destinations_in_turn_so_that_a_long_range_holds_nobody_up)
{
    pacer paced{make_limits(0, 0), 1};
    for (pacer::ticket i = 0; i < 500; ++i) {
        paced.add(i, make_address("1.0.0.1"));
    }
    paced.add(1000, make_address("1.0.0.2"));
    paced.add(2000, make_address("1.0.0.3"));
    paced.add(2001, make_address("1.0.0.3"));
    std::vector<pacer::ticket> first;
    for (int i = 0; i < 7; ++i) {
        first.push_back(started(paced.next(origin)).value());
    }
    EXPECT_EQ(first, (std::vector<pacer::ticket>{0, 1000, 2000, 1, 2001, 2, 3}));
}

TEST(pacer, starts_another_address_while_one_must_wait)
{
    pacer paced{make_limits(0, 1), 1};
    paced.add(1, make_address(server_text));
    paced.add(2, make_address(server_text));
    paced.add(3, make_address(other_server_text));
    EXPECT_EQ(started(paced.next(origin)), 1U);
    EXPECT_EQ(started(paced.next(origin)), 3U);
    EXPECT_FALSE(started(paced.next(origin)));
    EXPECT_EQ(started(paced.next(origin + 1250ms)), 2U);
}

TEST(pacer, waits_for_the_address_that_is_free_first)
{
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SCOPED_TRACE(seed);
        pacer paced{make_limits(0, 1), seed};
        for (const char* address : {server_text, other_server_text}) {
            paced.add(1, make_address(address));
            paced.add(2, make_address(address));
        }
        EXPECT_TRUE(started(paced.next(origin)));
        EXPECT_TRUE(started(paced.next(origin + 400ms)));
        const auto pause = wait(paced.next(origin + 400ms), origin);
        ASSERT_TRUE(pause);
        EXPECT_LE(*pause, 1250ms); // the one served at the origin
        EXPECT_TRUE(started(paced.next(origin + *pause)));
    }
}

TEST(pacer, remembers_the_pace_of_an_address_whose_queue_ran_empty)
{
    pacer paced{make_limits(0, 1), 1};
    paced.add(1, make_address(server_text));
    EXPECT_TRUE(started(paced.next(origin)));
    paced.add(2, make_address(server_text));
    EXPECT_FALSE(started(paced.next(origin + 700ms)));
    EXPECT_TRUE(started(paced.next(origin + 1250ms)));
}

TEST(pacer, remembers_it_beside_thousands_of_other_addresses)
{
    pacer paced{make_limits(0, 1, 100000), 1};
    for (unsigned i = 0; i < 4200; ++i) {
        ip_address address;
        address.bytes = {
            11, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
            static_cast<std::uint8_t>(i)
        };
        paced.add(i, address);
    }
    for (unsigned i = 0; i < 4200; ++i) {
        ASSERT_EQ(started(paced.next(origin)), i); // none is lost when lanes are forgotten
    }
    paced.add(7000, make_address("11.0.0.0"));
    EXPECT_FALSE(started(paced.next(origin + 700ms)));
    EXPECT_EQ(started(paced.next(origin + 1250ms)), 7000U);
}

TEST(pacer, T24_keeps_to_its_places_until_one_is_given_back)
{
    pacer paced{make_limits(0, 0, 2), 1};
    for (pacer::ticket i = 1; i <= 4; ++i) {
        paced.add(i, make_address(server_text));
    }
    EXPECT_EQ(started(paced.next(origin)), 1U);
    EXPECT_EQ(started(paced.next(origin)), 2U);
    EXPECT_EQ(paced.in_flight(), 2U);
    EXPECT_TRUE(std::holds_alternative<pacer::nothing>(paced.next(origin + 1h)));
    paced.finished();
    EXPECT_EQ(started(paced.next(origin + 1h)), 3U);
    EXPECT_TRUE(std::holds_alternative<pacer::nothing>(paced.next(origin + 1h)));
    EXPECT_EQ(paced.waiting(), 1U);
}

TEST(pacer, is_lifted_by_a_rate_of_zero)
{
    pacer paced{make_limits(0, 0, 1000), 1};
    for (pacer::ticket i = 0; i < 100; ++i) {
        paced.add(i, make_address(server_text));
    }
    for (pacer::ticket i = 0; i < 100; ++i) {
        EXPECT_EQ(started(paced.next(origin)), i);
    }
}

TEST(pacer, forgets_what_waits_when_told_and_goes_on_with_what_comes)
{
    pacer paced{make_limits(0, 0), 1};
    paced.add(1, make_address(server_text));
    paced.add(2, make_address(other_server_text));
    paced.add(3, make_address(server_text));
    EXPECT_EQ(started(paced.next(origin)), 1U);
    auto dropped = paced.drop_all();
    std::ranges::sort(dropped);
    EXPECT_EQ(dropped, (std::deque<pacer::ticket>{2, 3}));
    EXPECT_EQ(paced.waiting(), 0U);
    EXPECT_EQ(paced.in_flight(), 1U);
    EXPECT_TRUE(std::holds_alternative<pacer::nothing>(paced.next(origin)));
    paced.add(4, make_address(server_text));
    EXPECT_EQ(started(paced.next(origin)), 4U);
}

TEST(pacer, forgets_addresses_that_nobody_asks_any_more_and_keeps_those_that_wait)
{
    pacer paced{make_limits(0, 10), 1};
    const auto resting = make_address(other_server_text);
    paced.spend(resting, 1000.0, origin);
    paced.add(1, make_address(server_text));
    paced.add(2, make_address(server_text));
    EXPECT_EQ(started(paced.next(origin)), 1U);
    auto now = origin;
    for (unsigned i = 0; i < 5000; ++i) { // a block's samples, each at another address
        paced.spend(make_address(fmt::format("17.0.{}.{}", i / 250, i % 250)), 1.0, now);
        now += 10ms;
        EXPECT_LE(paced.lanes(), 160U);
    }
    EXPECT_EQ(started(paced.next(now)), 2U);
    EXPECT_GE(paced.spendable_at(resting, now), origin + 99s);
}

} // namespace
} // namespace reachd
