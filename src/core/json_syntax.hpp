// SPDX-License-Identifier: Apache-2.0
// json_syntax.hpp: words a JSON parser's complaint for the person who wrote the text.
#pragma once

#include <string>
#include <string_view>

namespace reachd {

inline constexpr std::string_view json_blanks = " \t\r\n"; // RFC 8259 section 2

struct text_place {
    unsigned line = 1;
    unsigned column = 1; // in characters, from 1
};
text_place place_of(std::string_view text, std::size_t offset);

struct syntax_error {
    std::size_t offset = 0; // where in the text
    std::string message;
};

// `end` is the last byte that was read, text.size() where the text ended too early; `what` is the text
// of nlohmann's exception. A text that is not recognised is passed on rather than relied upon.
syntax_error explain_syntax_error(std::string_view text, std::size_t end, std::string_view what);

} // namespace reachd
