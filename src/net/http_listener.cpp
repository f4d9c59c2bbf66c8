// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/config.hpp"
#include "reachd/net/http_server.hpp"
#include "reachd/net/socket_options.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace reachd {
namespace {

constexpr int backlog = 128;
constexpr mode_t socket_mode = 0666; // as status.sock: it serves what everybody may read

std::unexpected<error> failure(const std::string& where, int number)
{
    const auto code = number == EADDRINUSE ? errc::in_use : errc::unavailable;
    return std::unexpected{error{
        code, stage::configure, fmt::format("cannot listen on {} for HTTP: {}", where, std::strerror(number))
    }};
}

} // namespace

result<http_listener> bind_http(const std::string& where)
{
    http_listener out;
    if (const auto path = parse_listen_path(where)) {
        auto bound = bind_socket(*path, socket_mode, "");
        if (!bound) {
            return std::unexpected{bound.error()};
        }
        out.socket = std::move(bound->socket);
        out.file = std::move(bound->file);
        return out;
    }
    const auto at = parse_listen_address(where);
    if (!at) {
        return failure(where, EINVAL);
    }
    const boost::asio::ip::tcp::endpoint to{to_asio(at->address), at->port};
    out.socket = unique_fd{::socket(to.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const int on = 1;
    const int fd = out.socket.get();
    const bool made =
        fd >= 0 && ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (at->address.is_v4() || ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
    if (!made || ::bind(fd, to.data(), static_cast<socklen_t>(to.size())) != 0 ||
        ::listen(fd, backlog) != 0) {
        return failure(where, errno);
    }
    return out;
}

} // namespace reachd
