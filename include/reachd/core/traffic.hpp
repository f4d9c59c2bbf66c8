// SPDX-License-Identifier: Apache-2.0
// traffic.hpp: counts what an engine has sent, and the entries that it left in NATs and firewalls on the way.
//
// Use     opened() when a flow may begin, then ended(); lost() between two attempts; full_until() before
// opened(). Shapes  An entry is live while its flow is open and for the time that Linux keeps it afterwards.
// Probes of one
//         flow (the same local and remote endpoint) share an entry. Every way on is taken to keep one: an
//         upper bound.
// Units   Packets as the kernel counts them; entries by `now`, which never goes back.
// Errors  none.
// Limits  As many entries as are live: at most `nat_entries` of limits_config, where it is heeded.
// Source  net/netfilter/nf_conntrack_proto_tcp.c tcp_timeouts, nf_conntrack_proto_udp.c udp_timeouts,
// Linux 6.18.
#pragma once

#include "reachd/core/names.hpp"
#include "reachd/core/observation.hpp"

#include <map>
#include <set>
#include <utility>

namespace reachd {

inline constexpr seconds kept_half_open{120}; // nf_conntrack_tcp_timeout_syn_sent
inline constexpr seconds kept_after_fin{120}; // ..._time_wait; ..._fin_wait, where the other FIN is missing
inline constexpr seconds kept_after_rst{10};  // ..._close
inline constexpr seconds kept_datagram{30};   // nf_conntrack_udp_timeout: a datagram has no end
inline constexpr seconds kept_stream{120};    // ..._stream: both ways, and again after 2 s

// What a probe was sent for.
enum class sent_for : std::uint8_t {
    row,     // an endpoint's own exchanges
    inquiry, // who answers, and where silence begins
    block,   // a sample of a block
};

struct traffic_counts {
    // Packets, each in one of these:
    std::size_t syns = 0;          // with the kernel's retransmissions
    std::size_t segments = 0;      // of TCP, after the SYN: the end of a connection is an estimate
    std::size_t datagrams = 0;     // DNS apart
    std::size_t dns_questions = 0; // an estimate for getaddrinfo, which does not tell
    // Probes among them:
    std::size_t inquiries = 0;
    std::size_t samples = 0;
    std::size_t left_out = 0; // not sent: the inquiry's own cap
    // Entries:
    std::size_t entries = 0;      // that outlived their flow
    std::size_t half_open = 0;    // of these: a SYN that met silence or an ICMP error
    std::size_t most_at_once = 0; // live at the same time, open flows among them

    [[nodiscard]] std::size_t packets() const { return syns + segments + datagrams + dns_questions; }
    bool operator==(const traffic_counts&) const = default;
};

// How long Linux keeps the entry of a flow that has ended: by its first exchange, and whether we closed by
// RST.
duration entry_time(const endpoint& to, const observation& opening, bool ended_by_rst);

// Datagrams that a look-up took: A and AAAA of each server, and again where it was silent for its time.
std::size_t dns_questions_of(const name_lookup& lookup);

class traffic {
public:
    wall_time since{}; // when counting began

    // A flow is about to begin: its entry is live from now on.
    void opened(time_point now);
    // All attempts of an endpoint, the last of which ended now; ended by FIN where it was connected.
    void ended(const endpoint& to, const std::vector<observation>& seen, time_point now);
    // One probe of the inquiry's or of a block; ended by RST where it was connected.
    void ended(const endpoint& to, const observation& seen, sent_for why, time_point now);
    // A UDP flow that was left alone; its entry lives for so long after its last packet.
    void ended(const endpoint& to, const observation& seen, duration kept, time_point now);
    // An attempt met silence and another one follows, which ended() will count as well.
    void lost(const endpoint& to, time_point now);
    // An opened flow that was not sent after all.
    void dropped();
    void asked(const name_lookup& lookup, time_point now);
    void left_out(std::size_t orders) { counts_.left_out += orders; }

    // When to look again for room below `limit` (0: none); nullopt while there is room.
    std::optional<time_point> full_until(unsigned limit, time_point now);
    // Entries more that fit below `limit`.
    std::size_t room(unsigned limit, time_point now);
    [[nodiscard]] std::size_t live(time_point now);
    [[nodiscard]] const traffic_counts& counts() const { return counts_; }
    // What an older engine has sent and left; its open flows go with it.
    void inherit(const traffic& older);

private:
    using key = std::pair<std::string, endpoint>; // local and remote end
    void count(const observation& seen);
    void keep(key which, duration how_long, bool half_open, time_point now);
    key unnamed(const endpoint& to);
    key name_of(const endpoint& to, const observation& seen);
    void forget(time_point now);
    void note_most();
    void note_answer(const endpoint& to, const observation& opening);

    traffic_counts counts_;
    std::size_t open_ = 0;
    std::map<key, time_point> until_;
    std::set<std::pair<time_point, key>> soonest_;
    std::uint64_t next_unnamed_ = 0;
    std::set<endpoint> refusing_; // rows saw a RST: a probe that discards answers has met one too
};

} // namespace reachd
