// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/inquiry.hpp"

#include "order_book.hpp"

#include <algorithm>
#include <utility>

namespace reachd {

void order_book::add(hop_order order)
{
    order.shared = sharing_;
    order.keeps_port = order.decoy == 0 && all.forks(order.which.vantage, order.which.target.address.family);
    order.source_port = order.keeps_port ? std::uint16_t{0} : order.source_port;
    if (!under_way_.contains(order) && ordered_.insert(order).second) {
        orders_.push_back(std::move(order));
    }
}

bool order_book::want(
    const flow& which, unsigned limit, unsigned tries, need what, const std::string& payload
)
{
    return want_as_at(0, which, limit, tries, what, payload);
}

bool order_book::want_as_at(
    unsigned from, const flow& which, unsigned limit, unsigned tries, need what, const std::string& payload
)
{
    if (limit == 0 || limit > most_hops || all.view(which).is_settled(limit, tries)) {
        return true;
    }
    const auto& ports = all.view(which).transit_ports;
    const auto port = ports.find(from);
    add(
        {.which = which,
         .hop_limit = limit,
         .payload = payload,
         .needs_icmp = what == need::icmp,
         .expects_silence = what == need::silence,
         .source_port = port == ports.end() ? std::uint16_t{0} : port->second}
    );
    return false;
}

bool order_book::want_min(const flow& which, unsigned min_ttl, unsigned tries)
{
    const auto& own = all.view(which);
    const auto silent = own.min_silent.find(min_ttl);
    const bool settled = own.min_answered.contains(min_ttl) ||
                         (silent != own.min_silent.end() && silent->second >= tries) ||
                         own.unmeasured.contains(min_ttl + most_hops);
    if (!settled) {
        add({.which = which, .min_ttl = min_ttl});
    }
    return settled;
}

flow control_to(const group& one, std::uint16_t number)
{
    const auto port = static_cast<std::uint16_t>(control_port + number);
    return {one.vantage, {one.address, port, transport::udp}};
}

bool order_book::is_busy(const flow& which) const
{
    const auto concerns = [&](const hop_order& order) { return order.which == which && order.decoy == 0; };
    return std::ranges::any_of(orders_, concerns) || std::ranges::any_of(under_way_, concerns);
}

inquiry_orders next_orders(const plan& what, const site_state& site, const std::set<hop_order>& under_way)
{
    order_book book{what, site, under_way};
    ask_about_ways_out(book);
    ask_about_silence(book);
    ask_about_answers(book);
    ask_about_forgers(book);
    return book.take();
}

unsigned shared_hops_of(const plan& what, const site_state& site)
{
    unsigned most = 0;
    for (const auto& one : what.vantages) {
        for (const auto protocol : {family::v4, family::v6}) {
            const auto way = make_path(site.traces, one.name, protocol, site.local, what.config.path);
            most = std::max(most, way.beyond > 0 ? static_cast<unsigned>(way.hops.size()) : 0U);
        }
    }
    return most == 0 ? first_hops : std::min(most, first_hops);
}

endpoint canary_for(family protocol, std::uint16_t port)
{
    // TEST-NET-1 (RFC 5737) and the discard-only block (RFC 6666).
    static const auto v4 = *parse_address("192.0.2.77");
    static const auto v6 = *parse_address("100::77");
    return {protocol == family::v4 ? v4 : v6, port, transport::tcp};
}

} // namespace reachd
