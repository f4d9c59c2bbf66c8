// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/escape.hpp"

#include "reachd/core/text.hpp"

namespace reachd {
namespace {

constexpr std::string_view formula_begins = "=+-@|%\t\r";
// The ASCII punctuation that CommonMark or GitHub's tables, links and mentions act on.
constexpr std::string_view markdown_acts_on = "\\`*_{}[]<>()#+-!|~&$^=:@.";

// U+FFFE and U+FFFF in UTF-8.
constexpr std::string_view no_characters[] = {"\xef\xbf\xbe", "\xef\xbf\xbf"};

} // namespace

std::string html_text(std::string_view text)
{
    std::string out;
    for (const char byte : printable(text)) {
        switch (byte) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += byte;
        }
    }
    return out;
}

std::string xml_text(std::string_view text)
{
    auto out = html_text(text);
    for (const auto one : no_characters) {
        for (auto at = out.find(one); at != std::string::npos; at = out.find(one, at)) {
            out.replace(at, one.size(), one == no_characters[0] ? "\\u{fffe}" : "\\u{ffff}");
        }
    }
    return out;
}

std::string csv_field(std::string_view text)
{
    // The first byte as it came too: a tab or a return is shown as something else by printable().
    const bool formula = !text.empty() && formula_begins.find(text.front()) != std::string_view::npos;
    std::string out = formula ? "\"'" : "\"";
    for (const char byte : printable(text)) {
        out += byte;
        if (byte == '"') {
            out += '"';
        }
    }
    return out + '"';
}

std::string markdown_text(std::string_view text)
{
    std::string out;
    const auto shown = printable(text);
    for (std::size_t at = 0; at < shown.size(); ++at) {
        const char byte = shown[at];
        // Within a word '-', '.', ':' and the like are harmless, and addresses stay readable in the source:
        // "15.200.134.197", "tcp 80-443". What begins a link or a mention is always escaped.
        const bool link = byte == ':' && shown.compare(at, 3, "://") == 0;
        const bool leading = at == 0 && (byte == '-' || byte == '+' || byte == '=');
        const bool quiet = std::string_view{"-+=.:()"}.find(byte) != std::string_view::npos;
        const bool www = byte == '.' && at >= 3 && shown.compare(at - 3, 3, "www") == 0;
        const bool acts = markdown_acts_on.find(byte) != std::string_view::npos;
        if (acts && (!quiet || link || leading || www)) {
            out += '\\';
        }
        out += byte;
    }
    return out;
}

} // namespace reachd
