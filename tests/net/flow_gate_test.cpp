// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/flow_gate.hpp"

#include "reachd/net/deadline.hpp"
#include "run.hpp"
#include "support/make.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;

constexpr unsigned most_entries = 4;

struct scene {
    asio::io_context context{1};
    traffic sent;
    flow_gate gate{context.get_executor(), make_limits(), sent, 1};
    unsigned at_once = 0;
    unsigned most_at_once = 0;
    unsigned ended = 0;

    static limits_config make_limits()
    {
        limits_config out;
        out.new_flows_per_s = 0;
        out.new_flows_per_destination_per_s = 0;
        out.nat_entries = most_entries;
        return out;
    }
    void opened() { most_at_once = std::max(most_at_once, ++at_once); }
    // Its entry goes with it.
    void closed()
    {
        --at_once;
        sent.dropped();
        gate.leave();
    }
};

// A flow that is left alone for a while, and then needs another one before it can end.
asio::awaitable<void> stay_and_ask(scene& here)
{
    const auto stay = co_await here.gate.enter_for_long(make_address("192.0.2.1"));
    if (!stay) {
        co_return;
    }
    here.opened();
    co_await sleep_until(steady::now() + 20ms);
    const bool inside = co_await here.gate.enter(make_address("192.0.2.2"));
    if (inside) {
        here.opened();
        here.closed();
    }
    here.closed();
    ++here.ended;
}

TEST(flow_gate, leaves_an_entry_to_the_flows_that_those_who_stay_wait_for)
{
    scene here;
    constexpr unsigned flows = 12;
    for (unsigned i = 0; i < flows; ++i) {
        asio::co_spawn(here.context, stay_and_ask(here), asio::detached);
    }
    here.context.run_for(10s);
    here.gate.close(); // whoever waits for ever
    here.context.run_for(1s);
    EXPECT_EQ(here.ended, flows);
    EXPECT_LE(here.most_at_once, most_entries);
    EXPECT_GE(here.most_at_once, most_entries - 1);
}

TEST(flow_gate, lets_nobody_stay_once_it_is_closed)
{
    scene here;
    for (unsigned i = 0; i < 2 * most_entries; ++i) {
        asio::co_spawn(here.context, stay_and_ask(here), asio::detached);
    }
    here.context.run_for(5ms);
    here.gate.close();
    here.context.run_for(5s);
    EXPECT_TRUE(here.context.stopped());
    EXPECT_EQ(here.ended, most_entries - 1); // those inside
}

} // namespace
} // namespace reachd
