// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/control_listener.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace reachd {
namespace {

constexpr mode_t directory_mode = 0755;
constexpr mode_t lock_mode = 0600; // who could open it could also hold it, and keep the daemon from starting
constexpr mode_t control_mode = 0660;
constexpr mode_t status_mode = 0666;
constexpr int backlog = 64; // of connections that wait for accept(); bursts of pollers are smaller

// Sets the process's umask for a scope: at start-up, before there are threads.
class umask_scope {
public:
    explicit umask_scope(mode_t wanted) : before_{::umask(~wanted & 0777U)} {}
    umask_scope(const umask_scope&) = delete;
    umask_scope& operator=(const umask_scope&) = delete;
    ~umask_scope() { ::umask(before_); }

private:
    mode_t before_;
};

std::unexpected<error> failure(errc code, std::string detail)
{
    return std::unexpected{error{code, stage::configure, std::move(detail)}};
}

std::unexpected<error> system_failure(std::string_view what, int error_number)
{
    return failure(errc::unavailable, fmt::format("{}: {}", what, std::strerror(error_number)));
}

const char* kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return "a file";
    case S_IFDIR: return "a directory";
    case S_IFLNK: return "a symbolic link";
    case S_IFIFO: return "a named pipe";
    default: return "a device";
    }
}

std::optional<sockaddr_un> address_of(const std::string& path)
{
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    if (path.empty() || path.size() > max_socket_path_bytes) {
        return std::nullopt;
    }
    std::memcpy(out.sun_path, path.data(), path.size());
    return out;
}

const sockaddr* plain(const sockaddr_un& address)
{
    return reinterpret_cast<const sockaddr*>(&address);
}

result<void> make_directory(const std::string& path)
{
    const umask_scope mask{directory_mode};
    if (::mkdir(path.c_str(), directory_mode) != 0 && errno != EEXIST) {
        return system_failure(fmt::format("cannot make the runtime directory {}", path), errno);
    }
    struct stat seen{};
    if (::stat(path.c_str(), &seen) != 0) {
        return system_failure(path, errno);
    }
    return S_ISDIR(seen.st_mode)
             ? result<void>{}
             : failure(errc::invalid, fmt::format("{} is {}, no directory", path, kind_of(seen.st_mode)));
}

std::string holder_of(int lock)
{
    std::array<char, 32> text{};
    const auto size = ::pread(lock, text.data(), text.size(), 0);
    std::string pid{text.data(), static_cast<std::size_t>(size < 0 ? 0 : size)};
    pid.erase(std::min(pid.find_first_not_of("0123456789"), pid.size()));
    return pid.empty() ? "" : fmt::format(" (process {})", pid);
}

result<unique_fd> take_lock(const std::string& directory)
{
    const auto path = directory + "/reachd.lock";
    unique_fd lock{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, lock_mode)};
    if (!lock) {
        return system_failure(fmt::format("cannot open {}", path), errno);
    }
    struct stat seen{};
    if (::fstat(lock.get(), &seen) != 0 || !S_ISREG(seen.st_mode) || seen.st_nlink != 1) {
        return failure(errc::invalid, fmt::format("{} is no plain file: it was left alone", path));
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        const int failed = errno;
        if (failed == EWOULDBLOCK) {
            return failure(
                errc::in_use, fmt::format("another reachd{} serves {}", holder_of(lock.get()), directory)
            );
        }
        return system_failure(fmt::format("cannot lock {}", path), failed);
    }
    const auto pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(lock.get(), 0) != 0 ||
        ::pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return system_failure(fmt::format("cannot write {}", path), errno);
    }
    return lock;
}

// A socket file that is ours and that nobody listens on.
result<void> check_stale(const std::string& path, const struct stat& seen)
{
    if (seen.st_uid != ::geteuid()) {
        return failure(
            errc::invalid,
            fmt::format("{} is a socket of user {}, not ours: it was left alone", path, seen.st_uid)
        );
    }
    const auto address = address_of(path);
    const unique_fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!probe || !address) {
        return system_failure(path, probe ? ENAMETOOLONG : errno);
    }
    // A service manager's socket has no lock file; it answers, though, or its backlog is full.
    if (::connect(probe.get(), plain(*address), sizeof *address) == 0 || errno != ECONNREFUSED) {
        return failure(errc::in_use, fmt::format("somebody listens on {} already", path));
    }
    return {};
}

result<void> clear_path(const std::string& path)
{
    struct stat seen{};
    if (::lstat(path.c_str(), &seen) != 0) {
        return errno == ENOENT ? result<void>{} : system_failure(path, errno);
    }
    if (!S_ISSOCK(seen.st_mode)) {
        return failure(
            errc::invalid,
            fmt::format(
                "{} is {} where a socket should be made: it was left alone", path, kind_of(seen.st_mode)
            )
        );
    }
    if (auto stale = check_stale(path, seen); !stale) {
        return stale;
    }
    return ::unlink(path.c_str()) == 0
             ? result<void>{}
             : system_failure(fmt::format("cannot remove the stale {}", path), errno);
}

result<void> give_to_group(const std::string& path, const std::string& name)
{
    if (name.empty()) {
        return {};
    }
    const auto* group = ::getgrnam(name.c_str());
    if (group == nullptr) {
        return failure(errc::not_found, fmt::format("there is no group '{}' to give {} to", name, path));
    }
    return ::lchown(path.c_str(), static_cast<uid_t>(-1), group->gr_gid) == 0
             ? result<void>{}
             : system_failure(fmt::format("cannot give {} to the group '{}'", path, name), errno);
}

int socket_option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

result<unique_fd> adopt_one(const inherited_socket& one)
{
    unique_fd socket{one.fd};
    const bool fits = socket_option(one.fd, SO_DOMAIN) == AF_UNIX &&
                      socket_option(one.fd, SO_TYPE) == SOCK_STREAM &&
                      socket_option(one.fd, SO_ACCEPTCONN) == 1;
    if (!fits) {
        return failure(
            errc::invalid,
            fmt::format("the inherited socket '{}' is not a listening Unix stream socket", one.name)
        );
    }
    const int flags = ::fcntl(one.fd, F_GETFL);
    if (flags < 0 || ::fcntl(one.fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return system_failure(fmt::format("the inherited socket '{}'", one.name), errno);
    }
    return socket;
}

} // namespace

unique_fd::~unique_fd()
{
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

bound_file::bound_file(std::string path) : path_{std::move(path)}
{
    struct stat seen{};
    if (::lstat(path_.c_str(), &seen) == 0) {
        id_ = {seen.st_dev, seen.st_ino};
    }
}

bound_file::~bound_file()
{
    struct stat seen{};
    if (!path_.empty() && ::lstat(path_.c_str(), &seen) == 0 && std::pair{seen.st_dev, seen.st_ino} == id_) {
        ::unlink(path_.c_str());
    }
}

result<bound_socket> bind_socket(const std::string& path, mode_t mode, const std::string& group)
{
    const auto address = address_of(path);
    if (!address) {
        return failure(
            errc::invalid, fmt::format(
                               "{} has {} bytes, and a Unix socket's path at most {}: choose a shorter "
                               "runtime directory",
                               path, path.size(), max_socket_path_bytes
                           )
        );
    }
    if (auto cleared = clear_path(path); !cleared) {
        return std::unexpected{cleared.error()};
    }
    bound_socket out;
    out.socket = unique_fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!out.socket) {
        return system_failure("cannot make a socket", errno);
    }
    {
        const umask_scope mask{mode};
        if (::bind(out.socket.get(), plain(*address), sizeof *address) != 0) {
            return system_failure(fmt::format("cannot make {}", path), errno);
        }
    }
    out.file = bound_file{path};
    if (auto given = give_to_group(path, group); !given) {
        return std::unexpected{given.error()};
    }
    if (::listen(out.socket.get(), backlog) != 0) {
        return system_failure(fmt::format("cannot listen on {}", path), errno);
    }
    return out;
}

result<control_listeners> bind_listeners(const listen_options& options)
{
    if (auto made = make_directory(options.directory); !made) {
        return std::unexpected{made.error()};
    }
    auto lock = take_lock(options.directory);
    if (!lock) {
        return std::unexpected{lock.error()};
    }
    const auto path_of = [&](const char* name) { return fmt::format("{}/{}", options.directory, name); };
    auto control = bind_socket(path_of(control_socket_name), control_mode, options.control_group);
    if (!control) {
        return std::unexpected{control.error()};
    }
    auto status = bind_socket(path_of(status_socket_name), status_mode, "");
    if (!status) {
        return std::unexpected{status.error()};
    }
    control_listeners out;
    out.lock = std::move(*lock);
    out.control = std::move(control->socket);
    out.control_file = std::move(control->file);
    out.status = std::move(status->socket);
    out.status_file = std::move(status->file);
    return out;
}

result<control_listeners> adopt_listeners(const std::vector<inherited_socket>& inherited)
{
    control_listeners out;
    for (const auto& one : inherited) {
        auto* place = one.name == "control" ? &out.control : one.name == "status" ? &out.status : nullptr;
        if (place == nullptr || *place) {
            return failure(
                errc::invalid,
                fmt::format(
                    "the inherited socket '{}' is {}: FileDescriptorName= must be control or status",
                    one.name, place == nullptr ? "unknown" : "there twice"
                )
            );
        }
        auto adopted = adopt_one(one);
        if (!adopted) {
            return std::unexpected{adopted.error()};
        }
        *place = std::move(*adopted);
    }
    if (!out.control && !out.status) {
        return failure(errc::not_found, "no socket was inherited");
    }
    return out;
}

} // namespace reachd
