// SPDX-License-Identifier: Apache-2.0
// service_sockets.hpp: whether a TCP service runs on this machine, and who is connected to it.
//
// Use      read_service_sockets() now and then; a short connection between two looks is not seen unless the
//          service was the first to close it (TIME_WAIT keeps it for a minute).
// Shapes   Peers are those whose handshake is complete: nobody gets there with a forged address. IPv4 peers
//          of an IPv6 listener are IPv4 addresses. Each once.
// Errors   Why the kernel does not tell: sock_diag(7) is not there, or was refused.
// Limits   The kernel walks its table of connections: once a second is cheap. Needs no rights. Sockets of
//          other network namespaces (containers) are not seen.
// Source   sock_diag(7); linux/inet_diag.h; net/ipv4/inet_diag.c inet_diag_dump_icsk(), which heeds the port.
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/core/socket_address.hpp"

#include <set>

namespace reachd {

struct service_sockets {
    bool listens = false;       // a listener of this machine has that address, or any, and that port
    std::set<ip_address> peers; // connected to it, or lately so
};

result<service_sockets> read_service_sockets(const socket_address& service);

} // namespace reachd
