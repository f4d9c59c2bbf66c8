// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {
namespace {

struct code_point {
    char32_t value = 0;
    std::size_t bytes = 0; // 0: not UTF-8
};

code_point decode(std::string_view text)
{
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    if (first < 0x80) {
        return {first, 1};
    }
    const std::size_t length = first >= 0xf0 && first < 0xf5 ? 4
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xc2 && first < 0xe0 ? 2
                                                             : 0;
    if (length == 0 || text.size() < length) {
        return {};
    }
    auto value = static_cast<char32_t>(first & (0xffU >> (length + 1)));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U) {
            return {};
        }
        value = (value << 6) | (byte(i) & 0x3fU);
    }
    const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    const bool surrogate = value >= 0xd800 && value < 0xe000;
    return overlong || surrogate || value > 0x10ffff ? code_point{} : code_point{value, length};
}

bool is_harmless(char32_t value)
{
    const bool control = value < 0x20 || (value >= 0x7f && value < 0xa0);
    const bool direction = (value >= 0x200b && value <= 0x200f) || (value >= 0x2028 && value <= 0x202e) ||
                           (value >= 0x2060 && value <= 0x206f) || value == 0xfeff || value == 0x061c;
    return !control && !direction;
}

} // namespace

std::string printable(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto next = decode(text);
        if (next.bytes == 0) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
            text.remove_prefix(1);
            continue;
        }
        if (is_harmless(next.value)) {
            out += text.substr(0, next.bytes);
        } else {
            out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(next.value));
        }
        text.remove_prefix(next.bytes);
    }
    return out;
}

std::size_t columns_of(std::string_view text)
{
    std::size_t count = 0;
    for (const char byte : text) {
        count += (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U;
    }
    return count;
}

std::vector<std::string> wrap(std::string_view text, std::size_t columns)
{
    columns = std::max<std::size_t>(columns, 1);
    std::vector<std::string> lines;
    std::string line;
    while (!text.empty()) {
        const auto space = text.find(' ');
        auto word = text.substr(0, space);
        text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
        auto width = columns_of(word);              // counted once: a word may be a megabyte
        for (; width > columns; width -= columns) { // an unbreakable word: cut it
            if (!line.empty()) {
                lines.push_back(std::move(line));
                line.clear();
            }
            std::size_t cut = 0;
            for (std::size_t seen = 0; cut < word.size(); ++cut) {
                seen += (static_cast<unsigned char>(word[cut]) & 0xc0U) != 0x80U;
                if (seen > columns) {
                    break;
                }
            }
            lines.emplace_back(word.substr(0, cut));
            word.remove_prefix(cut);
        }
        const auto needed = columns_of(line) + (line.empty() ? 0 : 1) + width;
        if (needed > columns) {
            lines.push_back(std::move(line));
            line.clear();
        }
        if (!line.empty()) {
            line += ' ';
        }
        line += word;
    }
    if (!line.empty() || lines.empty()) {
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string shorten(std::string_view text, std::size_t columns)
{
    if (columns_of(text) <= columns) {
        return std::string{text};
    }
    if (columns < 4) {
        return std::string(columns, '.');
    }
    return wrap(text, columns - 3).front() + "...";
}

std::string grouped(std::size_t number)
{
    constexpr std::size_t digits_together = 3;
    auto out = std::to_string(number);
    for (auto at = out.size(); at > digits_together;) {
        at -= digits_together;
        out.insert(at, 1, ',');
    }
    return out;
}

std::string paint(std::string_view text, ink with, colour use)
{
    if (use == colour::off) {
        return std::string{text};
    }
    const auto code = [with] {
        switch (with) {
        case ink::plain: return "";
        case ink::good: return "32";
        case ink::bad: return "31;1";
        case ink::unsure: return "33";
        case ink::faint: return "2";
        case ink::strong: return "1";
        }
        return "";
    }();
    return *code == '\0' ? std::string{text} : fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

} // namespace reachd
