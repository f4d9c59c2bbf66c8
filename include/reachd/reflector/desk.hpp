// SPDX-License-Identifier: Apache-2.0
// desk.hpp: what the reflector answers to a message, without a socket or a clock.
//
// Use      handle() for each datagram and each TCP message; keep() for each answer that is due.
// Shapes   A reply goes back on the flow that the message came on; STUN may name another socket or port.
// Limits   The ten anti-abuse rules (docs/REFLECTOR.md) are kept here and in guard.hpp, for both transports.
// Errors   Nothing is an error: a message is answered, refused in words, or dropped with a reason.
#pragma once

#include "reachd/reflector/appointments.hpp"
#include "reachd/reflector/cookie.hpp"
#include "reachd/reflector/counters.hpp"
#include "reachd/reflector/guard.hpp"
#include "reachd/reflector/keys.hpp"
#include "reachd/reflector/stun_desk.hpp"

#include <functional>

namespace reachd::reflector {

struct arrival {
    flow on;
    byte_view bytes;
    std::uint8_t hops_left = 0; // 0: not known
};

// A connect_back that the server shall try; the reply comes from desk::answer_connect_back().
struct connect_back_job {
    flow on;
    std::uint64_t nonce = 0;
    wire::connect_back what;
    std::shared_ptr<key_state> owner;
};

struct handled {
    drop why = drop::none;
    byte_vector reply;        // empty: nothing is sent
    std::uint32_t socket = 0; // UDP: by which
    socket_address to;
    bool trusted = false; // cookie, MAC and nonce were right, or the integrity of STUN
    std::optional<connect_back_job> job;
};

class desk {
public:
    desk(const config& what, std::vector<udp_socket_place> sockets, time_point now);

    void replace_keys(const std::vector<wire::key>& keys) { keys_.replace(keys); }
    handled handle(const arrival& what, time_point now);

    // Whether the bucket of all ports together has room for one more answer; takes its place.
    bool may_answer(time_point now);
    byte_vector encode_answer(const due_answer& what) const;
    void answer_sent(const due_answer& what, wire::sending how, std::size_t bytes, time_point now);
    byte_vector
    answer_connect_back(const connect_back_job& job, const wire::connected_back& what, time_point now);

    [[nodiscard]] reflector::appointments& appointments() { return appointments_; }
    [[nodiscard]] reflector::counters& counted() { return counted_; }
    [[nodiscard]] const key_ring& keys() const { return keys_; }
    [[nodiscard]] const std::vector<udp_socket_place>& sockets() const { return sockets_; }

    // Called before a report of a TCP flow is made: the owner of the connection tells what its kernel knows.
    std::function<void(const flow&)> inspect;
    // The first drop of a source in a minute.
    std::function<void(const socket_address& peer, drop why)> tell_drop;

private:
    drop
    judge(const arrival& what, const wire::request& request, std::shared_ptr<key_state>& by, time_point now);
    handled handle_ours(const arrival& what, time_point now);
    handled handle_stun(const arrival& what, time_point now);
    std::optional<wire::reply_body> reply_to(
        const arrival& what, const wire::request& request, const std::shared_ptr<key_state>& by,
        time_point now, handled& out
    );
    [[nodiscard]] drop first_look(const arrival& what, time_point now);
    [[nodiscard]] std::uint64_t microseconds_of(time_point now) const;

    config config_;
    std::vector<udp_socket_place> sockets_;
    std::vector<std::uint16_t> own_ports_;
    time_point start_;
    key_ring keys_;
    cookie_jar cookies_;
    reflector::guard guard_;
    reflector::appointments appointments_;
    stun_desk stun_;
    reflector::counters counted_;
};

} // namespace reachd::reflector
