// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/payload.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

TEST(payload, is_text_or_hexadecimal_bytes)
{
    EXPECT_EQ(parse_payload("who?").value(), "who?");
    EXPECT_EQ(parse_payload("").value(), "");
    EXPECT_EQ(parse_payload("hex:").value(), "");
    EXPECT_EQ(
        parse_payload("hex:00fF41").value(), std::string(
                                                 "\0\xff"
                                                 "A",
                                                 3
                                             )
    );
}

TEST(payload, says_what_is_wrong_with_it)
{
    EXPECT_EQ(parse_payload("hex:0").error(), "must have two hexadecimal digits for each byte after 'hex:'");
    for (const char* wrong : {"hex:0g", "hex:zz", "hex: 1", "hex:+1", "hex:00-1"}) {
        const auto parsed = parse_payload(wrong);
        ASSERT_FALSE(parsed) << wrong;
        EXPECT_NE(parsed.error().find("digits alone"), std::string::npos) << parsed.error();
    }
    EXPECT_TRUE(parse_payload(std::string(max_payload_bytes, 'x')));
    EXPECT_EQ(
        parse_payload(std::string(max_payload_bytes + 1, 'x')).error(),
        "must have at most 1200 bytes, not 1201"
    );
    EXPECT_FALSE(parse_payload("hex:" + std::string(2 * max_payload_bytes + 2, '0')));
}

} // namespace
} // namespace reachd
