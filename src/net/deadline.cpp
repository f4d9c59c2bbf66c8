// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/deadline.hpp"

namespace reachd {

namespace asio = boost::asio;

asio::awaitable<bool> sleep_until(time_point when)
{
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer{executor, when};
    const auto [code] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return !code;
}

} // namespace reachd
