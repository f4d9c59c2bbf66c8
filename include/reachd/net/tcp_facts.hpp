// SPDX-License-Identifier: Apache-2.0
// tcp_facts.hpp: what the kernel knows of one TCP socket, from TCP_INFO and SIOCOUTQ.
//
// Use      read_tcp_facts() at any time; unheard_bytes() for "has the peer acknowledged all of it".
// Errors   A field that this kernel does not give is nullopt; so is all of it for a socket that is no TCP.
// Source   linux/tcp.h, which cannot be in one file with the C library's netinet/tcp.h (and so with
//          Asio): hence a file of its own. The struct only grows: its length says what is in it.
#pragma once

#include <cstdint>
#include <optional>

namespace reachd {

struct tcp_facts {
    int state = 0;                            // tcp_state_established and its like
    unsigned timeouts = 0;                    // retransmission timer, since the last ACK: tcpi_retransmits
    std::uint32_t in_flight_again = 0;        // retransmitted and not yet acknowledged: tcpi_retrans
    std::uint32_t retransmitted = 0;          // in its whole life: tcpi_total_retrans
    std::uint32_t unacknowledged = 0;         // segments: tcpi_unacked
    std::uint64_t bytes_acknowledged = 0;     // tcpi_bytes_acked: with one for the SYN and one for the FIN
    std::optional<std::uint32_t> peer_window; // tcpi_snd_wnd, Linux 5.4
    std::uint32_t rtt_us = 0;                 // smoothed; after the handshake alone its own; 0: not measured
    std::uint32_t segments = 0;               // sent, SYNs and bare ACKs among them: tcpi_segs_out, Linux 4.2
    std::uint32_t segments_in = 0;            // tcpi_segs_in: pure acknowledgements and keep-alives too
    unsigned unanswered_probes = 0;           // keep-alives: tcpi_probes
};

std::optional<tcp_facts> read_tcp_facts(int fd);

// What was sent, or waits to be, and is not acknowledged: bytes, and one for a FIN. It outlives the
// connection, so that it tells a reset before the acknowledgement from one after it. nullopt: no socket.
std::optional<int> unheard_bytes(int fd);

// Segments sent in the socket's life, with those that closing it now will send: an estimate of a FIN and the
// ACK of the other one, or a RST where something is unread.
unsigned segments_when_closed(int fd);

} // namespace reachd
