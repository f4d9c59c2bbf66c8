// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/desk.hpp"

#include "reachd/net/hmac.hpp"

#include <algorithm>

namespace reachd::reflector {

namespace {

constexpr std::size_t cookie_key_bytes = 32;
constexpr std::size_t longest_cookie_reply = 96; // rule 2

wire::signer signer_of(const key_state* by)
{
    return by == nullptr ? wire::signer{}
                         : wire::signer{.secret = by->key.secret, .hmac_sha256 = hmac_sha256};
}

wire::refused refused(const wire::request& request, wire::refusal why, std::uint32_t limit)
{
    return {.request_type = wire::type_of(request.body), .reason = why, .limit = limit};
}

} // namespace

desk::desk(const config& what, std::vector<udp_socket_place> sockets, time_point now)
    : config_{what},
      sockets_{std::move(sockets)},
      start_{now},
      cookies_{hmac_sha256, [] { return random_bytes(cookie_key_bytes); }, now},
      guard_{what.limits, random_number()},
      appointments_{what.limits, random_number()},
      stun_{what, random_number()}
{
    for (const auto& one : what.listen) {
        own_ports_.push_back(one.port);
    }
    if (what.alternate) {
        own_ports_.push_back(what.alternate->port);
    }
}

std::uint64_t desk::microseconds_of(time_point now) const
{
    return static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(now - start_).count());
}

namespace {

// Of bytes that are long enough, or none of ours.
entry entry_of(byte_view bytes)
{
    constexpr std::size_t type_at = 2;
    const bool hello = bytes.size() > type_at && bytes[0] == wire::first_byte &&
                       bytes[type_at] == wire::type_of(wire::hello{});
    return hello ? entry::stage0 : entry::any;
}

} // namespace

// What is decided before anything is computed.
drop desk::first_look(const arrival& what, time_point now)
{
    const bool ours = !what.bytes.empty() && what.bytes[0] == wire::first_byte;
    const bool stun = !ours && stun::looks_like_stun(what.bytes);
    const bool padding = ours || config_.stun_padding_required;
    if (what.on.transport == transport::udp && is_loop_source(what.on.peer, own_ports_)) {
        return drop::loop_source;
    }
    if (padding && what.bytes.size() < wire::min_request_bytes) {
        return drop::too_short;
    }
    if (!ours && !stun) {
        return drop::foreign;
    }
    return guard_.admit(what.on.peer.address, entry_of(what.bytes), now);
}

handled desk::handle(const arrival& what, time_point now)
{
    ++counted_.received;
    counted_.received_bytes += what.bytes.size();
    handled out;
    out.why = first_look(what, now);
    if (out.why == drop::none) {
        out = what.bytes[0] == wire::first_byte ? handle_ours(what, now) : handle_stun(what, now);
    }
    if (out.why == drop::none && !out.reply.empty()) {
        out.why = guard_.may_send(out.reply.size(), entry_of(what.bytes), now);
    }
    if (out.why != drop::none) {
        ++counted_.dropped.at(static_cast<std::size_t>(out.why));
        if (tell_drop && guard_.worth_telling(what.on.peer.address, now)) {
            tell_drop(what.on.peer, out.why);
        }
        out.reply.clear();
        out.job.reset();
    }
    if (!out.reply.empty()) {
        ++counted_.sent;
        counted_.sent_bytes += out.reply.size();
    }
    return out;
}

handled desk::handle_stun(const arrival& what, time_point now)
{
    auto reply = stun_.handle(what.on, what.bytes, keys_, sockets_, now);
    handled out{.why = reply.why, .reply = std::move(reply.bytes), .socket = reply.socket, .to = reply.to};
    if (!reply.may_be_longer && out.reply.size() > what.bytes.size()) {
        out.why = drop::longer_reply;
    }
    out.trusted = out.why == drop::none && reply.sealed;
    return out;
}

// MAC, cookie and nonce, in the order of what they cost.
drop desk::judge(
    const arrival& what, const wire::request& request, std::shared_ptr<key_state>& by, time_point now
)
{
    const bool hello = std::holds_alternative<wire::hello>(request.body);
    by = keys_.find(request.key_id);
    if (!by && keys_.size() == 0 && hello && what.on.transport == transport::udp) {
        return drop::none; // without keys there is stage 0, and no more
    }
    if (!by || !wire::mac_holds(what.bytes, signer_of(by.get()))) {
        return drop::bad_mac;
    }
    if (hello) {
        return drop::none;
    }
    if (!cookies_.holds(request.cookie, what.on.transport, what.on.peer, now)) {
        return drop::bad_cookie;
    }
    return drop::none;
}

handled desk::handle_ours(const arrival& what, time_point now)
{
    handled out{.socket = what.on.socket, .to = what.on.peer};
    const auto request = wire::decode_request(what.bytes);
    if (!request) {
        out.why = drop::foreign;
        return out;
    }
    std::shared_ptr<key_state> by;
    out.why = judge(what, *request, by, now);
    if (out.why != drop::none) {
        return out;
    }
    std::optional<wire::reply_body> body;
    if (std::holds_alternative<wire::hello>(request->body)) {
        body = wire::cookie{
            .value = cookies_.bake(what.on.transport, what.on.peer, now),
            .life_s = static_cast<std::uint16_t>(cookie_life.count()),
        };
    } else {
        const auto nonce = by->nonces.use(request->nonce, config_.limits.nonces_per_key, now);
        if (nonce == nonce_memory::answer::used) {
            out.why = drop::replayed;
            return out;
        }
        out.trusted = true;
        body = nonce == nonce_memory::answer::full
                 ? refused(*request, wire::refusal::key_busy, config_.limits.nonces_per_key)
                 : reply_to(what, *request, by, now, out);
    }
    if (!body) {
        return out;
    }
    const bool echo = std::holds_alternative<wire::echo>(*body);
    out.reply = wire::encode_reply(
        {.nonce = request->nonce, .body = *body, .length = echo ? request->length : 0}, signer_of(by.get())
    );
    const bool cookie = std::holds_alternative<wire::cookie>(*body);
    if (out.reply.size() > (cookie ? longest_cookie_reply : what.bytes.size())) {
        out.why = drop::longer_reply;
    }
    return out;
}

std::optional<wire::reply_body> desk::reply_to(
    const arrival& what, const wire::request& request, const std::shared_ptr<key_state>& by, time_point now,
    handled& out
)
{
    const auto us = microseconds_of(now);
    if (const auto* observe = std::get_if<wire::observe>(&request.body)) {
        if (observe->token != 0) {
            appointments_.seen_later(*by, observe->token, what.on.peer, now);
        }
        return wire::observed{
            .source = what.on.peer,
            .destination = what.on.local,
            .hops_left = what.hops_left,
            .received_us = us,
            .sent_us = us
        };
    }
    if (const auto* wanted = std::get_if<wire::answer_after>(&request.body)) {
        const auto made = appointments_.make(what.on, by, *wanted, request.nonce, now);
        if (!made) {
            return made.error();
        }
        const auto due_ms = std::chrono::duration_cast<milliseconds>(made->due_in).count();
        return wire::appointed{
            .token = wanted->token,
            .due_in_ms = static_cast<std::uint32_t>(due_ms),
            .again = made->again,
            .source = what.on.peer
        };
    }
    if (const auto* asked = std::get_if<wire::report>(&request.body)) {
        const auto of = appointments_.flow_of(*by, asked->token);
        if (of && of->transport == transport::tcp && inspect) {
            inspect(*of);
        }
        return appointments_.report(*by, asked->token, now);
    }
    if (const auto* back = std::get_if<wire::connect_back>(&request.body)) {
        if (!config_.connect_back) {
            return refused(request, wire::refusal::not_enabled, 0);
        }
        const socket_address to{.address = what.on.peer.address, .port = back->port};
        if (back->port == 0 || (back->transport == transport::udp && is_loop_source(to, own_ports_))) {
            return refused(request, wire::refusal::senseless, 0);
        }
        out.job = connect_back_job{.on = what.on, .nonce = request.nonce, .what = *back, .owner = by};
        return std::nullopt;
    }
    return wire::echo{.received_us = us, .sent_us = us};
}

bool desk::may_answer(time_point now)
{
    constexpr std::size_t answer_bytes = 48; // docs/WIRE.md
    return guard_.may_send(answer_bytes, entry::any, now) == drop::none;
}

byte_vector desk::encode_answer(const due_answer& what) const
{
    return wire::encode_reply({.nonce = what.nonce, .body = what.body}, signer_of(what.owner.get()));
}

void desk::answer_sent(const due_answer& what, wire::sending how, std::size_t bytes, time_point now)
{
    appointments_.sent(what.record, how, now);
    if (how != wire::sending::sent) {
        return;
    }
    ++counted_.answers;
    ++counted_.sent;
    counted_.sent_bytes += bytes;
    const auto told = appointments_.report(*what.owner, what.body.token, now);
    counted_.late_us_sum += told.late_us;
    counted_.late_us_max = std::max<std::uint64_t>(counted_.late_us_max, told.late_us);
}

byte_vector
desk::answer_connect_back(const connect_back_job& job, const wire::connected_back& what, time_point now)
{
    auto out = wire::encode_reply({.nonce = job.nonce, .body = what}, signer_of(job.owner.get()));
    if (guard_.may_send(out.size(), entry::any, now) != drop::none) {
        ++counted_.dropped.at(static_cast<std::size_t>(drop::total_rate));
        return {};
    }
    ++counted_.sent;
    counted_.sent_bytes += out.size();
    return out;
}

} // namespace reachd::reflector
