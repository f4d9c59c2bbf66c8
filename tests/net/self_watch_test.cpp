// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/self_watch.hpp"

#include "reachd/app/process_metrics.hpp"
#include "reachd/net/clocks.hpp"
#include "run.hpp"

#include <new>
#include <thread>

namespace reachd {
namespace {

using namespace test;

class self_watch_test : public testing::Test {
protected:
    asio::io_context io;
    std::string told;
    unsigned looks = 0;
    self_watch tested{
        io.get_executor(),
        self_watch::handlers{
            .looked = [this](duration) { ++looks; },
            .began = [this](const self_finding& one) { told += std::string{"+"} + to_string(one.what); },
            .ended = [this](const self_finding& one) { told += std::string{"-"} + to_string(one.what); },
        }
    };
};

TEST_F(self_watch_test, tells_want_of_memory_once_and_no_other_exception)
{
    tested.failed(std::make_exception_ptr(std::runtime_error{"something else"}));
    tested.failed(std::make_exception_ptr(3));
    EXPECT_EQ(told, "");
    tested.failed(std::make_exception_ptr(std::bad_alloc{}));
    tested.failed(std::make_exception_ptr(std::bad_alloc{}));
    tested.failed(local_cause::no_memory);
    EXPECT_EQ(told, "+no_memory");
    EXPECT_EQ(tested.findings().size(), 1U);
    EXPECT_EQ(tested.counts().begun[static_cast<std::size_t>(self_trouble::no_memory)], 1U);
}

TEST_F(self_watch_test, sees_a_standstill_before_its_own_look_and_tells_it_after)
{
    running watching{io, tested.run()};
    watching.advance();
    const auto begun = steady::now();
    EXPECT_FALSE(tested.cut_into(begun, late));
    std::this_thread::sleep_for(milliseconds{1500});
    EXPECT_TRUE(tested.cut_into(begun, late));
    EXPECT_FALSE(tested.cut_into(begun, seconds{60})); // a small part of a long wait
    EXPECT_FALSE(tested.cut_into(steady::now(), late));
    EXPECT_EQ(told, "");
    watching.advance();
    EXPECT_EQ(told, "+event_loop_lag");
    EXPECT_EQ(looks, 1U);
    EXPECT_TRUE(tested.cut_into(begun, late));
    tested.close();
    watching.wait();
    EXPECT_FALSE(tested.cut_into(steady::now() - milliseconds{1}, milliseconds{1})); // nobody looks any more
}

TEST_F(self_watch_test, knows_of_nothing_where_nobody_runs_it)
{
    std::this_thread::sleep_for(milliseconds{600});
    EXPECT_FALSE(tested.cut_into(time_point{}, milliseconds{1}));
    EXPECT_TRUE(tested.findings().empty());
}

TEST_F(self_watch_test, counts_the_descriptors_of_this_process)
{
    const auto before = count_descriptors();
    ASSERT_TRUE(before);
    const udp::socket more{io, udp::v4()};
    const auto after = count_descriptors();
    ASSERT_TRUE(after);
    EXPECT_EQ(after->open, before->open + 1);
    EXPECT_EQ(after->limit, before->limit);
    if (can_go_without_descriptors) {
        const no_descriptors_left none;
        const auto full = count_descriptors();
        ASSERT_TRUE(full);
        EXPECT_GE(full->open, full->limit);
    }
}

TEST_F(self_watch_test, reads_clocks_that_agree)
{
    const auto one = read_clocks();
    const auto other = read_clocks();
    EXPECT_GE(other.now, one.now);
    EXPECT_LT(other.asleep - one.asleep, milliseconds{100});
    EXPECT_GE(other.wall, one.wall);
}

} // namespace
} // namespace reachd
