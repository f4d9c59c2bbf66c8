// SPDX-License-Identifier: Apache-2.0
// probe_socket.hpp: the socket of one probe, ready to leave: its way, its number of hops, what it hears.
//
// Use      open_probe_socket() on a fresh Asio socket; then connect() is the caller's.
// Errors   What this machine cannot do is an observation: no_address for the vantage's source and
//          interface, other for an option that the kernel does not know; the detail names the step.
// Limits   on_link needs Linux 5.7 (SO_BINDTODEVICE without privilege); an ICMP error of this machine's own
//          is still heard over IPv4, with sender_is_us. The kernel looks at min_ttl for
//          TCP only; udp_exchange() does so itself. With min_ttl a TCP socket hears no ICMP error whose
//          quoted packet has fewer hops left than that: ask for it without hop_limit.
// Source   ip(7) IP_TTL, IP_MINTTL; RFC 5082; net/ipv4/tcp_ipv4.c tcp_v4_err() for the limit.
#pragma once

#include "reachd/net/socket_options.hpp"

namespace reachd {

struct flow_options {
    std::optional<unsigned> hop_limit;   // IP_TTL, IPV6_UNICAST_HOPS; nullopt: the system's
    std::optional<unsigned> min_ttl;     // IP_MINTTL, IPV6_MINHOPCOUNT: answers from farther are discarded
    bool on_link = false;                // what comes by lo, this machine's own answers, is not heard
    std::optional<unsigned> syn_retries; // TCP_SYNCNT
    std::uint16_t source_port = 0;       // 0: the kernel chooses
};

// Whether this process may filter by the interface of arrival: some kernels keep it to the privileged.
bool can_filter_arrivals();
// What lo has received so far; an answer during which it received nothing came by another interface.
std::optional<std::uint64_t> packets_by_loopback();

// The interface that owns the address from which the routing table would send; "" when there is none.
std::string link_towards(const endpoint& target, const way_out& way);

// Everything but opening it.
std::optional<outcome>
make_ready(int fd, const endpoint& target, const way_out& way, const flow_options& flow);

template <class Socket>
std::optional<outcome>
open_probe_socket(Socket& socket, const endpoint& target, const way_out& way, const flow_options& flow)
{
    using protocol = typename Socket::protocol_type;
    boost::system::error_code code;
    socket.open(target.address.is_v4() ? protocol::v4() : protocol::v6(), code);
    if (code) {
        return local_failure(code.value(), "socket");
    }
    socket.non_blocking(true, code);
    return make_ready(socket.native_handle(), target, way, flow);
}

} // namespace reachd
