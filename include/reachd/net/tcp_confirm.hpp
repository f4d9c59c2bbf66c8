// SPDX-License-Identifier: Apache-2.0
// tcp_confirm.hpp: one more segment from the peer, on a connection that stands.
//
// Use      A completed handshake may be the work of a SYN proxy whose server is gone: it never
//          acknowledges anything, or resets late. Ask here before calling the service reachable.
// Shapes   acknowledged: the peer's TCP spoke again (an ACK, data, a FIN; a RST after its ACK too);
//          cut_off: a RST instead; no_reply: nothing by the deadline.
// Cancel   Terminal cancellation ends it with not_measured{cancelled}.
// Lifetime `socket` outlives the call; it is of no more use afterwards but to be closed.
// Limits   No event tells of an ACK: the socket is looked at every 1 ms, then ever more seldom, to 50 ms.
// Source   nft synproxy with its server gone: window 0 for ever, so neither FIN nor data leaves; with its
//          server closed: a RST after the round trip behind it (measured, Linux 6.18).
#pragma once

#include "reachd/core/observation.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace reachd {

// What is sent for the peer to acknowledge.
enum class confirm_with : std::uint8_t {
    fin,      // the end of our side: harmless to every service
    line_end, // two bytes of data: passes a box that lets connections through and drops what they carry
};

boost::asio::awaitable<observation>
tcp_confirm(boost::asio::ip::tcp::socket& socket, confirm_with what, time_point deadline);

// Whether the peer's TCP has acknowledged any of the data that was sent since it had acknowledged
// `before` (tcp_facts); waits for it until the deadline, or until the connection has ended.
boost::asio::awaitable<bool>
data_acknowledged(boost::asio::ip::tcp::socket& socket, std::uint64_t before, time_point deadline);

} // namespace reachd
