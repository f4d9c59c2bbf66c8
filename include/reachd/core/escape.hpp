// SPDX-License-Identifier: Apache-2.0
// escape.hpp: text of the outside (names, banners, certificates) made harmless for one target.
//
// Use     One function for each target, at the place where the text is put in, and nowhere else.
// Shapes  All of them begin with printable(): control characters, escape sequences, bidirectional
//         overrides and broken UTF-8 are shown, not carried out.
#pragma once

#include <string>
#include <string_view>

namespace reachd {

// For the text of an element and for an attribute in either kind of quotes.
std::string html_text(std::string_view text);
// The same for XML 1.0, which has no U+FFFE and U+FFFF.
std::string xml_text(std::string_view text);
// One field, in quotes. What a spreadsheet would take for a formula begins with an apostrophe.
// Source  RFC 4180; OWASP "CSV Injection".
std::string csv_field(std::string_view text);
// For one line or one table cell: no markup, no link, no further cell.
std::string markdown_text(std::string_view text);

} // namespace reachd
