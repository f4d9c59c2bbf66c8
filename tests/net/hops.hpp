// SPDX-License-Identifier: Apache-2.0
// hops.hpp: a way of three hops: this process's namespace - r1 - r2 - srv, each a network namespace.
//
// Use     hops way; if (!way) GTEST_SKIP(); way.at("srv", [&] { ... }) makes sockets that live there.
// Shapes  Addresses: r1 10.91.1.1 and fd91:1::1, r2 10.91.2.2 and fd91:2::2, srv 10.91.3.2 and fd91:3::2.
// Limits  One at a time; only the calling thread changes its namespace, and only within at().
#pragma once

#include "run.hpp"

#include <fcntl.h>
#include <sched.h>

namespace reachd::test {

class hops {
public:
    hops() { made_ = command("sh -ec '" + std::string{script} + "'"); }
    hops(const hops&) = delete;
    hops& operator=(const hops&) = delete;
    ~hops()
    {
        command(
            "ip link del rh0; ip netns del r1; ip netns del r2; ip netns del srv; nft delete table inet rtest"
        );
    }
    explicit operator bool() const { return made_; }

    // Runs `action` in the namespace `where`; "" for our own.
    template <class Action>
    static auto at(const std::string& where, Action action)
    {
        const int own = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        const auto path = where.empty() ? "/proc/thread-self/ns/net" : "/run/netns/" + where;
        const int there = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        ::setns(there, CLONE_NEWNET);
        ::close(there);
        auto out = action();
        ::setns(own, CLONE_NEWNET);
        ::close(own);
        return out;
    }

    // A rule of the packet filter of `where` ("" for our own) in a chain at `hook`.
    static bool rule(const std::string& where, const std::string& hook, const std::string& text)
    {
        const auto load = [&] {
            return command("nft 'add table inet rtest'") &&
                   command(
                       "nft 'add chain inet rtest " + hook + " { type filter hook " + hook + " priority 0; }'"
                   ) &&
                   command("nft 'add rule inet rtest " + hook + " " + text + "'");
        };
        return at(where, load);
    }
    // The packets that the first counter of that chain has seen.
    static long counted(const std::string& where, const std::string& hook)
    {
        const auto read = [&] {
            const auto pipe = ::popen(("nft list chain inet rtest " + hook).c_str(), "r");
            std::string text(8192, '\0');
            text.resize(std::fread(text.data(), 1, text.size(), pipe));
            ::pclose(pipe);
            const auto found = text.find("counter packets ");
            return found == std::string::npos ? -1L : std::atol(text.c_str() + found + 16);
        };
        return at(where, read);
    }

private:
    static constexpr const char* script = R"(
for n in r1 r2 srv; do ip netns add $n; ip -n $n link set lo up; done
if [ -e /proc/sys/net/ipv6 ]; then
  for n in r1 r2 srv; do
    ip netns exec $n sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0
  done
  sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0
fi
ip link add rh0 type veth peer name near netns r1
ip -n r1 link add far type veth peer name near netns r2
ip -n r2 link add far type veth peer name near netns srv
ip addr add 10.91.1.2/24 dev rh0
ip link set rh0 up
ip -n r1 addr add 10.91.1.1/24 dev near; ip -n r1 addr add 10.91.2.1/24 dev far
ip -n r2 addr add 10.91.2.2/24 dev near; ip -n r2 addr add 10.91.3.1/24 dev far
ip -n srv addr add 10.91.3.2/24 dev near
for n in r1 r2; do ip -n $n link set near up; ip -n $n link set far up; done
ip -n srv link set near up
ip route add 10.91.0.0/16 via 10.91.1.1
ip -n r1 route add 10.91.3.0/24 via 10.91.2.2
ip -n r2 route add 10.91.1.0/24 via 10.91.2.1
ip -n srv route add default via 10.91.3.1
for n in r1 r2; do
  ip netns exec $n sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
done
if [ -e /proc/sys/net/ipv6 ]; then
  ip addr add fd91:1::2/64 dev rh0 nodad
  ip -n r1 addr add fd91:1::1/64 dev near nodad; ip -n r1 addr add fd91:2::1/64 dev far nodad
  ip -n r2 addr add fd91:2::2/64 dev near nodad; ip -n r2 addr add fd91:3::1/64 dev far nodad
  ip -n srv addr add fd91:3::2/64 dev near nodad
  for n in r1 r2; do
    ip netns exec $n sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0
  done
  ip route add fd91::/16 via fd91:1::1
  ip -n r1 route add fd91:3::/64 via fd91:2::2
  ip -n r2 route add fd91:1::/64 via fd91:2::1
  ip -n srv route add default via fd91:3::1
fi
)";
    bool made_ = false;
};

} // namespace reachd::test
