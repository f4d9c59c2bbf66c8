// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/idle_witness.hpp"

#include "reachd/net/clocks.hpp"
#include "reachd/net/socket_options.hpp"

namespace reachd {
namespace {

constexpr milliseconds suspended{500}; // by which CLOCK_BOOTTIME ran ahead of CLOCK_MONOTONIC

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
