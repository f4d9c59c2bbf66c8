// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/socket_options.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

int set_int(int fd, int level, int name, int value)
{
    return ::setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

std::optional<sockaddr_storage> own_name(int fd)
{
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
        return std::nullopt;
    }
    return own;
}

// Any of this machine's addresses: the kernel complains of a silent next hop by the interface's primary
// address, whatever source the socket has.
bool is_icmp(const sock_extended_err& what)
{
    return what.ee_origin == SO_EE_ORIGIN_ICMP || what.ee_origin == SO_EE_ORIGIN_ICMP6;
}

// One entry of the error queue; nullopt when its control data holds no ICMP error.
std::optional<icmp_error> read_entry(msghdr& message, family protocol)
{
    std::optional<icmp_error> found;
    std::optional<int> received_ttl;
    for (auto* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        const bool v4 = part->cmsg_level == IPPROTO_IP;
        const bool v6 = part->cmsg_level == IPPROTO_IPV6;
        if ((v4 && part->cmsg_type == IP_RECVERR) || (v6 && part->cmsg_type == IPV6_RECVERR)) {
            sock_extended_err what{};
            std::memcpy(&what, CMSG_DATA(part), sizeof what);
            const auto* offender = SO_EE_OFFENDER(reinterpret_cast<sock_extended_err*>(CMSG_DATA(part)));
            if (is_icmp(what) && offender->sa_family != AF_UNSPEC) {
                found = icmp_error{
                    .family = protocol,
                    .type = what.ee_type,
                    .code = what.ee_code,
                    .sender = address_of(*offender),
                };
            }
        } else if ((v4 && part->cmsg_type == IP_TTL) || (v6 && part->cmsg_type == IPV6_HOPLIMIT)) {
            int value = 0;
            std::memcpy(&value, CMSG_DATA(part), sizeof value);
            received_ttl = value;
        }
    }
    if (found) {
        found->received_ttl = received_ttl;
    }
    return found;
}

} // namespace

asio::ip::address to_asio(const ip_address& address)
{
    if (address.is_v4()) {
        asio::ip::address_v4::bytes_type bytes;
        std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
        return asio::ip::address_v4{bytes};
    }
    asio::ip::address_v6::bytes_type bytes;
    std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
    return asio::ip::address_v6{bytes};
}

ip_address from_asio(const asio::ip::address& address)
{
    ip_address out;
    if (address.is_v4()) {
        std::ranges::copy(address.to_v4().to_bytes(), out.bytes.begin());
    } else {
        out.family = family::v6;
        std::ranges::copy(address.to_v6().to_bytes(), out.bytes.begin());
    }
    return out;
}

ip_address address_of(const sockaddr& where)
{
    ip_address out;
    if (where.sa_family == AF_INET6) {
        out.family = family::v6;
        std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(where).sin6_addr, 16);
    } else {
        std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in&>(where).sin_addr, 4);
    }
    return out;
}

asio::ip::tcp::endpoint tcp_endpoint(const endpoint& where)
{
    return {to_asio(where.address), where.port};
}

asio::ip::udp::endpoint udp_endpoint(const endpoint& where)
{
    return {to_asio(where.address), where.port};
}

int want_icmp_errors(int fd, family protocol)
{
    const bool v4 = protocol == family::v4;
    const int code = v4 ? set_int(fd, IPPROTO_IP, IP_RECVERR, 1) : set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    if (code != 0) {
        return code;
    }
    return v4 ? set_int(fd, IPPROTO_IP, IP_RECVTTL, 1) : set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
}

int refuse_icmp_errors(int fd, family protocol)
{
    return protocol == family::v4 ? set_int(fd, IPPROTO_IP, IP_RECVERR, 0)
                                  : set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 0);
}

int leave_by(int fd, family protocol, const way_out& way, std::string& failed_step)
{
    if (!way.interface.empty()) {
        const auto size = static_cast<socklen_t>(way.interface.size());
        if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, way.interface.c_str(), size) != 0) {
            failed_step = "interface " + way.interface;
            return errno;
        }
    }
    if (!way.source) {
        return 0;
    }
    failed_step = "source " + to_text(*way.source);
    if (way.source->family != protocol) {
        return EAFNOSUPPORT;
    }
    // The port is chosen at connect, so that many flows can share the address.
    set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    const asio::ip::tcp::endpoint source{to_asio(*way.source), 0};
    return ::bind(fd, source.data(), static_cast<socklen_t>(source.size())) == 0 ? 0 : errno;
}

int take_error(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) == 0 ? value : errno;
}

std::vector<icmp_error> drain_errors(int fd, family protocol)
{
    std::vector<icmp_error> found;
    while (true) {
        std::array<char, 512> data;
        alignas(cmsghdr) std::array<char, 512> control;
        iovec part{data.data(), data.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        if (::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return found;
        }
        if (auto entry = read_entry(message, protocol)) {
            entry->sender_is_us = is_local_address(entry->sender);
            found.push_back(*entry);
        }
    }
}

bool is_local_address(const ip_address& address)
{
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) {
        return false;
    }
    bool found = false;
    for (const auto* one = list; one && !found; one = one->ifa_next) {
        const bool ip =
            one->ifa_addr && (one->ifa_addr->sa_family == AF_INET || one->ifa_addr->sa_family == AF_INET6);
        found = ip && address_of(*one->ifa_addr) == address;
    }
    ::freeifaddrs(list);
    return found;
}

int tcp_state(int fd)
{
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_state : -1;
}

std::optional<ip_address> local_address(int fd)
{
    const auto own = own_name(fd);
    return own ? std::optional{address_of(reinterpret_cast<const sockaddr&>(*own))} : std::nullopt;
}

std::string local_name(int fd)
{
    const auto own = own_name(fd);
    if (!own || (own->ss_family != AF_INET && own->ss_family != AF_INET6)) {
        return {};
    }
    const bool v4 = own->ss_family == AF_INET;
    const auto port = ntohs(
        v4 ? reinterpret_cast<const sockaddr_in*>(&*own)->sin_port
           : reinterpret_cast<const sockaddr_in6*>(&*own)->sin6_port
    );
    const auto address = to_text(address_of(reinterpret_cast<const sockaddr&>(*own)));
    return v4 ? fmt::format("{}:{}", address, port) : fmt::format("[{}]:{}", address, port);
}

not_measured local_failure(int error_number, const std::string& step)
{
    const auto cause = [error_number] {
        switch (error_number) {
        case EINVAL: // a blackhole route
        case ENETUNREACH:
        case EHOSTUNREACH: return local_cause::no_route;
        case ENODEV:
        case EAFNOSUPPORT: return local_cause::no_address;
        case ENETDOWN:
        case ENONET: return local_cause::link_down;
        case EPERM:
        case EACCES: return local_cause::refused_here;
        case EMFILE:
        case ENFILE: return local_cause::no_descriptors;
        case ENOMEM:
        case ENOBUFS: return local_cause::no_memory;
        case EADDRNOTAVAIL: return local_cause::no_local_port;
        default: return local_cause::other;
        }
    }();
    const auto text = step.empty() ? std::string{std::strerror(error_number)}
                                   : fmt::format("{}: {}", step, std::strerror(error_number));
    return {.cause = cause, .error_number = error_number, .detail = text};
}

} // namespace reachd
