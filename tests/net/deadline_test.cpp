// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/deadline.hpp"

#include "run.hpp"

#include <boost/asio/experimental/channel.hpp>
#include <memory>

namespace reachd {
namespace {

using namespace test;

using code = boost::system::error_code;
using outcome_of_wait = std::tuple<ended, code>;
using outcome_of_read = std::tuple<ended, code, int>;
using mailbox = asio::experimental::channel<void(code, int)>;

asio::awaitable<outcome_of_wait> wait_for_timer(time_point fires, time_point deadline)
{
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer{executor, fires};
    auto result = co_await with_deadline(deadline, timer.async_wait(asio::deferred));
    co_return result;
}

asio::awaitable<outcome_of_read> wait_for_mail(mailbox* box, time_point deadline)
{
    auto result = co_await with_deadline(deadline, box->async_receive(asio::deferred));
    co_return result;
}

// Completes at its own time whatever is asked of it, as an operation does whose result was already
// under way when the cancellation came.
struct stubborn {
    std::shared_ptr<asio::steady_timer> timer;

    template <class Handler>
    void operator()(Handler handler) const
    {
        auto end = [handler = std::move(handler)](code) mutable { std::move(handler)(code{}, 7); };
        timer->async_wait(asio::bind_cancellation_slot(asio::cancellation_slot{}, std::move(end)));
    }
};

asio::awaitable<outcome_of_read> wait_for_stubborn(time_point ends, time_point deadline)
{
    const auto executor = co_await asio::this_coro::executor;
    const stubborn initiation{std::make_shared<asio::steady_timer>(executor, ends)};
    auto operation =
        asio::async_initiate<const asio::deferred_t&, void(code, int)>(initiation, asio::deferred);
    auto result = co_await with_deadline(deadline, std::move(operation));
    co_return result;
}

asio::awaitable<outcome_of_wait> connect_until(endpoint where, time_point deadline)
{
    const auto executor = co_await asio::this_coro::executor;
    tcp::socket socket{executor};
    auto result = co_await with_deadline(deadline, socket.async_connect(tcp_endpoint(where), asio::deferred));
    co_return result;
}

asio::awaitable<outcome_of_wait> wait_readable(tcp::socket* from, time_point deadline)
{
    auto result = co_await with_deadline(deadline, from->async_wait(tcp::socket::wait_read, asio::deferred));
    co_return result;
}

TEST(with_deadline, says_completed_when_the_operation_ends_first)
{
    asio::io_context io;
    const auto [how, ec] = finish(io, wait_for_timer(in(milliseconds{1}), in(late)));
    EXPECT_EQ(how, ended::completed);
    EXPECT_FALSE(ec);
}

TEST(with_deadline, hands_an_operations_own_failure_through_as_completed)
{
    asio::io_context io;
    const closed_port nobody{io, "127.0.0.1"};
    const auto [how, ec] = finish(io, connect_until(nobody.where(), in(late)));
    EXPECT_EQ(how, ended::completed);
    EXPECT_EQ(ec, asio::error::connection_refused);
}

TEST(with_deadline, hands_the_operations_result_through)
{
    asio::io_context io;
    mailbox box{io, 1};
    box.try_send(code{}, 42);
    const auto [how, ec, value] = finish(io, wait_for_mail(&box, in(late)));
    EXPECT_EQ(how, ended::completed);
    EXPECT_EQ(value, 42);
}

TEST(with_deadline, says_expired_at_the_deadline_and_not_before_it)
{
    asio::io_context io;
    const auto deadline = in(soon);
    const auto [how, ec] = finish(io, wait_for_timer(in(late), deadline));
    EXPECT_EQ(how, ended::expired);
    EXPECT_EQ(ec, asio::error::operation_aborted);
    EXPECT_GE(steady::now(), deadline);
    EXPECT_LT(steady::now(), deadline + slack);
}

TEST(with_deadline, expires_at_once_when_the_deadline_has_passed)
{
    asio::io_context io;
    const auto begun = steady::now();
    const auto [how, ec] = finish(io, wait_for_timer(in(late), begun - seconds{1}));
    EXPECT_EQ(how, ended::expired);
    EXPECT_LT(steady::now(), begun + slack);
}

TEST(with_deadline, lets_completed_win_over_a_deadline_that_has_passed)
{
    asio::io_context io;
    mailbox box{io, 1};
    box.try_send(code{}, 42);
    const auto [how, ec, value] = finish(io, wait_for_mail(&box, in(milliseconds{-1000})));
    EXPECT_EQ(how, ended::completed);
    EXPECT_EQ(value, 42);
}

TEST(with_deadline, lets_completed_win_when_the_deadline_fired_first)
{
    asio::io_context io;
    const auto [how, ec, value] = finish(io, wait_for_stubborn(in(milliseconds{40}), in(milliseconds{10})));
    EXPECT_EQ(how, ended::completed);
    EXPECT_FALSE(ec);
    EXPECT_EQ(value, 7);
}

TEST(with_deadline, says_cancelled_when_the_operation_was_aborted_from_above)
{
    asio::io_context io;
    running task{io, wait_for_timer(in(late), in(late))};
    task.advance();
    task.cancel();
    const auto begun = steady::now();
    const auto [how, ec] = task.wait();
    EXPECT_EQ(how, ended::cancelled);
    EXPECT_LT(steady::now(), begun + slack);
}

TEST(with_deadline, lets_completed_win_when_the_operation_succeeds_after_the_cancel)
{
    asio::io_context io;
    running task{io, wait_for_stubborn(in(milliseconds{20}), in(late))};
    task.advance();
    task.cancel();
    const auto [how, ec, value] = task.wait();
    EXPECT_EQ(how, ended::completed);
    EXPECT_EQ(value, 7);
}

TEST(with_deadline, says_cancelled_when_the_object_is_closed_under_the_operation)
{
    asio::io_context io;
    asio::steady_timer closer{io, in(milliseconds{10})};
    listener quiet{io, "127.0.0.1"};
    tcp::socket socket{io};
    socket.connect(tcp_endpoint(quiet.where()));
    closer.async_wait([&socket](code) { socket.close(); });
    const auto [how, ec] = finish(io, wait_readable(&socket, in(late)));
    EXPECT_EQ(how, ended::cancelled);
}

TEST(sleep_until, is_true_at_the_time_and_at_once_for_a_time_that_has_passed)
{
    asio::io_context io;
    const auto when = in(milliseconds{20});
    EXPECT_TRUE(finish(io, sleep_until(when)));
    EXPECT_GE(steady::now(), when);
    EXPECT_TRUE(finish(io, sleep_until(when)));
    EXPECT_LT(steady::now(), when + slack);
}

TEST(sleep_until, is_false_when_cancelled)
{
    asio::io_context io;
    running task{io, sleep_until(in(late))};
    task.advance();
    task.cancel();
    EXPECT_FALSE(task.wait());
}

} // namespace
} // namespace reachd
