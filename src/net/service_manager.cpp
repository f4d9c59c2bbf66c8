// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/service_manager.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace reachd {
namespace {

constexpr int first_inherited_fd = 3;  // SD_LISTEN_FDS_START
constexpr int most_inherited_fds = 64; // reachd knows two; anything near this is a mistake

template <class Number>
std::optional<Number> number_in(std::string_view text)
{
    Number value{};
    const auto* end = text.data() + text.size();
    const auto [stopped, code] = std::from_chars(text.data(), end, value);
    return code == std::errc{} && stopped == end ? std::optional{value} : std::nullopt;
}

std::optional<std::string> variable(const char* name)
{
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

std::unexpected<error> failure(errc code, std::string detail)
{
    return std::unexpected{error{code, stage::configure, std::move(detail)}};
}

std::vector<std::string> split_names(std::string_view text)
{
    std::vector<std::string> names;
    while (true) {
        const auto colon = text.find(':');
        names.emplace_back(text.substr(0, colon));
        if (colon == std::string_view::npos) {
            return names;
        }
        text.remove_prefix(colon + 1);
    }
}

} // namespace

result<std::vector<inherited_socket>> parse_listen_variables(const listen_variables& variables, pid_t own)
{
    std::vector<inherited_socket> sockets;
    if (!variables.pid || !variables.fds) {
        return sockets;
    }
    const auto pid = number_in<pid_t>(*variables.pid);
    if (!pid) {
        return failure(
            errc::invalid, fmt::format("LISTEN_PID is '{}', which is no process id", *variables.pid)
        );
    }
    if (*pid != own) {
        return sockets; // a parent's, not ours
    }
    const auto count = number_in<int>(*variables.fds);
    if (!count || *count < 0 || *count > most_inherited_fds) {
        return failure(
            errc::invalid, fmt::format("LISTEN_FDS is '{}', not 0 to {}", *variables.fds, most_inherited_fds)
        );
    }
    if (*count == 0) {
        return sockets;
    }
    const auto names = variables.names ? split_names(*variables.names) : std::vector<std::string>{};
    if (names.size() != static_cast<std::size_t>(*count)) {
        return failure(
            errc::invalid, fmt::format(
                               "LISTEN_FDNAMES has {} names for {} sockets: the socket units need "
                               "FileDescriptorName=control and FileDescriptorName=status",
                               names.size(), *count
                           )
        );
    }
    for (int i = 0; i < *count; ++i) {
        sockets.push_back({names[static_cast<std::size_t>(i)], first_inherited_fd + i});
    }
    return sockets;
}

result<std::vector<inherited_socket>> take_inherited_sockets()
{
    const listen_variables variables{
        .pid = variable("LISTEN_PID"), .fds = variable("LISTEN_FDS"), .names = variable("LISTEN_FDNAMES")
    };
    for (const auto* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
        ::unsetenv(name);
    }
    auto sockets = parse_listen_variables(variables, ::getpid());
    if (sockets) {
        for (const auto& one : *sockets) {
            if (::fcntl(one.fd, F_SETFD, FD_CLOEXEC) != 0) {
                return failure(
                    errc::invalid, fmt::format("inherited socket '{}': {}", one.name, std::strerror(errno))
                );
            }
        }
    }
    return sockets;
}

std::optional<microseconds>
parse_watchdog(const std::optional<std::string>& usec, const std::optional<std::string>& pid, pid_t own)
{
    if (!usec || (pid && number_in<pid_t>(*pid) != own)) {
        return std::nullopt;
    }
    const auto span = number_in<std::int64_t>(*usec);
    return span && *span > 1 ? std::optional{microseconds{*span / 2}} : std::nullopt;
}

std::optional<microseconds> watchdog_interval()
{
    return parse_watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), ::getpid());
}

result<void> notify_service_manager(std::string_view state)
{
    const auto socket = variable("NOTIFY_SOCKET");
    return socket && !socket->empty() ? notify_socket(*socket, state) : result<void>{};
}

result<void> notify_socket(const std::string& socket, std::string_view state)
{
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    const bool known_form = socket.starts_with('/') || socket.starts_with('@');
    if (!known_form || socket.size() < 2 || socket.size() >= sizeof to.sun_path) {
        return failure(errc::invalid, fmt::format("NOTIFY_SOCKET is '{}', which names no socket", socket));
    }
    std::memcpy(to.sun_path, socket.data(), socket.size());
    if (socket.front() == '@') {
        to.sun_path[0] = '\0'; // unix(7), abstract: the length counts, there is no closing NUL
    }
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return failure(
            errc::unavailable, fmt::format("a socket for NOTIFY_SOCKET: {}", std::strerror(errno))
        );
    }
    const auto sent =
        ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size);
    const int failed = sent < 0 ? errno : 0;
    ::close(fd);
    if (failed != 0) {
        return failure(
            errc::unavailable, fmt::format("NOTIFY_SOCKET '{}': {}", socket, std::strerror(failed))
        );
    }
    return {};
}

} // namespace reachd
