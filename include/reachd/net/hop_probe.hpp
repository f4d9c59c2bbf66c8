// SPDX-License-Identifier: Apache-2.0
// hop_probe.hpp: one SYN or one datagram with a limited number of hops, or that discards far answers.
//
// Use      One call is one packet, asked for by a hop_order (core/inquiry.hpp); who answers it is told
//          exactly as tcp_connect() and udp_exchange() tell it.
// Cancel   Terminal cancellation ends it with not_measured{cancelled}.
// Errors   none: a failure of this machine is an observation; a missing socket option is named in it.
// Limits   A SYN waits for at most syn_alone, as Linux would send a second one after a second: its
//          no_reply says the shorter time. Spaced tries are the caller's.
// Source   Who answers at which hop, and IP_MINTTL: measured, Linux 6.18 (docs/VERDICTS.md).
#pragma once

#include "reachd/net/socket_options.hpp"

#include <boost/asio/awaitable.hpp>

namespace reachd {

struct hop_options {
    std::optional<unsigned> hop_limit; // IP_TTL, IPV6_UNICAST_HOPS
    std::optional<unsigned> min_ttl;   // IP_MINTTL, IPV6_MINHOPCOUNT
    bool on_link = false;              // bound to the link's device: this machine's own answers are not heard
    std::string payload;               // of a datagram; "" for one zero byte
    std::uint16_t source_port = 0;     // 0: the kernel chooses
    // A datagram that is to end on its way, at hop_limit: its socket listens until the deadline, whatever
    // comes. `forged` in what was seen: a time exceeded came, and an answer or another error as well.
    bool decoy = false;
};

// Before the first retransmission, which comes after the 1 s of RFC 6298 section 2.1; the margin is for a
// machine that wakes us up late.
inline constexpr milliseconds syn_alone{900};

boost::asio::awaitable<observation>
hop_probe(endpoint target, way_out way, hop_options options, time_point deadline);

} // namespace reachd
