// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/service_sockets.hpp"

#include "reachd/net/socket_options.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <vector>

namespace reachd {
namespace {

constexpr std::size_t message_bytes = 32768;           // netlink(7): larger than any message of the kernel
constexpr timeval patience{.tv_sec = 1, .tv_usec = 0}; // the kernel answers at once; this is no wait for it

// States by their numbers in the kernel's net/tcp_states.h, as bits.
constexpr unsigned bit(unsigned state)
{
    return 1U << state;
}
constexpr unsigned state_listen = 10;
// ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING: all behind a whole handshake.
constexpr unsigned wanted_states =
    bit(1) | bit(4) | bit(5) | bit(6) | bit(8) | bit(9) | bit(11) | bit(state_listen);

struct socket_entry {
    bool listens = false;
    socket_address local;
    socket_address peer;
};

error no_answer(const char* step, int code)
{
    return {
        errc::unavailable, stage::connect,
        fmt::format("the kernel does not list this machine's sockets ({}: {})", step, std::strerror(code))
    };
}

class owned_descriptor {
public:
    explicit owned_descriptor(int fd) : fd_{fd} {}
    owned_descriptor(const owned_descriptor&) = delete;
    owned_descriptor& operator=(const owned_descriptor&) = delete;
    ~owned_descriptor()
    {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

bool is_any(const ip_address& address)
{
    return std::ranges::all_of(address.bytes, [](std::uint8_t byte) { return byte == 0; });
}

// ::ffff:192.0.2.1 is 192.0.2.1 (RFC 4291 section 2.5.5.2).
ip_address make_address(unsigned char protocol, const __be32 (&words)[4])
{
    ip_address out;
    out.family = protocol == AF_INET6 ? family::v6 : family::v4;
    std::memcpy(out.bytes.data(), words, out.is_v4() ? 4 : 16);
    constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (!out.is_v4() && std::equal(mapped.begin(), mapped.end(), out.bytes.begin())) {
        ip_address v4;
        std::copy_n(out.bytes.begin() + 12, 4, v4.bytes.begin());
        return v4;
    }
    return out;
}

socket_entry make_entry(const inet_diag_msg& from)
{
    return {
        .listens = from.idiag_state == state_listen,
        .local = {make_address(from.idiag_family, from.id.idiag_src), ntohs(from.id.idiag_sport)},
        .peer = {make_address(from.idiag_family, from.id.idiag_dst), ntohs(from.id.idiag_dport)},
    };
}

int ask(int fd, unsigned char protocol, std::uint16_t port)
{
    struct {
        nlmsghdr head;
        inet_diag_req_v2 what;
    } request{};
    request.head.nlmsg_len = sizeof request;
    request.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.what.sdiag_family = protocol;
    request.what.sdiag_protocol = IPPROTO_TCP;
    request.what.idiag_states = wanted_states;
    request.what.id.idiag_sport = htons(port);
    return ::send(fd, &request, sizeof request, 0) < 0 ? errno : 0;
}

// Whether the dump goes on; its errors in `failed`.
bool take_messages(const char* data, std::size_t size, std::vector<socket_entry>& into, int& failed)
{
    while (size >= sizeof(nlmsghdr)) {
        nlmsghdr head{};
        std::memcpy(&head, data, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > size) {
            return false;
        }
        const auto* payload = data + NLMSG_HDRLEN;
        const auto length = head.nlmsg_len - NLMSG_HDRLEN;
        if (head.nlmsg_type == NLMSG_DONE) {
            return false;
        }
        if (head.nlmsg_type == NLMSG_ERROR) {
            nlmsgerr fault{};
            std::memcpy(&fault, payload, std::min<std::size_t>(length, sizeof fault));
            failed = -fault.error;
            return false;
        }
        if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY && length >= sizeof(inet_diag_msg)) {
            inet_diag_msg one{};
            std::memcpy(&one, payload, sizeof one);
            into.push_back(make_entry(one));
        }
        const auto step = std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), size);
        data += step;
        size -= step;
    }
    return true;
}

// 0, or the errno of what failed.
int read_family(int fd, unsigned char protocol, std::uint16_t port, std::vector<socket_entry>& into)
{
    if (const auto code = ask(fd, protocol, port); code != 0) {
        return code;
    }
    std::vector<char> data(message_bytes);
    int failed = 0;
    while (true) {
        const auto size = ::recv(fd, data.data(), data.size(), 0);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return errno;
        }
        if (!take_messages(data.data(), static_cast<std::size_t>(size), into, failed)) {
            return failed;
        }
    }
}

} // namespace

result<service_sockets> read_service_sockets(const socket_address& service)
{
    const owned_descriptor fd{::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
    if (fd.get() < 0) {
        return std::unexpected(no_answer("socket", errno));
    }
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::vector<socket_entry> all;
    if (const auto code = read_family(fd.get(), AF_INET, service.port, all); code != 0) {
        return std::unexpected(no_answer("sock_diag", code));
    }
    // A kernel without IPv6 has no such sockets.
    read_family(fd.get(), AF_INET6, service.port, all);
    const bool own = is_local_address(service.address);
    service_sockets out;
    bool at_any = false;
    for (const auto& one : all) {
        const bool any = one.listens && is_any(one.local.address) && own;
        at_any = at_any || any;
        out.listens = out.listens || any || (one.listens && one.local.address == service.address);
    }
    for (const auto& one : all) {
        // Who listens at any address is reached at each. A port that is listened at is nobody's port for a
        // connection of our own (inet_hash_connect() of the kernel): without a listener it may be.
        if (out.listens && !one.listens && (at_any || one.local.address == service.address)) {
            out.peers.insert(one.peer.address);
        }
    }
    return out;
}

} // namespace reachd
