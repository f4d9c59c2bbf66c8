// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/escape.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

TEST(escape, T14_html_leaves_no_markup_no_quote_and_no_control_character)
{
    EXPECT_EQ(
        html_text("<script>alert('x' & \"y\")</script>"),
        "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;"
    );
    EXPECT_EQ(html_text("a\x1b[2J\n\x7f\xff"), "a\\u{1b}[2J\\u{a}\\u{7f}\\xff");
    EXPECT_EQ(html_text("\xe2\x80\xae"), "\\u{202e}"); // right-to-left override
    EXPECT_EQ(html_text("K\xc3\xb6ln"), "K\xc3\xb6ln");
}

TEST(escape, T14_xml_has_no_character_that_xml_refuses)
{
    EXPECT_EQ(xml_text("a\xef\xbf\xbe<\xef\xbf\xbf"), "a\\u{fffe}&lt;\\u{ffff}");
    EXPECT_EQ(xml_text(std::string_view{"\0", 1}), "\\u{0}");
}

TEST(escape, T14_csv_quotes_and_never_begins_a_formula)
{
    EXPECT_EQ(csv_field("plain"), "\"plain\"");
    EXPECT_EQ(csv_field("say \"no\", twice"), "\"say \"\"no\"\", twice\"");
    EXPECT_EQ(csv_field("two\r\nlines"), "\"two\\u{d}\\u{a}lines\"");
    for (const char* text : {"=1+1", "+1", "-1", "@SUM(A1)", "|cmd", "\t=1", "\r=1"}) {
        EXPECT_TRUE(csv_field(text).starts_with("\"'")) << text;
    }
    EXPECT_EQ(csv_field(""), "\"\"");
}

TEST(escape, T14_markdown_makes_no_cell_no_link_and_no_element)
{
    EXPECT_EQ(markdown_text("a|b"), "a\\|b");
    EXPECT_EQ(markdown_text("[x](http://evil)"), "\\[x\\](http\\://evil)");
    EXPECT_EQ(markdown_text("<b>`x`*y*_z_"), "\\<b\\>\\`x\\`\\*y\\*\\_z\\_");
    EXPECT_EQ(markdown_text("www.evil.example @user #1"), "www\\.evil.example \\@user \\#1");
    EXPECT_EQ(markdown_text("line\nline"), "line\\\\u\\{a\\}line");
    EXPECT_EQ(markdown_text("tcp 80-443 to 15.200.134.197 (1)"), "tcp 80-443 to 15.200.134.197 (1)");
}

} // namespace
} // namespace reachd
