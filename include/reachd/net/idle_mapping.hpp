// SPDX-License-Identifier: Apache-2.0
// idle_mapping.hpp: one UDP mapping that is left alone for a time, tested through somebody else's STUN
// server.
//
// Use      leave_mapping_alone() opens the flow itself. After the silence a second flow asks the server, by
//          RESPONSE-PORT, to answer to the first one's mapping.
// Shapes   One reading. An answer that comes is `inbound`; `inbound_lost` only where the server, asked at
// once
//          and in the same way, still reaches a fresh mapping of the same public address.
// Cancel   Terminal cancellation ends it without a reading.
// Lifetime `watch` outlives the call; the pair of flows is shared by all of a ladder.
// Limits   `single` and `stream` as in idle_datagrams.hpp.
// Source   RFC 5780 section 4.6.
#pragma once

#include "reachd/net/idle_flow.hpp"
#include "reachd/net/reflector_client.hpp"
#include "reachd/net/stun_client.hpp"

namespace reachd {

struct mapping_idle_order {
    reflector_access to; // with `stun`
    idle_class which = idle_class::udp_single;
    duration hold{};
    unsigned turn = 0;
    duration look_every = seconds{1};
    duration answer_time = seconds{2};
};

struct mapping_seen {
    idle_seen flow;
    std::optional<ip_address> address; // that it was seen from
};

boost::asio::awaitable<mapping_seen> leave_mapping_alone(mapping_idle_order what, local_change_watch& watch);

} // namespace reachd
