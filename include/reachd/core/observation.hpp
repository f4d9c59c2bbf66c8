// SPDX-License-Identifier: Apache-2.0
// observation.hpp: what one probe saw, as a value; or why it could not look.
//
// Shapes  One alternative for each thing that can happen, so that refusal, silence, an ICMP error and
//         "could not be measured" are never mixed (docs/VERDICTS.md says what each can prove).
// Source  Who reports what on Linux: docs/VERDICTS.md, "How it is seen without root".
#pragma once

#include "reachd/core/address.hpp"
#include "reachd/core/error.hpp"
#include "reachd/core/time.hpp"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace reachd {

// The three-way handshake was completed with whoever answered.
struct connected {
    bool operator==(const connected&) const = default;
};

// A TCP RST came back: ECONNREFUSED with an empty error queue.
struct refused {
    bool operator==(const refused&) const = default;
};

// An ICMP or ICMPv6 error about our own packet, from the socket's error queue.
struct icmp_error {
    reachd::family family = family::v4; // which protocol's type and code
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    ip_address sender;               // SO_EE_OFFENDER
    bool sender_is_us = false;       // the kernel itself: the next hop did not answer on the link
    std::optional<int> received_ttl; // of the ICMP packet
    bool operator==(const icmp_error&) const = default;
};

// Nothing came back in the time given.
struct no_reply {
    duration waited{};
    bool operator==(const no_reply&) const = default;
};

// A UDP datagram came back from the destination.
struct replied {
    std::size_t bytes = 0;
    bool matches = true; // begins as the row expects
    bool operator==(const replied&) const = default;
};

// The connection was made and then reset or closed before the answer was complete.
struct cut_off {
    bool by_reset = false; // RST; otherwise FIN
    bool operator==(const cut_off&) const = default;
};

// After the handshake the peer's own TCP acknowledged more: a SYN proxy without its server does not.
struct acknowledged {
    bool data = false; // what we sent; otherwise only our FIN
    bool operator==(const acknowledged&) const = default;
};

// The root that a chain says it was issued under: anybody can write these names.
struct root_claim {
    std::string name;         // common name
    std::string organisation; // "" when it has none
    bool operator==(const root_claim&) const = default;
};
std::string describe(const root_claim& root); // "Vendor Root CA (Vendor Inc.)"

// What a TLS handshake showed. `problem` is empty when the chain and the name are verified; without a
// name it tells of the chain alone, and the verdict does not go by it.
struct tls_answer {
    std::string problem;     // OpenSSL's word for the first verification fault
    bool expired = false;    // the only fault is a date
    bool wrong_name = false; // a trusted chain, for another name
    bool anonymous = false;  // a bare address: there was no name to verify
    std::string issuer;
    std::string subject;
    std::string not_after;      // RFC 3339
    std::string protocol;       // "TLSv1.3"
    bool ended_by_peer = false; // it proved its certificate, then wanted one of ours
    // The chain's only fault is that the root which it names is not in the trust store.
    std::optional<root_claim> missing_root;
    bool operator==(const tls_answer&) const = default;
};

// The peer spoke, but not a TLS handshake that could be completed.
struct tls_refused {
    std::string detail;
    bool operator==(const tls_refused&) const = default;
};

struct http_answer {
    unsigned status = 0;
    std::string location; // of a redirect
    std::string server;
    bool operator==(const http_answer&) const = default;
};

// The peer spoke, but not HTTP.
struct http_garbled {
    std::string detail;
    bool operator==(const http_garbled&) const = default;
};

// Why this machine could not send at all.
enum class local_cause : std::uint8_t {
    no_route,       // ENETUNREACH without any packet: the routing table has no way
    no_address,     // the vantage's source address or interface does not exist
    link_down,      // ENETDOWN, ENONET
    refused_here,   // EPERM, EACCES: this machine's own packet filter
    no_descriptors, // EMFILE, ENFILE
    no_memory,      // ENOMEM, ENOBUFS
    no_local_port,  // EADDRNOTAVAIL on connect
    cancelled,      // the check was stopped before this probe
    other,          // the errno says
};
const char* to_string(local_cause value);

struct not_measured {
    local_cause cause = local_cause::other;
    int error_number = 0;
    std::string detail; // strerror, for a person
    bool operator==(const not_measured&) const = default;
};

using outcome = std::variant<
    connected, refused, icmp_error, no_reply, replied, cut_off, acknowledged, tls_answer, tls_refused,
    http_answer, http_garbled, not_measured>;

// Which exchange was made.
enum class probe_kind : std::uint8_t {
    tcp_connect, // SYN to SYN-ACK
    tcp_confirm, // one more segment from the peer, on an open connection
    udp_send,    // one datagram
    tls,         // handshake with SNI and verification, on an open connection
    http_head,   // HEAD / on an open connection
};
const char* to_string(probe_kind value);

struct observation {
    probe_kind kind = probe_kind::tcp_connect;
    unsigned attempt = 1;
    wall_time at{};
    duration took{};                   // to the outcome; the round-trip time for a connect that was answered
    std::string source;                // local address:port, "" when none was assigned
    std::optional<unsigned> hop_limit; // it was sent with; nullopt: the system's
    bool keeps_port = false;           // sent from the same source port as others of its flow
    bool unpaced = false;              // beside others, whatever ICMP its hops may send
    std::optional<unsigned> min_ttl;   // answers that arrived with a lower TTL were discarded
    bool on_link = false;              // the socket was bound to the link's device
    bool decoy = false;                // meant to end on its way, and listened to for its whole time
    bool forged = false;               // and was answered although it had ended there
    unsigned packets = 0;              // that the kernel sent for it, its own retransmissions among them
    unsigned syns = 0;                 // of these
    outcome what;

    bool operator==(const observation&) const = default;
};

// "ICMP communication administratively prohibited (3/13) from 10.77.1.1"
std::string describe(const outcome& what);
std::string icmp_name(reachd::family family, std::uint8_t type, std::uint8_t code);
// The stable word of the alternative, as in the JSON: "connected", "refused", "icmp", ...
const char* outcome_word(const outcome& what);
nlohmann::json to_json(const observation& seen);

} // namespace reachd
