// SPDX-License-Identifier: Apache-2.0
// send_queue.hpp: what a connection has yet to send, and what it may not add to it.
//
// Use      push and notify; send from `front_line` at `front_rest`; sent() what went out.
// Limits   Answers always find room: who produces them looks at full() first. Notifications are lost
//          from the moment that `limit` bytes of them wait until take_lost() has been fetched: the gap
//          stays in one piece.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace reachd {

class send_queue {
public:
    using shared_line = std::shared_ptr<const std::string>;

    explicit send_queue(std::size_t limit) : limit_{limit} {}

    void push(shared_line line) { add(std::move(line), kind::answer); }

    // False when it is lost.
    bool notify(shared_line line)
    {
        if (lost_ > 0 || notifications_ >= limit_) {
            ++lost_;
            return false;
        }
        add(std::move(line), kind::notification);
        return true;
    }

    [[nodiscard]] bool empty() const { return lines_.empty(); }
    [[nodiscard]] bool full() const { return bytes_ >= limit_ || notifications_ >= limit_; }
    [[nodiscard]] shared_line front_line() const { return lines_.front().line; }
    [[nodiscard]] std::string_view front_rest() const
    {
        return std::string_view{*lines_.front().line}.substr(sent_of_front_);
    }

    // `bytes` of front_rest() have gone.
    void sent(std::size_t bytes)
    {
        const auto& front = lines_.front();
        const auto size = front.line->size();
        bytes_ -= bytes;
        sent_of_front_ += bytes;
        if (sent_of_front_ == size) {
            notifications_ -= front.what == kind::notification ? size : 0;
            sent_of_front_ = 0;
            lines_.pop_front();
        }
    }

    // How many were lost, once there is room again to say so; 0 otherwise.
    std::uint64_t take_lost() { return notifications_ <= limit_ / 2 ? std::exchange(lost_, 0) : 0; }

private:
    enum class kind : std::uint8_t {
        answer,
        notification,
    };
    struct waiting {
        shared_line line;
        kind what;
    };

    void add(shared_line line, kind what)
    {
        bytes_ += line->size();
        notifications_ += what == kind::notification ? line->size() : 0;
        lines_.push_back({std::move(line), what});
    }

    std::size_t limit_;
    std::deque<waiting> lines_;
    std::size_t sent_of_front_ = 0;
    std::size_t bytes_ = 0;         // that are not sent
    std::size_t notifications_ = 0; // bytes of all notifications that are not sent whole
    std::uint64_t lost_ = 0;
};

} // namespace reachd
