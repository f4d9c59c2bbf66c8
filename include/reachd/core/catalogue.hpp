// SPDX-License-Identifier: Apache-2.0
// catalogue.hpp: one service's documented network requirements, as its file states them.
//
// Use     parse_catalogue() turns the text of a file into a value or into all of its faults.
// Shapes  A requirement is exactly one of three kinds: outbound (destinations or names x ports), idle
//         (a NAT timer) or inbound (who may connect to the site). `from_value` strings name a site value.
// Errors  parse_catalogue() collects every fault of the file, in the order of its lines.
// Source  docs/CATALOGUES.md; the schema is config/schema/catalogue.schema.json.
#pragma once

#include "reachd/core/address.hpp"
#include "reachd/core/error.hpp"

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace reachd {

enum class expectation : std::uint8_t {
    service, // something must answer: passes on open
    path,    // the way must be free: passes on open, closed, permitted
    blocked, // the way must be shut: passes on blocked
};
const char* to_string(expectation value);

enum class role : std::uint8_t {
    primary,           // needed every day
    disaster_recovery, // needed on the day the primary is gone; fails the site all the same
};
const char* to_string(role value);

enum class value_type : std::uint8_t {
    port,      // one port, as a number
    ports,     // a port list, as text
    addresses, // one or more addresses or host names
};
const char* to_string(value_type value);

// A value that the document leaves to each customer.
struct site_value {
    std::string about;
    value_type type = value_type::port;
    std::string
        default_text; // "4200", "4200-4208", "{other_value}" for addresses; empty: for the site to fill in
    std::string ask;  // whom to ask for it, for a person
    bool operator==(const site_value&) const = default;
};

// Where probes of a row go; exactly one alternative. A string is a host name.
using destination = std::variant<ip_address, ip_block, std::string>;
std::string to_text(const destination& where);
// An address, a block or a host name, or nullopt.
std::optional<destination> parse_destination(std::string_view text);

// A literal, or the name of a site value: in files "{signaling_primary}".
struct value_ref {
    std::string name;
    bool operator==(const value_ref&) const = default;
};

struct outbound {
    reachd::transport transport = transport::tcp;
    std::vector<std::variant<destination, value_ref>> destinations;
    std::variant<port_set, value_ref> ports;
    expectation expect = expectation::service;
    // Host names inside a block that its service really uses; probed as destinations of their own.
    std::vector<std::string> names;
    // A public name that resolves to private space is a forgery unless the row says otherwise.
    bool private_answers = false;
    std::string payload;                // of a datagram; "" for one zero byte
    std::string expect_reply;           // what the reply begins with; "" for any
    port_set tls_ports;                 // where its named hosts speak TLS, besides 443 of a service
    std::vector<std::string> tls_names; // a certificate of its hosts may be for one of these as well
    std::vector<std::string> tls_roots; // owners of private roots that may have issued it
    port_set fallback_ports;            // where clients go when `tls_ports` are shut; not needed to pass
    bool operator==(const outbound&) const = default;
};

struct idle_timer {
    reachd::transport transport = transport::tcp;
    std::chrono::seconds hold{};   // how long an idle mapping must be kept
    std::vector<std::string> over; // ids of rows of this catalogue to measure it over; may be empty
    bool operator==(const idle_timer&) const = default;
};

struct inbound {
    reachd::transport transport = transport::tcp;
    std::vector<ip_address> sources; // only these may connect
    std::string service;             // what they connect to, for a person
    bool operator==(const inbound&) const = default;
};

struct requirement {
    std::string id;    // [a-z0-9-], unique in its catalogue
    std::string about; // one line for a person; the id where the file gives none
    reachd::role role = role::primary;
    std::string note; // an oddity of the document, or empty
    std::string ask;  // whom to ask when it fails, or empty: the catalogue's contact
    std::variant<outbound, idle_timer, inbound> what;
    bool operator==(const requirement&) const = default;
};

struct source_document {
    std::string title;
    std::string revised; // as the document states it, "" when it does not
    std::string note;
    bool operator==(const source_document&) const = default;
};

struct catalogue {
    std::string id;
    std::string title; // the id where the file gives none
    source_document document;
    std::string contact; // the vendor's support, as a person would name it
    std::map<std::string, site_value> values;
    std::vector<requirement> requirements;
    bool operator==(const catalogue&) const = default;
};

inline constexpr std::size_t max_requirements = 1000;
inline constexpr std::size_t max_destinations = 4096; // of one row; names, sources and `over` alike

// [a-z0-9][a-z0-9-]*, 64 bytes at most: the form of catalogue and requirement ids.
bool is_id(std::string_view text);

// Why `text` cannot be where a probe goes (for a person), or nullopt. Blocks pass.
std::optional<std::string> destination_fault(std::string_view text);

// Why one text cannot stand for a value of this type, or nullopt. Blocks do not pass as addresses.
std::optional<std::string> value_fault(value_type type, std::string_view text);

parsed<catalogue> parse_catalogue(std::string_view text, std::string_view file);

} // namespace reachd
