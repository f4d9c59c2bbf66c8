// SPDX-License-Identifier: Apache-2.0
// Any bytes parse or are faults in words; what parses has lines where people write it, and dumps to what
// parses to the same.
#include "reachd/core/json.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    for (const auto policy : {reachd::comments::refused, reachd::comments::allowed}) {
        const auto document = reachd::parse_json(text, "fuzz", policy);
        if (!document) {
            const auto& faults = document.error();
            // The library's own words are no message for a person; the input may hold them itself.
            const bool raw = !faults.empty() && text.find("json.exception") == std::string_view::npos &&
                             reachd::to_text(faults.front()).find("json.exception") != std::string::npos;
            if (faults.empty() || raw) {
                std::abort();
            }
            continue;
        }
        const auto dumped = reachd::dump(document->value);
        const auto again = reachd::parse_json(dumped, "dump", reachd::comments::refused);
        const bool has_lines = document->line_of("") != 0;
        if (has_lines != (policy == reachd::comments::allowed) || !again ||
            reachd::dump(again->value) != dumped) {
            std::abort();
        }
    }
    return 0;
}
