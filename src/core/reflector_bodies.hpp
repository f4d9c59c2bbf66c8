// SPDX-License-Identifier: Apache-2.0
// reflector_bodies.hpp: what stands between the header and the MAC of a reflector's message (docs/WIRE.md,
// Types).
#pragma once

#include "byte_io.hpp"
#include "reachd/core/reflector_wire.hpp"

namespace reachd::wire {

enum class kind : std::uint8_t { // docs/WIRE.md, Types
    hello = 0x01,
    observe = 0x02,
    answer_after = 0x03,
    report = 0x05,
    connect_back = 0x07,
    ping = 0x08,
    cookie = 0x81,
    observed = 0x82,
    appointed = 0x83,
    answer = 0x84,
    reported = 0x85,
    connected_back = 0x87,
    echo = 0x88,
    refused = 0x8f,
};

kind kind_of(const request_body& body);
kind kind_of(const reply_body& body);
void put_body(byte_writer& out, const request_body& body);
void put_body(byte_writer& out, const reply_body& body);
// nullopt where the type is none of a request. `valid` turns false where a field has a value that it cannot
// have.
std::optional<request_body> take_request_body(kind type, byte_reader& in, bool& valid);
// The same for a reply.
std::optional<reply_body> take_reply_body(kind type, byte_reader& in, bool& valid);

} // namespace reachd::wire
