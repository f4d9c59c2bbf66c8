// SPDX-License-Identifier: Apache-2.0
// Any bytes are a configuration, which can be held against catalogues, or are faults.
#include "reachd/core/config.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const std::vector<reachd::catalogue> known = {
        {.id = "eschat-govcloud",
         .title = {},
         .document = {},
         .contact = {},
         .values =
             {{"signaling_port",
               {.about = {}, .type = reachd::value_type::port, .default_text = {}, .ask = {}}},
              {"data_ports", {.about = {}, .type = reachd::value_type::ports, .default_text = {}, .ask = {}}},
              {"primary",
               {.about = {}, .type = reachd::value_type::addresses, .default_text = {}, .ask = {}}}},
         .requirements = {}}
    };
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto parsed = reachd::parse_config(text, "fuzz");
    if (parsed) {
        static_cast<void>(reachd::check_against(*parsed, known, text, "fuzz"));
    } else if (parsed.error().empty()) {
        std::abort();
    }
    return 0;
}
