// SPDX-License-Identifier: Apache-2.0
// config.hpp: what a site's administrator decides, as one immutable value.
//
// Use     parse_config() turns the text of reachd.json into a value or into all of its faults;
//         check_against() adds the faults that only show with the catalogues at hand. read_config() gives
//         what can be read beside the faults, so that all of them can be told at once.
// Units   std::chrono; the unit is in the key of the file only.
// Source  docs/CONFIGURATION.md; the schema is config/schema/reachd.schema.json.
#pragma once

#include "reachd/core/catalogue.hpp"
#include "reachd/core/socket_address.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

// One way out of this host: at least one of source and interface is given.
struct vantage {
    std::string name;
    std::string interface; // "" for whatever the routing table says
    std::optional<ip_address> source;
    bool operator==(const vantage&) const = default;
};

struct schedule_config {
    std::chrono::seconds interval{60};         // between two rounds of a row
    std::chrono::seconds nat_interval{21600};  // between two ladders
    std::chrono::seconds sweep_interval{3600}; // between two full sweeps of a long range
    bool operator==(const schedule_config&) const = default;
};

// Defaults stay below the port-scan thresholds of common firewalls: docs/CONFIGURATION.md cites them.
struct limits_config {
    unsigned new_flows_per_s = 8;                 // in total; 0 lifts it
    unsigned new_flows_per_destination_per_s = 3; // to one address; 0 lifts it
    unsigned in_flight = 256;
    std::chrono::milliseconds connect_timeout{3000};
    unsigned attempts = 2;            // before silence counts
    unsigned samples_per_block = 256; // addresses of a block, one a stratum, in each round
    unsigned icmp_per_hop_per_s = 1;  // probes that make one hop answer by ICMP; 0 lifts it
    unsigned nat_entries = 2000;      // live at once in NATs on the way (core/traffic.hpp); 0 lifts it
    bool operator==(const limits_config&) const = default;
};

struct reflector_config {
    std::string host;
    std::uint16_t port = 3478;
    std::string secret_file;
    bool operator==(const reflector_config&) const = default;
};

struct history_config {
    std::string path; // "" for the state directory's history.db
    unsigned keep_days = 90;
    unsigned max_mb = 200; // of the file; the oldest goes first
    bool operator==(const history_config&) const = default;
};

struct idle_config {
    std::vector<std::chrono::seconds> udp_rungs; // ascending; empty for the built-in ladder
    std::vector<std::chrono::seconds> tcp_rungs;
    // No flow is left alone for longer, but for what is required; nullopt: idle_ladder.hpp says.
    std::optional<std::chrono::seconds> longest;
    bool operator==(const idle_config&) const = default;
};

// Where the site ends, where private ranges mislead: docs/CONFIGURATION.md.
struct path_config {
    std::optional<ip_address> edge;      // the site's last box, by the address it shows to the inside
    std::vector<ip_block> site_networks; // empty: RFC 1918, RFC 4193 and link-local
    bool operator==(const path_config&) const = default;
};

// Where the site has put a service that an inbound row is about.
struct inbound_config {
    socket_address service;                  // as this machine reaches it
    std::optional<socket_address> published; // as the outside does; nullopt: not to be tried from there
    bool operator==(const inbound_config&) const = default;
};

// The dashboard and metrics; off while `listen` is empty.
struct http_config {
    std::string listen;             // "127.0.0.1:9870", "[::1]:9870", "unix:/run/reachd/http.sock"
    std::vector<std::string> hosts; // names that a Host header may have, besides localhost and addresses
    bool allow_remote = false;      // an address that is no loopback is meant
    bool operator==(const http_config&) const = default;
};

struct config {
    std::string site = "site";
    std::vector<std::string> catalogues; // ids, in the order of the file
    // catalogue id -> value name -> texts: one for a port or ports, one or more for addresses.
    std::map<std::string, std::map<std::string, std::vector<std::string>>> values;
    std::vector<vantage> vantages; // empty: one, the routing table's
    schedule_config schedule;
    limits_config limits;
    std::vector<reflector_config> reflectors;
    history_config history;
    idle_config idle;
    path_config path;
    std::map<std::string, inbound_config> inbound; // by "catalogue/requirement"
    std::map<std::string, std::string> not_needed; // by "catalogue/requirement": why not at this site
    std::string tls_ca_file;                       // "" for the system's trust store
    std::vector<std::string> tls_extra_ca_files;   // trusted as well
    http_config http;
    bool operator==(const config&) const = default;
};

// "127.0.0.1:9870", "[::1]:9870"; a port of 0 is refused.
struct listen_address {
    ip_address address;
    std::uint16_t port = 0;
    bool operator==(const listen_address&) const = default;
};
std::optional<listen_address> parse_listen_address(std::string_view text);
// The path of "unix:/run/reachd/http.sock": absolute, 107 bytes at most.
std::optional<std::string> parse_listen_path(std::string_view text);

struct config_reading {
    config value; // where there are faults, what is sound of it
    file_faults faults;
};
config_reading read_config(std::string_view text, std::string_view file);
parsed<config> parse_config(std::string_view text, std::string_view file);

// Faults of `site` that need the catalogues: an id that none has, a value that its catalogue does not
// have or whose text does not fit its type. `text` and `file` are those that `site` was parsed from.
file_faults check_against(
    const config& site, const std::vector<catalogue>& known, std::string_view text, std::string_view file
);

} // namespace reachd
