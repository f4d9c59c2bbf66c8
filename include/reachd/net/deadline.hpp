// SPDX-License-Identifier: Apache-2.0
// deadline.hpp: runs one asynchronous operation until an absolute point in time.
//
// Use      auto [how, ec, n] = co_await with_deadline(when, socket.async_connect(to, asio::deferred));
// Cancel   A cancellation from above reaches the operation and comes out as `cancelled`.
// Lifetime The I/O object of the operation must outlive the call.
// Errors   The operation's own error code is handed through. When both ended, completed wins.
// Source   awaitable_operators' || waits for one *success*: a refused connect would come out as a
//          time-out (boost/asio/experimental/awaitable_operators.hpp, 1.81), hence this file.
#pragma once

#include "reachd/core/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <tuple>
#include <utility>

namespace reachd {

enum class ended : std::uint8_t {
    completed, // the operation ended by itself, well or badly
    expired,   // the deadline came first
    cancelled, // somebody above asked for the end
};

// The operation must be initiated with asio::deferred and yield (error_code, results...).
template <class Operation>
auto with_deadline(time_point deadline, Operation operation)
    -> boost::asio::awaitable<decltype(std::tuple_cat(
        std::declval<std::tuple<ended>>(),
        std::declval<decltype(std::declval<Operation>()(boost::asio::as_tuple(boost::asio::use_awaitable))
                                  .await_resume())>()
    ))>
{
    namespace asio = boost::asio;
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer{executor, deadline};
    auto group =
        asio::experimental::make_parallel_group(std::move(operation), timer.async_wait(asio::deferred));
    auto both =
        co_await group.async_wait(asio::experimental::wait_for_one(), asio::as_tuple(asio::use_awaitable));
    // both: (order, operation's ec, its results..., timer's ec); each result is moved from once
    constexpr auto size = std::tuple_size_v<decltype(both)>;
    const auto operation_code = std::get<1>(both);
    const auto timer_code = std::get<size - 1>(both);
    const auto how = operation_code != asio::error::operation_aborted ? ended::completed
                   : !timer_code                                      ? ended::expired
                                                                      : ended::cancelled;
    co_return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::make_tuple(how, std::get<I + 1>(std::move(both))...); // NOLINT(bugprone-use-after-move)
    }(std::make_index_sequence<size - 2>{});
}

// Waits until `when`; false when cancelled from above.
boost::asio::awaitable<bool> sleep_until(time_point when);

} // namespace reachd
