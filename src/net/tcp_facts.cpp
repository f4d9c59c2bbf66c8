// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/tcp_facts.hpp"

#include <cstddef>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace reachd {

namespace {

// include/net/tcp_states.h: part of the interface, though no header for programs beside netinet/tcp.h has it.
constexpr int established = 1;
constexpr int fin_wait_1 = 4;
constexpr int fin_wait_2 = 5;
constexpr int close_wait = 8;

} // namespace

std::optional<tcp_facts> read_tcp_facts(int fd)
{
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return std::nullopt;
    }
    tcp_facts out{
        .state = info.tcpi_state,
        .timeouts = info.tcpi_retransmits,
        .in_flight_again = info.tcpi_retrans,
        .retransmitted = info.tcpi_total_retrans,
        .unacknowledged = info.tcpi_unacked,
        .bytes_acknowledged = info.tcpi_bytes_acked,
        .peer_window = {},
        .rtt_us = info.tcpi_rtt,
        .segments = info.tcpi_segs_out,
        .segments_in = info.tcpi_segs_in,
        .unanswered_probes = info.tcpi_probes,
    };
    if (size >= offsetof(tcp_info, tcpi_snd_wnd) + sizeof info.tcpi_snd_wnd) {
        out.peer_window = info.tcpi_snd_wnd;
    }
    return out;
}

unsigned segments_when_closed(int fd)
{
    const auto facts = read_tcp_facts(fd);
    int unread = 0;
    if (!facts || ::ioctl(fd, SIOCINQ, &unread) != 0) {
        return facts ? facts->segments : 0;
    }
    switch (facts->state) {
    case established: return facts->segments + (unread > 0 ? 1 : 2);
    case fin_wait_1:
    case fin_wait_2:
    case close_wait: return facts->segments + 1;
    default: return facts->segments;
    }
}

std::optional<int> unheard_bytes(int fd)
{
    int out = 0;
    return ::ioctl(fd, SIOCOUTQ, &out) == 0 ? std::optional{out} : std::nullopt;
}

} // namespace reachd
