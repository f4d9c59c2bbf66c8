// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/text.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using list = std::vector<std::string>;

TEST(printable, leaves_text_alone_in_any_script)
{
    for (const char* text :
         {"", "plain text", "caf\xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x94\x92"}) {
        EXPECT_EQ(printable(text), text);
    }
}

TEST(printable, shows_what_moves_the_cursor_forges_lines_or_turns_the_direction)
{
    struct row {
        const char* text;
        const char* shown;
    };
    for (const auto& [text, shown] : {
             row{"\x1b[2J", "\\u{1b}[2J"},
             row{"a\nb\r\tc", "a\\u{a}b\\u{d}\\u{9}c"},
             row{"\x7f", "\\u{7f}"},
             row{"\xc2\x9b"
                 "31m",
                 "\\u{9b}31m"}, // CSI as one code point
             row{"\xc2\x9f", "\\u{9f}"},
             row{"\xc2\xa0", "\xc2\xa0"},
             row{"\xe2\x80\xae"
                 "exe",
                 "\\u{202e}exe"},              // right-to-left override
             row{"\xe2\x80\xa8", "\\u{2028}"}, // line separator
             row{"\xe2\x80\x8b", "\\u{200b}"}, // zero width
             row{"\xe2\x81\xa6", "\\u{2066}"}, // isolate
             row{"\xef\xbb\xbf", "\\u{feff}"},
             row{"\xd8\x9c", "\\u{61c}"},
         }) {
        EXPECT_EQ(printable(text), shown);
    }
    EXPECT_EQ(printable(std::string_view{"\0", 1}), "\\u{0}");
}

TEST(printable, shows_bytes_that_are_not_utf_8)
{
    struct row {
        const char* about;
        const char* text;
        const char* shown;
    };
    for (const auto& [about, text, shown] : {
             row{"stray continuation",
                 "\x80"
                 "a",
                 "\\x80a"},
             row{"cut short", "\xe6\x97", "\\xe6\\x97"},
             row{"overlong slash", "\xc0\xaf", "\\xc0\\xaf"},
             row{"overlong escape", "\xe0\x80\x9b", "\\xe0\\x80\\x9b"},
             row{"overlong control", "\xe0\x82\x9b", "\\xe0\\x82\\x9b"},
             row{"overlong of four", "\xf0\x80\x80\x9b", "\\xf0\\x80\\x80\\x9b"},
             row{"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
             row{"beyond Unicode", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
             row{"not a lead byte", "\xff", "\\xff"},
             row{"broken off",
                 "\xe6\x97"
                 "a",
                 "\\xe6\\x97a"},
         }) {
        SCOPED_TRACE(about);
        EXPECT_EQ(printable(text), shown);
    }
}

TEST(printable, lets_no_control_byte_through_whatever_it_is_given)
{
    for (int first = 0; first < 256; ++first) {
        for (int second = 0; second < 256; ++second) {
            const std::string text{static_cast<char>(first), static_cast<char>(second)};
            for (const char byte : printable(text)) {
                const auto value = static_cast<unsigned char>(byte);
                ASSERT_TRUE(value >= 0x20 && value != 0x7f) << first << ' ' << second;
            }
        }
    }
}

TEST(columns, count_code_points)
{
    EXPECT_EQ(columns_of(""), 0U);
    EXPECT_EQ(columns_of("abc"), 3U);
    EXPECT_EQ(columns_of("caf\xc3\xa9"), 4U);
    EXPECT_EQ(columns_of("\xf0\x9f\x94\x92"), 1U);
}

TEST(wrap, breaks_at_spaces_and_fills_each_line)
{
    EXPECT_EQ(wrap("one two three", 7), (list{"one two", "three"}));
    EXPECT_EQ(wrap("one two three", 8), (list{"one two", "three"}));
    EXPECT_EQ(wrap("one two three", 6), (list{"one", "two", "three"}));
    EXPECT_EQ(wrap("one two three", 13), (list{"one two three"}));
    EXPECT_EQ(wrap("", 10), (list{""}));
}

TEST(wrap, cuts_a_word_that_no_line_can_hold)
{
    EXPECT_EQ(wrap("abcdefgh", 3), (list{"abc", "def", "gh"}));
    EXPECT_EQ(wrap("x abcdefgh y", 3), (list{"x", "abc", "def", "gh", "y"}));
    EXPECT_EQ(wrap("abcdef", 3), (list{"abc", "def"}));
    EXPECT_EQ(wrap("\xc3\xa9\xc3\xa9\xc3\xa9", 2), (list{"\xc3\xa9\xc3\xa9", "\xc3\xa9"}));
}

TEST(wrap, cuts_a_word_of_a_megabyte_in_one_pass)
{
    const auto lines = wrap(std::string(2'000'000, 'x') + " end", 76);
    EXPECT_EQ(lines.size(), 26316U);
    EXPECT_EQ(lines.front(), std::string(76, 'x'));
    EXPECT_EQ(lines.back(), std::string(60, 'x') + " end");
}

TEST(wrap, loses_no_word_and_exceeds_no_line)
{
    const std::string text =
        "tcp 2100-2199 to connect.vendor.example (34.0.0.10): no answer in 2 attempts of 3 s";
    for (std::size_t columns = 1; columns <= 100; ++columns) {
        std::string joined;
        for (const auto& line : wrap(text, columns)) {
            EXPECT_LE(columns_of(line), columns);
            joined += line;
        }
        std::erase(joined, ' ');
        auto expected = text;
        std::erase(expected, ' ');
        EXPECT_EQ(joined, expected) << columns;
    }
}

TEST(shorten, keeps_what_fits_and_marks_what_was_lost)
{
    EXPECT_EQ(shorten("one two", 7), "one two");
    EXPECT_EQ(shorten("one two three", 10), "one two...");
    EXPECT_EQ(shorten("one two three", 12), "one two...");
    EXPECT_EQ(shorten("abcdefghijkl", 8), "abcde...");
    for (std::size_t columns = 4; columns < 20; ++columns) {
        EXPECT_LE(columns_of(shorten("one two three four", columns)), columns);
    }
}

TEST(paint, colours_only_where_colour_is_on)
{
    EXPECT_EQ(paint("PASS", ink::good, colour::off), "PASS");
    EXPECT_EQ(paint("PASS", ink::plain, colour::on), "PASS");
    EXPECT_EQ(paint("PASS", ink::good, colour::on), "\x1b[32mPASS\x1b[0m");
    EXPECT_EQ(paint("FAIL", ink::bad, colour::on), "\x1b[31;1mFAIL\x1b[0m");
    EXPECT_EQ(paint("?", ink::unsure, colour::on), "\x1b[33m?\x1b[0m");
    EXPECT_EQ(paint("-", ink::faint, colour::on), "\x1b[2m-\x1b[0m");
    EXPECT_EQ(paint("T", ink::strong, colour::on), "\x1b[1mT\x1b[0m");
}

} // namespace
} // namespace reachd
