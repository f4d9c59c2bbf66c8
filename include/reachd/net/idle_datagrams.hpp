// SPDX-License-Identifier: Apache-2.0
// idle_datagrams.hpp: one UDP flow to a reflector that is left alone for a time, and what comes after it.
//
// Use      leave_datagrams_alone() opens the flow itself, on a port of its own.
// Shapes   One reading. The silence is counted from the reflector's last packet before it; the answer is
//          appointed `speaker_margin` after the planned time.
// Cancel   Terminal cancellation ends it without a reading.
// Lifetime `watch` outlives the call.
// Limits   `single`: two exchanges within 2 s, which Linux takes for one (nf_conntrack_proto_udp.c extends a
//          flow only after 2 s); `stream`: a second one after 2.5 s. What takes longer to make is tried again
//          on another port, three times. A single-exchange timer below 2.5 s spoils the stream.
// Source   RFC 4787 section 4.3; docs/WIRE.md.
#pragma once

#include "reachd/net/idle_flow.hpp"
#include "reachd/net/reflector_client.hpp"

namespace reachd {

struct datagram_idle_order {
    reflector_access to;
    idle_class which = idle_class::udp_single;
    duration hold{};
    unsigned turn = 0;
    duration look_every = seconds{1};
    duration answer_time = seconds{2};
    idle_refresh refresh; // datagrams of one byte; what goes all the way is a hello
    // Asks the reflector on another flow what became of the answer; nullopt: it cannot be asked.
    std::function<boost::asio::awaitable<std::optional<wire::reported>>(std::uint64_t token)> report;
};

boost::asio::awaitable<idle_seen> leave_datagrams_alone(datagram_idle_order what, local_change_watch& watch);

} // namespace reachd
