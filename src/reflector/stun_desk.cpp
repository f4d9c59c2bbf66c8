// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/stun_desk.hpp"

#include "reachd/net/hmac.hpp"

#include <functional>
#include <limits>

namespace reachd::reflector {

namespace {

constexpr std::size_t recent_slots = 16384;
constexpr seconds recent_life{3600}; // RFC 5780 tests wait that long at most
constexpr std::uint16_t bad_request = 400;
constexpr std::uint16_t unknown_attribute = 420;

std::uint32_t second_of(time_point now)
{
    return static_cast<std::uint32_t>(std::chrono::duration_cast<seconds>(now.time_since_epoch()).count());
}

// The other address and port, as RFC 5780 section 7.4 has it: different from where the request arrived in
// both.
std::optional<socket_address> other_of(const flow& on, const std::vector<udp_socket_place>& sockets)
{
    if (on.transport == transport::tcp || !sockets.at(on.socket).siblings) {
        return std::nullopt;
    }
    return sockets.at(sockets.at(on.socket).siblings->other_both).local;
}

} // namespace

stun_desk::stun_desk(const config& what, std::uint64_t seed)
    : access_{what.stun}, padding_required_{what.stun_padding_required}, seed_{seed}, recent_(recent_slots)
{
    for (const auto& one : what.listen) {
        own_ports_.push_back(one.port);
    }
    if (what.alternate) {
        own_ports_.push_back(what.alternate->port);
    }
}

std::pair<std::size_t, std::uint32_t> stun_desk::place_of(const socket_address& peer) const
{
    std::uint64_t hash = seed_ ^ peer.port;
    for (const auto byte : peer.address.bytes) {
        hash = (hash ^ byte) * 0xff51afd7ed558ccdULL;
        hash ^= hash >> 29U;
    }
    return {hash % recent_slots, static_cast<std::uint32_t>(hash >> 32U)};
}

void stun_desk::remember(const socket_address& peer, time_point now)
{
    const auto [at, tag] = place_of(peer);
    recent_[at] = {.tag = tag, .second = second_of(now)};
}

bool stun_desk::was_here(const socket_address& peer, time_point now) const
{
    const auto [at, tag] = place_of(peer);
    const auto age = second_of(now) - recent_[at].second;
    return recent_[at].second != 0 && recent_[at].tag == tag && age <= recent_life.count();
}

stun_desk::judged stun_desk::judge(const stun::decoded& request, byte_view bytes, const key_ring& keys) const
{
    const bool sealed = request.has_integrity || request.has_integrity_sha256;
    if (!sealed) {
        return {.why = access_ == stun_access::keyed ? drop::not_allowed : drop::none};
    }
    const auto by = request.message.username ? keys.find(*request.message.username) : nullptr;
    if (!by) {
        return {.why = drop::bad_mac};
    }
    const auto which = request.has_integrity_sha256 ? stun::integrity::sha256 : stun::integrity::sha1;
    const auto& hmac = request.has_integrity_sha256 ? hmac_sha256 : hmac_sha1;
    const bool holds = stun::integrity_holds(bytes, which, by->key.secret, hmac);
    return {.why = holds ? drop::none : drop::bad_mac, .by = by, .sha256 = request.has_integrity_sha256};
}

// Where the reply leaves and goes to, if it may.
drop stun_desk::redirect(
    const stun::decoded& request, bool trusted, const flow& on, const std::vector<udp_socket_place>& sockets,
    time_point now, stun_reply& reply
) const
{
    const auto& change = request.message.change_request;
    if (change && (change->address || change->port)) {
        const auto& siblings = on.transport == transport::udp ? sockets.at(on.socket).siblings : std::nullopt;
        if (!trusted || !siblings) {
            return drop::not_allowed;
        }
        reply.socket = change->address && change->port ? siblings->other_both
                     : change->address                 ? siblings->other_address
                                                       : siblings->other_port;
    }
    if (request.message.response_port) {
        reply.to.port = *request.message.response_port;
        const bool asked_for_itself = reply.to == on.peer;
        if (!trusted || on.transport == transport::tcp || is_loop_source(reply.to, own_ports_) ||
            (!asked_for_itself && !was_here(reply.to, now))) {
            return drop::not_allowed;
        }
    }
    return drop::none;
}

stun_reply stun_desk::handle(
    const flow& on, byte_view bytes, const key_ring& keys, const std::vector<udp_socket_place>& sockets,
    time_point now
)
{
    stun_reply reply{.socket = on.socket, .to = on.peer};
    const auto request = stun::decode(bytes);
    if (!request || request->message.kind != stun::message_class::request ||
        request->message.method != stun::binding_method) {
        reply.why = drop::foreign;
        return reply;
    }
    const auto who = judge(*request, bytes, keys);
    reply.why = who.why;
    if (reply.why != drop::none) {
        return reply;
    }
    stun::message out{.kind = stun::message_class::success, .transaction = request->message.transaction};
    const bool trusted = who.by || access_ == stun_access::discovery;
    if (!request->not_understood.empty()) {
        if (!who.by) {
            reply.why = drop::not_allowed; // no error replies to sources that have shown nothing
            return reply;
        }
        out.kind = stun::message_class::error;
        out.error = stun::error_reply{.code = unknown_attribute, .reason = "Unknown Attribute"};
        out.unknown_attributes = request->not_understood;
    } else if (reply.why = redirect(*request, trusted, on, sockets, now, reply); reply.why != drop::none) {
        if (!who.by) {
            return reply;
        }
        reply = {.socket = on.socket, .to = on.peer};
        out.kind = stun::message_class::error;
        out.error = stun::error_reply{.code = bad_request, .reason = "Not from here, or not to there"};
    } else {
        out.xor_mapped = on.peer;
        out.mapped = on.peer;
        out.response_origin = sockets.empty() || on.transport == transport::tcp
                                ? on.local
                                : (reply.socket == on.socket ? on.local : sockets.at(reply.socket).local);
        out.other_address = other_of(on, sockets);
    }
    if (on.transport == transport::udp) {
        remember(on.peer, now);
    }
    stun::seals with{.fingerprint = request->has_fingerprint};
    if (who.by) {
        with.key = who.by->key.secret;
        (who.sha256 ? with.hmac_sha256 : with.hmac_sha1) = who.sha256 ? hmac_sha256 : hmac_sha1;
    }
    // What does not fit into the length of the request is left out, the least needed first.
    const bool short_form = !padding_required_ && access_ == stun_access::open && !who.by;
    reply.sealed = who.by != nullptr;
    reply.may_be_longer = !padding_required_;
    const auto room = padding_required_ ? bytes.size() : std::numeric_limits<std::size_t>::max();
    reply.bytes = stun::encode(out, with);
    for (auto* const part : {&out.response_origin, &out.other_address, &out.mapped}) {
        if (reply.bytes.size() > room || short_form) {
            part->reset();
            reply.bytes = stun::encode(out, with);
        }
    }
    return reply;
}

} // namespace reachd::reflector
