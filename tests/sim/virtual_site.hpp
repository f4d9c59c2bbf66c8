// SPDX-License-Identifier: Apache-2.0
// virtual_site.hpp: a site whose every box is known, to judge the judge by.
//
// Use     inject() faults, let a virtual_daemon probe it in virtual time, then ask is_sound() whether the
//         answers keep the laws: no false green, no false blame, unknown is never a pass.
// Shapes  Six rows as real catalogues have them, and one negative control. Without faults all pass.
// Units   Virtual time only; a probe that is answered takes 20 ms, one that is not takes its attempts.
// Limits  What needs a walk along the path is left out: a reset or a SYN-ACK that a firewall forges
//         towards an address that has no name cannot be told from the destination's own.
#pragma once

#include "reachd/core/pacer.hpp"
#include "reachd/core/rotation.hpp"
#include "reachd/core/schedule.hpp"
#include "reachd/core/site_state.hpp"

#include <functional>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <vector>

namespace reachd::test {

enum class fault : std::uint8_t {
    none,
    dropped,              // somewhere on the way
    rejected_by_gateway,  // ICMP 3/13 from our own gateway
    rejected_by_stranger, // ICMP 3/13 from a router that no table names
    rejected_by_service,  // ICMP 3/13 from the destination itself
    reset_by_firewall,    // a RST in the destination's name
    inspected,            // TLS under another issuer; plain HTTP passes
    cut_in_handshake,     // the connection is made and the answer on it is reset
    portal,               // HTTP redirected to one host, TLS answered for another name
    portal_511,           // HTTP status 511
    host_dead,            // no answer of the destination
    port_closed,          // the destination itself refuses
    expired,              // the certificate, or our clock
    own_filter,           // EPERM
    no_route,
    next_hop_silent, // ARP fails
    no_memory,
    forged_private, // the name resolves into private space
    forged_alike,   // every name resolves to one public address
    no_such_name,
    dns_silent,
    no_dns_route, // this machine has no route to any DNS server
};
inline constexpr int fault_count = 22;
const char* to_string(fault value);
bool is_of_names(fault value);
// The one blame that may be spoken besides `unknown`.
blame culprit_of(fault value);

struct probe_result {
    std::vector<observation> seen;
    duration took{};
};

class virtual_site {
public:
    virtual_site();

    [[nodiscard]] const plan& what() const { return plan_; }
    [[nodiscard]] std::size_t rows() const { return plan_.rows.size(); }
    [[nodiscard]] local_network local() const;

    // On one port of a row, or on all where `port` is 0. The last one injected wins.
    void inject(std::size_t row, std::uint16_t port, fault what);
    void heal() { injected_.clear(); }
    [[nodiscard]] fault at(std::size_t row, std::uint16_t port) const;
    // Whether such a fault shows on that row at all (TLS inspection does not touch a bare port).
    [[nodiscard]] bool applies(std::size_t row, std::uint16_t port, fault what) const;

    [[nodiscard]] name_lookup look_up(std::size_t row, const std::string& name) const;
    [[nodiscard]] probe_result probe(std::size_t row, const endpoint_state& one) const;
    // Whether an endpoint that was probed under this fault may count as a pass.
    [[nodiscard]] bool may_pass(std::size_t row, std::uint16_t port, fault what) const;

private:
    struct injection {
        std::size_t row;
        std::uint16_t port;
        fault what;
    };
    void add(std::string id, outbound_row row);
    [[nodiscard]] probe_result genuine(std::size_t row, const endpoint_state& one) const;

    plan plan_;
    std::vector<injection> injected_;
};

// Drives the core as the engine does, with a virtual clock and this site as its network.
class virtual_daemon {
public:
    virtual_daemon(
        const virtual_site& site, std::chrono::seconds interval, const limits_config& limits,
        std::uint64_t seed
    );

    // Every row once, whole.
    void check_once();
    // Rounds by the schedule; `ended` is told of each.
    void run_until(time_point end, const std::function<void(std::size_t row)>& ended);

    [[nodiscard]] const site_state& state() const { return state_; }
    [[nodiscard]] time_point now() const { return now_; }
    // All that speaks against a row's answer, one line each; empty when the laws are kept.
    [[nodiscard]] std::vector<std::string> faults_of(std::size_t row) const;

private:
    struct flight { // a probe on its way, or a ticket that waits
        std::size_t row;
        std::size_t endpoint;
        std::vector<observation> seen;
    };
    struct round {
        std::size_t left = 0;
        bool changed = false;            // its answer or its runs, since its round began
        std::vector<fault> probed_under; // of each endpoint, at the time of its last probe
        rotation turn;
    };
    void start_round(std::size_t row);
    void end_round(std::size_t row);
    void pump();
    void land(pacer::ticket which);
    [[nodiscard]] time_point next_event() const;

    const virtual_site& site_;
    time_point now_{std::chrono::hours{1}};
    site_state state_;
    std::vector<round> rounds_;
    schedule schedule_;
    pacer pacer_;
    time_point pacer_wakes_ = time_point::max();
    std::map<pacer::ticket, flight> flights_;
    pacer::ticket next_ticket_ = 1;
    using landing = std::pair<time_point, pacer::ticket>;
    std::priority_queue<landing, std::vector<landing>, std::greater<>> landings_;
    std::function<void(std::size_t)> ended_;
};

} // namespace reachd::test
