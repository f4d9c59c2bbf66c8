// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/local_change_watch.hpp"

#include "reachd/net/socket_options.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

namespace reachd {
namespace {

constexpr unsigned groups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
constexpr std::size_t message_bytes = 32768; // netlink(7): larger than any message of the kernel
constexpr std::size_t most_events = 10000;   // the oldest go: who began before them is disturbed

constexpr const char* overrun_text = "this machine's addresses or routes changed very often";

unsigned interface_with(const ip_address& address)
{
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) {
        return 0;
    }
    unsigned found = 0;
    for (const auto* one = list; one && found == 0; one = one->ifa_next) {
        const bool ip =
            one->ifa_addr && (one->ifa_addr->sa_family == AF_INET || one->ifa_addr->sa_family == AF_INET6);
        if (ip && address_of(*one->ifa_addr) == address) {
            found = ::if_nametoindex(one->ifa_name);
        }
    }
    ::freeifaddrs(list);
    return found;
}

// The fixed part of a message, behind its header.
template <class Fixed>
std::optional<Fixed> fixed_part(const nlmsghdr& head, const char* payload)
{
    if (head.nlmsg_len < NLMSG_HDRLEN + sizeof(Fixed)) {
        return std::nullopt;
    }
    Fixed out;
    std::memcpy(&out, payload, sizeof out);
    return out;
}

ip_address make_address(unsigned char protocol, const char* bytes, std::size_t size)
{
    ip_address out;
    out.family = protocol == AF_INET6 ? family::v6 : family::v4;
    std::copy_n(bytes, std::min(size, out.is_v4() ? std::size_t{4} : std::size_t{16}), out.bytes.begin());
    return out;
}

// The first attribute of that kind in what follows the fixed part.
std::optional<ip_address> address_attribute(
    const nlmsghdr& head, const char* payload, std::size_t fixed, unsigned short kind, unsigned char protocol
)
{
    const char* at = payload + NLMSG_ALIGN(fixed);
    const char* end = payload + (head.nlmsg_len - NLMSG_HDRLEN);
    while (at + sizeof(rtattr) <= end) {
        rtattr one{};
        std::memcpy(&one, at, sizeof one);
        if (one.rta_len < sizeof one || at + one.rta_len > end) {
            break;
        }
        if (one.rta_type == kind) {
            return make_address(protocol, at + sizeof one, one.rta_len - sizeof one);
        }
        at += RTA_ALIGN(one.rta_len);
    }
    return std::nullopt;
}

} // namespace

local_change_watch::local_change_watch()
{
    fd_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    own.nl_groups = groups;
    if (fd_ >= 0 && ::bind(fd_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
        ::close(fd_);
        fd_ = -1;
    }
}

local_change_watch::~local_change_watch()
{
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

local_change_watch::mark local_change_watch::begin(const ip_address& source, const ip_address& target)
{
    read_all();
    return {
        .from = first_ + events_.size(),
        .source = source,
        .target = target,
        .interface = interface_with(source)
    };
}

std::optional<std::string> local_change_watch::disturbed(const mark& since)
{
    read_all();
    if (since.from < first_) {
        return overrun_text;
    }
    for (std::size_t i = since.from - first_; i < events_.size(); ++i) {
        if (auto why = concerns(events_[i], since)) {
            return why;
        }
    }
    return std::nullopt;
}

std::optional<std::string> local_change_watch::concerns(const event& one, const mark& flow)
{
    switch (one.what) {
    case event::kind::address_gone:
        return one.address == flow.source
                 ? std::optional{fmt::format("this machine lost its address {}", to_text(one.address))}
                 : std::nullopt;
    case event::kind::link_down:
        return one.interface == flow.interface && flow.interface != 0
                 ? std::optional{std::string{"the link of this machine was down"}}
                 : std::nullopt;
    case event::kind::route_changed:
        return one.block.contains(flow.target)
                 ? std::optional{fmt::format("this machine's route to {} changed", to_text(one.block))}
                 : std::nullopt;
    case event::kind::overrun: return overrun_text;
    }
    return std::nullopt;
}

void local_change_watch::note(const event& what)
{
    events_.push_back(what);
    if (events_.size() > most_events) {
        events_.pop_front();
        ++first_;
    }
}

void local_change_watch::read_all()
{
    std::vector<char> data(message_bytes);
    while (fd_ >= 0) {
        const auto size = ::recv(fd_, data.data(), data.size(), MSG_DONTWAIT);
        if (size > 0) {
            read_messages(data.data(), static_cast<std::size_t>(size));
        } else if (size < 0 && errno == ENOBUFS) {
            note({.what = event::kind::overrun});
        } else if (size == 0 || errno != EINTR) {
            return;
        }
    }
}

void local_change_watch::read_messages(const char* data, std::size_t size)
{
    while (size >= NLMSG_HDRLEN) {
        nlmsghdr head{};
        std::memcpy(&head, data, sizeof head);
        if (head.nlmsg_len < NLMSG_HDRLEN || head.nlmsg_len > size) {
            note({.what = event::kind::overrun});
            return;
        }
        const char* payload = data + NLMSG_HDRLEN;
        if (head.nlmsg_type == RTM_DELADDR) {
            const auto fixed = fixed_part<ifaddrmsg>(head, payload);
            // IFA_LOCAL is the own end of a point-to-point link; IPv6 has IFA_ADDRESS alone.
            for (const unsigned short kind : {IFA_LOCAL, IFA_ADDRESS}) {
                const auto gone = fixed
                                    ? address_attribute(head, payload, sizeof *fixed, kind, fixed->ifa_family)
                                    : std::nullopt;
                if (gone) {
                    note({.what = event::kind::address_gone, .address = *gone});
                }
            }
        } else if (head.nlmsg_type == RTM_NEWLINK || head.nlmsg_type == RTM_DELLINK) {
            const auto fixed = fixed_part<ifinfomsg>(head, payload);
            const bool up = head.nlmsg_type == RTM_NEWLINK && fixed && (fixed->ifi_flags & IFF_RUNNING);
            if (fixed && !up) {
                note({.what = event::kind::link_down, .interface = static_cast<unsigned>(fixed->ifi_index)});
            }
        } else if (head.nlmsg_type == RTM_NEWROUTE || head.nlmsg_type == RTM_DELROUTE) {
            const auto fixed = fixed_part<rtmsg>(head, payload);
            // Multicast and local routes come with addresses, which are told by themselves.
            if (fixed && (fixed->rtm_family == AF_INET || fixed->rtm_family == AF_INET6) &&
                fixed->rtm_type != RTN_LOCAL && fixed->rtm_type != RTN_MULTICAST &&
                fixed->rtm_type != RTN_BROADCAST) {
                const auto to = address_attribute(head, payload, sizeof *fixed, RTA_DST, fixed->rtm_family);
                ip_block block{.base = to.value_or(make_address(fixed->rtm_family, nullptr, 0))};
                block.prefix = fixed->rtm_dst_len;
                note({.what = event::kind::route_changed, .block = block});
            }
        }
        const std::size_t step = NLMSG_ALIGN(head.nlmsg_len);
        data += std::min(step, size);
        size -= std::min(step, size);
    }
}

} // namespace reachd
