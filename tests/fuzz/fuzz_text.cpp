// SPDX-License-Identifier: Apache-2.0
// Words of peers and names of the outside, made harmless for each place where they are shown.
#include "reachd/core/escape.hpp"
#include "reachd/core/exposition.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/text.hpp"
#include "support.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using reachd::fuzz::acts_in_a_line;
using reachd::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    for (const auto& out :
         {reachd::printable(input), reachd::html_text(input), reachd::xml_text(input),
          reachd::csv_field(input), reachd::markdown_text(input)}) {
        require(!acts_in_a_line(out));
    }
    require(reachd::html_text(input).find_first_of("<>\"'") == std::string::npos);
    const auto encoded = reachd::dump(reachd::json(input));
    require(!acts_in_a_line(encoded) && encoded.size() >= 2);
    require(!reachd::json::parse(encoded, nullptr, false).is_discarded());
    reachd::exposition metrics;
    metrics.family("m", reachd::metric_type::gauge, "help");
    metrics.sample({{"name", input}}, 1);
    require(std::ranges::count(metrics.text(), '\n') == 3); // help, type and one sample
    return 0;
}
