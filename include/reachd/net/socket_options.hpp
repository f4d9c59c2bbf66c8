// SPDX-License-Identifier: Apache-2.0
// socket_options.hpp: the Linux socket calls that probes need, typed, and the error queue.
//
// Use      Setters answer an errno (0 on success), never throw; drain_errors() empties MSG_ERRQUEUE.
// Errors   Read SO_ERROR before draining: draining clears it (measured on Linux 6.18).
// Source   ip(7) IP_RECVERR, ipv6(7), tcp(7) TCP_INFO; linux/errqueue.h.
#pragma once

#include "reachd/core/config.hpp"
#include "reachd/core/observation.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace reachd {

// From which source and interface probes leave; both empty for the routing table's choice.
struct way_out {
    std::string interface;
    std::optional<ip_address> source;
};

boost::asio::ip::address to_asio(const ip_address& address);
ip_address from_asio(const boost::asio::ip::address& address);
ip_address address_of(const sockaddr& where);     // AF_INET or AF_INET6
bool is_local_address(const ip_address& address); // an interface of this machine has it
boost::asio::ip::tcp::endpoint tcp_endpoint(const endpoint& where);
boost::asio::ip::udp::endpoint udp_endpoint(const endpoint& where);

// IP_RECVERR and the received TTL of what arrives there.
int want_icmp_errors(int fd, family protocol);
// Off again once a connection stands: there a passing ICMP error would end it.
int refuse_icmp_errors(int fd, family protocol);
// SO_BINDTODEVICE and bind(); 0, or the errno with the step that failed in `failed_step`.
int leave_by(int fd, family protocol, const way_out& way, std::string& failed_step);
// SO_ERROR, which is cleared by reading it.
int take_error(int fd);
// Every ICMP error that waits, oldest first. An error whose sender is our own address is the kernel
// itself, complaining of a next hop that does not answer.
std::vector<icmp_error> drain_errors(int fd, family protocol);
// tcpi_state, or -1.
int tcp_state(int fd);
inline constexpr int tcp_state_established = 1; // TCP_ESTABLISHED in netinet/tcp.h
inline constexpr int tcp_state_syn_sent = 2;    // TCP_SYN_SENT
inline constexpr int tcp_state_close = 7;       // TCP_CLOSE: ended, by a RST as well
inline constexpr int tcp_state_close_wait = 8;  // TCP_CLOSE_WAIT
std::optional<ip_address> local_address(int fd);
// "10.77.1.2:41002", "" when unbound.
std::string local_name(int fd);

// What an errno of socket(), bind(), connect() or send() says about this machine.
not_measured local_failure(int error_number, const std::string& step);

} // namespace reachd
