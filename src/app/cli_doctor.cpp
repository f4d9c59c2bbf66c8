// SPDX-License-Identifier: Apache-2.0
// What this machine can and cannot measure, in sentences. Sends nothing but one DNS question a server,
// and a greeting to each reflector.
#include "doctor_findings.hpp"
#include "reachd/app/cli.hpp"
#include "reachd/app/cli_link.hpp"
#include "reachd/app/site_check.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/nat64.hpp"
#include "reachd/core/render_health.hpp"
#include "reachd/core/version.hpp"
#include "reachd/net/local_network_reader.hpp"
#include "reachd/net/resolver.hpp"
#include "reachd/net/socket_options.hpp"
#include "reachd/net/tls_probe.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

namespace reachd {

namespace asio = boost::asio;

const char* word_of(health how)
{
    switch (how) {
    case health::good: return "ok";
    case health::limited: return "limited";
    case health::bad: return "bad";
    }
    return "?";
}

namespace {

finding check_descriptors(const plan* what)
{
    const auto room = make_room_for_flows();
    const auto wanted = what ? what->config.limits.in_flight : limits_config{}.in_flight;
    return {
        room >= wanted ? health::good : health::limited,
        "descriptors",
        fmt::format(
            "{} flows at once fit into this process's file descriptors; the configuration asks for {}.", room,
            wanted
        ),
    };
}

finding check_clock()
{
    if (wall_now() < program_date() - std::chrono::days{1}) {
        return {
            health::bad, "clock",
            fmt::format(
                "The clock says {}, before this program was made: no certificate and no time of evidence can "
                "be judged by it.",
                to_text(wall_now())
            )
        };
    }
    timex now{};
    const int state = ::adjtimex(&now);
    const bool unsynchronised = state == TIME_ERROR || (now.status & STA_UNSYNC) != 0;
    return unsynchronised
               ? finding{health::limited, "clock", "The kernel says that the clock is not synchronised: dates in "
                                                   "evidence and checks of certificates may be off."}
               : finding{health::good, "clock", "The clock is synchronised."};
}

bool has_route(const char* address)
{
    const int family_number = std::strchr(address, ':') ? AF_INET6 : AF_INET;
    const int fd = ::socket(family_number, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    // connect() of a UDP socket asks the routing table and sends nothing.
    const auto to = udp_endpoint({*parse_address(address), 53, transport::udp});
    const bool routed = ::connect(fd, to.data(), static_cast<socklen_t>(to.size())) == 0;
    ::close(fd);
    return routed;
}

void check_routes(std::vector<finding>& out)
{
    // The documentation prefixes stand for "anywhere": nothing is sent there.
    const bool v4 = has_route("192.0.2.1");
    const bool v6 = has_route("2001:db8::1");
    out.push_back({
        v4 ? health::good : health::bad,
        "route",
        v4 ? "There is an IPv4 route to the internet."
           : "There is no IPv4 route to the internet: nothing can be measured over IPv4.",
    });
    out.push_back({
        health::good,
        "route",
        v6 ? "There is an IPv6 route to the internet."
           : "There is no IPv6 route: IPv6 addresses of names are not used here.",
    });
    const auto local = read_local_network().value_or(local_network{});
    for (const auto& one : local.gateways) {
        out.push_back(
            {health::good, "gateway",
             to_text(one) + " is a gateway; a box with this address is blamed as the site's."}
        );
    }
}

// RFC 7050: a DNS64 gives itself away by AAAA records of a name that has none.
void check_nat64(const std::vector<std::string>& servers, std::vector<finding>& out)
{
    for (const auto& server : servers) {
        const auto said = run_alone(ask_server(server, nat64_probe_name, steady::now() + seconds{3}));
        std::vector<ip_address> addresses;
        for (const auto& one : said.addresses) {
            addresses.push_back(one.address);
        }
        if (const auto prefix = nat64_prefix(addresses)) {
            out.push_back({
                health::good,
                "nat64",
                fmt::format(
                    "DNS server {} makes IPv6 addresses in {} of IPv4 ones: there is a NAT64.", server,
                    to_text(*prefix)
                ),
            });
        }
    }
}

void check_names(const plan* what, std::vector<finding>& out)
{
    const auto servers = resolver::system_servers();
    if (servers.empty()) {
        out.push_back({health::bad, "dns", "No DNS server is configured (/etc/resolv.conf)."});
        return;
    }
    check_nat64(servers, out);
    std::string name;
    if (what) {
        for (const auto& row : what->rows) {
            const auto* outbound = std::get_if<outbound_row>(&row.what);
            if (outbound && !outbound->names.empty()) {
                name = outbound->names.front();
                break;
            }
        }
    }
    if (name.empty()) {
        return;
    }
    for (const auto& server : servers) {
        const auto said = run_alone(ask_server(server, name, steady::now() + seconds{3}));
        const bool good = said.status == dns_status::answered;
        out.push_back({
            good ? health::good : health::bad,
            "dns",
            fmt::format("DNS server {} on {}: {} ({}).", server, name, describe(said), to_text(said.took)),
        });
    }
}

void check_vantages(const plan& what, std::vector<finding>& out)
{
    for (const auto& one : what.vantages) {
        if (one.name.empty()) {
            continue;
        }
        const auto protocol = one.source ? one.source->family : family::v4;
        const int fd = ::socket(protocol == family::v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        std::string step;
        const int failed = leave_by(fd, protocol, {one.interface, one.source}, step);
        ::close(fd);
        out.push_back({
            failed == 0 ? health::good : health::bad,
            "vantage",
            failed == 0 ? fmt::format("Vantage {} can be used.", one.name)
                        : fmt::format("Vantage {}: {}: {}.", one.name, step, std::strerror(failed)),
        });
    }
}

void check_trust(const plan* what, std::vector<finding>& out)
{
    const auto trust = make_trust(what ? what->config.tls_ca_file : std::string{});
    out.push_back({
        trust ? health::good : health::bad,
        "tls",
        trust ? "The trust store can be read." : trust.error().detail + ".",
    });
    if (!trust || !what) {
        return;
    }
    for (const auto& unusable : add_trust(**trust, what->config.tls_extra_ca_files)) {
        out.push_back({health::limited, "tls", unusable + "."});
    }
    for (const auto& row : what->rows) {
        const auto* outbound = std::get_if<outbound_row>(&row.what);
        for (const auto& owner : outbound ? outbound->tls_roots : std::vector<std::string>{}) {
            const bool held = holds_root_of(**trust, owner);
            out.push_back({
                held ? health::good : health::limited,
                "tls",
                held ? fmt::format("A root of {} is trusted, as {} needs.", owner, row.id)
                     : fmt::format(
                           "No root of {} is in tls.ca_file or tls.extra_ca_files: where {} meets a "
                           "certificate under one, it is unproven.",
                           owner, row.id
                       ),
            });
        }
    }
}

} // namespace

std::vector<finding> examine(const paths& where)
{
    std::vector<finding> out;
    const auto site = load_site(where);
    const plan* what = site ? site->get() : nullptr;
    if (site) {
        out.push_back(
            {health::good, "files",
             fmt::format(
                 "{} and its {} catalogues are sound.", where.config.string(), what->catalogues.size()
             )}
        );
    } else {
        for (const auto& fault : site.error()) {
            out.push_back({health::bad, "files", to_text(fault)});
        }
    }
    check_sockets(out);
    out.push_back(check_socket_list());
    out.push_back(check_descriptors(what));
    out.push_back(check_clock());
    check_routes(out);
    check_names(what, out);
    check_trust(what, out);
    if (what) {
        check_vantages(*what, out);
        check_reflectors(*what, out);
    }
    return out;
}

namespace {

// None is no fault: reachctl check needs none.
void check_daemon(const cli_common& common, std::vector<finding>& out)
{
    std::string why;
    const auto told = ask_daemon_quietly(common, "health", json::object(), plugin_wait, why);
    if (!told) {
        out.push_back(
            {health::good, "daemon", "No daemon answers here, and so there is no history: " + why + '.'}
        );
        return;
    }
    if (const auto own = own_troubles(*told); !own.empty()) {
        out.push_back({health::limited, "daemon", own + '.'});
    }
    const auto history = told->value("history", json::object());
    if (history.value("state", std::string{}) == "kept") {
        out.push_back({
            health::good,
            "daemon",
            fmt::format("reachd runs and keeps its history in {}.", history.value("file", std::string{})),
        });
        return;
    }
    out.push_back({
        health::bad,
        "daemon",
        fmt::format("reachd runs and cannot keep its history: {}.", history.value("reason", std::string{})),
    });
}

} // namespace

int command_doctor(const cli_common& common, const cli_query& options)
{
    auto findings = examine(find_paths(common.where, running_program()));
    check_daemon(common, findings);
    const auto format = stdout_page(common.colour);
    if (options.format == "json") {
        json list = json::array();
        for (const auto& one : findings) {
            list.push_back({{"state", word_of(one.how)}, {"topic", one.topic}, {"sentence", one.sentence}});
        }
        std::printf("%s\n", dump({{"findings", list}}, 2).c_str());
    } else {
        for (const auto& one : findings) {
            const auto with = one.how == health::good    ? ink::good
                            : one.how == health::limited ? ink::unsure
                                                         : ink::bad;
            std::printf("%s ", paint(fmt::format("{:<7}", word_of(one.how)), with, format.use).c_str());
            bool first = true;
            for (const auto& line : wrap(one.topic + ": " + printable(one.sentence), format.columns - 8)) {
                std::printf("%s%s\n", first ? "" : "        ", line.c_str());
                first = false;
            }
        }
    }
    const bool bad = std::ranges::any_of(findings, [](const finding& one) { return one.how == health::bad; });
    return bad ? exit_unproven : exit_ready;
}

} // namespace reachd
