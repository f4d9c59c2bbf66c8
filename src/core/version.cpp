// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/version.hpp"

#include <string_view>

namespace reachd {
namespace {

constexpr int number_of(std::string_view digits)
{
    int out = 0;
    for (const char digit : digits) {
        out = 10 * out + (digit - '0');
    }
    return out;
}

} // namespace

const char* program_version()
{
    return REACHD_VERSION; // src/CMakeLists.txt
}

wall_time program_date()
{
    constexpr std::string_view made{REACHD_DATE}; // "2026-11-22", src/CMakeLists.txt
    static_assert(made.size() == 10);
    return std::chrono::sys_days{
        std::chrono::year{number_of(made.substr(0, 4))} / number_of(made.substr(5, 2)) /
        number_of(made.substr(8, 2))
    };
}

} // namespace reachd
