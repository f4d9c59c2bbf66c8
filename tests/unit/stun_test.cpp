// SPDX-License-Identifier: Apache-2.0
// The vectors of RFC 5769, and the attributes of RFC 5780.
#include "reachd/core/stun.hpp"

#include "support/hmac.hpp"

#include <gtest/gtest.h>
#include <random>

namespace reachd::stun {
namespace {

using test::hmac_sha1;
using test::hmac_sha256;

byte_vector bytes_of(std::string_view hex)
{
    byte_vector out;
    std::string digits;
    for (const char c : hex) {
        if (c != ' ' && c != '\n') {
            digits += c;
        }
    }
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        out.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    }
    return out;
}

byte_vector text(std::string_view value)
{
    return {value.begin(), value.end()};
}

socket_address at(std::string_view value)
{
    return parse_socket_address(value).value();
}

// RFC 5769 section 2.1
const auto sample_request = bytes_of(R"(
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74
    00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020
    00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf)");
// RFC 5769 section 2.2
const auto sample_ipv4 = bytes_of(R"(
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
    00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96)");
// RFC 5769 section 2.3
const auto sample_ipv6 = bytes_of(R"(
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
    00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
    00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c)");
const auto sample_password = text("VOkJxbRl1RmTxUk/WvJxBt");

TEST(stun, reads_the_request_of_rfc_5769)
{
    const auto got = decode(sample_request);
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->message.kind, message_class::request);
    EXPECT_EQ(got->message.method, binding_method);
    EXPECT_EQ(got->message.software, "STUN test client");
    EXPECT_EQ(got->message.username, "evtj:h6vY");
    EXPECT_EQ(got->not_understood, std::vector<std::uint16_t>{0x0024}); // PRIORITY, of ICE
    EXPECT_TRUE(got->has_integrity && got->has_fingerprint && !got->has_integrity_sha256);
    EXPECT_TRUE(integrity_holds(sample_request, integrity::sha1, sample_password, hmac_sha1));
    EXPECT_FALSE(integrity_holds(sample_request, integrity::sha1, text("another"), hmac_sha1));
    EXPECT_FALSE(integrity_holds(sample_request, integrity::sha256, sample_password, hmac_sha256));
}

TEST(stun, reads_the_responses_of_rfc_5769)
{
    const auto four = decode(sample_ipv4);
    ASSERT_TRUE(four) << four.error().detail;
    EXPECT_EQ(four->message.kind, message_class::success);
    EXPECT_EQ(four->message.software, "test vector");
    EXPECT_EQ(four->message.xor_mapped, at("192.0.2.1:32853"));
    EXPECT_TRUE(integrity_holds(sample_ipv4, integrity::sha1, sample_password, hmac_sha1));
    const auto six = decode(sample_ipv6);
    ASSERT_TRUE(six) << six.error().detail;
    EXPECT_EQ(six->message.xor_mapped, at("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
    EXPECT_TRUE(integrity_holds(sample_ipv6, integrity::sha1, sample_password, hmac_sha1));
}

// RFC 8489 appendix B.1 as corrected by erratum 6268: long-term credentials, SHA-256, USERHASH.
TEST(stun, reads_the_request_of_rfc_8489_appendix_b)
{
    const auto bytes = bytes_of(R"(
        00010090 2112a442 78ad3433 c6ad72c0 29da412e
        001e0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704
        00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464 364f4c33 346f4c39 46535476
        79363473 41000000 0014000b 6578616d 706c652e 6f726700 001d0004 00020000
        001c0020 b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c c6518e65)");
    const auto key = test::sha256(text("\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9:example.org:TheMatrIX"));
    const auto got = decode(bytes);
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->message.realm, "example.org");
    EXPECT_EQ(got->message.nonce, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    EXPECT_EQ(got->not_understood, (std::vector<std::uint16_t>{0x1e, 0x1d})); // USERHASH, PASSWORD-ALGORITHM
    EXPECT_TRUE(integrity_holds(bytes, integrity::sha256, key, hmac_sha256));
    EXPECT_FALSE(integrity_holds(bytes, integrity::sha256, text("TheMatrIX"), hmac_sha256));
}

message full()
{
    message out;
    out.kind = message_class::success;
    out.transaction = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    out.username = "site-7";
    out.realm = "r";
    out.nonce = "obMatJos2";
    out.software = "reachd";
    out.xor_mapped = at("203.0.113.9:50000");
    out.mapped = at("[2001:db8::9]:1");
    out.response_origin = at("192.0.2.1:3478");
    out.other_address = at("192.0.2.2:3479");
    out.change_request = change{.address = true, .port = false};
    out.response_port = 4711;
    out.error = error_reply{.code = 420, .reason = "Unknown Attribute"};
    out.unknown_attributes = {0x24, 0x7fff, 3};
    out.padding = 17;
    return out;
}

seals all_seals()
{
    return {.key = text("secret"), .hmac_sha1 = hmac_sha1, .hmac_sha256 = hmac_sha256, .fingerprint = true};
}

TEST(stun, gives_back_every_attribute_that_it_wrote)
{
    const auto bytes = encode(full(), all_seals());
    const auto got = decode(bytes);
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->message, full());
    EXPECT_TRUE(got->has_integrity && got->has_integrity_sha256 && got->has_fingerprint);
    EXPECT_TRUE(integrity_holds(bytes, integrity::sha1, text("secret"), hmac_sha1));
    EXPECT_TRUE(integrity_holds(bytes, integrity::sha256, text("secret"), hmac_sha256));
    EXPECT_FALSE(integrity_holds(bytes, integrity::sha256, text("Secret"), hmac_sha256));
}

TEST(stun, gives_back_an_empty_message_of_each_class_and_method)
{
    for (unsigned kind = 0; kind < 4; ++kind) {
        for (unsigned method = 0; method < 0x1000; method += 7) {
            message what;
            what.kind = static_cast<message_class>(kind);
            what.method = static_cast<std::uint16_t>(method);
            const auto got = decode(encode(what));
            ASSERT_TRUE(got && got->message == what) << kind << ' ' << method;
        }
    }
}

TEST(stun, writes_response_port_with_length_2_and_reads_2_and_4)
{
    message what;
    what.response_port = 0x1234;
    auto bytes = encode(what);
    EXPECT_EQ((byte_vector{bytes.begin() + 20, bytes.end()}), bytes_of("0027 0002 1234 0000"));
    bytes[23] = 4; // what coturn's client sends
    EXPECT_EQ(decode(bytes)->message.response_port, 0x1234);
    bytes[23] = 3;
    EXPECT_FALSE(decode(bytes));
}

TEST(stun, changes_in_any_byte_break_the_integrity_or_the_form)
{
    const auto whole = encode(full(), {.key = text("secret"), .hmac_sha256 = hmac_sha256});
    for (std::size_t i = 0; i < whole.size(); ++i) {
        auto bytes = whole;
        bytes[i] ^= 0x20U;
        EXPECT_FALSE(integrity_holds(bytes, integrity::sha256, text("secret"), hmac_sha256)) << i;
    }
}

TEST(stun, a_wrong_fingerprint_is_malformed)
{
    auto bytes = encode(full(), all_seals());
    bytes.back() ^= 1U;
    EXPECT_FALSE(decode(bytes));
}

TEST(stun, T32_cut_at_any_byte_is_malformed)
{
    for (const auto& whole : {encode(full(), all_seals()), sample_request, sample_ipv4, sample_ipv6}) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            auto cut = byte_vector(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_FALSE(decode(cut)) << size;
            if (size >= header_bytes) { // also where the header says what is there
                cut[2] = static_cast<std::uint8_t>((size - 20) >> 8U);
                cut[3] = static_cast<std::uint8_t>(size - 20);
                const auto got = decode(cut);
                EXPECT_TRUE(!got || size % 4 == 0) << size;
            }
        }
        auto longer = whole;
        longer.push_back(0);
        EXPECT_FALSE(decode(longer));
    }
}

TEST(stun, what_follows_the_integrity_does_not_count)
{
    message what;
    auto bytes = encode(what, {.key = text("secret"), .hmac_sha256 = hmac_sha256});
    const auto extra = bytes_of("0027 0002 1234 0000");
    bytes.insert(bytes.end(), extra.begin(), extra.end());
    bytes[3] = static_cast<std::uint8_t>(bytes.size() - 20);
    ASSERT_TRUE(decode(bytes));
    EXPECT_FALSE(decode(bytes)->message.response_port);
}

TEST(stun, the_first_of_equal_attributes_counts)
{
    const auto got =
        decode(bytes_of("00010010 2112a442 000000000000000000000000 00270002 00010000 00270002 00020000"));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->message.response_port, 1);
}

TEST(stun, refuses_more_attributes_than_anybody_sends)
{
    byte_vector bytes = bytes_of("00010000 2112a442 000000000000000000000000");
    for (std::size_t i = 0; i <= max_stun_attributes; ++i) {
        EXPECT_TRUE(decode(bytes)) << i;
        const auto one = bytes_of("80220000");
        bytes.insert(bytes.end(), one.begin(), one.end());
        bytes[3] = static_cast<std::uint8_t>(bytes.size() - 20);
    }
    EXPECT_FALSE(decode(bytes));
}

TEST(stun, T32_random_changes_never_break_the_reader)
{
    std::mt19937 random{20261121}; // NOLINT: the same every time
    const std::vector<byte_vector> seeds{encode(full(), all_seals()), sample_request, sample_ipv6};
    for (int round = 0; round < 30000; ++round) {
        auto bytes = seeds[random() % seeds.size()];
        for (unsigned i = 0; i <= random() % 4; ++i) {
            bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
        }
        const auto got = decode(bytes);
        static_cast<void>(integrity_holds(bytes, integrity::sha1, text("k"), hmac_sha1));
        if (got) { // what is understood can be written again, and reads the same
            const auto again = decode(encode(got->message));
            ASSERT_TRUE(again) << round;
            EXPECT_EQ(again->message, got->message);
        }
    }
}

TEST(stun, is_told_from_other_bytes)
{
    EXPECT_TRUE(looks_like_stun(sample_request));
    EXPECT_FALSE(looks_like_stun(bytes_of("0001000021 12a4")));
    EXPECT_FALSE(looks_like_stun(bytes_of("8001 0000 2112a442")));
    EXPECT_EQ(announced_length(sample_request), sample_request.size());
}

} // namespace
} // namespace reachd::stun
