// SPDX-License-Identifier: Apache-2.0
// nat64.hpp: notices a NAT64 by the addresses that a DNS64 makes for ipv4only.arpa.
//
// Use      nat64_prefix() of the AAAA answers for nat64_probe_name; embed() an IPv4 literal to reach it,
// extract()
//          what a synthesised address stands for.
// Shapes   The name has no AAAA of its own: an answer is synthesised, and holds 192.0.0.170 or .171.
// Limits   The longest prefix wins where an answer fits several; bits 64 to 71 are zero (RFC 6052).
// Source   RFC 7050 sections 3 and 8.2 (name, addresses), RFC 6052 section 2.2 (prefix lengths, layout).
#pragma once

#include "reachd/core/names.hpp"

#include <optional>
#include <span>

namespace reachd {

inline constexpr const char* nat64_probe_name = "ipv4only.arpa";

// nullopt where no answer is synthesised: there is no NAT64, or it uses none of the known lengths.
std::optional<ip_block> nat64_prefix(std::span<const ip_address> answers);

// What the answers to nat64_probe_name say now; what was known `before` where nobody answered.
std::optional<ip_block> nat64_after(const name_lookup& found, const std::optional<ip_block>& before);

// The IPv6 address by which the NAT64 with this prefix reaches `v4`. The prefix is one of nat64_prefix().
ip_address embed(const ip_block& prefix, const ip_address& v4);

// The IPv4 address that `v6` stands for behind this prefix; nullopt for one that is not in it.
std::optional<ip_address> extract(const ip_block& prefix, const ip_address& v6);

} // namespace reachd
