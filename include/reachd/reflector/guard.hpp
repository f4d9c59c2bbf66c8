// SPDX-License-Identifier: Apache-2.0
// guard.hpp: who is not answered: token buckets in a table of fixed size, and sources that make loops.
//
// Use     is_loop_source() and admit() before anything is computed for a packet; may_send() before a reply.
// Limits  64 Ki slots of 16 bytes, never more (anti-abuse rules 5 and 6). Two sources that share a slot share
// its
//         tokens while both are busy.
// Units   steady time; packets and bytes.
#pragma once

#include "reachd/core/reflector_wire.hpp"
#include "reachd/core/time.hpp"
#include "reachd/reflector/config.hpp"

#include <array>
#include <vector>

namespace reachd::reflector {

// Why a packet was dropped: a counter for each, and the label of the metric.
enum class drop : std::uint8_t {
    none,
    too_short,    // fewer than 128 bytes
    foreign,      // neither ours nor STUN, or malformed
    loop_source,  // a port that answers by itself, or an address that no peer has
    source_rate,  // the bucket of the source is empty
    total_rate,   // the bucket of everything is empty
    bad_mac,      // key id unknown or HMAC wrong
    bad_cookie,   // stale, or of another address
    replayed,     // the nonce was used before
    not_allowed,  // needs a key and has none, or STUN is not for it
    longer_reply, // the reply would have been longer than its request
};
inline constexpr std::size_t drop_kinds = 11;
const char* to_string(drop value);

// Rule 6: ports of services that answer anybody, our own ports, and addresses that are not one host.
bool is_loop_source(const socket_address& peer, const std::vector<std::uint16_t>& own_ports);

enum class entry : std::uint8_t {
    any,    // every request
    stage0, // a hello: one in eight passes an empty bucket, so that a spoofer cannot silence a client
};

class guard {
public:
    // `seed` keeps others from knowing who shares a slot with whom.
    guard(const limits& bounds, std::uint64_t seed);

    // Takes a token of the source (IPv4 address; IPv6 /64 and /48), whatever the port.
    drop admit(const ip_address& source, entry what, time_point now);
    // Takes from the bucket of all ports together. Answers to hellos get half of it at most: whoever has
    // heard one hello of a key can send it again from any address, and who has a cookie is to be answered all
    // the same.
    drop may_send(std::size_t bytes, entry what, time_point now);
    // True once for a source in a minute, and for at most ten of them: what is worth a line of the log.
    bool worth_telling(const ip_address& source, time_point now);

private:
    struct slot {
        std::uint32_t tag = 0;    // of the source
        std::uint32_t stamp = 0;  // ms, wraps
        std::uint32_t tokens = 0; // in thousandths
        std::uint16_t told = 0;   // minute
        std::uint16_t used = 0;   // 0: never
    };
    static_assert(sizeof(slot) == 16);
    struct bucket {
        double tokens = 0;
        time_point stamp{};
    };
    slot& slot_of(const ip_address& source, unsigned prefix, std::uint32_t ms);
    bool take(slot& from, std::uint32_t factor, std::uint32_t ms) const;
    [[nodiscard]] bool take(bucket& from, double amount, double rate, time_point now) const;
    [[nodiscard]] std::uint32_t full(std::uint32_t factor) const;

    limits bounds_;
    std::uint64_t seed_;
    std::vector<slot> slots_;
    bucket packets_;
    bucket hellos_;
    bucket bytes_;
    unsigned leak_ = 0;
    std::uint16_t minute_ = 0;
    unsigned told_ = 0; // in this minute
};

} // namespace reachd::reflector
