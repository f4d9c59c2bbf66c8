// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/guard.hpp"

#include <algorithm>

namespace reachd::reflector {

namespace {

constexpr std::size_t slot_count = 65536; // 1 MiB
constexpr std::uint32_t thousand = 1000;
constexpr std::uint32_t site_factor = 8; // an IPv6 /48 has that many times a /64's tokens
constexpr unsigned leak_one_in = 8;      // chrony's leak is one in four; NTP's replies are larger
constexpr unsigned lines_a_minute = 10;
// echo, discard, daytime, qotd, chargen, dns, ntp, snmp, cldap, ssdp, stun, mdns, memcached.
constexpr std::array<std::uint16_t, 14> answering_ports{0,   7,   13,  17,   19,   53,   69,
                                                        123, 161, 389, 1900, 3478, 5353, 11211};

std::uint64_t mix(std::uint64_t value)
{
    value ^= value >> 33U; // MurmurHash3's finaliser
    value *= 0xff51afd7ed558ccdULL;
    value ^= value >> 33U;
    value *= 0xc4ceb9fe1a85ec53ULL;
    return value ^ (value >> 33U);
}

std::uint32_t milliseconds_of(time_point now)
{
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count()
    );
}

bool is_one_host(const ip_address& address)
{
    const auto& bytes = address.bytes;
    if (address.is_v4()) {
        return bytes[0] != 0 && bytes[0] < 224; // 0/8, multicast, reserved, broadcast
    }
    const bool unspecified = std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
    return !unspecified && bytes[0] != 0xff;
}

} // namespace

const char* to_string(drop value)
{
    switch (value) {
    case drop::none: return "none";
    case drop::too_short: return "too_short";
    case drop::foreign: return "foreign";
    case drop::loop_source: return "loop_source";
    case drop::source_rate: return "source_rate";
    case drop::total_rate: return "total_rate";
    case drop::bad_mac: return "bad_mac";
    case drop::bad_cookie: return "bad_cookie";
    case drop::replayed: return "replayed";
    case drop::not_allowed: return "not_allowed";
    case drop::longer_reply: return "longer_reply";
    }
    return "?";
}

bool is_loop_source(const socket_address& peer, const std::vector<std::uint16_t>& own_ports)
{
    return !is_one_host(peer.address) ||
           std::ranges::find(answering_ports, peer.port) != answering_ports.end() ||
           std::ranges::find(own_ports, peer.port) != own_ports.end();
}

guard::guard(const limits& bounds, std::uint64_t seed) : bounds_{bounds}, seed_{seed}, slots_(slot_count) {}

std::uint32_t guard::full(std::uint32_t factor) const
{
    const auto whole = std::uint64_t{bounds_.source_burst} * factor * thousand;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(whole, 0xffffffffU));
}

guard::slot& guard::slot_of(const ip_address& source, unsigned prefix, std::uint32_t ms)
{
    std::uint64_t hash = seed_ ^ (prefix * 0x9e3779b97f4a7c15ULL);
    for (unsigned i = 0; i < prefix / 8; ++i) {
        hash = mix(hash ^ source.bytes[i]);
    }
    auto& out = slots_[hash % slot_count];
    const auto tag = static_cast<std::uint32_t>(hash >> 32U);
    const std::uint32_t factor = prefix == 48 ? site_factor : 1;
    if (out.tag != tag) {
        // Another source is here: it may be forgotten when its bucket is full again.
        const auto gained = std::uint64_t{ms - out.stamp} * bounds_.source_packets_per_s * factor;
        if (out.used == 0 || out.tokens + gained >= full(factor)) {
            out = {.tag = tag, .stamp = ms, .tokens = full(factor), .used = 1};
        }
    }
    return out;
}

bool guard::take(slot& from, std::uint32_t factor, std::uint32_t ms) const
{
    const auto gained = std::uint64_t{ms - from.stamp} * bounds_.source_packets_per_s * factor;
    from.tokens = static_cast<std::uint32_t>(std::min<std::uint64_t>(from.tokens + gained, full(factor)));
    from.stamp = ms;
    if (from.tokens < thousand) {
        return false;
    }
    from.tokens -= thousand;
    return true;
}

bool guard::take(bucket& from, double amount, double rate, time_point now) const
{
    const std::chrono::duration<double> passed = now - from.stamp;
    from.tokens = std::min(from.tokens + passed.count() * rate, rate); // a second's worth at most
    from.stamp = now;
    if (from.tokens < amount) {
        return false;
    }
    from.tokens -= amount;
    return true;
}

drop guard::admit(const ip_address& source, entry what, time_point now)
{
    const auto ms = milliseconds_of(now);
    constexpr unsigned v4_bits = 32, net_bits = 64, site_bits = 48;
    bool passes = false;
    if (source.is_v4()) {
        passes = take(slot_of(source, v4_bits, ms), 1, ms);
    } else {
        const bool net = take(slot_of(source, net_bits, ms), 1, ms);
        passes = take(slot_of(source, site_bits, ms), site_factor, ms) && net;
    }
    if (passes || (what == entry::stage0 && ++leak_ % leak_one_in == 0)) {
        return drop::none;
    }
    return drop::source_rate;
}

drop guard::may_send(std::size_t bytes, entry what, time_point now)
{
    if (what == entry::stage0 && !take(hellos_, 1, bounds_.total_packets_per_s / 2.0, now)) {
        return drop::total_rate;
    }
    const bool enough = take(packets_, 1, bounds_.total_packets_per_s, now) &&
                        take(bytes_, static_cast<double>(bytes), bounds_.total_bytes_per_s, now);
    return enough ? drop::none : drop::total_rate;
}

bool guard::worth_telling(const ip_address& source, time_point now)
{
    const auto ms = milliseconds_of(now);
    const auto minute = static_cast<std::uint16_t>(ms / 60000U % 65535U + 1U);
    if (minute != minute_) {
        minute_ = minute;
        told_ = 0;
    }
    auto& found = slot_of(source, source.is_v4() ? 32 : 64, ms);
    if (found.told == minute || told_ >= lines_a_minute) {
        return false;
    }
    found.told = minute;
    ++told_;
    return true;
}

} // namespace reachd::reflector
