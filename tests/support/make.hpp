// SPDX-License-Identifier: Apache-2.0
// make.hpp: values for tests, each made from the few things that the test is about.
//
// Shapes  Addresses and names are made up; those that look public are public by their registry only.
// Errors  a text that is not what it should be throws: the test is wrong.
#pragma once

#include "reachd/core/site_state.hpp"

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reachd::test {

// One place for the boxes that the tests speak of.
inline constexpr const char* server_text = "54.215.171.160";
inline constexpr const char* other_server_text = "54.219.138.108";
inline constexpr const char* gateway_text = "10.77.1.1";
inline constexpr const char* neighbour_text = "10.77.1.20";
inline constexpr const char* stranger_text = "81.2.69.1"; // somewhere beyond: no table names it
inline constexpr const char* server6_text = "2600:1f00::10";

ip_address make_address(std::string_view text);
endpoint make_target(std::string_view address, std::uint16_t port = 443, transport how = transport::tcp);
wall_time make_wall(seconds since_epoch);
// A host at 10.77.1.0/24 behind the gateway above.
local_network make_local();

observation make_seen(outcome what, probe_kind kind = probe_kind::tcp_connect);
// An ICMP error (or an ICMPv6 one where the sender is IPv6).
icmp_error make_icmp(std::string_view sender, std::uint8_t type, std::uint8_t code);
not_measured make_unmeasured(local_cause why);
// Two attempts of 3 s without an answer.
std::vector<observation> make_silence(transport how = transport::tcp);
// A connection, then what was said on it.
std::vector<observation> make_greeted(outcome what, probe_kind kind);
tls_answer make_trusted();
tls_answer make_untrusted(std::string issuer);
http_answer make_redirect(std::string location);

endpoint_state make_endpoint(std::string_view address, std::uint16_t port, std::vector<observation> seen);
endpoint_state
make_named(std::string name, std::string_view address, std::uint16_t port, std::vector<observation> seen);

dns_answer make_answer(std::string server, std::initializer_list<std::string_view> addresses);
dns_answer make_dns_failure(std::string server, dns_status status);
// What the system and its only server, 10.77.1.53, say alike.
name_lookup make_lookup(std::string name, std::initializer_list<std::string_view> addresses);
name_lookup make_failed_lookup(std::string name, dns_status status);

outbound_row make_outbound(expectation expect, std::string_view ports = "443");
plan_row make_plan_row(std::string id, std::variant<outbound_row, idle_timer, inbound> what);
// One catalogue "cat" of these rows, one vantage: the routing table's.
plan make_plan_of(std::vector<plan_row> rows);

// A plan and what is known of its site, to be filled and evaluated.
struct scene {
    plan what;
    site_state site;

    // Adds a row of this expectation whose endpoints are these.
    row_state& add(std::string id, expectation expect, std::vector<endpoint_state> endpoints);
    std::vector<row_change> evaluate(seconds at = seconds{1000});
    [[nodiscard]] const row_state& row(std::string_view id) const;
    [[nodiscard]] const verdict& judged(std::string_view id, std::size_t endpoint = 0) const;
};
scene make_scene();

// One row with one endpoint, judged with its neighbours.
verdict judge_alone(endpoint_state one, expectation expect = expectation::service);

// The seed of a randomised test: REACHD_SEED where it is set, else `usual`.
std::uint64_t seed_from_environment(std::uint64_t usual);

} // namespace reachd::test
