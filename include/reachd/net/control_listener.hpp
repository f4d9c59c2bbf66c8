// SPDX-License-Identifier: Apache-2.0
// control_listener.hpp: the two listening sockets, inherited from a service manager or bound here.
//
// Use      adopt_listeners() what a service manager handed over, or bind_listeners() in a directory.
// Lifetime Closes the sockets, and removes those files that it made and that are still its own.
// Errors   in_use: another daemon serves here; invalid: a path that is too long or something that is no
//          stale socket of ours, which is never removed; unavailable: the system refused.
// Limits   A path has room for 107 bytes (unix(7), sun_path).
// Source   The file's mode comes from the umask at bind() and its group is set before listen(): there
//          is no moment at which somebody else could connect (threat T8).
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/net/service_manager.hpp"

#include <sys/types.h>
#include <utility>

namespace reachd {

inline constexpr std::size_t max_socket_path_bytes = 107;
inline constexpr const char* control_socket_name = "control.sock";
inline constexpr const char* status_socket_name = "status.sock";

// A file descriptor with an owner.
class unique_fd {
public:
    unique_fd() = default;
    explicit unique_fd(int fd) : fd_{fd} {}
    unique_fd(unique_fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    unique_fd& operator=(unique_fd&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd();

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

// The file of a socket that we bound; it is removed with this object if it is still the same file.
class bound_file {
public:
    bound_file() = default;
    explicit bound_file(std::string path);
    bound_file(bound_file&& other) noexcept
        : path_{std::exchange(other.path_, {})}, id_{std::exchange(other.id_, {})}
    {
    }
    bound_file& operator=(bound_file&& other) noexcept
    {
        std::swap(path_, other.path_);
        std::swap(id_, other.id_);
        return *this;
    }
    ~bound_file();

private:
    std::string path_;
    std::pair<dev_t, ino_t> id_{};
};

// Listening, non-blocking, close-on-exec. A socket that is absent is not served.
struct control_listeners {
    unique_fd lock; // held as long as the files are ours; closed last
    bound_file control_file;
    bound_file status_file;
    unique_fd control;
    unique_fd status;
};

struct listen_options {
    std::string directory;     // made with mode 0755 when it is missing
    std::string control_group; // of control.sock; "" for the process's own
};

result<control_listeners> bind_listeners(const listen_options& options);

// A listening Unix socket and its file.
struct bound_socket {
    unique_fd socket;
    bound_file file;
};

// One socket at a path: a stale one of ours is replaced, anything else is refused and left alone.
result<bound_socket> bind_socket(const std::string& path, mode_t mode, const std::string& group);

// Takes the sockets named "control" and "status"; at least one must be there.
result<control_listeners> adopt_listeners(const std::vector<inherited_socket>& inherited);

} // namespace reachd
