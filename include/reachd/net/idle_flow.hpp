// SPDX-License-Identifier: Apache-2.0
// idle_flow.hpp: one TCP connection that is left alone for a time, and what its silence shows.
//
// Use      leave_alone() on an open connection on which all is acknowledged; nothing is said on it but
//          keep-alives after the wait, which no application sees.
// Shapes   What it showed, and the packets that it sent in its whole life. One reading; two where the server
// spoke or closed early: what that proves, and that the planned
//          time did not come about. `begun` and `tested` are steady times.
// Cancel   Terminal cancellation ends it without a reading.
// Lifetime `watch` outlives the call.
// Limits   TCP_INFO is looked at once in `look_every`; a peer's keep-alive is dated by the look before.
//          At most 3 unanswered keep-alives: the fourth cuts Linux's own timer to 300 s (tcp_max_retrans).
// Source   The kick: SO_KEEPALIVE with TCP_KEEPIDLE and TCP_KEEPINTVL 32767, our own timer, then TCP_KEEPIDLE
// 1
//          for 20 ms and back: one keep-alive at once (answered after 720.02 of 720.0 s). The kernel's own
//          timer is up to 16 s late at HZ=250. tcpi_segs_in and tcpi_segs_out witness the silence; a peer's
//          keep-alive moves them and leaves tcpi_last_ack_recv alone (measured, Linux 6.18).
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/core/idle_ladder.hpp"
#include "reachd/net/local_change_watch.hpp"
#include "reachd/net/socket_options.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace reachd {

// A way to have the other side speak first after the silence: a reflector, or an RFC 5780 server. Inbound
// evidence comes from here; without one a flow is tested by our own packet alone.
class far_side {
public:
    enum class word : std::uint8_t {
        yes,     // it has sent what was arranged
        no,      // it has not
        cut,     // the connection ended on its side, by somebody between the two
        late,    // it has sent it so late that it may be on its way still
        unknown, // it cannot be asked, or what it says tells nothing of the way to us
    };
    far_side() = default;
    far_side(const far_side&) = delete;
    far_side& operator=(const far_side&) = delete;
    virtual ~far_side() = default;

    // Arranges that something comes on this flow `after` from now, and until then nothing.
    virtual boost::asio::awaitable<result<void>>
    arrange(boost::asio::ip::tcp::socket& flow, duration after) = 0;
    // Asked on another flow, once the appointed time has passed.
    virtual boost::asio::awaitable<word> has_spoken() = 0;
    // Whether what has come is its own; reads it.
    virtual bool is_word(boost::asio::ip::tcp::socket& /*flow*/) { return true; }
};

// Packets of our own in the middle of the silence, which keep the boxes busy that they get to.
struct idle_refresh {
    std::vector<duration> at;     // after the beginning, ascending; empty: none
    std::optional<unsigned> hops; // where they end; nullopt: all the way
};

struct idle_order {
    endpoint target;
    duration hold{};                   // at least 1 s: the kernel sends no keep-alive sooner
    unsigned turn = 0;                 // for the readings
    duration look_every = seconds{1};  // between two looks at the witnesses
    duration answer_time = seconds{2}; // an inbound packet counts within this of its time
    std::shared_ptr<far_side> speaker; // nullptr: a service as it is
    idle_refresh refresh;              // keep-alives, a second apart at least; needs a speaker
    std::function<boost::asio::awaitable<bool>()> fresh_flow_works;
};

struct idle_seen {
    std::vector<idle_reading> readings; // none where it was cancelled
    unsigned packets = 0;               // of the flow's whole life, with the SYN and an estimate of its end
    std::string source;                 // UDP: the local end, which names its entry in NATs
    std::optional<ip_address> ended_at; // UDP: who said that a refresh ended there
};

boost::asio::awaitable<idle_seen>
leave_alone(boost::asio::ip::tcp::socket socket, idle_order what, local_change_watch& watch);

} // namespace reachd
