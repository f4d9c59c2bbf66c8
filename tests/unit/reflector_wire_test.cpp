// SPDX-License-Identifier: Apache-2.0
// The messages of docs/WIRE.md: what they look like as bytes, and that nothing cut or changed is believed.
#include "reachd/core/reflector_wire.hpp"

#include "support/hmac.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace reachd::wire {
namespace {

signer signing()
{
    return {.secret = byte_vector(32, 7), .hmac_sha256 = test::hmac_sha256};
}

socket_address at(std::string_view text)
{
    return parse_socket_address(text).value();
}

constexpr std::uint64_t token = 0x1122334455667788;

std::vector<request> requests()
{
    cookie_bytes cookie{};
    cookie.fill(0xcc);
    std::vector<request> out;
    for (const request_body& body : std::initializer_list<request_body>{
             hello{}, observe{.token = token}, observe{},
             answer_after{.token = token, .delay_ms = 720000, .how = answer_kind::keepalive},
             answer_after{.token = token, .delay_ms = 1}, report{.token = token},
             connect_back{.token = token, .transport = transport::udp, .port = 5060, .wait_ms = 1500},
             connect_back{.token = token, .transport = transport::tcp, .port = 65535, .wait_ms = 5000}, ping{}
         }) {
        out.push_back({.nonce = 0xfedcba9876543210, .key_id = "denver-hq", .cookie = cookie, .body = body});
    }
    out.back().length = max_message_bytes;
    return out;
}

std::vector<reply> replies()
{
    cookie_bytes value{};
    value.fill(0x5a);
    const auto four = at("203.0.113.9:50000");
    const auto six = at("[2001:db8::9]:3478");
    std::vector<reply> out;
    for (const reply_body& body : std::initializer_list<reply_body>{
             cookie{.value = value, .life_s = 60},
             observed{.source = four, .destination = six, .hops_left = 61, .received_us = 7, .sent_us = 9},
             appointed{.token = token, .due_in_ms = 720000, .again = true, .source = six},
             answer{.token = token, .waited_us = 720000123},
             reported{
                 .token = token,
                 .state = sending::sent,
                 .events = event_icmp | event_later,
                 .icmp_type = 3,
                 .icmp_code = 13,
                 .retransmissions = 4,
                 .later_port = 4711,
                 .peer = four,
                 .icmp_from = four,
                 .sent_ago_us = 1234567890123,
                 .late_us = 250,
                 .event_after_us = 30000
             },
             reported{.token = token, .state = sending::waiting, .peer = six},
             connected_back{
                 .token = token,
                 .outcome = inbound_outcome::icmp,
                 .icmp_type = 3,
                 .icmp_code = 1,
                 .took_us = 1500,
                 .banner = {'S', 'S', 'H'}
             },
             connected_back{.token = token, .banner = byte_vector(max_banner_bytes, 1)},
             echo{.received_us = 1, .sent_us = 2},
             refused{.request_type = 3, .reason = refusal::delay_too_long, .limit = 3600000}
         }) {
        out.push_back({.nonce = 0xfedcba9876543210, .body = body});
    }
    return out;
}

byte_vector first(const byte_vector& bytes, std::size_t size)
{
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
}

TEST(reflector_wire, gives_back_every_request_that_it_wrote)
{
    for (const auto& what : requests()) {
        const auto bytes = encode_request(what, signing());
        EXPECT_EQ(bytes.size(), what.length);
        const auto got = decode_request(bytes);
        ASSERT_TRUE(got) << got.error().detail;
        EXPECT_EQ(*got, what) << what.body.index();
        EXPECT_TRUE(mac_holds(bytes, signing()));
        EXPECT_FALSE(decode_reply(bytes)) << "a request is no reply";
        EXPECT_EQ(bytes[2], type_of(what.body));
    }
}

TEST(reflector_wire, gives_back_every_reply_that_it_wrote)
{
    for (auto what : replies()) {
        const auto bytes = encode_reply(what, signing());
        what.length = bytes.size();
        const auto got = decode_reply(bytes);
        ASSERT_TRUE(got) << got.error().detail;
        EXPECT_EQ(*got, what) << what.body.index();
        EXPECT_TRUE(mac_holds(bytes, signing()));
        EXPECT_FALSE(decode_request(bytes)) << "a reply is no request";
    }
}

TEST(reflector_wire, no_reply_is_longer_than_the_shortest_request)
{
    for (const auto& what : replies()) {
        EXPECT_LE(encode_reply(what, signing()).size(), min_request_bytes) << what.body.index();
    }
    EXPECT_EQ(encode_reply(replies()[0], signing()).size(), 56U); // WIRE.md; 96 is the limit
}

TEST(reflector_wire, is_the_bytes_of_the_document)
{
    const auto bytes = encode_request(
        {.nonce = 0x0102030405060708,
         .key_id = "k1",
         .cookie = {9},
         .body = answer_after{.token = token, .delay_ms = 0x000a0b0c}},
        signing()
    );
    const byte_vector beginning{0xf5, 1, 3, 0, 0, 128, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 'k', '1', 0};
    EXPECT_EQ(first(bytes, beginning.size()), beginning);
    EXPECT_EQ(bytes[32], 9);
    const byte_vector body{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0x0a, 0x0b, 0x0c, 0, 0, 0, 0};
    EXPECT_TRUE(std::equal(body.begin(), body.end(), bytes.begin() + 52));
    const auto digest = test::hmac_sha256(byte_vector(32, 7), first(bytes, 112));
    EXPECT_TRUE(std::equal(bytes.begin() + 112, bytes.end(), digest.begin()));
}

TEST(reflector_wire, T32_cut_at_any_byte_is_malformed)
{
    for (const auto& what : requests()) {
        const auto whole = encode_request(what, signing());
        for (std::size_t size = 0; size < whole.size(); ++size) {
            auto cut = first(whole, size);
            EXPECT_FALSE(decode_request(cut)) << size;
            if (size >= 6) { // also where the header says what is there
                cut[4] = static_cast<std::uint8_t>(size >> 8U);
                cut[5] = static_cast<std::uint8_t>(size);
                EXPECT_TRUE(size >= min_request_bytes || !decode_request(cut)) << size;
                EXPECT_FALSE(mac_holds(cut, signing()));
            }
        }
    }
    for (const auto& what : replies()) {
        const auto whole = encode_reply(what, signing());
        for (std::size_t size = 0; size < whole.size(); ++size) {
            auto cut = first(whole, size);
            EXPECT_FALSE(decode_reply(cut)) << size;
            if (size >= 6) {
                cut[4] = static_cast<std::uint8_t>(size >> 8U);
                cut[5] = static_cast<std::uint8_t>(size);
                EXPECT_FALSE(decode_reply(cut)) << what.body.index() << ' ' << size;
            }
        }
    }
}

TEST(reflector_wire, T18_a_change_of_any_bit_breaks_the_mac)
{
    const auto whole = encode_request(requests()[3], signing());
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        auto bytes = whole;
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
        EXPECT_FALSE(mac_holds(bytes, signing())) << bit;
    }
    EXPECT_FALSE(mac_holds(whole, {.secret = byte_vector(32, 8), .hmac_sha256 = test::hmac_sha256}));
    EXPECT_FALSE(mac_holds(whole, {}));
    EXPECT_FALSE(mac_holds(encode_request(requests()[3], {}), {})) << "no secret proves nothing";
}

TEST(reflector_wire, values_that_cannot_be_are_malformed)
{
    struct row {
        const char* what;
        std::size_t request; // of requests()
        std::size_t at;
        std::uint8_t value;
    };
    for (const auto& [what, which, at, value] :
         {row{"version", 1, 1, 2}, row{"type", 1, 2, 0x09}, row{"first byte", 1, 0, 0x00},
          row{"bytes after the key id", 1, 31, 'x'}, row{"how", 3, 52 + 12, 2},
          row{"transport", 6, 52 + 8, 1}}) {
        auto bytes = encode_request(requests()[which], signing());
        ASSERT_TRUE(decode_request(bytes));
        bytes[at] = value;
        EXPECT_FALSE(decode_request(bytes)) << what;
    }
    for (const auto& [what, which, at, value] :
         {row{"family", 1, 16, 5}, row{"no family", 1, 16, 0}, row{"again", 2, 16 + 12, 2},
          row{"state", 4, 16 + 8, 5}, row{"outcome", 6, 16 + 8, 5}, row{"banner", 6, 16 + 11, 33},
          row{"reason", 9, 17, 0}, row{"reason", 9, 17, 10}}) {
        auto bytes = encode_reply(replies()[which], signing());
        ASSERT_TRUE(decode_reply(bytes));
        bytes[at] = value;
        EXPECT_FALSE(decode_reply(bytes)) << what;
    }
}

TEST(reflector_wire, the_length_of_a_stream_of_messages_is_told_early_and_strictly)
{
    const auto bytes = encode_request(requests()[0], signing());
    for (std::size_t size = 1; size < 6; ++size) {
        EXPECT_EQ(announced_length(first(bytes, size)), std::nullopt);
    }
    EXPECT_EQ(announced_length(first(bytes, 6)), 128U);
    EXPECT_EQ(announced_length(byte_vector{'G'}), 0U) << "text is told from ours by its first byte";
    EXPECT_EQ(announced_length(byte_vector{0xf5, 2, 1, 0, 0, 128}), 0U);
    EXPECT_EQ(announced_length(byte_vector{0xf5, 1, 1, 0, 0, 31}), 0U);
    EXPECT_EQ(announced_length(byte_vector{0xf5, 1, 1, 0, 4, 0xb1}), 0U);
}

TEST(reflector_wire, T32_random_changes_never_break_the_reader)
{
    std::mt19937 random{20261121}; // NOLINT: the same every time
    std::vector<byte_vector> seeds;
    for (const auto& what : requests()) {
        seeds.push_back(encode_request(what, signing()));
    }
    for (const auto& what : replies()) {
        seeds.push_back(encode_reply(what, signing()));
    }
    for (int round = 0; round < 50000; ++round) {
        auto bytes = seeds[random() % seeds.size()];
        for (unsigned i = 0; i <= random() % 3; ++i) {
            bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
        }
        if (const auto got = decode_request(bytes)) {
            EXPECT_EQ(decode_request(encode_request(*got, {})).value(), *got);
        }
        if (const auto got = decode_reply(bytes)) {
            EXPECT_EQ(decode_reply(encode_reply(*got, {})).value(), *got);
        }
    }
}

TEST(reflector_keys, are_read_one_a_line)
{
    const auto got =
        parse_keys("# ours\nsite-7:AAECAwQFBgcICQoLDA0ODw==\r\n\n b.c_D:AAECAwQFBgcICQoLDA0ODxA=", "f");
    ASSERT_TRUE(got) << to_text(got.error()[0]);
    ASSERT_EQ(got->size(), 2U);
    EXPECT_EQ((*got)[0].id, "site-7");
    EXPECT_EQ((*got)[0].secret, (byte_vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
    EXPECT_EQ((*got)[1].id, "b.c_D");
    EXPECT_EQ((*got)[1].secret.size(), 17U);
}

TEST(reflector_keys, T13_name_the_line_of_a_fault_and_never_the_secret)
{
    for (const char* line :
         {"site", "a b:AAECAwQFBgcICQoLDA0ODw==", ":AAECAwQFBgcICQoLDA0ODw==", "s:AAECAwQFBgcICQoLDA0ODw=",
          "s:AAECAwQFBgcICQoLDA0OD?==", "s:AAECAwQFBgcICQoLDA0ODx==", "s:U0VDUkVU",
          "seventeen-letters:AAECAwQFBgcICQoLDA0ODw==", "s:", "good:AAECAwQFBgcICQoLDA0ODw=="}) {
        const auto got = parse_keys(std::string{"good:AAECAwQFBgcICQoLDA0ODw==\n"} + line, "keys");
        ASSERT_FALSE(got) << line;
        ASSERT_EQ(got.error().size(), 1U);
        EXPECT_EQ(got.error()[0].line, 2U);
        EXPECT_EQ(got.error()[0].message.find("AAEC"), std::string::npos);
        EXPECT_EQ(got.error()[0].message.find("U0VD"), std::string::npos);
    }
    EXPECT_FALSE(parse_keys("", "keys"));
    EXPECT_FALSE(parse_keys("# nothing\n", "keys"));
}

TEST(reflector_keys, have_ids_of_letters_digits_and_three_signs_and_secrets_of_16_to_64_bytes)
{
    const auto good = [](const std::string& line) { return parse_keys(line, "f").has_value(); };
    for (const char* id : {"a", "z", "A", "Z", "0", "9", "-", "_", ".", "sixteen-letters."}) {
        EXPECT_TRUE(good(std::string{id} + ":AAECAwQFBgcICQoLDA0ODw==")) << id;
    }
    for (const char* id : {"`", "{", "@", "[", "/", ":", "\xc3\xa4"}) {
        EXPECT_FALSE(good(std::string{id} + ":AAECAwQFBgcICQoLDA0ODw==")) << id;
    }
    EXPECT_TRUE(good("a:" + std::string(84, 'A') + "AA=="));  // 64 bytes
    EXPECT_FALSE(good("a:" + std::string(84, 'A') + "AAA=")); // 65
    EXPECT_FALSE(good("a:" + std::string(16, 'A') + "AAA=")); // 14
    EXPECT_TRUE(good("# no line end after it\na:AAECAwQFBgcICQoLDA0ODw=="));
}

TEST(reflector_keys, end_at_ten_thousand_lines)
{
    std::string text = "a:AAECAwQFBgcICQoLDA0ODw==\n" + std::string(9'999, '\n');
    EXPECT_TRUE(parse_keys(text, "f"));
    const auto got = parse_keys(text + "\n", "f");
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error()[0].message, "more than 10000 lines");
}

// Operators read these in logs and reports;
TEST(reflector_words, are_the_same_everywhere)
{
    EXPECT_STREQ(to_string(sending::unknown), "unknown");
    EXPECT_STREQ(to_string(sending::waiting), "waiting");
    EXPECT_STREQ(to_string(sending::sent), "sent");
    EXPECT_STREQ(to_string(sending::flow_ended), "flow ended");
    EXPECT_STREQ(to_string(sending::failed), "failed");
    EXPECT_STREQ(to_string(inbound_outcome::connected), "connected");
    EXPECT_STREQ(to_string(inbound_outcome::refused), "refused");
    EXPECT_STREQ(to_string(inbound_outcome::silent), "silent");
    EXPECT_STREQ(to_string(inbound_outcome::icmp), "icmp");
    EXPECT_STREQ(to_string(inbound_outcome::not_tried), "not tried");
    EXPECT_STREQ(to_string(refusal::not_enabled), "not enabled");
    EXPECT_STREQ(to_string(refusal::flow_busy), "flow busy");
    EXPECT_STREQ(to_string(refusal::address_busy), "address busy");
    EXPECT_STREQ(to_string(refusal::reflector_busy), "reflector busy");
    EXPECT_STREQ(to_string(refusal::delay_too_long), "delay too long");
    EXPECT_STREQ(to_string(refusal::key_busy), "key busy");
    EXPECT_STREQ(to_string(refusal::wrong_transport), "wrong transport");
    EXPECT_STREQ(to_string(refusal::senseless), "senseless");
    EXPECT_STREQ(to_string(refusal::token_in_use), "token in use");
}

TEST(socket_address, has_one_form)
{
    EXPECT_EQ(to_text(at("192.0.2.1:3478")), "192.0.2.1:3478");
    EXPECT_EQ(to_text(at("[2001:db8::1]:1")), "[2001:db8::1]:1");
    for (const char* wrong :
         {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:+1", "2001:db8::1:80",
          "[192.0.2.1]:80", "host:80", "[2001:db8::1:80", "192.0.2.1:8 "}) {
        EXPECT_FALSE(parse_socket_address(wrong)) << wrong;
    }
}

} // namespace
} // namespace reachd::wire
