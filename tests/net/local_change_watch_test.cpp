// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/local_change_watch.hpp"

#include "run.hpp"

#include <thread>

namespace reachd {
namespace {

using namespace test;

// A link of our own with 10.5.5.5 and a route by it.
class local_change_watch_test : public testing::Test {
protected:
    void SetUp() override
    {
        if (!command(
                "sh -ec 'ip link add rw0 type veth peer name rw1; ip addr add 10.5.5.5/24 dev rw0; "
                "ip link set rw0 up; ip link set rw1 up; ip route add 198.51.100.0/24 via 10.5.5.1'"
            )) {
            GTEST_SKIP() << "no links of our own here";
        }
        flow = watch.begin(ip("10.5.5.5"), ip("198.51.100.7"));
    }
    void TearDown() override { command("ip link del rw0"); }

    local_change_watch watch;
    local_change_watch::mark flow;
};

TEST_F(local_change_watch_test, tells_nothing_where_nothing_happens)
{
    EXPECT_TRUE(watch.can_listen());
    EXPECT_EQ(watch.disturbed(flow), std::nullopt);
}

TEST_F(local_change_watch_test, tells_of_the_flows_own_address_alone)
{
    ASSERT_TRUE(command("sh -ec 'ip addr add 10.5.5.6/24 dev rw0; ip addr del 10.5.5.6/24 dev rw0'"));
    EXPECT_EQ(watch.disturbed(flow), std::nullopt);
    ASSERT_TRUE(command("ip addr del 10.5.5.5/24 dev rw0"));
    EXPECT_EQ(watch.disturbed(flow), "this machine lost its address 10.5.5.5");
}

TEST_F(local_change_watch_test, tells_of_routes_that_hold_the_destination)
{
    ASSERT_TRUE(command("ip route add 203.0.113.0/24 via 10.5.5.1"));
    EXPECT_EQ(watch.disturbed(flow), std::nullopt);
    ASSERT_TRUE(command("ip route add 198.51.100.7/32 via 10.5.5.2"));
    EXPECT_EQ(watch.disturbed(flow), "this machine's route to 198.51.100.7/32 changed");
    flow = watch.begin(ip("10.5.5.5"), ip("198.51.100.7"));
    EXPECT_EQ(watch.disturbed(flow), std::nullopt); // only what comes after
    ASSERT_TRUE(command("ip route add default via 10.5.5.1"));
    EXPECT_EQ(watch.disturbed(flow), "this machine's route to 0.0.0.0/0 changed");
}

TEST_F(local_change_watch_test, that_others_change_ten_thousand_times_disturbs_no_later_flow)
{
    constexpr int turns = 60; // of 200 events, as many as the socket's buffer holds
    const std::string some = "sh -ec 'for i in $(seq 100); do echo route add 203.0.113.0/24 via 10.5.5.1; "
                             "echo route del 203.0.113.0/24; done | ip -batch -'";
    for (int i = 0; i < turns; ++i) {
        ASSERT_TRUE(command(some));
        ASSERT_EQ(watch.disturbed(watch.begin(ip("10.5.5.5"), ip("198.51.100.7"))), std::nullopt) << i;
    }
    EXPECT_EQ(watch.disturbed(flow), "this machine's addresses or routes changed very often");
    ASSERT_TRUE(command("ip route add 198.51.100.7/32 via 10.5.5.2"));
    EXPECT_EQ(watch.disturbed(watch.begin(ip("10.5.5.5"), ip("198.51.100.7"))), std::nullopt);
}

TEST_F(local_change_watch_test, tells_of_the_flows_own_link_alone)
{
    ASSERT_TRUE(
        command("sh -ec 'ip link add rw2 type veth peer name rw3; ip link set rw2 up; ip link del rw2'")
    );
    EXPECT_EQ(watch.disturbed(flow), std::nullopt);
    ASSERT_TRUE(command("ip link set rw1 down"));
    // The kernel tells of a lost carrier within a second (net/core/link_watch.c).
    auto told = watch.disturbed(flow);
    for (const auto last = steady::now() + seconds{5}; !told && steady::now() < last;) {
        std::this_thread::sleep_for(milliseconds{10});
        told = watch.disturbed(flow);
    }
    EXPECT_EQ(told, "the link of this machine was down");
}

} // namespace
} // namespace reachd
