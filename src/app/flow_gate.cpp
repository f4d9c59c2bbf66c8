// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/flow_gate.hpp"

#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr milliseconds look_again{100}; // for the end of another long stay

} // namespace

flow_gate::flow_gate(
    asio::any_io_executor executor, const limits_config& limits, traffic& sent, std::uint64_t seed
)
    : executor_{std::move(executor)},
      pacer_{limits, seed},
      sent_{sent},
      most_entries_{limits.nat_entries},
      pump_timer_{executor_}
{
}

asio::awaitable<bool> flow_gate::enter(ip_address towards)
{
    place mine{executor_};
    mine.ready.expires_at(time_point::max());
    const auto ticket = next_ticket_++;
    waiting_.emplace(ticket, &mine);
    const auto go = [this, ticket] { waiting_.erase(ticket); };
    const at_exit forget{go};
    pacer_.add(ticket, towards);
    pump();
    while (!mine.granted && !closed_) {
        co_await mine.ready.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return mine.granted && !closed_;
}

asio::awaitable<std::optional<flow_gate::long_stay>> flow_gate::enter_for_long(ip_address towards)
{
    while (most_entries_ > 0 && staying_ + 1 >= most_entries_ && !closed_) {
        const bool awake = co_await sleep_until(steady::now() + look_again);
        if (!awake) {
            co_return std::nullopt;
        }
    }
    long_stay stay{*this};
    const bool inside = co_await enter(towards);
    if (!inside) {
        co_return std::nullopt;
    }
    co_return std::optional<long_stay>{std::move(stay)};
}

asio::awaitable<void> flow_gate::enter_again(ip_address towards, bool* inside)
{
    *inside = false;
    leave();
    *inside = co_await enter(towards);
}

void flow_gate::leave()
{
    pacer_.finished();
    pump();
}

void flow_gate::pump()
{
    while (!closed_) {
        const auto full_until = sent_.full_until(most_entries_, steady::now());
        if (full_until && pacer_.waiting() > 0) {
            pump_at(*full_until);
            return;
        }
        const auto action = pacer_.next(steady::now());
        if (const auto* begin = std::get_if<pacer::start>(&action)) {
            const auto found = waiting_.find(begin->which);
            if (found == waiting_.end()) {
                pacer_.finished(); // its coroutine has gone
                continue;
            }
            sent_.opened(steady::now());
            found->second->granted = true;
            found->second->ready.cancel();
            continue;
        }
        if (const auto* wait = std::get_if<pacer::wait_until>(&action)) {
            pump_at(wait->when);
        }
        return;
    }
}

void flow_gate::pump_at(time_point when)
{
    pump_timer_.expires_at(when);
    pump_timer_.async_wait([this](const boost::system::error_code& code) {
        if (!code) {
            pump();
        }
    });
}

void flow_gate::close()
{
    closed_ = true;
    pump_timer_.cancel();
    for (const auto& [ticket, where] : waiting_) {
        where->ready.cancel();
    }
}

} // namespace reachd
