// SPDX-License-Identifier: Apache-2.0
// config.hpp: what the operator of a reflector decides.
//
// Errors  Every fault of the file at once, with its line.
// Source  docs/REFLECTOR.md explains each key; config/schema/reflector.schema.json.
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/core/socket_address.hpp"
#include "reachd/core/time.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reachd::reflector {

// The table of bounds: everything that a peer can make the reflector hold or send.
struct limits {
    std::uint32_t source_packets_per_s = 200;  // of an IPv4 address or an IPv6 /64; a /48 has 8 times that
    std::uint32_t source_burst = 1000;         // packets at once: two ladders of 96 flows, twice
    std::uint32_t total_packets_per_s = 20000; // over all ports
    std::uint32_t total_bytes_per_s = 4000000; // of what is sent, over all ports
    std::uint32_t appointments = 10000;        // waiting at once, over all keys
    std::uint32_t appointments_per_key = 4000;
    // research/operations.md says 4; a ladder is 45 flows and comes twice (nat-timers.md).
    std::uint32_t appointments_per_address = 256;
    seconds delay{3600};                  // the longest
    seconds report_kept{600};             // how long after an answer its report can be had
    std::uint32_t nonces_per_key = 65536; // in a minute
    std::uint32_t tcp_connections = 16384;
    std::uint32_t tcp_connections_per_address = 512;
    seconds tcp_idle{4000};           // longest silence of a connection: above the longest delay
    std::uint32_t connect_backs = 16; // at once

    bool operator==(const limits&) const = default;
};

// Who may use the STUN side.
enum class stun_access : std::uint8_t {
    keyed,     // USERNAME and MESSAGE-INTEGRITY of a key
    open,      // anybody: Binding
    discovery, // anybody: Binding, CHANGE-REQUEST, RESPONSE-PORT
};

struct config {
    std::vector<socket_address> listen;
    std::optional<socket_address> alternate; // the second address of RFC 5780
    std::string key_file;
    std::string metrics_file; // Prometheus text, for node_exporter's textfile collector
    bool allow_unauthenticated_echo = false;
    bool connect_back = false;
    stun_access stun = stun_access::keyed;
    bool stun_padding_required = true;
    reflector::limits limits;
};

parsed<config> parse_config(std::string_view text, std::string_view file);

// What forbids to start, as a sentence: rule 8 of the anti-abuse rules. nullopt: nothing.
std::optional<std::string> why_not_start(const config& what, std::size_t keys);

} // namespace reachd::reflector
