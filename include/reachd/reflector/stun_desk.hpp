// SPDX-License-Identifier: Apache-2.0
// stun_desk.hpp: what is answered to a STUN Binding request, and from where and to where.
//
// Shapes  A reply names the socket it leaves by and the peer it goes to; both are the request's own unless
//         CHANGE-REQUEST or RESPONSE-PORT says otherwise and may.
// Limits  16 Ki recent flows in a table of fixed size.
// Source  RFC 8489, RFC 5780 sections 6.1 and 7; docs/WIRE.md "STUN".
#pragma once

#include "reachd/core/stun.hpp"
#include "reachd/reflector/appointments.hpp"
#include "reachd/reflector/guard.hpp"

#include <optional>
#include <vector>

namespace reachd::reflector {

// The sockets that RFC 5780 needs beside one: same address and other port, other address and same port, both
// other.
struct stun_siblings {
    std::uint32_t other_port = 0;
    std::uint32_t other_address = 0;
    std::uint32_t other_both = 0;
};

struct udp_socket_place {
    socket_address local; // as configured; the address may be a wildcard
    std::optional<stun_siblings> siblings;
};

struct stun_reply {
    drop why = drop::none; // anything else: nothing is sent
    byte_vector bytes;
    std::uint32_t socket = 0;
    socket_address to;
    bool sealed = false;        // a key had signed the request
    bool may_be_longer = false; // than the request: the operator has said that padding is not required
};

class stun_desk {
public:
    stun_desk(const config& what, std::uint64_t seed);

    // `bytes` are one message that looks like STUN, from a peer that the guard has admitted.
    stun_reply handle(
        const flow& on, byte_view bytes, const key_ring& keys, const std::vector<udp_socket_place>& sockets,
        time_point now
    );

private:
    struct recent {
        std::uint32_t tag = 0;
        std::uint32_t second = 0;
    };
    struct judged {
        drop why = drop::none;
        std::shared_ptr<key_state> by; // whose integrity held
        bool sha256 = false;
    };
    [[nodiscard]] judged judge(const stun::decoded& request, byte_view bytes, const key_ring& keys) const;
    std::pair<std::size_t, std::uint32_t> place_of(const socket_address& peer) const;
    void remember(const socket_address& peer, time_point now);
    [[nodiscard]] bool was_here(const socket_address& peer, time_point now) const;
    drop redirect(
        const stun::decoded& request, bool trusted, const flow& on,
        const std::vector<udp_socket_place>& sockets, time_point now, stun_reply& reply
    ) const;

    stun_access access_;
    bool padding_required_;
    std::uint64_t seed_;
    std::vector<std::uint16_t> own_ports_;
    std::vector<recent> recent_;
};

} // namespace reachd::reflector
