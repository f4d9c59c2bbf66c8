// SPDX-License-Identifier: Apache-2.0
// tcp_state.hpp: a keepalive of a connection at a chosen time.
//
// Errors   false where the kernel refuses; never an exception.
// Source   the kick: include/reachd/net/idle_flow.hpp.
#pragma once

namespace reachd::reflector {

// The kernel sends one keepalive at once; rest_keepalive() after rest_after keeps it from sending a second.
bool send_keepalive(int fd);
void rest_keepalive(int fd);
// No keepalive by itself, and an end for what is not acknowledged in `give_up_ms`.
void prepare_tcp(int fd, unsigned give_up_ms);

} // namespace reachd::reflector
