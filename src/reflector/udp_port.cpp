// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/udp_port.hpp"

#include "reachd/net/socket_options.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/errqueue.h>
#include <netinet/in.h>

namespace reachd::reflector {

namespace asio = boost::asio;

namespace {

constexpr int receive_buffer_bytes = 4 << 20; // a burst of 10,000 flows; net.core.rmem_max bounds it
constexpr int datagrams_a_turn = 64;          // then others have theirs
constexpr int send_attempts = 3;              // a pending ICMP error makes a send fail unsent

socket_address address_from(const sockaddr_storage& raw)
{
    socket_address out;
    if (raw.ss_family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(raw);
        out.port = ntohs(four.sin_port);
        std::memcpy(out.address.bytes.data(), &four.sin_addr, sizeof four.sin_addr);
    } else {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(raw);
        out.address.family = family::v6;
        out.port = ntohs(six.sin6_port);
        std::memcpy(out.address.bytes.data(), &six.sin6_addr, sizeof six.sin6_addr);
    }
    return out;
}

socklen_t put_address(sockaddr_storage& raw, const socket_address& from)
{
    if (from.address.is_v4()) {
        auto& four = reinterpret_cast<sockaddr_in&>(raw);
        four.sin_family = AF_INET;
        four.sin_port = htons(from.port);
        std::memcpy(&four.sin_addr, from.address.bytes.data(), sizeof four.sin_addr);
        return sizeof four;
    }
    auto& six = reinterpret_cast<sockaddr_in6&>(raw);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(from.port);
    std::memcpy(&six.sin6_addr, from.address.bytes.data(), sizeof six.sin6_addr);
    return sizeof six;
}

void set(int fd, int level, int option, int value)
{
    static_cast<void>(::setsockopt(fd, level, option, &value, sizeof value));
}

void prepare(int fd, bool v4)
{
    set(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer_bytes);
    set(fd, SOL_SOCKET, SO_SNDBUF, receive_buffer_bytes);
    set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
    set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1);
    set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, 1);
}

struct ancillary {
    std::optional<ip_address> local;
    std::uint8_t hops_left = 0;
    const sock_extended_err* error = nullptr;
};

template <class T>
const T& data_of(const cmsghdr* from)
{
    return *reinterpret_cast<const T*>(CMSG_DATA(from));
}

ancillary read_ancillary(msghdr& message)
{
    ancillary out;
    for (auto* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        const auto is = [&](int level, int type) {
            return one->cmsg_level == level && one->cmsg_type == type;
        };
        if (is(IPPROTO_IP, IP_PKTINFO)) {
            ip_address local;
            std::memcpy(local.bytes.data(), &data_of<in_pktinfo>(one).ipi_addr, sizeof(in_addr));
            out.local = local;
        } else if (is(IPPROTO_IPV6, IPV6_PKTINFO)) {
            ip_address local{.family = family::v6};
            std::memcpy(local.bytes.data(), &data_of<in6_pktinfo>(one).ipi6_addr, sizeof(in6_addr));
            out.local = local;
        } else if (is(IPPROTO_IP, IP_TTL) || is(IPPROTO_IPV6, IPV6_HOPLIMIT)) {
            out.hops_left = static_cast<std::uint8_t>(data_of<int>(one));
        } else if (is(IPPROTO_IP, IP_RECVERR) || is(IPPROTO_IPV6, IPV6_RECVERR)) {
            out.error = &data_of<sock_extended_err>(one);
        }
    }
    return out;
}

error failed(const socket_address& where, const boost::system::error_code& code)
{
    return {
        .code = code == asio::error::address_in_use ? errc::in_use : errc::unavailable,
        .stage = stage::configure,
        .detail = fmt::format("cannot serve UDP on {}: {}", to_text(where), code.message()),
    };
}

} // namespace

udp_port::udp_port(
    asio::ip::udp::socket socket, std::uint32_t number, const socket_address& where, desk& at, handler done
)
    : socket_{std::move(socket)}, number_{number}, where_{where}, desk_{&at}, done_{std::move(done)}
{
}

result<std::unique_ptr<udp_port>> udp_port::open(
    asio::io_context& io, std::uint32_t number, const socket_address& where, desk& at, handler done
)
{
    boost::system::error_code code;
    asio::ip::udp::socket socket{io};
    const bool v4 = where.address.is_v4();
    socket.open(v4 ? asio::ip::udp::v4() : asio::ip::udp::v6(), code);
    if (!code && !v4) {
        socket.set_option(asio::ip::v6_only{true}, code);
    }
    if (!code) {
        prepare(socket.native_handle(), v4);
        socket.bind({to_asio(where.address), where.port}, code);
    }
    if (!code) {
        socket.non_blocking(true, code);
    }
    if (code) {
        return std::unexpected(failed(where, code));
    }
    return std::unique_ptr<udp_port>{new udp_port{std::move(socket), number, where, at, std::move(done)}};
}

void udp_port::close()
{
    boost::system::error_code ignored;
    socket_.close(ignored);
}

asio::awaitable<void> udp_port::serve()
{
    std::vector<std::uint8_t> room(stun::max_stun_bytes + 1);
    while (true) {
        const auto [code] =
            co_await socket_.async_wait(asio::socket_base::wait_read, asio::as_tuple(asio::use_awaitable));
        if (code || !socket_.is_open()) {
            co_return;
        }
        for (bool more = true; more;) {
            more = receive_error();
            for (int i = 0; i < datagrams_a_turn; ++i) {
                const bool got = receive(room);
                more = more || got;
                if (!got) {
                    break;
                }
            }
            co_await asio::post(asio::use_awaitable);
            if (!socket_.is_open()) {
                co_return;
            }
        }
    }
}

// False when nothing waits.
bool udp_port::receive(std::span<std::uint8_t> room)
{
    sockaddr_storage from{};
    alignas(cmsghdr) std::array<char, 256> control;
    iovec part{room.data(), room.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto size = ::recvmsg(fd(), &message, MSG_DONTWAIT);
    if (size < 0) {
        return errno != EAGAIN &&
               errno != EBADF; // an ICMP error: the next one is data
    }
    const auto beside = read_ancillary(message);
    const arrival what{
        .on =
            {.transport = transport::udp,
             .socket = number_,
             .peer = address_from(from),
             .local = {.address = beside.local.value_or(where_.address), .port = where_.port}},
        .bytes = byte_view{room}.first(static_cast<std::size_t>(size)),
        .hops_left = beside.hops_left,
    };
    auto out = desk_->handle(what, steady::now());
    if (out.why != drop::none) {
        return true;
    }
    if (!out.reply.empty() && out.socket == number_) {
        send(out.reply, out.to, what.on.local.address);
        out.reply.clear();
    }
    done_(std::move(out));
    return true;
}

// ICMP errors are only noted: nothing is ever sent because of one (anti-abuse rule 6).
bool udp_port::receive_error()
{
    sockaddr_storage sent_to{};
    alignas(cmsghdr) std::array<char, 512> control;
    std::array<std::uint8_t, 64> data;
    iovec part{data.data(), data.size()};
    msghdr message{};
    message.msg_name = &sent_to;
    message.msg_namelen = sizeof sent_to;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(fd(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
        return false;
    }
    const auto beside = read_ancillary(message);
    if (beside.error == nullptr ||
        (beside.error->ee_origin != SO_EE_ORIGIN_ICMP && beside.error->ee_origin != SO_EE_ORIGIN_ICMP6)) {
        return true;
    }
    sockaddr_storage offender{};
    const bool v4 = where_.address.is_v4();
    std::memcpy(&offender, SO_EE_OFFENDER(beside.error), v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const flow on{.transport = transport::udp, .socket = number_, .peer = address_from(sent_to)};
    const flow_event what{
        .bits = wire::event_icmp,
        .icmp_type = beside.error->ee_type,
        .icmp_code = beside.error->ee_code,
        .icmp_from = address_from(offender),
    };
    desk_->appointments().note(on, what, steady::now());
    return true;
}

bool udp_port::send(byte_view bytes, const socket_address& to, const ip_address& from)
{
    sockaddr_storage raw{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()}; // sendmsg() does not write there
    msghdr message{};
    message.msg_namelen = put_address(raw, to);
    message.msg_name = &raw;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = from.is_v4() ? CMSG_SPACE(sizeof(in_pktinfo)) : CMSG_SPACE(sizeof(in6_pktinfo));
    auto* const one = CMSG_FIRSTHDR(&message);
    if (from.is_v4()) {
        one->cmsg_level = IPPROTO_IP;
        one->cmsg_type = IP_PKTINFO;
        one->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, from.bytes.data(), sizeof info.ipi_spec_dst);
        std::memcpy(CMSG_DATA(one), &info, sizeof info);
    } else {
        one->cmsg_level = IPPROTO_IPV6;
        one->cmsg_type = IPV6_PKTINFO;
        one->cmsg_len = CMSG_LEN(sizeof(in6_pktinfo));
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, from.bytes.data(), sizeof info.ipi6_addr);
        std::memcpy(CMSG_DATA(one), &info, sizeof info);
    }
    for (int attempt = 0; attempt < send_attempts; ++attempt) {
        if (::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return true;
        }
        if (errno == EAGAIN) {
            return false;
        }
    }
    return false;
}

} // namespace reachd::reflector
