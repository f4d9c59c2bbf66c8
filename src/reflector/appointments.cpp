// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/appointments.hpp"

#include <algorithm>
#include <limits>

namespace reachd::reflector {

namespace {

using wire::refusal;

constexpr std::uint8_t ends_of_flows = wire::event_reset | wire::event_closed | wire::event_given_up;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value)
{
    hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6U) + (hash >> 2U);
    hash ^= hash >> 33U;
    return hash * 0xff51afd7ed558ccdULL;
}

template <class Number>
Number in_microseconds(duration span)
{
    const auto count = std::chrono::duration_cast<microseconds>(span).count();
    const auto most = std::numeric_limits<Number>::max();
    return count < 0 ? 0 : std::uint64_t(count) > most ? most : static_cast<Number>(count);
}

wire::refused refused(refusal why, std::uint32_t limit)
{
    return {
        .request_type = wire::type_of(wire::answer_after{}),
        .reason = why,
        .limit = limit,
    };
}

} // namespace

std::size_t appointments::hasher::operator()(const token_key& key) const
{
    return mix(mix(seed, key.token), reinterpret_cast<std::uintptr_t>(key.owner));
}

std::size_t appointments::hasher::operator()(const flow_key& key) const
{
    return mix(mix((*this)(key.peer.address), key.number), key.peer.port);
}

std::size_t appointments::hasher::operator()(const ip_address& address) const
{
    auto out = mix(seed, address.is_v4() ? 4 : 6);
    for (std::size_t i = 0; i < address.bytes.size(); i += 8) {
        std::uint64_t word = 0;
        for (std::size_t j = 0; j < 8; ++j) {
            word = (word << 8U) | address.bytes[i + j];
        }
        out = mix(out, word);
    }
    return out;
}

appointments::appointments(const limits& bounds, std::uint64_t seed)
    : bounds_{bounds}, by_token_{0, hasher{seed}}, by_flow_{0, hasher{seed}}, by_host_{0, hasher{seed}}
{
}

appointments::flow_key appointments::key_of(const flow& on)
{
    if (on.transport == transport::tcp) {
        return {.number = on.connection, .peer = {}};
    }
    return {.number = on.socket, .peer = on.peer};
}

ip_address appointments::host_of(const ip_address& address)
{
    auto out = address;
    if (!out.is_v4()) {
        std::fill(out.bytes.begin() + 8, out.bytes.end(), std::uint8_t{0});
    }
    return out;
}

std::optional<wire::refused>
appointments::refusal_of(const flow& on, const key_state& owner, const wire::answer_after& what) const
{
    const auto host = by_host_.find(host_of(on.peer.address));
    const auto of_host = host == by_host_.end() ? 0 : host->second;
    const auto longest = std::chrono::duration_cast<milliseconds>(bounds_.delay).count();
    if (what.token == 0) {
        return refused(refusal::senseless, 0);
    }
    if (what.how == wire::answer_kind::keepalive && on.transport == transport::udp) {
        return refused(refusal::wrong_transport, 0);
    }
    if (what.delay_ms > longest) {
        return refused(refusal::delay_too_long, static_cast<std::uint32_t>(longest));
    }
    if (find(owner, what.token) != nullptr) {
        return refused(refusal::token_in_use, 0);
    }
    if (of_host >= bounds_.appointments_per_address) {
        return refused(refusal::address_busy, bounds_.appointments_per_address);
    }
    if (owner.appointments >= bounds_.appointments_per_key) {
        return refused(refusal::key_busy, bounds_.appointments_per_key);
    }
    if (waiting_ >= bounds_.appointments) {
        return refused(refusal::reflector_busy, bounds_.appointments);
    }
    return std::nullopt;
}

std::uint32_t appointments::place()
{
    if (free_.empty()) {
        records_.emplace_back();
        return static_cast<std::uint32_t>(records_.size() - 1);
    }
    const auto out = free_.back();
    free_.pop_back();
    return out;
}

std::expected<appointments::made, wire::refused> appointments::make(
    const flow& on, const std::shared_ptr<key_state>& owner, const wire::answer_after& what,
    std::uint64_t nonce, time_point now
)
{
    forget_old(now);
    const auto* const there = find(on);
    if (there != nullptr && there->state == wire::sending::waiting) {
        if (there->token == what.token && there->owner == owner) {
            return made{.again = true, .due_in = std::max(there->due - now, duration::zero())};
        }
        return std::unexpected(refused(refusal::flow_busy, 1));
    }
    if (auto refusal = refusal_of(on, *owner, what)) {
        return std::unexpected(*refusal);
    }
    const auto index = place();
    auto& fresh = records_[index];
    const auto generation = fresh.generation + 1;
    fresh = record{
        .generation = generation,
        .used = true,
        .how = what.how,
        .on = on,
        .token = what.token,
        .nonce = nonce,
        .made = now,
        .due = now + milliseconds{what.delay_ms},
        .owner = owner
    };
    by_token_[{.owner = owner.get(), .token = what.token}] = index;
    by_flow_[key_of(on)] = index;
    ++by_host_[host_of(on.peer.address)];
    ++owner->appointments;
    ++waiting_;
    queue_.push_back({.when = fresh.due, .index = index, .generation = generation});
    std::ranges::push_heap(queue_, std::greater<>{});
    tidy_queue();
    return made{.due_in = milliseconds{what.delay_ms}};
}

// Connections that come, appoint and go would fill the heap otherwise.
void appointments::tidy_queue()
{
    constexpr std::size_t slack = 1024;
    if (queue_.size() <= 2 * waiting_ + slack) {
        return;
    }
    std::erase_if(queue_, [this](const entry& one) {
        const auto& of = records_[one.index];
        return !of.used || of.generation != one.generation || of.state != wire::sending::waiting;
    });
    std::ranges::make_heap(queue_, std::greater<>{});
}

std::optional<time_point> appointments::next_due() const
{
    return queue_.empty() ? std::nullopt : std::optional{queue_.front().when};
}

std::optional<due_answer> appointments::take_due(time_point now)
{
    while (!queue_.empty() && queue_.front().when <= now) {
        std::ranges::pop_heap(queue_, std::greater<>{});
        const auto top = queue_.back();
        queue_.pop_back();
        const auto& found = records_[top.index];
        if (!found.used || found.generation != top.generation || found.state != wire::sending::waiting) {
            continue; // its connection has ended
        }
        return due_answer{
            .record = top.index,
            .to = found.on,
            .how = found.how,
            .nonce = found.nonce,
            .body = {.token = found.token, .waited_us = in_microseconds<std::uint64_t>(now - found.made)},
            .owner = found.owner,
        };
    }
    return std::nullopt;
}

void appointments::sent(std::uint32_t index, wire::sending how, time_point now)
{
    auto& done = records_[index];
    done.state = how;
    done.sent = now;
    finish(index, now);
}

// No longer waiting: its places are free, the record stays for reports.
void appointments::finish(std::uint32_t index, time_point now)
{
    const auto& done = records_[index];
    --waiting_;
    --done.owner->appointments;
    const auto host = by_host_.find(host_of(done.on.peer.address));
    if (--host->second == 0) {
        by_host_.erase(host);
    }
    // Who has lost the flow before asks when the answer would have come.
    const auto when = std::max(now, done.due) + bounds_.report_kept;
    const auto place = std::ranges::upper_bound(finished_, when, {}, &entry::when);
    finished_.insert(place, entry{.when = when, .index = index, .generation = done.generation});
    forget_old(now);
}

void appointments::forget_old(time_point now)
{
    while (!finished_.empty() && (finished_.front().when <= now || finished_.size() > bounds_.appointments)) {
        forget(finished_.front().index);
        finished_.pop_front();
    }
}

void appointments::forget(std::uint32_t index)
{
    auto& old = records_[index];
    by_token_.erase({.owner = old.owner.get(), .token = old.token});
    const auto found = by_flow_.find(key_of(old.on));
    if (found != by_flow_.end() && found->second == index) {
        by_flow_.erase(found);
    }
    old.owner.reset();
    old.used = false;
    free_.push_back(index);
}

const appointments::record* appointments::find(const key_state& owner, std::uint64_t token) const
{
    const auto found = by_token_.find({.owner = &owner, .token = token});
    return found == by_token_.end() ? nullptr : &records_[found->second];
}

appointments::record* appointments::find(const flow& on)
{
    const auto found = by_flow_.find(key_of(on));
    return found == by_flow_.end() ? nullptr : &records_[found->second];
}

void appointments::mark(record& of, std::uint8_t bits, time_point now)
{
    if (of.events.bits == 0) {
        of.event_after = now - of.sent;
    }
    of.events.bits = static_cast<std::uint8_t>(of.events.bits | bits);
}

void appointments::note(const flow& on, const flow_event& what, time_point now)
{
    auto* const found = find(on);
    if (found == nullptr) {
        return;
    }
    if (found->state == wire::sending::waiting) { // how the flow ends before its answer is due
        found->events.bits = static_cast<std::uint8_t>(found->events.bits | (what.bits & ends_of_flows));
    }
    if (found->state != wire::sending::sent) {
        return;
    }
    mark(*found, what.bits, now);
    if (what.icmp_from && !found->events.icmp_from) {
        found->events.icmp_type = what.icmp_type;
        found->events.icmp_code = what.icmp_code;
        found->events.icmp_from = what.icmp_from;
    }
}

void appointments::seen_later(
    const key_state& owner, std::uint64_t token, const socket_address& peer, time_point now
)
{
    const auto found = by_token_.find({.owner = &owner, .token = token});
    if (found == by_token_.end()) {
        return;
    }
    auto& seen = records_[found->second];
    if (seen.state != wire::sending::sent) {
        return;
    }
    mark(seen, wire::event_later, now);
    if (peer.port != seen.on.peer.port) {
        seen.later_port = peer.port;
    }
}

void appointments::acknowledged(const flow& on, time_point now)
{
    auto* const found = find(on);
    if (found != nullptr && found->state == wire::sending::sent &&
        (found->events.bits & wire::event_acknowledged) == 0) {
        mark(*found, wire::event_acknowledged, now);
    }
}

void appointments::retransmitted(const flow& on, std::uint16_t times)
{
    auto* const found = find(on);
    if (found != nullptr && found->state == wire::sending::sent) {
        found->retransmissions = std::max(found->retransmissions, times);
    }
}

void appointments::ended(const flow& on, time_point now)
{
    const auto found = by_flow_.find(key_of(on));
    if (found == by_flow_.end() || records_[found->second].state != wire::sending::waiting) {
        return;
    }
    const auto index = found->second;
    records_[index].state = wire::sending::flow_ended;
    finish(index, now);
}

std::optional<flow> appointments::flow_of(const key_state& owner, std::uint64_t token) const
{
    const auto* const found = find(owner, token);
    return found == nullptr ? std::nullopt : std::optional{found->on};
}

wire::reported appointments::report(const key_state& owner, std::uint64_t token, time_point now) const
{
    wire::reported out{.token = token};
    const auto* const found = find(owner, token);
    if (found == nullptr) {
        return out;
    }
    out.state = found->state;
    out.peer = found->on.peer;
    if (found->state == wire::sending::flow_ended) {
        out.events = found->events.bits;
    }
    if (found->state != wire::sending::sent) {
        return out;
    }
    out.events = found->events.bits;
    out.icmp_type = found->events.icmp_type;
    out.icmp_code = found->events.icmp_code;
    out.icmp_from = found->events.icmp_from;
    out.retransmissions = found->retransmissions;
    out.later_port = found->later_port;
    out.sent_ago_us = in_microseconds<std::uint64_t>(now - found->sent);
    out.late_us = in_microseconds<std::uint32_t>(found->sent - found->due);
    out.event_after_us = in_microseconds<std::uint32_t>(found->event_after);
    return out;
}

} // namespace reachd::reflector
