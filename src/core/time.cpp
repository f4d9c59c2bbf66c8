// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/time.hpp"

#include <cstdint>
#include <fmt/format.h>

namespace reachd {

namespace {

template <class Unit>
std::int64_t count_of(duration value)
{
    return static_cast<std::int64_t>(std::chrono::round<Unit>(value).count());
}

} // namespace

std::string to_text(wall_time when)
{
    const auto day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{when - day};
    return fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
        time.minutes().count(), time.seconds().count(), time.subseconds().count()
    );
}

std::string to_text(duration span)
{
    if (span < milliseconds{1}) {
        return fmt::format("{} us", count_of<microseconds>(span));
    }
    if (span < microseconds{999'500}) {
        return fmt::format("{} ms", count_of<milliseconds>(span));
    }
    span = std::chrono::round<std::chrono::duration<std::int64_t, std::deci>>(span);
    if (span % seconds{1} != duration::zero() && span < seconds{10}) {
        return fmt::format("{:.1f} s", std::chrono::duration<double>(span).count());
    }
    if (span < seconds{120}) {
        return fmt::format("{} s", count_of<seconds>(span));
    }
    if (span < std::chrono::hours{2}) {
        return fmt::format("{} min", count_of<std::chrono::minutes>(span));
    }
    return fmt::format("{} h", count_of<std::chrono::hours>(span));
}

} // namespace reachd
