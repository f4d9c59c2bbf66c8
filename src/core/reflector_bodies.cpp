// SPDX-License-Identifier: Apache-2.0
#include "reflector_bodies.hpp"

#include <algorithm>

namespace reachd::wire {

namespace {

constexpr std::uint8_t tcp_number = 6; // IANA protocol numbers
constexpr std::uint8_t udp_number = 17;

void put_address(byte_writer& out, const std::optional<socket_address>& where)
{
    if (!where) {
        out.put_zeros(20);
        return;
    }
    out.put(static_cast<std::uint8_t>(where->address.is_v4() ? 4 : 6));
    out.put(std::uint8_t{0});
    out.put(where->port);
    auto bytes = where->address.bytes;
    if (where->address.is_v4()) {
        std::fill(bytes.begin() + 4, bytes.end(), std::uint8_t{0});
    }
    out.put_bytes(bytes);
}

// `valid` turns false where the family is neither of the two, nor 0 and optional.
std::optional<socket_address> take_address(byte_reader& in, bool& valid)
{
    const auto number = in.take<std::uint8_t>();
    in.take<std::uint8_t>();
    socket_address out;
    out.port = in.take<std::uint16_t>();
    const auto bytes = in.take_bytes(16);
    valid = valid && (number == 4 || number == 6 || number == 0);
    if (number != 4 && number != 6) {
        return std::nullopt;
    }
    out.address.family = number == 4 ? family::v4 : family::v6;
    std::ranges::copy(
        bytes.first(std::min<std::size_t>(bytes.size(), number == 4 ? 4 : 16)), out.address.bytes.begin()
    );
    return out;
}

socket_address take_needed_address(byte_reader& in, bool& valid)
{
    const auto out = take_address(in, valid);
    valid = valid && out.has_value();
    return out.value_or(socket_address{});
}

template <class Enum>
Enum take_enum(byte_reader& in, Enum last, bool& valid)
{
    const auto value = in.take<std::uint8_t>();
    valid = valid && value <= static_cast<std::uint8_t>(last);
    return static_cast<Enum>(value);
}

struct body_writer {
    byte_writer* out;

    void operator()(const hello&) const {}
    void operator()(const ping&) const {}
    void operator()(const observe& what) const { out->put(what.token); }
    void operator()(const report& what) const { out->put(what.token); }
    void operator()(const answer_after& what) const
    {
        out->put(what.token);
        out->put(what.delay_ms);
        out->put(static_cast<std::uint8_t>(what.how));
        out->put_zeros(3);
    }
    void operator()(const connect_back& what) const
    {
        out->put(what.token);
        out->put(what.transport == transport::tcp ? tcp_number : udp_number);
        out->put(std::uint8_t{0});
        out->put(what.port);
        out->put(what.wait_ms);
    }
    void operator()(const cookie& what) const
    {
        out->put_bytes(what.value);
        out->put(what.life_s);
        out->put_zeros(2);
    }
    void operator()(const observed& what) const
    {
        put_address(*out, what.source);
        put_address(*out, what.destination);
        out->put(what.hops_left);
        out->put_zeros(3);
        out->put(what.received_us);
        out->put(what.sent_us);
    }
    void operator()(const appointed& what) const
    {
        out->put(what.token);
        out->put(what.due_in_ms);
        out->put(static_cast<std::uint8_t>(what.again ? 1 : 0));
        out->put_zeros(3);
        put_address(*out, what.source);
    }
    void operator()(const answer& what) const
    {
        out->put(what.token);
        out->put(what.waited_us);
    }
    void operator()(const reported& what) const
    {
        out->put(what.token);
        out->put(static_cast<std::uint8_t>(what.state));
        out->put(what.events);
        out->put(what.icmp_type);
        out->put(what.icmp_code);
        out->put(what.retransmissions);
        out->put(what.later_port);
        put_address(*out, what.peer);
        put_address(*out, what.icmp_from);
        out->put(what.sent_ago_us);
        out->put(what.late_us);
        out->put(what.event_after_us);
    }
    void operator()(const connected_back& what) const
    {
        const auto size = std::min(what.banner.size(), max_banner_bytes);
        out->put(what.token);
        out->put(static_cast<std::uint8_t>(what.outcome));
        out->put(what.icmp_type);
        out->put(what.icmp_code);
        out->put(static_cast<std::uint8_t>(size));
        out->put(what.took_us);
        out->put_bytes(byte_view{what.banner}.first(size));
        out->put_zeros(max_banner_bytes - size);
    }
    void operator()(const echo& what) const
    {
        out->put(what.received_us);
        out->put(what.sent_us);
    }
    void operator()(const refused& what) const
    {
        out->put(what.request_type);
        out->put(static_cast<std::uint8_t>(what.reason));
        out->put_zeros(2);
        out->put(what.limit);
    }
};

reported take_reported(byte_reader& in, bool& valid)
{
    reported out;
    out.token = in.take<std::uint64_t>();
    out.state = take_enum(in, sending::failed, valid);
    out.events = in.take<std::uint8_t>();
    out.icmp_type = in.take<std::uint8_t>();
    out.icmp_code = in.take<std::uint8_t>();
    out.retransmissions = in.take<std::uint16_t>();
    out.later_port = in.take<std::uint16_t>();
    out.peer = take_needed_address(in, valid);
    out.icmp_from = take_address(in, valid);
    out.sent_ago_us = in.take<std::uint64_t>();
    out.late_us = in.take<std::uint32_t>();
    out.event_after_us = in.take<std::uint32_t>();
    return out;
}

connected_back take_connected_back(byte_reader& in, bool& valid)
{
    connected_back out;
    out.token = in.take<std::uint64_t>();
    out.outcome = take_enum(in, inbound_outcome::not_tried, valid);
    out.icmp_type = in.take<std::uint8_t>();
    out.icmp_code = in.take<std::uint8_t>();
    const std::size_t size = in.take<std::uint8_t>();
    out.took_us = in.take<std::uint32_t>();
    const auto banner = in.take_bytes(max_banner_bytes);
    valid = valid && size <= banner.size();
    if (valid) {
        out.banner.assign(banner.begin(), banner.begin() + static_cast<std::ptrdiff_t>(size));
    }
    return out;
}

} // namespace

kind kind_of(const request_body& body)
{
    constexpr kind kinds[] = {kind::hello,  kind::observe,      kind::answer_after,
                              kind::report, kind::connect_back, kind::ping};
    return kinds[body.index()];
}
kind kind_of(const reply_body& body)
{
    constexpr kind kinds[] = {kind::cookie,   kind::observed,       kind::appointed, kind::answer,
                              kind::reported, kind::connected_back, kind::echo,      kind::refused};
    return kinds[body.index()];
}

void put_body(byte_writer& out, const request_body& body)
{
    std::visit(body_writer{&out}, body);
}

void put_body(byte_writer& out, const reply_body& body)
{
    std::visit(body_writer{&out}, body);
}

std::optional<request_body> take_request_body(kind type, byte_reader& in, bool& valid)
{
    switch (type) {
    case kind::hello: return hello{};
    case kind::ping: return ping{};
    case kind::observe: return observe{.token = in.take<std::uint64_t>()};
    case kind::report: return report{.token = in.take<std::uint64_t>()};
    case kind::answer_after: {
        answer_after out;
        out.token = in.take<std::uint64_t>();
        out.delay_ms = in.take<std::uint32_t>();
        out.how = take_enum(in, answer_kind::keepalive, valid);
        in.take_bytes(3);
        return out;
    }
    case kind::connect_back: {
        connect_back out;
        out.token = in.take<std::uint64_t>();
        const auto number = in.take<std::uint8_t>();
        valid = valid && (number == tcp_number || number == udp_number);
        out.transport = number == udp_number ? transport::udp : transport::tcp;
        in.take<std::uint8_t>();
        out.port = in.take<std::uint16_t>();
        out.wait_ms = in.take<std::uint32_t>();
        return out;
    }
    default: return std::nullopt;
    }
}

std::optional<reply_body> take_reply_body(kind type, byte_reader& in, bool& valid)
{
    switch (type) {
    case kind::cookie: {
        cookie out;
        std::ranges::copy(in.take_bytes(out.value.size()), out.value.begin());
        out.life_s = in.take<std::uint16_t>();
        in.take_bytes(2);
        return out;
    }
    case kind::observed: {
        observed out;
        out.source = take_needed_address(in, valid);
        out.destination = take_needed_address(in, valid);
        out.hops_left = in.take<std::uint8_t>();
        in.take_bytes(3);
        out.received_us = in.take<std::uint64_t>();
        out.sent_us = in.take<std::uint64_t>();
        return out;
    }
    case kind::appointed: {
        appointed out;
        out.token = in.take<std::uint64_t>();
        out.due_in_ms = in.take<std::uint32_t>();
        out.again = take_enum(in, std::uint8_t{1}, valid) == 1;
        in.take_bytes(3);
        out.source = take_needed_address(in, valid);
        return out;
    }
    case kind::answer: {
        answer out;
        out.token = in.take<std::uint64_t>();
        out.waited_us = in.take<std::uint64_t>();
        return out;
    }
    case kind::reported: return take_reported(in, valid);
    case kind::connected_back: return take_connected_back(in, valid);
    case kind::echo: {
        echo out;
        out.received_us = in.take<std::uint64_t>();
        out.sent_us = in.take<std::uint64_t>();
        return out;
    }
    case kind::refused: {
        refused out;
        out.request_type = in.take<std::uint8_t>();
        out.reason = take_enum(in, refusal::token_in_use, valid);
        valid = valid && static_cast<std::uint8_t>(out.reason) != 0;
        in.take_bytes(2);
        out.limit = in.take<std::uint32_t>();
        return out;
    }
    default: return std::nullopt;
    }
}

} // namespace reachd::wire
