// SPDX-License-Identifier: Apache-2.0
// Any bytes are a catalogue within its limits, or are faults that have words.
#include "reachd/core/catalogue.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto parsed = reachd::parse_catalogue({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (!parsed) {
        const auto worded = [](const reachd::file_fault& fault) { return !fault.message.empty(); };
        if (parsed.error().empty() || !std::ranges::all_of(parsed.error(), worded)) {
            std::abort();
        }
    } else if (
        !reachd::is_id(parsed->id) || parsed->requirements.empty() ||
        parsed->requirements.size() > reachd::max_requirements
    ) {
        std::abort();
    }
    return 0;
}
