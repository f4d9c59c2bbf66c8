// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/tcp_facts.hpp"

#include <cstddef>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace reachd {

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
        .bytes_acknowledged = info.tcpi_bytes_acked,
        .peer_window = {},
        .segments_in = info.tcpi_segs_in,
        .segments_out = info.tcpi_segs_out,
        .unanswered_probes = info.tcpi_probes,
    };
    if (size >= offsetof(tcp_info, tcpi_snd_wnd) + sizeof info.tcpi_snd_wnd) {
        out.peer_window = info.tcpi_snd_wnd;
    }
    return out;
}

std::optional<int> unheard_bytes(int fd)
{
    int out = 0;
    return ::ioctl(fd, SIOCOUTQ, &out) == 0 ? std::optional{out} : std::nullopt;
}

} // namespace reachd
