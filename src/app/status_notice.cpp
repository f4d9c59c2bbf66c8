// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/status_notice.hpp"

#include "reachd/net/service_manager.hpp"

namespace reachd {

namespace {

constexpr seconds spacing{1};

} // namespace

void status_notice::tell(const std::string& sentence)
{
    wanted_ = sentence;
    if (!waiting_ && !closed_) {
        send_in_time();
    }
}

void status_notice::close()
{
    closed_ = true;
    timer_.cancel();
}

void status_notice::send_in_time()
{
    waiting_ = false;
    if (closed_ || wanted_ == told_) {
        return;
    }
    const auto now = steady::now();
    if (now < free_at_) {
        waiting_ = true;
        timer_.expires_at(free_at_);
        timer_.async_wait([this](const boost::system::error_code& code) {
            if (!code) {
                send_in_time();
            }
        });
        return;
    }
    free_at_ = now + spacing;
    told_ = wanted_;
    static_cast<void>(notify_service_manager("STATUS=" + told_));
}

} // namespace reachd
