// SPDX-License-Identifier: Apache-2.0
// Somebody else's STUN server: what it is asked and what its answers prove.
#include "reachd/core/stun_server.hpp"

#include <gtest/gtest.h>
#include <utility>

namespace reachd {
namespace {

const stun::transaction_id id{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

socket_address at(const char* text)
{
    return parse_socket_address(text).value();
}

stun::message success()
{
    stun::message out;
    out.kind = stun::message_class::success;
    out.transaction = id;
    out.xor_mapped = at("192.0.2.7:40000");
    return out;
}

TEST(binding_request, is_a_header_alone)
{
    const auto bytes = encode_binding(id);
    EXPECT_EQ(bytes.size(), stun::header_bytes);
    const auto got = stun::decode(bytes);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->message.kind, stun::message_class::request);
    EXPECT_EQ(got->message.transaction, id);
}

TEST(binding_request, names_another_port_with_an_attribute_of_length_two)
{
    const auto bytes = encode_binding(id, 0x1234);
    const byte_vector attribute{bytes.begin() + stun::header_bytes, bytes.end()};
    // Stuntman accepts length 2 alone; RFC 5780 section 7.5.
    EXPECT_EQ(attribute, (byte_vector{0x00, 0x27, 0x00, 0x02, 0x12, 0x34, 0x00, 0x00}));
}

TEST(binding_answer, has_the_mapped_address_and_where_else_to_ask)
{
    auto what = success();
    what.mapped = at("10.9.9.9:1"); // an ALG has rewritten the one that can be recognised
    what.other_address = at("203.0.113.53:3479");
    const auto got = read_binding(stun::encode(what));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->transaction, id);
    EXPECT_EQ(got->mapped, at("192.0.2.7:40000"));
    EXPECT_EQ(got->other, at("203.0.113.53:3479"));
    EXPECT_FALSE(got->error);
}

TEST(binding_answer, of_an_old_server_has_mapped_address_alone)
{
    auto what = success();
    what.mapped = std::exchange(what.xor_mapped, std::nullopt);
    EXPECT_EQ(read_binding(stun::encode(what))->mapped, at("192.0.2.7:40000"));
}

TEST(binding_answer, may_be_an_error)
{
    auto what = success();
    what.kind = stun::message_class::error;
    what.xor_mapped.reset();
    what.error = stun::error_reply{.code = 420, .reason = "Unknown Attribute"};
    const auto got = read_binding(stun::encode(what));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->error->code, 420);
    EXPECT_FALSE(got->mapped);
}

TEST(binding_answer, is_nothing_else)
{
    auto request = success();
    request.kind = stun::message_class::request;
    auto indication = success();
    indication.kind = stun::message_class::indication;
    auto other_method = success();
    other_method.method = 3; // Allocate
    auto without_address = success();
    without_address.xor_mapped.reset();
    for (const auto& what : {request, indication, other_method, without_address}) {
        EXPECT_FALSE(read_binding(stun::encode(what)));
    }
    const byte_vector noise(24, 0x41);
    EXPECT_FALSE(read_binding(noise));
    auto cut = stun::encode(success());
    cut.pop_back();
    EXPECT_FALSE(read_binding(cut));
}

TEST(binding_answer, with_an_attribute_that_must_be_understood_and_is_not_is_no_answer)
{
    auto bytes = stun::encode(success());
    const byte_vector priority{0x00, 0x24, 0x00, 0x04, 0, 0, 0, 1};
    bytes.insert(bytes.end(), priority.begin(), priority.end());
    bytes[3] = static_cast<std::uint8_t>(bytes.size() - stun::header_bytes);
    ASSERT_TRUE(stun::decode(bytes));
    EXPECT_FALSE(read_binding(bytes));
}

TEST(redirected_answer, says_why_a_server_proves_nothing)
{
    EXPECT_STREQ(why_unproven(redirected::arrived), "");
    EXPECT_NE(
        std::string{why_unproven(redirected::came_back)}.find("ignores RESPONSE-PORT"), std::string::npos
    );
    EXPECT_NE(std::string{why_unproven(redirected::refused)}.find("with an error"), std::string::npos);
    EXPECT_NE(std::string{why_unproven(redirected::silent)}.find("filters"), std::string::npos);
}

TEST(mapping, is_judged_as_rfc_5780_section_4_3_has_it)
{
    const auto local = at("10.0.0.2:5000");
    const auto first = at("192.0.2.7:40000");
    const auto second = at("192.0.2.7:40001");
    const auto third = at("192.0.2.7:40002");
    struct {
        const char* name;
        mapping_views seen;
        nat_mapping expected;
    } const cases[] = {
        {"no NAT", {local, local, {}, {}}, nat_mapping::none},
        {"no second address", {local, first, {}, {}}, nat_mapping::unknown},
        {"the same everywhere", {local, first, first, {}}, nat_mapping::endpoint_independent},
        {"the same port and another public address",
         {local, first, at("192.0.2.8:40000"), at("192.0.2.8:40000")},
         nat_mapping::address_dependent},
        {"one for each address", {local, first, second, second}, nat_mapping::address_dependent},
        {"one for each port too", {local, first, second, third}, nat_mapping::address_and_port_dependent},
        {"silence at the other port", {local, first, second, {}}, nat_mapping::unknown},
        {"a NAT that keeps the port", {local, at("192.0.2.7:5000"), {}, {}}, nat_mapping::unknown},
    };
    for (const auto& one : cases) {
        EXPECT_EQ(judge_mapping(one.seen), one.expected) << one.name;
    }
}

TEST(other_address, is_asked_only_where_a_server_can_have_it)
{
    const auto server = at("8.8.8.8:3478");
    EXPECT_TRUE(may_ask_other(server, at("9.9.9.9:3479")));
    EXPECT_FALSE(may_ask_other(server, at("8.8.8.8:3479"))) << "the same host";
    EXPECT_FALSE(may_ask_other(server, at("9.9.9.9:3478"))) << "the same port";
    EXPECT_FALSE(may_ask_other(server, {at("9.9.9.9:1").address, 0}));
    EXPECT_FALSE(may_ask_other(server, at("10.0.0.9:3479"))) << "a private one";
    EXPECT_FALSE(may_ask_other(server, at("127.0.0.1:3479")));
    EXPECT_FALSE(may_ask_other(server, at("224.0.0.1:3479")));
    EXPECT_FALSE(may_ask_other(server, at("[2606:4700::1]:3479"))) << "another family";
    EXPECT_TRUE(may_ask_other(at("10.0.0.8:3478"), at("10.0.0.9:3479"))) << "a server of the company's own";
}

TEST(stun_view, reads_as_a_sentence)
{
    const auto address = parse_address("192.0.2.7").value();
    EXPECT_EQ(to_sentence({.address = address}), "seen from outside as 192.0.2.7");
    EXPECT_EQ(
        to_sentence({.address = address, .mapping = nat_mapping::none}),
        "seen from outside as 192.0.2.7, this machine's own: no NAT"
    );
    EXPECT_EQ(
        to_sentence(
            {.address = address,
             .mapping = nat_mapping::endpoint_independent,
             .before = parse_address("192.0.2.6").value()}
        ),
        "seen from outside as 192.0.2.7, one mapping for all destinations (endpoint-independent); the public "
        "address has changed: it was 192.0.2.6"
    );
}

} // namespace
} // namespace reachd
