// SPDX-License-Identifier: Apache-2.0
#include "control_fixture.hpp"

namespace reachd::test {
namespace {

constexpr milliseconds soon{50}; // a limit that the test waits for

TEST(control_subscriber, gets_the_present_state_and_then_what_happens_in_order)
{
    running_server running;
    running.publish({{"before", true}});
    plain_client client{running.status()};
    client.ask("subscribe", 1);
    const auto state = client.hear()["result"];
    EXPECT_EQ(state["snapshot"], running.present_state);
    EXPECT_EQ(state["seq"], 1);
    EXPECT_TRUE(state["subscription"].is_string());
    for (int i = 2; i < 5; ++i) {
        running.publish({{"number", i}});
        EXPECT_EQ(
            client.hear(),
            (json{{"jsonrpc", "2.0"}, {"method", "event"}, {"params", {{"number", i}, {"seq", i}}}})
        );
    }
}

TEST(control_subscriber, gets_nothing_without_having_asked)
{
    running_server running;
    plain_client client{running.status()};
    client.ask("version", 1);
    EXPECT_EQ(client.hear()["id"], 1);
    running.publish({{"number", 1}});
    EXPECT_TRUE(client.silent(soon));
}

TEST(control_subscriber, T04_is_told_how_many_events_it_lost_by_reading_slowly)
{
    constexpr int events = 200;
    running_server running{{.unsent_bytes = 100'000, .stall_time = patience}};
    plain_client client{running.status()};
    client.ask("subscribe", 1);
    EXPECT_EQ(client.hear()["id"], 1);
    for (int i = 0; i < events; ++i) {
        running.publish({{"text", std::string(10'000, 'x')}});
    }
    EXPECT_GT(running.counters().lost, 0U);
    std::uint64_t next_seq = 1;
    std::uint64_t lost = 0;
    while (next_seq <= events) {
        const auto message = client.hear();
        ASSERT_TRUE(message.is_object());
        if (message["method"] == "lost") {
            lost += message["params"]["count"].get<std::uint64_t>();
            next_seq += message["params"]["count"].get<std::uint64_t>(); // the gap stands where it says so
        } else {
            EXPECT_EQ(message["params"]["seq"], next_seq++);
        }
    }
    EXPECT_EQ(lost, running.counters().lost);
    running.publish({{"after", true}});
    EXPECT_EQ(client.hear()["params"]["seq"], events + 1);
}

TEST(control_subscriber, T04_is_closed_when_it_never_reads)
{
    running_server running{{.unsent_bytes = 100'000, .stall_time = soon}};
    plain_client silent{running.status()};
    silent.ask("subscribe", 1);
    EXPECT_EQ(silent.hear()["id"], 1);
    EXPECT_TRUE(running.becomes_true([&] {
        running.server().publish("event", {{"text", std::string(10'000, 'x')}});
        return running.server().counters().stalled == 1;
    }));
    EXPECT_GT(running.counters().lost, 0U);
    EXPECT_TRUE(running.becomes_true([&] { return running.server().connections(access_level::read) == 0; }));
    EXPECT_EQ(running.on_loop([&] { return running.server().subscriptions(); }), 0U);
}

TEST(control_subscriber, has_one_of_a_limited_number_of_places_and_frees_it_when_it_leaves)
{
    running_server running{{.subscriptions = 1}};
    plain_client second{running.status()};
    {
        plain_client first{running.status()};
        first.ask("subscribe", 1);
        EXPECT_EQ(first.hear()["id"], 1);
        first.ask("subscribe", 2);
        EXPECT_EQ(reason_of(first.hear()), "already_subscribed");
        second.ask("subscribe", 3);
        EXPECT_EQ(reason_of(second.hear()), "too_many_subscriptions");
        plain_client elsewhere{running.control()}; // has a budget of its own
        elsewhere.ask("subscribe", 4);
        EXPECT_EQ(elsewhere.hear()["id"], 4);
    }
    EXPECT_TRUE(running.becomes_true([&] { return running.server().subscriptions() == 0; }));
    second.ask("subscribe", 5);
    EXPECT_EQ(second.hear()["result"]["seq"], 0);
}

} // namespace
} // namespace reachd::test
