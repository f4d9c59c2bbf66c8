// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/idle_witness.hpp"

#include "reachd/net/socket_options.hpp"

#include <ctime>

namespace reachd {
namespace {

constexpr milliseconds suspended{500}; // by which CLOCK_BOOTTIME ran ahead of CLOCK_MONOTONIC

// How long this machine has slept since it started.
duration time_asleep()
{
    const auto read = [](clockid_t which) {
        timespec now{};
        ::clock_gettime(which, &now);
        return duration{seconds{now.tv_sec}} + std::chrono::nanoseconds{now.tv_nsec};
    };
    const auto awake = read(CLOCK_MONOTONIC); // in this order a switch between the two looks like no sleep
    return read(CLOCK_BOOTTIME) - awake;
}

} // namespace

void idle_witness::begin(int fd, const ip_address& target)
{
    asleep_ = time_asleep();
    mark_ = watch_.begin(local_address(fd).value_or(ip_address{}), target);
}

std::optional<std::string> idle_witness::disturbed()
{
    if (time_asleep() - asleep_ > suspended) {
        return "this machine was suspended";
    }
    return watch_.disturbed(mark_);
}

} // namespace reachd
