// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/probe_socket.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <ifaddrs.h>
#include <iterator>
#include <linux/filter.h>
#include <memory>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace reachd {

namespace {

constexpr std::uint16_t any_port = 9; // connect() of a UDP socket asks the routing table and sends nothing

// The local address that a flow to `target` would have; nullopt where there is no way.
std::optional<ip_address> source_towards(const endpoint& target, const way_out& way)
{
    const int fd = ::socket(target.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return std::nullopt;
    }
    const auto to = udp_endpoint({target.address, any_port, transport::udp});
    std::string step;
    std::optional<ip_address> out;
    if (leave_by(fd, target.address.family, way, step) == 0 &&
        ::connect(fd, to.data(), static_cast<socklen_t>(to.size())) == 0) {
        out = local_address(fd);
    }
    ::close(fd);
    return out;
}

struct option {
    int level;
    int name;
    const char* word;
    std::optional<unsigned> value;
};

std::optional<outcome> set_option(int fd, const option& what)
{
    if (!what.value) {
        return std::nullopt;
    }
    const int value = static_cast<int>(*what.value);
    if (::setsockopt(fd, what.level, what.name, &value, sizeof value) == 0) {
        return std::nullopt;
    }
    auto failure = local_failure(errno, what.word);
    failure.cause = local_cause::other;
    return failure;
}

// Drops what arrives by any other interface. SO_BINDTODEVICE alone still hears a RST of this machine's own
// output chain: the kernel routes it as the bound socket would, so that it seems to come by that device
// (inet_iif() goes by rt_iif; measured, Linux 6.18). The filter sees lo, where it really arrives.
int hear_only(int fd, unsigned interface)
{
    constexpr auto arrival_interface = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX);
    constexpr std::uint32_t whole_packet = 0xffffffff;
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arrival_interface),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, interface, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, whole_packet),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const sock_fprog program{.len = std::size(code), .filter = code};
    return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? 0 : errno;
}

// SO_REUSEADDR: the port of a flow that has just ended is free at once.
std::optional<outcome> bind_to_port(int fd, family protocol, const way_out& way, std::uint16_t port)
{
    if (port == 0) {
        return std::nullopt;
    }
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto any = ip_address{.family = protocol, .bytes = {}};
    const auto from = tcp_endpoint({way.source.value_or(any), port, transport::tcp});
    if (::bind(fd, from.data(), static_cast<socklen_t>(from.size())) == 0) {
        return std::nullopt;
    }
    return local_failure(errno, fmt::format("source port {}", port));
}

// The device keeps out ICMPv6 errors of our own, the filter all else.
std::optional<outcome> bind_to_link(int fd, const endpoint& target, const way_out& way)
{
    const auto link = link_towards(target, way);
    if (link.empty()) {
        return std::nullopt; // no way there: connect() says why
    }
    const auto size = static_cast<socklen_t>(link.size());
    std::string step = "SO_BINDTODEVICE " + link;
    int failed = ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link.c_str(), size) == 0 ? 0 : errno;
    if (failed == 0) {
        step = "SO_ATTACH_FILTER";
        failed = hear_only(fd, ::if_nametoindex(link.c_str()));
        failed = failed == EPERM ? 0 : failed; // then the caller looks at lo: can_filter_arrivals()
    }
    if (failed == 0) {
        return std::nullopt;
    }
    auto failure = local_failure(failed, step);
    failure.cause = local_cause::other;
    return failure;
}

} // namespace

bool can_filter_arrivals()
{
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    const bool can = hear_only(fd, 1) == 0;
    ::close(fd);
    return can;
}

std::optional<std::uint64_t> packets_by_loopback()
{
    std::ifstream table{"/proc/net/dev"};
    std::string line;
    while (std::getline(table, line)) {
        std::istringstream words{line};
        std::string name;
        std::uint64_t bytes = 0;
        std::uint64_t packets = 0;
        if (words >> name >> bytes >> packets && name == "lo:") {
            return packets;
        }
    }
    return std::nullopt;
}

std::string link_towards(const endpoint& target, const way_out& way)
{
    if (!way.interface.empty()) {
        return way.interface;
    }
    const auto source = source_towards(target, way);
    ifaddrs* first = nullptr;
    if (!source || ::getifaddrs(&first) != 0) {
        return {};
    }
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list{first, ::freeifaddrs};
    for (const auto* one = first; one; one = one->ifa_next) {
        const bool ip =
            one->ifa_addr && (one->ifa_addr->sa_family == AF_INET || one->ifa_addr->sa_family == AF_INET6);
        // An address of lo may be the source of what leaves by another interface (a router's own).
        const bool stray = (one->ifa_flags & IFF_LOOPBACK) != 0 && *source != target.address;
        if (ip && !stray && address_of(*one->ifa_addr) == *source) {
            return one->ifa_name;
        }
    }
    return {};
}

std::optional<outcome>
make_ready(int fd, const endpoint& target, const way_out& way, const flow_options& flow)
{
    const auto protocol = target.address.family;
    want_icmp_errors(fd, protocol);
    std::string failed_step;
    auto by = way;
    if (flow.source_port != 0) {
        by.source.reset(); // an address is bound once, with its port
    }
    if (const int failed = leave_by(fd, protocol, by, failed_step); failed != 0) {
        auto failure = local_failure(failed, failed_step);
        failure.cause = local_cause::no_address;
        return failure;
    }
    if (auto failure = bind_to_port(fd, protocol, way, flow.source_port)) {
        return failure;
    }
    if (flow.on_link) {
        if (auto failure = bind_to_link(fd, target, way)) {
            return failure;
        }
    }
    const bool v4 = protocol == family::v4;
    const bool tcp = target.transport == transport::tcp;
    const option options[] = {
        v4 ? option{IPPROTO_IP, IP_TTL, "IP_TTL", flow.hop_limit}
           : option{IPPROTO_IPV6, IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS", flow.hop_limit},
        v4 ? option{IPPROTO_IP, IP_MINTTL, "IP_MINTTL", flow.min_ttl}
           : option{IPPROTO_IPV6, IPV6_MINHOPCOUNT, "IPV6_MINHOPCOUNT", flow.min_ttl},
        {IPPROTO_TCP, TCP_SYNCNT, "TCP_SYNCNT", tcp ? flow.syn_retries : std::nullopt},
    };
    for (const auto& one : options) {
        if (auto failure = set_option(fd, one)) {
            return failure;
        }
    }
    return std::nullopt;
}

} // namespace reachd
