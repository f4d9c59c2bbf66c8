// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/task_group.hpp"

#include "reachd/net/deadline.hpp"
#include "run.hpp"

#include <map>
#include <stdexcept>

namespace reachd {
namespace {

using namespace test;

// Failures by task name, with the exception's own words.
using failures = std::map<std::string, std::string>;

task_group::failure_handler note_in(failures& list)
{
    return [&list](const std::string& name, const std::exception_ptr& what) {
        try {
            std::rethrow_exception(what);
        } catch (const std::exception& thrown) {
            list[name] = thrown.what();
        } catch (...) {
            list[name] = "not a std::exception";
        }
    };
}

asio::awaitable<void> end_at(time_point when, bool* ended_by_itself)
{
    const bool slept = co_await sleep_until(when);
    *ended_by_itself = slept;
}

asio::awaitable<void> return_at_once()
{
    co_return;
}

// Throws after a turn of the loop, or in the very call that spawns it.
asio::awaitable<void> throw_later(std::exception_ptr what)
{
    co_await sleep_until(in(milliseconds{1}));
    std::rethrow_exception(what);
}

asio::awaitable<void> throw_at_once(std::exception_ptr what)
{
    std::rethrow_exception(what);
    co_return;
}

// Does not hear a cancellation.
asio::awaitable<void> stay_until(time_point when)
{
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await sleep_until(when);
}

asio::awaitable<void> spawn_another(task_group* group, bool* ended_by_itself)
{
    co_await sleep_until(in(milliseconds{5}));
    group->spawn("second", end_at(in(milliseconds{10}), ended_by_itself));
}

asio::awaitable<void> cancel_all(task_group* group)
{
    co_await sleep_until(in(milliseconds{5}));
    group->cancel();
}

template <class Exception>
std::exception_ptr thrown(Exception what)
{
    return std::make_exception_ptr(what);
}

class task_group_test : public testing::Test {
protected:
    std::size_t join(milliseconds limit = late) { return finish(io, group.join(in(limit))); }

    asio::io_context io;
    failures failed;
    task_group group{io.get_executor(), note_in(failed)};
};

TEST_F(task_group_test, joins_at_once_when_it_is_empty)
{
    EXPECT_EQ(join(), 0U);
    EXPECT_EQ(finish(io, group.join(in(milliseconds{-1}))), 0U);
}

TEST_F(task_group_test, waits_for_the_last_task)
{
    bool first = false;
    bool last = false;
    const auto when = in(milliseconds{30});
    group.spawn("first", end_at(in(milliseconds{10}), &first));
    group.spawn("last", end_at(when, &last));
    EXPECT_EQ(group.running(), 2U);
    EXPECT_EQ(join(), 0U);
    EXPECT_GE(steady::now(), when);
    EXPECT_LT(steady::now(), when + slack);
    EXPECT_TRUE(first && last);
    EXPECT_TRUE(failed.empty());
}

TEST_F(task_group_test, counts_a_task_that_ends_in_its_first_step)
{
    group.spawn("short", return_at_once());
    EXPECT_EQ(group.running(), 1U);
    EXPECT_EQ(join(), 0U);
}

TEST_F(task_group_test, answers_how_many_still_run_at_the_deadline)
{
    bool by_itself = false;
    group.spawn("short", return_at_once());
    group.spawn("stays", stay_until(in(milliseconds{100})));
    group.spawn("hears", end_at(in(late), &by_itself));
    group.cancel();
    const auto deadline = in(milliseconds{30});
    EXPECT_EQ(finish(io, group.join(deadline)), 1U);
    EXPECT_GE(steady::now(), deadline);
    EXPECT_LT(steady::now(), deadline + slack);
    EXPECT_EQ(join(), 0U);
    EXPECT_FALSE(by_itself);
}

TEST_F(task_group_test, reports_an_exception_under_its_name_and_lets_the_others_go_on)
{
    bool other = false;
    group.spawn("other", end_at(in(milliseconds{20}), &other));
    group.spawn("later", throw_later(thrown(std::runtime_error{"two"})));
    group.spawn("at once", throw_at_once(thrown(std::logic_error{"one"})));
    group.spawn("odd", throw_later(thrown(42)));
    EXPECT_EQ(join(), 0U);
    EXPECT_EQ(failed, (failures{{"at once", "one"}, {"later", "two"}, {"odd", "not a std::exception"}}));
    EXPECT_TRUE(other);
}

TEST_F(task_group_test, ends_a_join_whose_last_task_failed)
{
    const auto begun = steady::now();
    group.spawn("alone", throw_later(thrown(std::runtime_error{"one"})));
    EXPECT_EQ(join(), 0U);
    EXPECT_LT(steady::now(), begun + slack);
    EXPECT_EQ(failed.size(), 1U);
}

TEST_F(task_group_test, reports_an_error_of_the_system_that_is_no_cancellation)
{
    group.spawn("reset", throw_later(thrown(boost::system::system_error{asio::error::connection_reset})));
    EXPECT_EQ(join(), 0U);
    EXPECT_TRUE(failed.contains("reset"));
}

TEST_F(task_group_test, cancels_every_task_and_calls_none_of_them_failed)
{
    bool first = true;
    bool second = true;
    group.spawn("first", end_at(in(late), &first));
    group.spawn("second", end_at(in(late), &second));
    group.spawn("aborted", throw_later(thrown(boost::system::system_error{asio::error::operation_aborted})));
    io.poll();
    group.cancel();
    const auto begun = steady::now();
    EXPECT_EQ(join(), 0U);
    EXPECT_LT(steady::now(), begun + slack);
    EXPECT_FALSE(first || second);
    EXPECT_TRUE(failed.empty());
}

TEST_F(task_group_test, can_be_cancelled_before_a_task_took_its_first_step_and_twice)
{
    bool by_itself = true;
    group.spawn("waits", end_at(in(late), &by_itself));
    group.cancel();
    group.cancel();
    EXPECT_EQ(join(), 0U);
    EXPECT_TRUE(failed.empty());
}

TEST_F(task_group_test, does_not_cancel_what_is_spawned_later)
{
    bool later = false;
    group.cancel();
    group.spawn("later", end_at(in(milliseconds{10}), &later));
    EXPECT_EQ(join(), 0U);
    EXPECT_TRUE(later);
}

TEST_F(task_group_test, can_be_cancelled_from_one_of_its_own_tasks)
{
    bool other = true;
    group.spawn("other", end_at(in(late), &other));
    group.spawn("canceller", cancel_all(&group));
    EXPECT_EQ(join(), 0U);
    EXPECT_FALSE(other);
    EXPECT_TRUE(failed.empty());
}

TEST_F(task_group_test, waits_for_a_task_that_a_task_has_spawned)
{
    bool second = false;
    group.spawn("first", spawn_another(&group, &second));
    EXPECT_EQ(join(), 0U);
    EXPECT_TRUE(second);
}

TEST_F(task_group_test, may_be_used_again_after_a_join)
{
    for (int round = 0; round < 3; ++round) {
        bool done = false;
        group.spawn("again", end_at(in(milliseconds{5}), &done));
        EXPECT_EQ(join(), 0U);
        EXPECT_TRUE(done);
    }
}

} // namespace
} // namespace reachd
