// SPDX-License-Identifier: Apache-2.0
#include "answer_turns.hpp"

#include "reachd/net/deadline.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr milliseconds takes_long{2}; // to make and to encode: of a few rows none does
constexpr int pause_alone = 1;        // times what the last one took: half of the time, for one client
constexpr int pause_in_line = 3;      // a quarter, for many
constexpr milliseconds longest_pause{500};

} // namespace

answer_turns::place::place(answer_turns& turns)
    : turns_{&turns}, at_{turns.line_.insert(turns.line_.end(), this)}
{
}

answer_turns::place::~place()
{
    turns_->line_.erase(at_);
    const auto now = steady::now();
    if (begun_ != time_point{} && now - begun_ > takes_long) {
        const int factor = turns_->line_.empty() ? pause_alone : pause_in_line;
        turns_->next_ = now + std::min<duration>((now - begun_) * factor, longest_pause);
    }
    turns_->changed_.cancel();
}

asio::awaitable<void> answer_turns::place::turn(const bool& in_vain)
{
    while (!in_vain && turns_->line_.front() != this) {
        co_await turns_->changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    while (!in_vain && steady::now() < turns_->next_) {
        const bool awake = co_await sleep_until(turns_->next_);
        if (!awake) {
            co_return;
        }
    }
    if (!in_vain) {
        begun_ = steady::now();
    }
}

} // namespace reachd
