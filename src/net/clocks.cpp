// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/clocks.hpp"

#include "reachd/net/wall_clock.hpp"

#include <ctime>

namespace reachd {
namespace {

constexpr milliseconds together{50};
constexpr int tries = 3;

} // namespace

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

// A process that was stopped between the clocks would see one of them jump: then they are read again.
clock_reading read_clocks()
{
    clock_reading out;
    for (int i = 0; i < tries; ++i) {
        const auto begun = steady::now();
        out = {.now = begun, .asleep = time_asleep(), .wall = wall_now()};
        if (steady::now() - begun < together) {
            break;
        }
    }
    return out;
}

} // namespace reachd
