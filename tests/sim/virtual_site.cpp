// SPDX-License-Identifier: Apache-2.0
#include "sim/virtual_site.hpp"

#include "support/make.hpp"

#include <algorithm>

namespace reachd::test {
namespace {

constexpr milliseconds answer_time{20};
constexpr seconds attempt_time{3};
constexpr const char* portal_text = "5.5.5.5"; // where a forging resolver sends everyone

bool is_named_tcp(const outbound_row& row)
{
    return !row.names.empty() && row.transport == transport::tcp;
}

bool greets(const outbound_row& row, std::uint16_t port)
{
    return is_named_tcp(row) && row.expect == expectation::service && (port == 80 || port == 443);
}

probe_result answered(std::vector<observation> seen)
{
    return {.seen = std::move(seen), .took = answer_time};
}

probe_result failed_here(local_cause why)
{
    return {.seen = {make_seen(make_unmeasured(why))}, .took = {}};
}

probe_result silent(transport how)
{
    return {.seen = make_silence(how), .took = 2 * attempt_time};
}

probe_result said(std::uint16_t port, outcome what)
{
    return answered(make_greeted(std::move(what), port == 443 ? probe_kind::tls : probe_kind::http_head));
}

// A resolver that forges does so for every name, and without its address nothing is probed.
int rank(fault what)
{
    return what == fault::forged_alike ? 2 : is_of_names(what) ? 1 : 0;
}

tls_answer make_foreign()
{
    auto tls = make_untrusted("Public CA");
    tls.wrong_name = true;
    tls.subject = "portal.hotel.test";
    return tls;
}

tls_answer make_expired()
{
    auto tls = make_untrusted("Public CA");
    tls.expired = true;
    return tls;
}

} // namespace

const char* to_string(fault value)
{
    switch (value) {
    case fault::none: return "none";
    case fault::dropped: return "dropped";
    case fault::rejected_by_gateway: return "rejected by gateway";
    case fault::rejected_by_stranger: return "rejected by stranger";
    case fault::rejected_by_service: return "rejected by service";
    case fault::reset_by_firewall: return "reset by firewall";
    case fault::inspected: return "inspected";
    case fault::cut_in_handshake: return "cut in handshake";
    case fault::portal: return "portal";
    case fault::portal_511: return "portal 511";
    case fault::host_dead: return "host dead";
    case fault::port_closed: return "port closed";
    case fault::expired: return "expired";
    case fault::own_filter: return "own filter";
    case fault::no_route: return "no route";
    case fault::next_hop_silent: return "next hop silent";
    case fault::no_memory: return "no memory";
    case fault::forged_private: return "forged private";
    case fault::forged_alike: return "forged alike";
    case fault::no_such_name: return "no such name";
    case fault::dns_silent: return "dns silent";
    case fault::no_dns_route: return "no dns route";
    }
    return "?";
}

bool is_of_names(fault value)
{
    return value >= fault::forged_private;
}

blame culprit_of(fault value)
{
    switch (value) {
    case fault::rejected_by_gateway:
    case fault::next_hop_silent: return blame::site;
    case fault::rejected_by_service:
    case fault::port_closed: return blame::service;
    case fault::own_filter:
    case fault::no_route:
    case fault::no_memory:
    case fault::no_dns_route: return blame::host;
    default: return blame::unknown;
    }
}

virtual_site::virtual_site() : plan_{make_plan_of({})}
{
    auto literal = make_outbound(expectation::service, "80,443");
    literal.addresses = {make_address(server_text), make_address(other_server_text)};
    add("provisioning", literal);
    for (const char* name : {"maps.one.test", "upload.two.test", "tickets.three.test"}) {
        auto named = make_outbound(expectation::service, "80,443");
        named.names = {name};
        add(name, named);
    }
    auto range = make_outbound(expectation::path, "2001-2008");
    range.names = {"connect.four.test"};
    add("session", range);
    auto data = make_outbound(expectation::path, "4200-4201");
    data.transport = transport::udp;
    data.addresses = {make_address("54.0.0.42")};
    add("data", data);
    auto shut = make_outbound(expectation::blocked, "23");
    shut.addresses = {make_address("54.0.0.23")};
    add("shut", shut);
}

void virtual_site::add(std::string id, outbound_row row)
{
    plan_.rows.push_back(make_plan_row(std::move(id), std::move(row)));
}

local_network virtual_site::local() const
{
    return make_local();
}

void virtual_site::inject(std::size_t row, std::uint16_t port, fault what)
{
    injected_.push_back({row, port, what});
}

fault virtual_site::at(std::size_t row, std::uint16_t port) const
{
    auto found = fault::none;
    for (const auto& one : injected_) {
        const bool here =
            one.row == row && (one.port == port || one.port == 0) && applies(row, port, one.what);
        if (here && rank(one.what) >= rank(found)) {
            found = one.what;
        }
    }
    return found;
}

bool virtual_site::applies(std::size_t row, std::uint16_t port, fault what) const
{
    const auto& out = std::get<outbound_row>(plan_.rows[row].what);
    switch (what) {
    case fault::inspected:
    case fault::expired: return greets(out, port) && port == 443;
    case fault::cut_in_handshake:
    case fault::portal: return greets(out, port);
    case fault::portal_511: return greets(out, port) && port == 80;
    // A forged reset on a row that only asks for the path needs a walk to be told.
    case fault::reset_by_firewall:
        return out.transport == transport::tcp && out.expect == expectation::service;
    // A destination that rejects proves that the way to it is free: a fault of a service only.
    case fault::rejected_by_service: return out.expect == expectation::service;
    case fault::forged_private:
    case fault::forged_alike:
    case fault::no_such_name:
    case fault::dns_silent:
    case fault::no_dns_route: return !out.names.empty();
    default: return true;
    }
}

name_lookup virtual_site::look_up(std::size_t row, const std::string& name) const
{
    switch (at(row, 0)) {
    case fault::forged_private: return make_lookup(name, {"10.0.0.80"});
    case fault::forged_alike: return make_lookup(name, {portal_text});
    case fault::no_such_name: return make_failed_lookup(name, dns_status::no_such_name);
    case fault::dns_silent: return make_failed_lookup(name, dns_status::no_reply);
    case fault::no_dns_route: {
        auto lookup = make_failed_lookup(name, dns_status::not_reachable);
        lookup.no_route_to_any_server = true;
        return lookup;
    }
    default: break;
    }
    const auto last = std::to_string(10 + row);
    return make_lookup(name, {"34.0.0." + last, "35.0.0." + last, "2600:1f00::" + last});
}

probe_result virtual_site::genuine(std::size_t row, const endpoint_state& one) const
{
    const auto& out = std::get<outbound_row>(plan_.rows[row].what);
    if (out.expect == expectation::blocked) {
        return answered({make_seen(make_icmp(gateway_text, 3, 13))});
    }
    if (out.transport == transport::udp) {
        return one.port % 2 == 0
                 ? answered({make_seen(replied{52}, probe_kind::udp_send)})
                 : answered({make_seen(make_icmp(to_text(*one.address), 3, 3), probe_kind::udp_send)});
    }
    if (out.expect == expectation::path) {
        return answered({one.port % 2 == 0 ? make_seen(connected{}) : make_seen(refused{})});
    }
    if (!greets(out, one.port)) {
        return answered({make_seen(connected{})});
    }
    return one.port == 443 ? said(443, make_trusted())
                           : said(80, http_answer{.status = 301, .location = "/home"});
}

probe_result virtual_site::probe(std::size_t row, const endpoint_state& one) const
{
    if (!one.address->is_v4()) {
        return failed_here(local_cause::no_route); // a site without IPv6
    }
    const auto& out = std::get<outbound_row>(plan_.rows[row].what);
    const auto kind = out.transport == transport::udp ? probe_kind::udp_send : probe_kind::tcp_connect;
    const auto icmp = [&](std::string_view sender) {
        return answered({make_seen(make_icmp(sender, 3, 13), kind)});
    };
    const auto what = at(row, one.port);
    switch (what) {
    case fault::dropped:
    case fault::host_dead: return silent(out.transport);
    case fault::rejected_by_gateway: return icmp(gateway_text);
    case fault::rejected_by_stranger: return icmp(stranger_text);
    case fault::rejected_by_service: return icmp(to_text(*one.address));
    case fault::reset_by_firewall: return answered({make_seen(refused{})});
    case fault::port_closed:
        return out.transport == transport::tcp
                 ? answered({make_seen(refused{})})
                 : answered({make_seen(make_icmp(to_text(*one.address), 3, 3), kind)});
    case fault::inspected: return said(443, make_untrusted("Corp Inspection CA"));
    case fault::expired: return said(443, make_expired());
    case fault::cut_in_handshake: return said(one.port, cut_off{.by_reset = true});
    case fault::portal:
        return one.port == 443 ? said(443, make_foreign())
                               : said(80, make_redirect("http://portal.hotel.test/"));
    case fault::portal_511: return said(80, http_answer{.status = 511});
    case fault::own_filter: return failed_here(local_cause::refused_here);
    case fault::no_route: return failed_here(local_cause::no_route);
    case fault::no_memory: return failed_here(local_cause::no_memory);
    case fault::next_hop_silent: {
        auto ours = make_icmp("10.77.1.5", 3, 1);
        ours.sender_is_us = true;
        return {.seen = {make_seen(ours, kind)}, .took = attempt_time};
    }
    case fault::forged_alike: // whoever is there answers everything, but has no certificate
        return greets(out, one.port) && one.port == 443 ? said(443, make_foreign()) : genuine(row, one);
    default: return genuine(row, one);
    }
}

bool virtual_site::may_pass(std::size_t row, std::uint16_t port, fault what) const
{
    const auto& out = std::get<outbound_row>(plan_.rows[row].what);
    if (out.expect == expectation::blocked) {
        return what == fault::none || what == fault::rejected_by_gateway ||
               what == fault::rejected_by_stranger || what == fault::own_filter;
    }
    return !applies(row, port, what) || what == fault::none ||
           (out.expect == expectation::path &&
            (what == fault::port_closed || what == fault::rejected_by_service));
}

} // namespace reachd::test
