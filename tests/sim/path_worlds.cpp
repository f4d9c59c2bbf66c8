// SPDX-License-Identifier: Apache-2.0
#include "sim/path_worlds.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>

namespace reachd::test {
namespace {

constexpr std::uint16_t range_first = 2001; // the shipped catalogues have one such range, of 500 ports
constexpr std::uint16_t range_last = 2040;
constexpr unsigned ecmp_spread = 2; // hops by which parallel paths differ in length

class maker {
public:
    maker(std::uint64_t seed, weather how) : random_{seed}, how_{how} { out_.seed = seed; }

    world make()
    {
        out_.plan = make_scene();
        net().family = chance(30) ? family::v6 : family::v4;
        net().spreads_flows = chance(70);
        if (how_ == weather::lossy) {
            net().loss = static_cast<double>(pick(1, 10)) / 100;
        }
        add_box(side::host);
        make_trunk();
        for (auto left = pick(3, 8); left > 0; --left) {
            add_server();
        }
        for (auto left = chance(20) ? 0U : pick(1, 3); left > 0; --left) {
            add_fault();
        }
        return std::move(out_);
    }

private:
    network& net() { return out_.net; }
    unsigned pick(unsigned least, unsigned most)
    {
        return std::uniform_int_distribution<unsigned>{least, most}(random_);
    }
    // An index into a list of that size.
    std::size_t below(std::size_t size) { return std::uniform_int_distribution<std::size_t>{0, size - 1}(random_); }
    bool chance(unsigned percent) { return pick(1, 100) <= percent; }

    ip_address address_of(side where, unsigned number)
    {
        const bool v4 = net().family == family::v4;
        switch (where) {
        case side::host: return make_address(v4 ? "10.77.1.20" : "fd00:77:1::20");
        case side::site:
            if (!v4) {
                return make_address(fmt::format("{}:77:{}::1", public_site_ ? "2a02" : "fd00", number));
            }
            return make_address(number == 1 ? "10.77.1.1" : fmt::format("192.168.{}.1", number));
        case side::isp:
            if (!v4) {
                return make_address(fmt::format("2001:7f8::{:x}", number));
            }
            return make_address(fmt::format("{}.{}", shared_isp_ ? "100.64.9" : "81.2.69", number));
        case side::service:
            return make_address(fmt::format("{}{:x}", v4 ? "54.215.171." : "2600:1f00::", number));
        }
        return {};
    }

    std::size_t add_box(side where)
    {
        box one{.address = address_of(where, ++numbers_[static_cast<std::size_t>(where)]), .where = where};
        constexpr std::array first_ttls{64U, 128U, 255U};
        if (where != side::host) {
            one.first_ttl = first_ttls.at(pick(0, 2));
            one.limits_icmp = chance(50);
        }
        const bool first = net().boxes.size() == 1; // the gateway
        if (where == side::site || where == side::isp) {
            one.tells = how_ == weather::clear || !chance(10);
            one.decrements = first || how_ == weather::clear || !chance(5);
        }
        net().boxes.push_back(std::move(one));
        return net().boxes.size() - 1;
    }

    std::vector<std::size_t> add_row(side where, unsigned length)
    {
        std::vector<std::size_t> row;
        std::generate_n(std::back_inserter(row), length, [&] { return add_box(where); });
        return row;
    }

    segment add_segment(unsigned length)
    {
        segment one{.rows = {add_row(side::isp, length)}};
        if (how_ >= weather::parallel && chance(20)) {
            const auto least = length > ecmp_spread ? length - ecmp_spread : 1;
            one.rows.push_back(add_row(side::isp, chance(50) ? length : pick(least, length + ecmp_spread)));
            for (const auto& row : one.rows) { // ways of equal cost do not lead next to the server and farther off
                std::ranges::for_each(row, [&](std::size_t place) { net().boxes[place].decrements = true; });
            }
        }
        return one;
    }

    void make_trunk()
    {
        const auto site = pick(1, 3);
        public_site_ = net().family == family::v6 && chance(30);
        net().trunk.push_back({.rows = {add_row(side::site, site)}});
        shared_isp_ = chance(50);
        const auto first = pick(1, 3);
        net().trunk.push_back(add_segment(first));
        shared_isp_ = shared_isp_ && chance(50);
        const auto more = pick(0, 3);
        if (more > 0) {
            net().trunk.push_back(add_segment(more));
        }
        net().canary_hops = pick(1, site + first + more);
        if (chance(50)) {
            net().canary_code = chance(50) ? 0 : 13;
        }
        auto& local = out_.plan.site.local;
        auto& path = out_.plan.what.config.path;
        const auto gateway = net().boxes[1].address;
        if (net().family == family::v6) {
            const bool nameless = chance(50); // as router advertisements have it
            local = {
                .gateways = {nameless ? make_address("fe80::1") : gateway},
                .on_link = {parse_block(public_site_ ? "2a02:77:1::/64" : "fd00:77:1::/64").value()},
            };
            if (public_site_) {
                path.site_networks = {parse_block("2a02:77::/32").value()};
            }
        }
        if (chance(10)) {
            path.edge = net().boxes[site].address;
        }
    }

    manner tcp_manner()
    {
        constexpr std::array all{manner::answers, manner::answers, manner::answers, manner::refuses,
                                 manner::refuses, manner::drops,   manner::rejects};
        return all.at(below(all.size()));
    }

    manner udp_manner()
    {
        constexpr std::array all{manner::answers, manner::silent, manner::silent, manner::refuses};
        return all.at(below(all.size()));
    }

    void add_server()
    {
        shared_isp_ = false;
        server one;
        if (const auto length = pick(0, 8); length > 0) {
            one.tail.push_back(add_segment(length));
        }
        one.self = add_box(side::service);
        one.detour = chance(40) ? static_cast<int>(pick(0, 5)) - 1 : 0;
        one.dead = chance(10);
        one.missed = one.dead && chance(40);
        one.tcp_else = chance(50) ? manner::refuses : manner::drops;
        one.udp_else = chance(60) ? manner::refuses : manner::silent;
        add_rows(one);
        net().servers.push_back(std::move(one));
    }

    void add_rows(server& to)
    {
        const auto name = fmt::format("s{}", net().servers.size() + 1);
        if (net().servers.empty()) {
            std::vector<std::uint16_t> range;
            for (auto port = range_first; port <= range_last; ++port) {
                range.push_back(port);
            }
            add_row_of(to, name + "-range", expectation::path, transport::tcp, range);
        }
        constexpr std::array expected{
            expectation::service, expectation::service, expectation::path, expectation::blocked
        };
        if (chance(80)) {
            add_row_of(to, name + "-tcp", expected.at(pick(0, 3)), transport::tcp, {443, 5223});
        }
        if (chance(50)) {
            add_row_of(to, name + "-udp", expectation::path, transport::udp, {4200, 4201, 4202});
        }
        if (chance(20)) {
            add_row_of(to, name + "-mail", expected.at(pick(0, 3)), transport::tcp, {25});
        }
    }

    void add_row_of(
        server& to, std::string id, expectation expect, transport how, const std::vector<std::uint16_t>& ports
    )
    {
        const auto usual = how == transport::tcp ? tcp_manner() : udp_manner();
        std::vector<endpoint_state> endpoints;
        for (const auto port : ports) {
            to.ports[{how, port}] = usual;
            if (chance(20)) {
                to.ports[{how, port}] = how == transport::tcp ? tcp_manner() : udp_manner();
            }
            auto one = make_endpoint(to_text(net().boxes[to.self].address), port, {});
            one.transport = how;
            endpoints.push_back(std::move(one));
        }
        out_.plan.add(std::move(id), expect, std::move(endpoints));
        out_.plan.site.rows.back().checked.reset();
    }

    scope any_scope()
    {
        scope about;
        if (chance(50)) {
            about.destination = net().boxes[net().servers[below(net().servers.size())].self].address;
        }
        if (chance(40)) {
            about.kind = chance(60) ? transport::tcp : transport::udp;
        }
        if (chance(50)) {
            constexpr std::array ranges{port_range{2010, 2019}, port_range{2001, 2040}, port_range{443, 443},
                                        port_range{25, 25},     port_range{1, 1023},    port_range{4201, 4202}};
            about.ports = ranges.at(below(ranges.size()));
        }
        return about;
    }

    void add_fault()
    {
        std::vector<std::size_t> routers;
        for (std::size_t i = 1; i < net().boxes.size(); ++i) {
            const auto where = net().boxes[i].where;
            for (auto weight = where == side::site ? 6 : where == side::isp ? 1 : 0; weight > 0; --weight) {
                routers.push_back(i);
            }
        }
        auto at = routers[below(routers.size())];
        constexpr std::array deeds{deed::drop,      deed::drop,  deed::reject,     deed::reject, deed::reset,
                                   deed::reset,     deed::proxy, deed::syn_proxy,  deed::spoof,  deed::reset,
                                   deed::hide_errors, deed::drop, deed::reject};
        rule one{
            .what = deeds.at(below(deeds.size())),
            .where = chance(40) ? point::prerouting : point::forward,
            .about = any_scope(),
        };
        constexpr std::array codes4{0, 1, 2, 3, 9, 10, 13};
        constexpr std::array codes6{0, 1, 3, 4, 5, 6};
        one.code = static_cast<std::uint8_t>(
            net().family == family::v4 ? codes4.at(below(codes4.size())) : codes6.at(below(codes6.size()))
        );
        if (one.what == deed::hide_errors) {
            at = net().trunk[0].rows[0][below(net().trunk[0].rows[0].size())];
            if (how_ == weather::clear) {
                return;
            }
        } else if (one.what == deed::syn_proxy) {
            one.where = point::forward;
        } else if (one.what == deed::proxy) {
            one.where = point::prerouting;
        } else if (chance(10) && one.what != deed::spoof) {
            one.code = 13; // "host unreachable" would be the next hop's failure
            if (net().family == family::v6) {
                one.code = 1;
            }
            at = 0;
            one.where = point::forward;
        } else if (chance(8)) { // the uplink is down, or everything is shut
            one.about = {};
        }
        net().boxes[at].rules.push_back(one);
    }

    world out_;
    std::mt19937_64 random_;
    weather how_;
    std::array<unsigned, 4> numbers_{};
    bool public_site_ = false;
    bool shared_isp_ = false;
};

} // namespace

world make_world(std::uint64_t seed, weather how)
{
    return maker{seed, how}.make();
}

world lay_path(const lengths& how)
{
    world out;
    out.plan = make_scene();
    auto& net = out.net;
    const auto add = [&](side where, const std::string& address) {
        net.boxes.push_back({.address = make_address(address), .where = where, .rules = {}});
        return net.boxes.size() - 1;
    };
    const auto add_row = [&](side where, unsigned length, std::string_view prefix) {
        segment one{.rows = {{}}};
        for (unsigned i = 1; i <= length; ++i) {
            one.rows[0].push_back(add(where, fmt::format("{}.{}", prefix, i)));
        }
        return one;
    };
    add(side::host, neighbour_text);
    net.trunk.push_back(add_row(side::site, how.site, "10.77.1"));
    net.trunk.push_back(add_row(side::isp, how.isp, "81.2.69"));
    net.canary_hops = how.site + how.isp;
    for (const auto* address : {server_text, other_server_text}) {
        server one;
        one.tail.push_back(add_row(side::isp, how.tail, fmt::format("62.0.{}", net.servers.size())));
        one.self = add(side::service, address);
        std::vector<endpoint_state> tcp;
        for (const auto port : {std::uint16_t{443}, std::uint16_t{8443}}) {
            one.ports[{transport::tcp, port}] = manner::answers;
            tcp.push_back(make_endpoint(address, port, {}));
        }
        one.ports[{transport::udp, 4200}] = manner::silent;
        auto udp = make_endpoint(address, 4200, {});
        udp.transport = transport::udp;
        const auto number = std::to_string(net.servers.size() + 1);
        out.plan.add("tcp" + number, expectation::service, std::move(tcp));
        out.plan.add("udp" + number, expectation::path, {std::move(udp)});
        net.servers.push_back(std::move(one));
    }
    return out;
}

} // namespace reachd::test
