// SPDX-License-Identifier: Apache-2.0
// Who is answered by STUN, with what, from where and to where.
#include "peer.hpp"

#include "reachd/reflector/server.hpp"

namespace reachd::reflector {
namespace {

using namespace test;

struct stun_world {
    explicit stun_world(stun_access access, bool alternate = true, bool padding = true)
    {
        what.listen = {at("192.0.2.1:3478")};
        if (alternate) {
            what.alternate = at("192.0.2.2:3479");
        }
        what.stun = access;
        what.stun_padding_required = padding;
        own.emplace(what, plan_sockets(what), now);
        own->replace_keys({our_key});
    }
    handled
    ask(const stun::message& request, const stun::seals& with = {},
        std::string_view from = "198.51.100.7:50000")
    {
        const flow on{.peer = at(from), .local = at("192.0.2.1:3478")};
        return own->handle({.on = on, .bytes = stun::encode(request, with)}, now);
    }
    config what;
    time_point now = time_point{} + std::chrono::hours{1000};
    std::optional<desk> own;
};

stun::message padded()
{
    return {.padding = 200};
}

stun::seals keyed()
{
    return {.key = our_key.secret, .hmac_sha256 = hmac_sha256};
}

TEST(stun_desk, a_padded_request_is_told_all_that_rfc_5780_has)
{
    stun_world in{stun_access::open};
    const auto out = in.ask(padded(), {.fingerprint = true});
    const auto got = stun::decode(out.reply);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->message.xor_mapped, at("198.51.100.7:50000"));
    EXPECT_EQ(got->message.mapped, at("198.51.100.7:50000"));
    EXPECT_EQ(got->message.response_origin, at("192.0.2.1:3478"));
    EXPECT_EQ(got->message.other_address, at("192.0.2.2:3479"));
    EXPECT_TRUE(got->has_fingerprint);
    stun_world alone{stun_access::open, false};
    EXPECT_FALSE(stun::decode(alone.ask(padded()).reply)->message.other_address);
}

TEST(stun_desk, an_unpadded_request_is_dropped_unless_the_operator_says_otherwise)
{
    EXPECT_EQ(stun_world{stun_access::open}.ask({}).why, drop::too_short);
    const auto out = stun_world{stun_access::open, true, false}.ask({});
    EXPECT_EQ(out.reply.size(), 32U) << "XOR-MAPPED-ADDRESS and no more";
}

TEST(stun_desk, with_keys_only_their_integrity_is_answered)
{
    stun_world in{stun_access::keyed};
    EXPECT_EQ(in.ask(padded()).why, drop::not_allowed);
    auto request = padded();
    request.username = our_key.id;
    const auto out = in.ask(request, keyed());
    ASSERT_EQ(out.why, drop::none);
    EXPECT_TRUE(stun::integrity_holds(out.reply, stun::integrity::sha256, our_key.secret, hmac_sha256));
    const auto sha1 = in.ask(request, {.key = our_key.secret, .hmac_sha1 = hmac_sha1});
    EXPECT_TRUE(stun::integrity_holds(sha1.reply, stun::integrity::sha1, our_key.secret, hmac_sha1));
    EXPECT_EQ(in.ask(request, {.key = byte_vector(5), .hmac_sha256 = hmac_sha256}).why, drop::bad_mac);
    request.username = "nobody";
    EXPECT_EQ(in.ask(request, keyed()).why, drop::bad_mac);
}

TEST(stun_desk, change_request_is_answered_by_the_socket_that_was_asked_for)
{
    stun_world in{stun_access::discovery};
    struct row {
        bool address, port;
        const char* from;
    };
    for (const auto& [address, port, from] :
         {row{false, true, "192.0.2.1:3479"}, row{true, false, "192.0.2.2:3478"},
          row{true, true, "192.0.2.2:3479"}}) {
        auto request = padded();
        request.change_request = stun::change{.address = address, .port = port};
        const auto out = in.ask(request);
        ASSERT_EQ(out.why, drop::none);
        EXPECT_EQ(in.own->sockets().at(out.socket).local, at(from));
        EXPECT_EQ(out.to, at("198.51.100.7:50000"));
        EXPECT_EQ(stun::decode(out.reply)->message.response_origin, at(from));
    }
}

TEST(stun_desk, change_request_is_dropped_without_a_second_address_or_the_right)
{
    auto request = padded();
    request.change_request = stun::change{.address = true, .port = false};
    EXPECT_EQ((stun_world{stun_access::discovery, false}.ask(request).why), drop::not_allowed);
    EXPECT_EQ(stun_world{stun_access::open}.ask(request).why, drop::not_allowed);
    request.username = our_key.id; // with a key it is said in words
    const auto out = stun_world{stun_access::keyed, false}.ask(request, keyed());
    EXPECT_EQ(stun::decode(out.reply)->message.error->code, 400);
}

TEST(stun_desk, response_port_names_a_port_that_has_asked_before)
{
    stun_world in{stun_access::discovery};
    auto request = padded();
    request.response_port = 50001;
    EXPECT_EQ(in.ask(request).why, drop::not_allowed);
    ASSERT_EQ(in.ask(padded(), {}, "198.51.100.7:50001").why, drop::none);
    const auto out = in.ask(request);
    ASSERT_EQ(out.why, drop::none);
    EXPECT_EQ(out.to, at("198.51.100.7:50001"));
    EXPECT_EQ(stun::decode(out.reply)->message.xor_mapped, at("198.51.100.7:50000"));
    EXPECT_EQ(in.ask(request, {}, "198.51.100.8:50000").why, drop::not_allowed) << "of another address";
    in.now += seconds{3602};
    EXPECT_EQ(in.ask(request).why, drop::not_allowed) << "an hour ago";
}

TEST(stun_desk, attributes_that_must_be_understood_are_an_error_for_a_key_and_silence_for_others)
{
    byte_vector bytes = stun::encode(padded());
    const byte_vector unknown{0x7f, 0xff, 0, 0};
    bytes.insert(bytes.end(), unknown.begin(), unknown.end());
    bytes[2] = static_cast<std::uint8_t>((bytes.size() - 20) >> 8U);
    bytes[3] = static_cast<std::uint8_t>(bytes.size() - 20);
    stun_world in{stun_access::discovery};
    const flow on{.peer = at("198.51.100.7:50000"), .local = at("192.0.2.1:3478")};
    EXPECT_EQ(in.own->handle({.on = on, .bytes = bytes}, in.now).why, drop::not_allowed);
}

TEST(stun_desk, indications_and_responses_are_not_answered)
{
    stun_world in{stun_access::discovery};
    for (const auto kind :
         {stun::message_class::indication, stun::message_class::success, stun::message_class::error}) {
        auto what = padded();
        what.kind = kind;
        EXPECT_EQ(in.ask(what).why, drop::foreign);
    }
}

} // namespace
} // namespace reachd::reflector
