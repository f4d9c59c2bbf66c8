// SPDX-License-Identifier: Apache-2.0
// The ten rules that keep a public reflector from being a weapon (docs/REFLECTOR.md); rule 9 is in
// server_test.cpp.
#include "peer.hpp"

#include <fmt/format.h>
#include <random>
#include <set>

namespace reachd::reflector {
namespace {

using namespace test;

constexpr wire::answer_after in_a_minute{.token = 1, .delay_ms = 60000};

config generous()
{
    auto out = usual();
    out.limits.source_packets_per_s = out.limits.source_burst = 1000000;
    out.limits.total_packets_per_s = 1000000;
    out.limits.total_bytes_per_s = 1000000000;
    return out;
}

TEST(rule_01, T16_no_reply_is_longer_than_its_request_over_100000_packets)
{
    for (const auto access : {stun_access::keyed, stun_access::discovery}) {
        auto what = generous();
        what.stun = access;
        world in{what};
        std::mt19937 random{20261121}; // NOLINT: the same every time
        std::vector<byte_vector> seeds;
        peer client{in, "198.51.100.7:50000"};
        ASSERT_TRUE(client.hello());
        for (std::size_t size : {128U, 129U, 700U, 1200U}) {
            for (const auto& body : std::initializer_list<wire::request_body>{
                     wire::hello{}, wire::observe{}, in_a_minute, wire::report{.token = 1}, wire::ping{},
                     wire::connect_back{.token = 1, .port = 80}
                 }) {
                seeds.push_back(client.make(body, size));
            }
        }
        for (const auto padding : std::initializer_list<std::uint16_t>{0, 4, 60, 84, 400}) {
            const stun::message plain{.software = "x", .padding = padding};
            seeds.push_back(stun::encode(plain));
            seeds.push_back(
                stun::encode(
                    {.username = our_key.id, .padding = padding},
                    {.key = our_key.secret, .hmac_sha256 = hmac_sha256, .fingerprint = true}
                )
            );
        }
        std::uint64_t answered = 0;
        for (int i = 0; i < 100000; ++i) {
            auto bytes = seeds[random() % seeds.size()];
            if (i % 3 != 0) {
                bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
            }
            if (i % 7 == 0) {
                bytes.resize(random() % (bytes.size() + 1));
            }
            const auto out = client.send(bytes);
            ASSERT_LE(out.reply.size(), bytes.size());
            ASSERT_TRUE(out.reply.empty() || bytes.size() >= 128);
            answered += out.reply.empty() ? 0U : 1U;
        }
        const auto& counted = in.own.counted();
        EXPECT_LE(counted.sent_bytes, counted.received_bytes);
        EXPECT_GT(answered, 1000U) << "something was answered, or nothing was shown";
        fmt::print(
            stderr, "T16: 100000 packets, {} answered: {:.2f} bytes sent for each that came in\n", answered,
            static_cast<double>(counted.sent_bytes) / static_cast<double>(counted.received_bytes)
        );
    }
}

TEST(rule_01, T16_shorter_than_128_bytes_is_dropped_whatever_it_is)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    auto bytes = client.make(wire::hello{});
    bytes.pop_back();
    EXPECT_EQ(client.send(bytes).why, drop::too_short);
    EXPECT_EQ(client.send({}).why, drop::too_short);
}

TEST(rule_02, T17_a_cookie_is_short_and_nothing_is_kept_for_it)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    EXPECT_EQ(client.ask(wire::hello{}).reply.size(), 56U);
    EXPECT_EQ(in.own.appointments().records(), 0U);
}

TEST(rule_02, T18_a_cookie_holds_for_its_address_port_and_transport_and_60_seconds)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    in.wait(seconds{60});
    EXPECT_TRUE(client.get<wire::observed>(wire::observe{}));
    in.wait(seconds{2});
    EXPECT_EQ(client.ask(wire::observe{}).why, drop::bad_cookie);
    ASSERT_TRUE(client.hello());
    for (const char* other : {"198.51.100.7:50001", "198.51.100.8:50000", "[2001:db8::7]:50000"}) {
        peer thief{in, other};
        thief.cookie = client.cookie;
        thief.nonce = 1000;
        EXPECT_EQ(thief.ask(wire::observe{}).why, drop::bad_cookie) << other;
    }
    peer over_tcp{in, "198.51.100.7:50000", our_key, transport::tcp};
    over_tcp.cookie = client.cookie;
    over_tcp.nonce = 2000;
    EXPECT_EQ(over_tcp.ask(wire::observe{}).why, drop::bad_cookie);
    for (auto& byte : client.cookie) {
        byte ^= 1U;
        EXPECT_EQ(client.ask(wire::observe{}).why, drop::bad_cookie);
        byte ^= 1U;
    }
    EXPECT_TRUE(client.get<wire::observed>(wire::observe{}));
}

TEST(rule_02, T18_the_secret_of_cookies_changes_each_hour_and_the_one_before_still_holds)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    in.wait(key_life - seconds{1});
    ASSERT_TRUE(client.hello());
    in.wait(seconds{2});
    peer turner{in, "198.51.100.9:50000"};
    ASSERT_TRUE(turner.hello()); // now there is a new one
    EXPECT_TRUE(client.get<wire::observed>(wire::observe{}));
}

TEST(rule_03, nothing_but_a_known_key_and_its_mac_is_answered)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    const wire::key stranger{.id = "nobody", .secret = our_key.secret};
    const wire::key forger{.id = our_key.id, .secret = byte_vector(32, 9)};
    for (const auto& key : {stranger, forger}) {
        peer bad{in, "198.51.100.7:50000", key};
        EXPECT_EQ(bad.ask(wire::hello{}).why, drop::bad_mac);
        bad.cookie = client.cookie;
        const auto out = bad.ask(wire::observe{});
        EXPECT_EQ(out.why, drop::bad_mac);
        EXPECT_TRUE(out.reply.empty()) << "no error goes to who has shown nothing";
    }
    client.cookie = {};
    EXPECT_EQ(client.ask(wire::observe{}).why, drop::bad_cookie);
}

TEST(rule_03, a_key_does_not_learn_of_the_appointments_of_another)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    peer other{in, "198.51.100.7:50001", other_key};
    ASSERT_TRUE(client.hello() && other.hello());
    ASSERT_TRUE(client.get<wire::appointed>(in_a_minute));
    EXPECT_EQ(client.get<wire::reported>(wire::report{.token = 1})->state, wire::sending::waiting);
    EXPECT_EQ(other.get<wire::reported>(wire::report{.token = 1})->state, wire::sending::unknown);
}

TEST(rule_04, T19_a_flow_has_one_appointment_and_a_repeated_request_makes_no_second)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    ASSERT_FALSE(client.get<wire::appointed>(in_a_minute)->again);
    in.wait(seconds{10});
    const auto repeated = client.get<wire::appointed>(in_a_minute);
    EXPECT_TRUE(repeated->again);
    EXPECT_EQ(repeated->due_in_ms, 50000U);
    EXPECT_EQ(in.own.appointments().waiting(), 1U);
    EXPECT_EQ(client.refused(wire::answer_after{.token = 2, .delay_ms = 1}), wire::refusal::flow_busy);
}

TEST(rule_04, T21_appointments_are_bounded_by_address_key_total_and_delay)
{
    auto what = usual();
    what.limits.appointments_per_address = 4;
    what.limits.appointments_per_key = 8;
    what.limits.appointments = 10;
    what.limits.delay = seconds{3600};
    world in{what};
    std::uint64_t token = 1;
    const auto ask = [&](std::string_view where, const wire::key& key) {
        peer client{in, where, key};
        client.nonce = 1000 * token;
        EXPECT_TRUE(client.hello());
        return client.refused(wire::answer_after{.token = token++, .delay_ms = 60000});
    };
    for (int port = 1; port <= 4; ++port) {
        EXPECT_EQ(ask(fmt::format("198.51.100.7:{}", 50000 + port), our_key), std::nullopt);
        EXPECT_EQ(ask(fmt::format("[2001:db8::{}]:50000", port), our_key), std::nullopt) << "one /64";
    }
    EXPECT_EQ(ask("198.51.100.7:50009", other_key), wire::refusal::address_busy) << "whatever the key";
    EXPECT_EQ(ask("[2001:db8::9]:50000", other_key), wire::refusal::address_busy);
    EXPECT_EQ(ask("198.51.100.8:50000", our_key), wire::refusal::key_busy);
    EXPECT_EQ(ask("198.51.100.8:50000", other_key), std::nullopt);
    EXPECT_EQ(ask("198.51.100.8:50001", other_key), std::nullopt);
    EXPECT_EQ(ask("198.51.100.9:50000", other_key), wire::refusal::reflector_busy);
    peer client{in, "198.51.100.10:50000"};
    client.nonce = 777;
    ASSERT_TRUE(client.hello());
    EXPECT_EQ(
        client.refused(wire::answer_after{.token = 99, .delay_ms = 3600001}), wire::refusal::delay_too_long
    );
    in.wait(seconds{61});
    while (const auto due = in.own.appointments().take_due(in.now)) {
        in.own.answer_sent(*due, wire::sending::sent, 48, in.now);
    }
    EXPECT_EQ(ask("198.51.100.7:50001", our_key), std::nullopt) << "the places are free again";
}

TEST(rule_04, one_answer_goes_to_the_source_of_the_request_and_is_short)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    ASSERT_TRUE(client.get<wire::appointed>(in_a_minute));
    EXPECT_FALSE(in.own.appointments().take_due(in.now + milliseconds{59999}));
    in.wait(seconds{60});
    const auto due = in.own.appointments().take_due(in.now);
    ASSERT_TRUE(due);
    EXPECT_EQ(due->to.peer, at("198.51.100.7:50000"));
    const auto bytes = in.own.encode_answer(*due);
    EXPECT_EQ(bytes.size(), 48U);
    EXPECT_TRUE(wire::mac_holds(bytes, signer_of(our_key)));
    in.own.answer_sent(*due, wire::sending::sent, bytes.size(), in.now);
    EXPECT_FALSE(in.own.appointments().take_due(in.now + seconds{3600})) << "exactly one";
}

TEST(rule_04, connect_back_is_refused_unless_it_is_switched_on)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    EXPECT_EQ(
        client.refused(wire::connect_back{.token = 1, .port = 80, .wait_ms = 1}), wire::refusal::not_enabled
    );
    auto on = usual();
    on.connect_back = true;
    world open{on};
    peer allowed{open, "198.51.100.7:50000"};
    ASSERT_TRUE(allowed.hello());
    const auto out = allowed.ask(wire::connect_back{.token = 1, .port = 80, .wait_ms = 1});
    ASSERT_TRUE(out.job);
    EXPECT_EQ(out.job->on.peer.address, at("198.51.100.7:1").address);
    EXPECT_EQ(
        allowed.refused(wire::connect_back{.token = 1, .transport = transport::udp, .port = 53}),
        wire::refusal::senseless
    ) << "not to what answers anybody";
}

TEST(rule_05, T17_a_source_has_one_bucket_for_all_its_ports)
{
    auto what = usual();
    what.limits.source_packets_per_s = 10;
    what.limits.source_burst = 20;
    world in{what};
    const auto count = [&](const std::function<std::string(int)>& where) {
        int passed = 0;
        for (int i = 0; i < 400; ++i) {
            peer client{in, where(i)};
            passed += client.ask(wire::observe{}).why == drop::source_rate ? 0 : 1; // no stage 0: no leak
        }
        return passed;
    };
    EXPECT_EQ(count([](int i) { return fmt::format("198.51.100.7:{}", 50000 + i); }), 20);
    EXPECT_EQ(count([](int i) { return fmt::format("[2001:db8:1:1::{:x}]:50000", i + 1); }), 20) << "a /64";
    in.wait(seconds{1});
    EXPECT_EQ(count([](int i) { return fmt::format("198.51.100.7:{}", 50000 + i); }), 10) << "refilled";
    EXPECT_EQ(count([](int i) { return fmt::format("[2001:db8:2:{:x}::1]:50000", i + 1); }), 160) << "a /48";
    EXPECT_EQ(count([](int) { return "203.0.113.9:50000"; }), 20) << "another is not touched";
}

TEST(rule_05, T17_one_hello_in_eight_passes_an_empty_bucket_and_nothing_else_does)
{
    auto what = usual();
    what.limits.source_packets_per_s = 1;
    what.limits.source_burst = 1;
    world in{what};
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    int cookies = 0;
    for (int i = 0; i < 800; ++i) {
        cookies += client.ask(wire::hello{}).reply.empty() ? 0 : 1;
    }
    EXPECT_EQ(cookies, 100);
    for (int i = 0; i < 80; ++i) {
        EXPECT_EQ(client.ask(wire::observe{}).why, drop::source_rate);
    }
}

TEST(rule_05, T22_what_all_ports_send_together_has_one_bound)
{
    auto what = generous();
    what.listen.push_back(at("192.0.2.1:4000"));
    what.limits.total_packets_per_s = 50;
    world in{what};
    int sent = 0;
    for (int i = 0; i < 500; ++i) {
        peer client{in, fmt::format("198.51.{}.7:50000", i % 250)};
        sent += client.hello() ? 1 : 0;
    }
    EXPECT_EQ(sent, 25) << "hellos get half, the rest is of those who have a cookie";
    what.limits.total_packets_per_s = 1000000;
    what.limits.total_bytes_per_s = 5600; // 100 cookies
    world bytes{what};
    sent = 0;
    for (int i = 0; i < 500; ++i) {
        peer client{bytes, "198.51.100.7:50000"};
        sent += client.hello() ? 1 : 0;
    }
    EXPECT_EQ(sent, 100);
}

TEST(rule_06, T20_ports_that_answer_by_themselves_and_addresses_of_nobody_are_not_answered)
{
    auto what = usual();
    what.listen.push_back(at("192.0.2.1:4000"));
    world in{what};
    for (const int port : {7, 13, 17, 19, 53, 123, 161, 389, 1900, 3478, 4000, 5353, 11211}) {
        peer client{in, fmt::format("198.51.100.7:{}", port)};
        EXPECT_EQ(client.ask(wire::hello{}).why, drop::loop_source) << port;
    }
    for (const char* address :
         {"0.0.0.0:5000", "224.0.0.1:5000", "239.1.2.3:5000", "255.255.255.255:5000", "[::]:5000",
          "[ff02::1]:5000"}) {
        peer client{in, address};
        EXPECT_EQ(client.ask(wire::hello{}).why, drop::loop_source) << address;
    }
    EXPECT_TRUE((peer{in, "198.51.100.7:50000"}.hello()));
}

// Two reflectors that are pointed at each other.
TEST(rule_06, T20_what_the_reflector_sends_is_answered_by_none)
{
    auto what = generous();
    what.stun = stun_access::discovery;
    world in{what};
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    std::vector<byte_vector> replies{
        client.ask(wire::hello{}).reply, client.ask(wire::observe{}).reply, client.ask(in_a_minute).reply,
        client.send(client.make(wire::ping{}, 1200)).reply, client.send(stun::encode({.padding = 200})).reply
    };
    for (auto& one : replies) {
        ASSERT_FALSE(one.empty());
        peer elsewhere{in, "203.0.113.9:50000"};
        EXPECT_NE(elsewhere.send(one).why, drop::none);
        one.resize(std::max<std::size_t>(one.size(), 300)); // not for its length alone
        EXPECT_NE(elsewhere.send(one).why, drop::none);
    }
}

TEST(rule_07, T19_a_request_that_comes_again_is_dropped)
{
    world in;
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    const auto bytes = client.make(in_a_minute);
    EXPECT_FALSE(client.send(bytes).reply.empty());
    for (int second = 0; second < 70; ++second) {
        const auto again = client.send(bytes).why;
        EXPECT_TRUE(again == drop::replayed || again == drop::bad_cookie) << second;
        in.wait(seconds{1});
    }
}

TEST(rule_07, T21_the_nonces_of_a_minute_are_bounded)
{
    auto what = usual();
    what.limits.nonces_per_key = 10;
    world in{what};
    peer client{in, "198.51.100.7:50000"};
    ASSERT_TRUE(client.hello());
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(client.get<wire::observed>(wire::observe{}));
    }
    EXPECT_EQ(client.refused(wire::observe{}), wire::refusal::key_busy);
    in.wait(seconds{63});
    ASSERT_TRUE(client.hello());
    EXPECT_TRUE(client.get<wire::observed>(wire::observe{}));
}

TEST(rule_08, without_a_key_only_loopback_is_served_and_without_a_key_only_hello_is_answered)
{
    config what;
    for (const char* address :
         {"192.0.2.1:3478", "0.0.0.0:3478", "[::]:3478", "[2001:db8::1]:3478", "10.0.0.1:3478"}) {
        what.listen = {at("127.0.0.1:3478"), at(address)};
        what.stun = stun_access::keyed;
        what.allow_unauthenticated_echo = false;
        EXPECT_TRUE(why_not_start(what, 0)) << address;
        EXPECT_FALSE(why_not_start(what, 1)) << address;
        what.stun = stun_access::open;
        EXPECT_TRUE(why_not_start(what, 1)) << "a key does not make STUN for anybody safe";
        what.allow_unauthenticated_echo = true;
        EXPECT_FALSE(why_not_start(what, 0)) << address;
    }
    what.listen = {at("127.0.0.1:3478"), at("[::1]:3478")};
    what.allow_unauthenticated_echo = false;
    EXPECT_FALSE(why_not_start(what, 0));

    auto open = usual();
    open.allow_unauthenticated_echo = true;
    world in{open, {}};
    peer anybody{in, "198.51.100.7:50000", {}};
    const auto cookie = wire::decode_reply(anybody.ask(wire::hello{}).reply);
    ASSERT_TRUE(cookie);
    anybody.cookie = std::get<wire::cookie>(cookie->body).value;
    EXPECT_EQ(anybody.ask(wire::observe{}).why, drop::bad_mac);
    EXPECT_EQ(anybody.ask(in_a_minute).why, drop::bad_mac);
    peer over_tcp{in, "198.51.100.7:50000", {}, transport::tcp};
    EXPECT_EQ(over_tcp.ask(wire::hello{}).why, drop::bad_mac);
}

TEST(rule_10, the_first_drop_of_a_source_in_a_minute_is_told_and_all_are_counted)
{
    world in;
    std::vector<std::string> told;
    in.own.tell_drop = [&](const socket_address& peer, drop why) {
        told.push_back(to_text(peer.address) + ' ' + to_string(why));
    };
    peer client{in, "198.51.100.7:50000"};
    for (int i = 0; i < 100; ++i) {
        client.send(byte_vector(10));
    }
    EXPECT_EQ(told, std::vector<std::string>{"198.51.100.7 too_short"});
    in.wait(seconds{61});
    client.send(byte_vector(10));
    EXPECT_EQ(told.size(), 2U);
    for (int i = 0; i < 250; ++i) {
        peer{in, fmt::format("203.0.113.{}:5000", i + 1)}.send(byte_vector(10));
    }
    EXPECT_LE(told.size(), 12U) << "spoofed sources do not fill the log";
    EXPECT_EQ(in.own.counted().dropped[static_cast<std::size_t>(drop::too_short)], 351U);
    const auto text = to_prometheus(in.own.counted(), {});
    EXPECT_NE(text.find("reachd_reflector_dropped_total{reason=\"too_short\"} 351\n"), std::string::npos);
}

} // namespace
} // namespace reachd::reflector
