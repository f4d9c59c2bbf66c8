// SPDX-License-Identifier: Apache-2.0
// tcp_state.hpp: what the kernel knows of a connection whose answer is out, and a keepalive at a chosen time.
//
// Errors   nullopt or false where the kernel refuses; never an exception.
// Source   linux/tcp.h, which cannot be in one file with Asio; docs/design of the kick:
// research/probing-and-nat.md 3.6.
#pragma once

#include <cstdint>
#include <optional>

namespace reachd::reflector {

struct tcp_snapshot {
    std::uint32_t unacknowledged = 0; // segments: tcpi_unacked
    std::uint32_t retransmitted = 0;  // in its whole life: tcpi_total_retrans
    std::uint32_t segments_in = 0;    // tcpi_segs_in
    std::uint32_t probes = 0;         // keepalives without an answer: tcpi_probes
};
std::optional<tcp_snapshot> read_tcp(int fd);

// The kernel sends one keepalive at once; rest_keepalive() after rest_after keeps it from sending a second.
bool send_keepalive(int fd);
void rest_keepalive(int fd);
// No keepalive by itself, and an end for what is not acknowledged in `give_up_ms`.
void prepare_tcp(int fd, unsigned give_up_ms);

} // namespace reachd::reflector
