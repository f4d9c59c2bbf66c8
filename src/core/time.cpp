// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/time.hpp"

#include <cstdint>
#include <fmt/format.h>

namespace reachd {

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
    using namespace std::chrono_literals;
    const auto count_of = []<class Unit>(duration value, Unit) {
        return static_cast<std::int64_t>(std::chrono::round<Unit>(value).count());
    };
    if (span < 1ms) {
        return fmt::format("{} us", count_of(span, microseconds{}));
    }
    if (span < 999'500us) {
        return fmt::format("{} ms", count_of(span, milliseconds{}));
    }
    span = std::chrono::round<std::chrono::duration<std::int64_t, std::deci>>(span);
    if (span % 1s != 0s && span < 10s) {
        return fmt::format("{:.1f} s", std::chrono::duration<double>(span).count());
    }
    if (span < 120s) {
        return fmt::format("{} s", count_of(span, seconds{}));
    }
    if (span < 2h) {
        return fmt::format("{} min", count_of(span, std::chrono::minutes{}));
    }
    return fmt::format("{} h", count_of(span, std::chrono::hours{}));
}

} // namespace reachd
