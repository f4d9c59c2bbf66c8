// SPDX-License-Identifier: Apache-2.0
#include "tcp_state.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace reachd::reflector {

namespace {

constexpr int longest_idle_s = 32767; // MAX_TCP_KEEPIDLE of net/tcp.h
constexpr int most_probes = 127;      // MAX_TCP_KEEPCNT

bool set(int fd, int option, int value)
{
    return ::setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value) == 0;
}

} // namespace

void rest_keepalive(int fd)
{
    set(fd, TCP_KEEPIDLE, longest_idle_s);
}

bool send_keepalive(int fd)
{
    const int on = 1;
    rest_keepalive(fd);
    return set(fd, TCP_KEEPINTVL, longest_idle_s) && set(fd, TCP_KEEPCNT, most_probes) &&
           ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0 && set(fd, TCP_KEEPIDLE, 1);
}

void prepare_tcp(int fd, unsigned give_up_ms)
{
    const int on = 1;
    set(fd, TCP_NODELAY, on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up_ms, sizeof give_up_ms);
}

} // namespace reachd::reflector
