// SPDX-License-Identifier: Apache-2.0
// support.hpp: what the fuzz targets hold their parsers to.
#pragma once

#include <cstdlib>
#include <string_view>

namespace reachd::fuzz {

inline void require(bool holds)
{
    if (!holds) {
        std::abort();
    }
}

// What a terminal or a line-wise reader would obey; the ends of lines apart.
inline bool acts(std::string_view text)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
        const bool c1 = byte == 0xC2 && next >= 0x80 && next < 0xA0;
        if ((byte < 0x20 && byte != '\n') || byte == 0x7F || c1) {
            return true;
        }
    }
    return text.find("\xE2\x80\xAE") != std::string_view::npos; // right-to-left override
}

// The same for what must stay on one line.
inline bool acts_in_a_line(std::string_view text)
{
    return acts(text) || text.find('\n') != std::string_view::npos;
}

} // namespace reachd::fuzz
