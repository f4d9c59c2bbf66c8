// SPDX-License-Identifier: Apache-2.0
// status_notice.hpp: tells the service manager the site's sentence whenever it changes.
//
// Use      tell() as often as one likes; the same sentence is told once.
// Cancel   close(): nothing is told any more.
// Lifetime It outlives the executor's last run.
// Limits   One notice a second; of what changes meanwhile the last word is told when the second is over.
#pragma once

#include "reachd/core/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>

namespace reachd {

class status_notice {
public:
    explicit status_notice(const boost::asio::any_io_executor& executor) : timer_{executor} {}

    void tell(const std::string& sentence);
    void close();
    // The last sentence that was told; "" before.
    [[nodiscard]] const std::string& told() const { return told_; }

private:
    void send_in_time();

    boost::asio::steady_timer timer_;
    std::string wanted_;
    std::string told_;
    time_point free_at_{};
    bool waiting_ = false;
    bool closed_ = false;
};

} // namespace reachd
