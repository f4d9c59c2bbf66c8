// SPDX-License-Identifier: Apache-2.0
// Floods that rules_test.cpp is too small for: threats T21 and T22 of docs/SECURITY-TESTS.md.
#include "peer.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace reachd::reflector {
namespace {

using namespace test;

// Resident memory of this process.
std::int64_t resident_kib()
{
    std::ifstream file{"/proc/self/statm"};
    std::int64_t pages = 0;
    file >> pages >> pages;
    return pages * ::sysconf(_SC_PAGESIZE) / 1024;
}

#ifdef __SANITIZE_ADDRESS__
constexpr int sources = 100000;                   // each costs many times as much
constexpr std::int64_t most_growth_kib = 1 << 20; // what was freed is kept for a while
#else
constexpr int sources = 1000000;
constexpr std::int64_t most_growth_kib = 1024;
#endif

// Whoever has heard a hello of a key can send it again, from any address: it has no nonce that counts.
TEST(reflector_threats, T21_a_captured_hello_from_everywhere_leaves_room_for_those_who_have_a_cookie)
{
    world in;
    peer client{in, "203.0.113.200:50000"};
    ASSERT_TRUE(client.hello());
    peer heard{in, "203.0.113.201:50000"};
    const auto captured = heard.make(wire::hello{});
    flow on{.peer = at("198.18.0.1:50000"), .local = at("192.0.2.1:3478")};
    constexpr int rounds = 40;
    int answered = 0;
    int served = 0;
    for (int i = 0; i < rounds; ++i) { // 100,000 a second
        for (int k = 0; k < 5000; ++k) {
            on.peer.address = parse_address(fmt::format("10.{}.{}.{}", i, k / 250, k % 250 + 1)).value();
            answered += in.own.handle({.on = on, .bytes = captured}, in.now).reply.empty() ? 0 : 1;
        }
        served += client.get<wire::observed>(wire::observe{}) ? 1 : 0;
        in.wait(milliseconds{50});
    }
    EXPECT_EQ(served, rounds);
    EXPECT_GT(answered, 0) << "hellos are answered too, as far as they go";
}

TEST(reflector_threats, T21_rule_09_who_shows_no_key_is_not_trusted_whatever_is_open_to_all)
{
    auto open = usual();
    open.stun = stun_access::open;
    world in{open};
    byte_vector binding(128, 0);
    binding[1] = 1;   // a Binding request, RFC 8489 section 5
    binding[3] = 108; // bytes after the header
    const std::array<std::uint8_t, 4> cookie{0x21, 0x12, 0xa4, 0x42};
    std::ranges::copy(cookie, binding.begin() + 4);
    binding[20] = 0x80; // SOFTWARE fills it
    binding[21] = 0x22;
    binding[23] = 104;
    std::fill(binding.begin() + 24, binding.end(), std::uint8_t{'x'});
    flow on{.transport = transport::tcp, .peer = at("198.51.100.7:50000"), .local = at("192.0.2.1:3478")};
    on.connection = 1;
    const auto out = in.own.handle({.on = on, .bytes = binding}, in.now);
    EXPECT_FALSE(out.reply.empty()) << to_string(out.why);
    EXPECT_FALSE(out.trusted) << "it would keep its connection for an hour";
}

TEST(reflector_threats, T21_a_million_sources_take_no_memory_and_a_client_with_a_key_is_served)
{
    world in;
    peer client{in, "203.0.113.200:50000"};
    ASSERT_TRUE(client.hello());
    peer stranger{in, "198.51.100.7:50000", {.id = our_key.id, .secret = byte_vector(32, 9)}};
    const auto forged = stranger.make(wire::hello{}); // a source that has no key
    const auto flood = [&](int first, int last) {
        flow on{.peer = at("198.18.0.1:50000"), .local = at("192.0.2.1:3478")};
        std::uint64_t answered = 0;
        for (int i = first; i < last; ++i) {
            on.peer.address =
                parse_address(fmt::format("10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255)).value();
            answered += in.own.handle({.on = on, .bytes = forged}, in.now).reply.empty() ? 0U : 1U;
        }
        return answered;
    };
    EXPECT_EQ(flood(0, sources / 10), 0U);
    const auto before = resident_kib();
    int asked = 0;
    int served = 0;
    for (int part = 1; part < 10; ++part) {
        EXPECT_EQ(flood(part * (sources / 10), (part + 1) * (sources / 10)), 0U);
        in.wait(milliseconds{500});
        for (int i = 0; i < 10; ++i, ++asked) {
            served += client.hello() && client.get<wire::observed>(wire::observe{}) ? 1 : 0;
        }
    }
    const auto growth = resident_kib() - before;
    EXPECT_LT(growth, most_growth_kib);
    EXPECT_EQ(served, asked);
    EXPECT_EQ(
        in.own.counted().dropped[static_cast<std::size_t>(drop::bad_mac)] +
            in.own.counted().dropped[static_cast<std::size_t>(drop::source_rate)],
        static_cast<std::uint64_t>(sources)
    );
    fmt::print(
        stderr,
        "T21: {} source addresses, {:+} KiB of memory, {} of {} exchanges of a client with a key answered\n",
        sources, growth, served, asked
    );
}

// So many answers to 10000 hellos in one moment, from sources and to ports by their number.
template <class Source>
std::uint64_t answers_to(std::size_t ports, std::uint32_t total, Source source)
{
    auto what = usual();
    what.listen.clear();
    std::vector<udp_socket_place> places;
    for (std::size_t i = 0; i < ports; ++i) {
        what.listen.push_back(at(fmt::format("192.0.2.1:{}", 20000 + i)));
        places.push_back({.local = what.listen.back(), .siblings = {}});
    }
    what.limits.source_packets_per_s = 100;
    what.limits.source_burst = 100;
    what.limits.total_packets_per_s = total;
    what.limits.total_bytes_per_s = 100000000;
    const auto now = time_point{} + std::chrono::hours{1000};
    desk own{what, places, now};
    own.replace_keys({our_key});
    const auto hello =
        wire::encode_request({.nonce = 1, .key_id = our_key.id, .body = wire::hello{}}, signer_of(our_key));
    std::uint64_t answered = 0;
    for (std::size_t i = 0; i < 10000; ++i) {
        const flow on{.peer = at(source(i)), .local = what.listen[i % ports]};
        answered += own.handle({.on = on, .bytes = hello}, now).reply.empty() ? 0U : 1U;
    }
    return answered;
}

TEST(reflector_threats, T22_a_spray_over_500_ports_has_the_budget_of_one)
{
    const auto one = [](std::size_t i) { return fmt::format("198.51.100.7:{}", 30000 + i); };
    const auto many = [](std::size_t i) { return fmt::format("198.51.{}.{}:50000", i % 250, i / 250); };
    const auto of_one = answers_to(500, 100000, one);
    EXPECT_EQ(of_one, answers_to(1, 100000, one)) << "another port is no other budget";
    EXPECT_LE(of_one, 100U + 10000U / 8U) << "the bucket, and one hello in eight";
    const auto of_many = answers_to(500, 300, many);
    EXPECT_EQ(of_many, 150U) << "hellos get half";
    fmt::print(
        stderr,
        "T22: 10000 requests over 500 ports in one moment: {} answers to one address (over one port as "
        "many), "
        "{} to 10000 addresses (limits.total_packets_per_s is 300)\n",
        of_one, of_many
    );
}

} // namespace
} // namespace reachd::reflector
