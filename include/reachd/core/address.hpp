// SPDX-License-Identifier: Apache-2.0
// address.hpp: IP addresses, blocks, ports and endpoints as plain values.
//
// Shapes  IPv4 addresses use the first 4 bytes of `bytes`, in network order.
// Errors  parse_x returns nullopt for anything that is not exactly the form it names.
// Source  RFC 4632 (CIDR), RFC 5952 (IPv6 text), IANA special-purpose registries (RFC 6890).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

enum class family : std::uint8_t {
    v4, // IPv4
    v6, // IPv6
};

enum class transport : std::uint8_t {
    tcp, // RFC 9293
    udp, // RFC 768
};
const char* to_string(transport value);
std::optional<transport> parse_transport(std::string_view text);

struct ip_address {
    reachd::family family = family::v4;
    std::array<std::uint8_t, 16> bytes{};

    auto operator<=>(const ip_address&) const = default;
    [[nodiscard]] bool is_v4() const { return family == reachd::family::v4; }
};

// Dotted quad or RFC 5952 text; no zone, no port, no leading or trailing space.
std::optional<ip_address> parse_address(std::string_view text);
std::string to_text(const ip_address& address);

// An address block. Bits below the prefix are zero: parse_block refuses "17.0.0.1/8".
struct ip_block {
    ip_address base;
    std::uint8_t prefix = 0; // 0..32 or 0..128

    auto operator<=>(const ip_block&) const = default;
    [[nodiscard]] bool contains(const ip_address& address) const;
};
std::optional<ip_block> parse_block(std::string_view text);
std::string to_text(const ip_block& block);

// Not a globally reachable unicast address (RFC 6890 registries: private, loopback, link-local,
// documentation, shared 100.64/10, multicast, ...): no public name should resolve to it.
bool is_special_purpose(const ip_address& address);

// A DNS host name in its usual form: labels of letters, digits, '-' and '_', 253 bytes at most.
bool is_host_name(std::string_view text);

struct port_range {
    std::uint16_t first = 0;
    std::uint16_t last = 0; // inclusive

    auto operator<=>(const port_range&) const = default;
};

// A set of ports as ascending ranges that neither touch nor overlap.
struct port_set {
    std::vector<port_range> ranges;

    bool operator==(const port_set&) const = default;
    [[nodiscard]] bool contains(std::uint16_t port) const;
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] std::vector<std::uint16_t> ports() const;
};

// "80,443,4200-4208"; ports 1 to 65535; nullopt for anything else.
std::optional<port_set> parse_ports(std::string_view text);
// The set of the ports given in any order.
port_set make_port_set(std::vector<std::uint16_t> ports);
std::string to_text(const port_set& ports);

struct endpoint {
    ip_address address;
    std::uint16_t port = 0;
    reachd::transport transport = transport::tcp;

    auto operator<=>(const endpoint&) const = default;
};
// "tcp 54.215.171.160:443", "udp [2001:db8::1]:4200".
std::string to_text(const endpoint& where);

} // namespace reachd
