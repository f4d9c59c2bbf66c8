// SPDX-License-Identifier: Apache-2.0
#include "support/make.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace reachd::test {

ip_address make_address(std::string_view text)
{
    const auto address = parse_address(text);
    if (!address) {
        throw std::invalid_argument{"not an address: " + std::string{text}};
    }
    return *address;
}

endpoint make_target(std::string_view address, std::uint16_t port, transport how)
{
    return {make_address(address), port, how};
}

wall_time make_wall(seconds since_epoch)
{
    return wall_time{since_epoch};
}

local_network make_local()
{
    return {.gateways = {make_address(gateway_text)}, .on_link = {parse_block("10.77.1.0/24").value()}};
}

observation make_seen(outcome what, probe_kind kind)
{
    return {.kind = kind, .at = make_wall(seconds{1000}), .took = milliseconds{21}, .what = std::move(what)};
}

icmp_error make_icmp(std::string_view sender, std::uint8_t type, std::uint8_t code)
{
    const auto from = make_address(sender);
    return {.family = from.family, .type = type, .code = code, .sender = from};
}

not_measured make_unmeasured(local_cause why)
{
    return {.cause = why, .error_number = 1, .detail = "the reason"};
}

std::vector<observation> make_silence(transport how)
{
    const auto kind = how == transport::tcp ? probe_kind::tcp_connect : probe_kind::udp_send;
    std::vector<observation> seen(2, make_seen(no_reply{seconds{3}}, kind));
    seen.back().attempt = 2;
    return seen;
}

std::vector<observation> make_greeted(outcome what, probe_kind kind)
{
    return {make_seen(connected{}), make_seen(std::move(what), kind)};
}

tls_answer make_trusted()
{
    return {
        .issuer = "Public CA",
        .subject = "vendor.example",
        .not_after = "2030-01-01T00:00:00Z",
        .protocol = "TLSv1.3",
    };
}

tls_answer make_untrusted(std::string issuer)
{
    auto tls = make_trusted();
    tls.problem = "self-signed certificate in certificate chain";
    tls.issuer = std::move(issuer);
    return tls;
}

http_answer make_redirect(std::string location)
{
    return {.status = 302, .location = std::move(location), .server = "httpd"};
}

endpoint_state make_endpoint(std::string_view address, std::uint16_t port, std::vector<observation> seen)
{
    endpoint_state one;
    one.address = make_address(address);
    one.port = port;
    one.seen = std::move(seen);
    return one;
}

endpoint_state
make_named(std::string name, std::string_view address, std::uint16_t port, std::vector<observation> seen)
{
    auto one = make_endpoint(address, port, std::move(seen));
    one.name = std::move(name);
    return one;
}

dns_answer make_answer(std::string server, std::initializer_list<std::string_view> addresses)
{
    dns_answer answer{.server = std::move(server), .status = dns_status::answered};
    for (const auto text : addresses) {
        answer.addresses.push_back({.address = make_address(text), .ttl = seconds{60}});
    }
    return answer;
}

dns_answer make_dns_failure(std::string server, dns_status status)
{
    return {.server = std::move(server), .status = status};
}

name_lookup make_lookup(std::string name, std::initializer_list<std::string_view> addresses)
{
    return {
        .name = std::move(name),
        .system = make_answer("system", addresses),
        .servers = {make_answer("10.77.1.53", addresses)},
        .at = make_wall(seconds{1000}),
    };
}

name_lookup make_failed_lookup(std::string name, dns_status status)
{
    return {
        .name = std::move(name),
        .system = make_dns_failure("system", status),
        .servers = {make_dns_failure("10.77.1.53", status)},
        .at = make_wall(seconds{1000}),
    };
}

outbound_row make_outbound(expectation expect, std::string_view ports)
{
    outbound_row row;
    row.ports = parse_ports(ports).value();
    row.expect = expect;
    return row;
}

plan_row make_plan_row(std::string id, std::variant<outbound_row, idle_timer, inbound> what)
{
    return {
        .catalogue = "cat",
        .id = id,
        .about = "about " + id,
        .note = {},
        .ask = "the vendor",
        .not_configured = {},
        .what = std::move(what),
    };
}

plan make_plan_of(std::vector<plan_row> rows)
{
    plan out;
    out.config.site = "lab";
    out.config.catalogues = {"cat"};
    out.catalogues.push_back({
        .id = "cat",
        .title = "Vendor",
        .document = {.title = "Firewall rules", .revised = "2023-01", .note = {}},
        .contact = "the vendor",
    });
    out.rows = std::move(rows);
    out.vantages.emplace_back();
    return out;
}

scene make_scene()
{
    scene out{.what = make_plan_of({}), .site = {}};
    out.site.local = make_local();
    return out;
}

row_state& scene::add(std::string id, expectation expect, std::vector<endpoint_state> endpoints)
{
    auto row = make_outbound(expect);
    std::vector<std::uint16_t> ports;
    for (const auto& one : endpoints) {
        row.transport = one.transport;
        ports.push_back(one.port);
        if (!one.name.empty()) {
            if (std::ranges::find(row.names, one.name) == row.names.end()) {
                row.names.push_back(one.name);
            }
        } else if (one.address) {
            row.addresses.push_back(*one.address);
        }
    }
    row.ports = make_port_set(ports);
    what.rows.push_back(make_plan_row(std::move(id), std::move(row)));
    site.rows.emplace_back();
    site.rows.back().endpoints = std::move(endpoints);
    site.rows.back().checked = make_wall(seconds{1000});
    return site.rows.back();
}

std::vector<row_change> scene::evaluate(seconds at)
{
    return reachd::evaluate(what, site, make_wall(at));
}

const row_state& scene::row(std::string_view id) const
{
    const auto found = std::ranges::find(what.rows, id, &plan_row::id);
    return site.rows.at(static_cast<std::size_t>(found - what.rows.begin()));
}

const verdict& scene::judged(std::string_view id, std::size_t endpoint) const
{
    return row(id).endpoints.at(endpoint).judged;
}

verdict judge_alone(endpoint_state one, expectation expect)
{
    auto alone = make_scene();
    alone.add("row", expect, {std::move(one)});
    alone.evaluate();
    return alone.judged("row");
}

std::uint64_t seed_from_environment(std::uint64_t usual)
{
    const char* given = std::getenv("REACHD_SEED");
    return given != nullptr ? std::stoull(given) : usual;
}

} // namespace reachd::test
