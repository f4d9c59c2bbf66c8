// SPDX-License-Identifier: Apache-2.0
// virtual_path.hpp: a client, its site, a provider and servers, of which every box and rule is known.
//
// Use     Fill a `network`; send() says what comes back of one packet and, as nobody outside a test can
//         know, who answered and which box is at fault. probe() is what check_endpoint() would have seen.
// Shapes  Boxes by their index: 0 is this machine. A way is the boxes a packet meets, this machine first.
// Units   Virtual time only.
// Source  A router checks the TTL after its prerouting rules and before its forward rules; RST and SYN-ACK
//         are not limited, ICMP is: docs/VERDICTS.md, "Who answered, and from where".
#pragma once

#include "reachd/core/inquiry.hpp"

#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace reachd::test {

enum class side : std::uint8_t {
    host,    // this machine
    site,    // inside the edge
    isp,     // beyond it, up to the destination
    service, // the destination
};

enum class deed : std::uint8_t {
    drop,
    reject,      // by ICMP, in the box's own name
    reset,       // TCP only
    proxy,       // TCP only: the box answers for everybody, with nobody behind
    syn_proxy,   // TCP only: the box makes the handshake, then asks the server
    spoof,       // UDP only: the box replies
    hide_errors, // ICMP errors from beyond the box do not come back through it
};
const char* to_string(deed value);

enum class point : std::uint8_t {
    prerouting, // before the TTL is checked
    forward,    // after it
};

struct scope { // what a rule is about; everything by default
    std::optional<ip_address> destination;
    std::optional<transport> kind;
    port_range ports{1, 65535};
    [[nodiscard]] bool covers(const endpoint& target) const;
};

struct rule {
    deed what = deed::drop;
    point where = point::forward;
    scope about;
    std::uint8_t code = 13; // of the ICMP unreachable
};

enum class manner : std::uint8_t {
    answers, // SYN-ACK, UDP reply
    refuses, // RST, port unreachable
    silent,  // UDP: takes it and says nothing
    drops,   // the host's own firewall
    rejects, // the host's own firewall, by ICMP
};

struct box {
    ip_address address;
    side where = side::isp;
    bool decrements = true; // false: a bridge, MPLS
    bool tells = true;      // says time exceeded
    bool limits_icmp = false;
    unsigned first_ttl = 64; // of its own packets
    std::vector<rule> rules;
    double tokens = 6; // left of the ICMP bucket: six, and one more each second (Linux)
    time_point filled{};
};

// Routers in a row, or several rows of which each flow takes one (ECMP).
struct segment {
    std::vector<std::vector<std::size_t>> rows;
};

struct server {
    std::size_t self = 0;
    std::vector<segment> tail; // between the trunk and the server
    int detour = 0;            // hops that its answers need more than our packets
    bool dead = false;
    bool missed = false; // when dead: the last router says "host unreachable"
    std::map<std::pair<transport, std::uint16_t>, manner> ports;
    manner tcp_else = manner::refuses;
    manner udp_else = manner::refuses;
    [[nodiscard]] manner at(const endpoint& target) const;
};

struct network {
    reachd::family family = family::v4;
    std::vector<box> boxes; // [0] is this machine
    std::vector<segment> trunk;
    std::vector<server> servers;
    unsigned canary_hops = 1;                 // routers that a packet to nobody passes
    std::optional<std::uint8_t> canary_code;  // how the last of them rejects it
    double loss = 0;                          // of each packet and each answer
    bool spreads_flows = false;               // ECMP by the whole five-tuple; else by destination
};

struct packet {
    endpoint target;
    unsigned hop_limit = 64;
    std::optional<unsigned> min_ttl;
    bool on_link = false;
    std::uint64_t flow = 0; // stands for the source port
};

// What came back, and the truth about it.
struct fate {
    outcome what;
    std::optional<std::size_t> speaker; // who sent it
    std::optional<std::size_t> culprit; // who kept the packet from the server
    std::vector<std::size_t> way;
    bool left_site = false;
};

class virtual_path {
public:
    virtual_path(network what, std::uint64_t seed) : net_{std::move(what)}, random_{seed} {}

    fate send(const packet& sent, time_point now);
    // As check_endpoint() does: two attempts, and one more segment on a connection that was made.
    std::vector<std::pair<observation, fate>> probe(const endpoint& target, time_point now);
    std::pair<observation, fate> observe(const hop_order& order, time_point now);

    [[nodiscard]] const network& what() const { return net_; }
    [[nodiscard]] const server* server_at(const ip_address& address) const;
    [[nodiscard]] std::vector<std::size_t> way_to(const endpoint& target, std::uint64_t flow) const;

private:
    struct flight { // a packet on its way
        const packet& sent;
        time_point now;
        fate out;
        std::size_t at = 0; // in out.way
        unsigned left = 0;  // TTL
    };
    [[nodiscard]] bool is_lost();
    bool filter_here(flight& it) const;
    bool apply(flight& it, point where);
    void arrive(flight& it);
    void answer(flight& it, outcome what);
    void report(flight& it, std::uint8_t type, std::uint8_t code);
    [[nodiscard]] unsigned received_ttl(const flight& it) const;
    std::pair<observation, fate> confirm(const packet& sent, const fate& made, time_point now);

    network net_;
    std::mt19937_64 random_;
    std::uint64_t next_flow_ = 1;
};

// The flow of a walk: its source port stays the same.
inline constexpr std::uint64_t walk_flow = 0;

std::string describe(const network& what);

} // namespace reachd::test
