// SPDX-License-Identifier: Apache-2.0
// text.hpp: text that goes to a terminal or a log.
//
// Units   Columns are counted as code points: catalogues and evidence are short and mostly ASCII.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

// Control characters, escape sequences, bidirectional overrides and broken UTF-8 made visible, so that
// what a peer said can neither move the cursor nor forge a line.
std::string printable(std::string_view text);

// Lines of at most `columns`, broken at spaces where there are any.
std::vector<std::string> wrap(std::string_view text, std::size_t columns);

std::size_t columns_of(std::string_view text);

// 12,345
std::string grouped(std::size_t number);

// Cut to `columns`, with "..." when something was lost.
std::string shorten(std::string_view text, std::size_t columns);

enum class colour : std::uint8_t {
    off,
    on,
};

enum class ink : std::uint8_t {
    plain,
    good,   // green
    bad,    // red
    unsure, // yellow
    faint,  // dim
    strong, // bold
};
std::string paint(std::string_view text, ink with, colour use);

} // namespace reachd
