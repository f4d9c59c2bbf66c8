// SPDX-License-Identifier: Apache-2.0
// appointments.hpp: which flow is to be answered when, and what became of each answer.
//
// Use      make() at a request; next_due() and take_due() drive the sender; sent(), note() and ended() tell
// what
//          happened; report() reads it.
// Shapes   One record an appointment, in one vector that is used again; one heap orders them by time.
// Limits   Waiting ones by limits.appointments; finished ones are kept for limits.report_kept, at most as
// many. Errors   A refusal is an answer, not an error.
#pragma once

#include "reachd/core/reflector_wire.hpp"
#include "reachd/core/time.hpp"
#include "reachd/reflector/config.hpp"
#include "reachd/reflector/keys.hpp"

#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace reachd::reflector {

// One flow: for UDP the socket and the peer, for TCP the connection.
struct flow {
    reachd::transport transport = reachd::transport::udp;
    std::uint32_t socket = 0;     // UDP: which of our sockets
    std::uint64_t connection = 0; // TCP: its number, never used again
    socket_address peer;
    socket_address local; // where its packets arrive
};

struct due_answer {
    std::uint32_t record = 0; // for sent()
    flow to;
    wire::answer_kind how = wire::answer_kind::data;
    std::uint64_t nonce = 0;
    wire::answer body;
    std::shared_ptr<key_state> owner;
};

// What happened on a flow after its answer.
struct flow_event {
    std::uint8_t bits = 0; // wire::event_x
    std::uint8_t icmp_type = 0;
    std::uint8_t icmp_code = 0;
    std::optional<socket_address> icmp_from;
};

class appointments {
public:
    appointments(const limits& bounds, std::uint64_t seed);

    struct made {
        bool again = false; // the same token on the same flow: nothing new
        duration due_in{};
    };
    std::expected<made, wire::refused> make(
        const flow& on, const std::shared_ptr<key_state>& owner, const wire::answer_after& what,
        std::uint64_t nonce, time_point now
    );

    // When the next answer is due, if any.
    [[nodiscard]] std::optional<time_point> next_due() const;
    // One that is due now; its record counts as being sent until sent() says how it went.
    std::optional<due_answer> take_due(time_point now);
    void sent(std::uint32_t record, wire::sending how, time_point now);

    // Something happened on this flow; only what comes after its answer is kept.
    void note(const flow& on, const flow_event& what, time_point now);
    // An observe with this token came from `peer`.
    void seen_later(const key_state& owner, std::uint64_t token, const socket_address& peer, time_point now);
    // TCP: what the kernel says of the connection now.
    void acknowledged(const flow& on, time_point now);
    void retransmitted(const flow& on, std::uint16_t times);
    // TCP: the connection is gone; a waiting answer will not be sent.
    void ended(const flow& on, time_point now);
    // The flow of an appointment, for who can ask the kernel about it.
    [[nodiscard]] std::optional<flow> flow_of(const key_state& owner, std::uint64_t token) const;
    [[nodiscard]] wire::reported report(const key_state& owner, std::uint64_t token, time_point now) const;

    [[nodiscard]] std::size_t waiting() const { return waiting_; }
    [[nodiscard]] std::size_t records() const { return by_token_.size(); }
    [[nodiscard]] std::size_t queued() const { return queue_.size(); }

private:
    struct record {
        std::uint32_t generation = 0; // moves on when the record is used again
        bool used = false;
        wire::answer_kind how = wire::answer_kind::data;
        wire::sending state = wire::sending::waiting;
        flow on;
        flow_event events;
        std::uint16_t retransmissions = 0;
        std::uint16_t later_port = 0;
        std::uint64_t token = 0;
        std::uint64_t nonce = 0;
        time_point made{};
        time_point due{};
        time_point sent{};
        duration event_after{};
        std::shared_ptr<key_state> owner;
    };
    struct entry { // of the heap, and of the queue of finished ones
        time_point when;
        std::uint32_t index = 0;
        std::uint32_t generation = 0;
        bool operator>(const entry& other) const { return when > other.when; }
    };
    struct token_key {
        const key_state* owner = nullptr;
        std::uint64_t token = 0;
        bool operator==(const token_key&) const = default;
    };
    struct flow_key { // the connection's number, or socket and peer
        std::uint64_t number = 0;
        socket_address peer;
        bool operator==(const flow_key&) const = default;
    };
    struct hasher {
        std::uint64_t seed = 0;
        std::size_t operator()(const token_key& key) const;
        std::size_t operator()(const flow_key& key) const;
        std::size_t operator()(const ip_address& address) const;
    };
    static flow_key key_of(const flow& on);
    static ip_address host_of(const ip_address& address); // an IPv6 /64 counts as one
    std::optional<wire::refused>
    refusal_of(const flow& on, const key_state& owner, const wire::answer_after& what) const;
    std::uint32_t place();
    void tidy_queue();
    void finish(std::uint32_t index, time_point now);
    void forget(std::uint32_t index);
    void forget_old(time_point now);
    void mark(record& of, std::uint8_t bits, time_point now);
    [[nodiscard]] const record* find(const key_state& owner, std::uint64_t token) const;
    [[nodiscard]] record* find(const flow& on);

    limits bounds_;
    std::vector<record> records_;
    std::vector<std::uint32_t> free_;
    std::vector<entry> queue_;   // a heap, soonest first; those of ended connections stay until they are many
    std::deque<entry> finished_; // `when` is when it is forgotten, ascending
    std::unordered_map<token_key, std::uint32_t, hasher> by_token_;
    std::unordered_map<flow_key, std::uint32_t, hasher> by_flow_;   // the latest of each flow
    std::unordered_map<ip_address, std::uint32_t, hasher> by_host_; // how many wait
    std::size_t waiting_ = 0;
};

} // namespace reachd::reflector
