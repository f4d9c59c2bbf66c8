// SPDX-License-Identifier: Apache-2.0
// block_hole.hpp: what part of a block is blocked, and which host would tell more.
//
// Use     find_envelopes() over all that was sampled; place_to_ask() for each until it answers nothing.
// Shapes  An envelope is a largest aligned block that holds a blocked sample and no passing one: the hole
//         is inside. The core is the smallest aligned block around its blocked samples. A blocked host
//         half-way between the two grows the core, a passing one shrinks the envelope, so both meet
//         after about log2 of the bits between them. A hole that is one aligned block is then exact.
//         After that each quarter must hold a blocked host of its own, against holes of other shapes.
// Limits  A pass proves that its own address passes, and says nothing of those around it.
#pragma once

#include "reachd/core/block_draw.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

// What happened to a SYN whose hop limit ends just past the site's edge.
enum class block_answer : std::uint8_t {
    passed,       // time exceeded from beyond the edge: permitted
    rejected,     // ICMP unreachable
    reset,        // RST from this near: forged
    answered,     // handshake this near: a box answers in its name
    silent,       // nothing came back
    not_measured, // this machine could not send
};
const char* to_string(block_answer value);
std::optional<block_answer> parse_block_answer(std::string_view text);

// One address on which the tries agree: it passes, or it is blocked.
struct block_evidence {
    ip_address address;
    block_answer answer = block_answer::silent; // never not_measured
    std::optional<ip_address> by;               // who rejected
    unsigned silent = 0;                        // tries without an answer, a control having passed since
    unsigned loud = 0;                          // tries with the answer above
    [[nodiscard]] bool passes() const { return answer == block_answer::passed; }
};

struct envelope {
    ip_block within; // the hole is no larger than this
    ip_block core;   // and spans this
    std::vector<block_evidence> blocked;
};
// In the order of addresses. All evidence must be of `block`.
std::vector<envelope> find_envelopes(const ip_block& block, std::span<const block_evidence> seen);

// A part of the envelope in which one more host would tell; nothing once its extent is settled.
std::optional<ip_block> place_to_ask(const envelope& where);

// Whether so much silence cannot be loss: of `samples` addresses at a loss of `lost` a try, fewer than
// `false_alarms` are expected to be as silent as this by chance.
bool is_proven(const envelope& where, double lost, unsigned samples);
inline constexpr double false_alarms = 1e-6;
// Loud answers that prove a hole: one may be a router's passing trouble.
inline constexpr unsigned loud_enough = 2;

struct hole {
    ip_block where;   // spanned by blocked samples, none passing
    ip_block at_most; // the same, where its extent could be settled
    block_answer how = block_answer::silent;
    std::optional<ip_address> by; // who rejected, where all that did are one
    unsigned samples = 0;         // addresses, all blocked
    unsigned silent = 0;          // those of them that never got any answer
    bool operator==(const hole&) const = default;
};
hole make_hole(const envelope& where);
// "17.128.0.0/9 is rejected by 10.0.0.1 (12 of 12 samples, 3 of them silently)"
std::string describe(const hole& what);

} // namespace reachd
