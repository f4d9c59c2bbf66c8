// SPDX-License-Identifier: Apache-2.0
// Each socket option that a verdict goes by is tried on a socket of this user's that sends nothing.
#include "doctor_findings.hpp"
#include "reachd/net/tcp_facts.hpp"
#include "reachd/net/udp_probe.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

// ICMP errors during a TCP connect reach an unprivileged socket since Linux 5.9 (45af29ca761c,
// "tcp: allow traceroute -Mtcp for unpriv users").
finding check_kernel()
{
    utsname name{};
    ::uname(&name);
    int major = 0;
    int minor = 0;
    char dot = 0;
    std::istringstream{name.release} >> major >> dot >> minor;
    if (major > 5 || (major == 5 && minor >= 9)) {
        return {
            health::good, "kernel",
            fmt::format("Linux {} tells who sent an ICMP error about a TCP connect.", name.release)
        };
    }
    return {
        health::limited,
        "kernel",
        fmt::format(
            "Linux {} is older than 5.9: who rejected a TCP connect stays unknown; verdicts say so.",
            name.release
        ),
    };
}

finding check_error_queue()
{
    const endpoint closed{*parse_address("127.0.0.1"), 9, transport::udp};
    const auto seen = run_alone(udp_exchange(closed, {}, steady::now() + milliseconds{200}));
    if (std::holds_alternative<icmp_error>(seen.what)) {
        return {health::good, "icmp", "ICMP errors reach this user's UDP sockets (tried on loopback)."};
    }
    return {
        health::limited,
        "icmp",
        fmt::format("No ICMP error came for a closed UDP port on loopback ({}).", describe(seen.what)),
    };
}

// 0, or the errno of asking a new TCP socket for it.
template <class Value>
int try_option(int protocol, int level, int name, const Value& value)
{
    const int fd = ::socket(protocol, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    const int failed = ::setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
    ::close(fd);
    return failed;
}

struct wanted_option {
    int protocol;
    int level;
    int name;
    const char* word;
    const char* with;    // what it tells
    const char* without; // what cannot be told
};

constexpr int some_hops = 64; // any number that is allowed

constexpr wanted_option wanted_options[] = {
    {AF_INET, IPPROTO_IP, IP_RECVERR, "IP_RECVERR", "tells who sent an ICMP error",
     "who rejects a flow stays unknown"},
    {AF_INET6, IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR", "tells who sent an ICMPv6 error",
     "who rejects a flow stays unknown over IPv6"},
    {AF_INET, IPPROTO_IP, IP_TTL, "IP_TTL", "finds the hop behind which a flow ends",
     "where on the way a flow ends stays unknown"},
    {AF_INET6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS",
     "finds the hop behind which an IPv6 flow ends", "where on the way an IPv6 flow ends stays unknown"},
    {AF_INET, IPPROTO_IP, IP_MINTTL, "IP_MINTTL", "tells a server's RST from one that a near box forges",
     "whether a RST is the server's own stays unknown"},
    {AF_INET6, IPPROTO_IPV6, IPV6_MINHOPCOUNT, "IPV6_MINHOPCOUNT",
     "tells a server's RST from one that a near box forges over IPv6",
     "whether a RST is the server's own stays unknown over IPv6"},
};

// Without IPv6 its options are not missed.
void check_options(std::vector<finding>& out)
{
    for (const auto& one : wanted_options) {
        const int failed = try_option(one.protocol, one.level, one.name, some_hops);
        if (failed == 0) {
            out.push_back({health::good, "sockets", fmt::format("{} {}.", one.word, one.with)});
        } else if (failed != EAFNOSUPPORT) {
            out.push_back(
                {health::limited, "sockets",
                 fmt::format("{} cannot be set ({}): {}.", one.word, std::strerror(failed), one.without)}
            );
        }
    }
}

// Without privilege since Linux 5.7 (c427bfec18f2, "net: core: enable SO_BINDTODEVICE for non-root users").
finding check_device_binding()
{
    constexpr char device[] = "lo";
    const int failed = try_option(AF_INET, SOL_SOCKET, SO_BINDTODEVICE, device);
    return failed == 0
             ? finding{health::good, "sockets", "SO_BINDTODEVICE tells this machine's own packet filter from those of others."}
             : finding{
                   health::limited, "sockets",
                   fmt::format(
                       "SO_BINDTODEVICE is not for this user ({}): what this machine's own packet filter "
                       "answers cannot be told from the answers of others.",
                       std::strerror(failed)
                   )
               };
}

finding check_tcp_info()
{
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto facts = read_tcp_facts(fd);
    ::close(fd);
    if (facts && facts->peer_window) {
        return {health::good, "sockets", "TCP_INFO tells the window of the peer."};
    }
    return {
        health::limited, "sockets",
        "TCP_INFO is too short on this kernel to tell the window of the peer: a SYN proxy whose server is "
        "gone is known by its silence alone."
    };
}

} // namespace

void check_sockets(std::vector<finding>& out)
{
    out.push_back(check_kernel());
    out.push_back(check_error_queue());
    check_options(out);
    out.push_back(check_device_binding());
    out.push_back(check_tcp_info());
}

} // namespace reachd
