// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/json.hpp"

#include "json_syntax.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <numeric>
#include <utility>

namespace reachd {
namespace {

constexpr std::size_t max_quoted_bytes = 60;   // enough to recognise a word in its file
constexpr std::size_t max_compared_bytes = 64; // longer words are no typing error of any key

bool is_continuation(char byte)
{
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

// The bytes of the control character that begins at `at`, 0 when there is none.
std::size_t control_length(std::string_view text, std::size_t at)
{
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x20 || byte == 0x7F) {
        return 1;
    }
    const auto next = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0U;
    return byte == 0xC2 && next >= 0x80 && next <= 0x9F ? 2 : 0; // C1 in UTF-8
}

// Edit distance with transpositions of neighbours (optimal string alignment).
std::size_t distance(std::string_view left, std::string_view right)
{
    std::vector<std::size_t> before(right.size() + 1);
    std::vector<std::size_t> last(right.size() + 1);
    std::vector<std::size_t> row(right.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= left.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const std::size_t change = left[i - 1] == right[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
            const bool swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if (swapped) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[right.size()];
}

constexpr std::string_view delimiters = " \t\r\n{}[]:,\"";

// The token that ends at `end`. The parser's own "last token" is not of use: it begins at the last
// string, number or comment, wherever that was.
std::string_view token_at(std::string_view text, std::size_t end)
{
    auto begin = end;
    if (text[end] == '"') {
        do {
            begin = begin == 0 ? std::string_view::npos : text.rfind('"', begin - 1);
        } while (begin != std::string_view::npos && begin > 0 && text[begin - 1] == '\\');
        begin = begin == std::string_view::npos ? end : begin;
    } else if (delimiters.find(text[end]) == std::string_view::npos) {
        const auto before = text.substr(0, end).find_last_of(delimiters);
        begin = before == std::string_view::npos ? 0 : before + 1;
    }
    return text.substr(begin, end + 1 - begin);
}

// The whole word that the lexer gave up on at `end`, which may be the first byte after it.
std::string_view word_around(std::string_view text, std::size_t end)
{
    if (end > 0 && delimiters.find(text[end]) != std::string_view::npos) {
        --end;
    }
    const auto before = text.substr(0, end).find_last_of(delimiters);
    const auto begin = before == std::string_view::npos ? 0 : before + 1;
    return text.substr(begin, text.find_first_of(delimiters, end) - begin);
}

// What the parser's contexts expect; its text is "... while parsing CONTEXT - DETAIL; last read: ...".
struct phrase {
    std::string_view context;
    std::string_view expected;
};
constexpr phrase phrases[] = {
    {"; expected end of input", "expected nothing more"},
    {"parsing object separator", "expected ':' after the key"},
    {"parsing object key - unexpected", "expected a key in double quotes"},
    {"parsing object - unexpected", "expected ',' or '}'"},
    {"parsing array - unexpected", "expected ',' or ']'"},
    {"parsing value - unexpected", "expected a value"},
};

// The library's own words, without its class names and without what it last read.
std::string bare_detail(std::string_view what)
{
    const auto dash = what.find(" - ");
    const auto detail = dash == std::string_view::npos ? what : what.substr(dash + 3);
    return std::string{detail.substr(0, detail.find("; last read"))};
}

// The character at `at` of what is UTF-8, and its bytes.
std::pair<char32_t, std::size_t> character_at(std::string_view text, std::size_t at)
{
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
    if (byte(0) < 0x80) {
        return {byte(0), 1};
    }
    const std::size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
    if (at + length > text.size()) {
        return {byte(0), 1};
    }
    auto value = static_cast<char32_t>(byte(0) & (0xFFU >> (length + 1)));
    for (std::size_t i = 1; i < length; ++i) {
        value = (value << 6) | (byte(i) & 0x3FU);
    }
    return {value, length};
}

// What a terminal obeys or hides, as printable() has it; the library itself escapes what is below 0x20.
bool is_unseen(char32_t value)
{
    return (value >= 0x7F && value < 0xA0) || (value >= 0x200B && value <= 0x200F) ||
           (value >= 0x2028 && value <= 0x202E) || (value >= 0x2060 && value <= 0x206F) || value == 0xFEFF ||
           value == 0x061C;
}

// These stand inside texts alone, where an escape means the same: the words of a peer must not act on the
// terminal of who looks at the JSON.
std::string escape_unseen(std::string text)
{
    constexpr std::string_view leads{"\x7F\xC2\xD8\xE2\xEF"}; // with which they begin
    std::string out;
    std::size_t done = 0;
    for (auto at = text.find_first_of(leads); at != std::string::npos;
         at = text.find_first_of(leads, at + 1)) {
        const auto [value, bytes] = character_at(text, at);
        if (is_unseen(value)) {
            out.append(text, done, at - done);
            out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(value));
            done = at + bytes;
        }
    }
    if (done == 0) {
        return text;
    }
    return out.append(text, done);
}

} // namespace

std::optional<long long> integer_of(const json& value)
{
    constexpr double exact = 9'007'199'254'740'992.0; // 2^53
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        return std::in_range<long long>(number) ? std::optional{static_cast<long long>(number)}
                                                : std::nullopt;
    }
    if (value.is_number_integer()) {
        return value.get<long long>();
    }
    const auto number = value.is_number_float() ? value.get<double>() : exact;
    return std::abs(number) < exact ? std::optional{static_cast<long long>(number)} : std::nullopt;
}

std::string dump(const json& value, int indent)
{
    return escape_unseen(value.dump(indent, ' ', false, json::error_handler_t::replace));
}

std::string pointer_token(std::string_view key)
{
    std::string token;
    token.reserve(key.size());
    for (const char byte : key) {
        switch (byte) {
        case '~': token += "~0"; break;
        case '/': token += "~1"; break;
        default: token += byte;
        }
    }
    return token;
}

bool has_control_character(std::string_view text)
{
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (control_length(text, at) != 0) {
            return true;
        }
    }
    return false;
}

std::string in_quotes(std::string_view text)
{
    const bool cut = text.size() > max_quoted_bytes;
    if (cut) {
        auto end = max_quoted_bytes;
        while (end > 0 && is_continuation(text[end])) {
            --end;
        }
        text = text.substr(0, end);
    }
    std::string shown;
    for (std::size_t at = 0; at < text.size();) {
        const auto length = control_length(text, at);
        shown += length != 0 ? '?' : text[at];
        at += std::max<std::size_t>(length, 1);
    }
    return fmt::format("'{}{}'", shown, cut ? "..." : "");
}

std::optional<std::string_view> nearest(std::string_view word, const std::vector<std::string_view>& known)
{
    if (word.size() > max_compared_bytes) {
        return std::nullopt;
    }
    std::optional<std::string_view> best;
    // A third of the word may be wrong: 'atempts' finds 'attempts', 'port' does not find 'path'.
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const auto candidate : known) {
        const auto steps = distance(word, candidate);
        if (steps < best_distance) {
            best = candidate;
            best_distance = steps;
        }
    }
    return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known)
{
    if (const auto near = nearest(word, known)) {
        return fmt::format("; did you mean '{}'?", *near);
    }
    return known.empty() ? "" : fmt::format("; known: {}", fmt::join(known, ", "));
}

text_place place_of(std::string_view text, std::size_t offset)
{
    text_place place;
    for (const char byte : text.substr(0, std::min(offset, text.size()))) {
        if (byte == '\n') {
            ++place.line;
            place.column = 1;
        } else if ((static_cast<unsigned char>(byte) & 0xC0U) != 0x80U) { // not a continuation byte
            ++place.column;
        }
    }
    return place;
}

syntax_error explain_syntax_error(std::string_view text, std::size_t end, std::string_view what)
{
    const auto has = [what](std::string_view part) { return what.find(part) != std::string_view::npos; };
    const bool ends = end >= text.size();
    const auto last = ends ? text.find_last_not_of(json_blanks) : end;
    if (has("UTF-8")) {
        return {last, "the text up to here is not UTF-8"};
    }
    if (has("missing closing quote") || has("U+000A (LF) must be escaped")) {
        return {last, "a text in double quotes is not closed on its line"};
    }
    const auto token = token_at(text, last);
    const auto begin = ends ? last : static_cast<std::size_t>(token.data() - text.data());
    auto shown = in_quotes(token);
    if (token.starts_with('"')) {
        shown = shown.substr(1, shown.size() - 2); // it has its own quotes
    }
    if (has("number overflow")) {
        return {begin, fmt::format("the number {} is too large", shown)};
    }
    if (has("invalid literal")) {
        const auto word = word_around(text, last);
        const auto at = static_cast<std::size_t>(word.data() - text.data());
        return {at, fmt::format("{} is nothing that JSON knows", in_quotes(word))};
    }
    const auto before = text.substr(0, begin).find_last_not_of(json_blanks);
    const bool after_comma = before != std::string_view::npos && text[before] == ',';
    if (after_comma && (token == "}" || token == "]")) {
        return {begin, fmt::format("the comma before this {} is one too many", shown)};
    }
    const auto found = std::ranges::find_if(phrases, [&](const phrase& one) { return has(one.context); });
    if (found == std::end(phrases)) {
        return {last, bare_detail(what)};
    }
    return {begin, fmt::format("{}, {}", found->expected, ends ? "the text ends here" : "found " + shown)};
}

} // namespace reachd
