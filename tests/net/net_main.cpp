// SPDX-License-Identifier: Apache-2.0
// Runs the net ring in a network namespace of its own, so that no test can reach anything outside, and
// with name-service files of its own, so that no resolver of the system is asked.
#include "run.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr int skipped = 77; // what automake and CMake's SKIP_RETURN_CODE understand
bool names_are_ours = false;

bool write_file(const char* path, const std::string& text)
{
    std::ofstream file{path};
    file << text << std::flush;
    return file.good();
}

// An ordinary user becomes root of a user namespace, which may then have a network of its own.
bool enter_user_namespace(int more)
{
    const auto user = std::to_string(::geteuid());
    const auto group = std::to_string(::getegid());
    return ::unshare(CLONE_NEWUSER | more) == 0 && write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", "0 " + user + " 1") &&
           write_file("/proc/self/gid_map", "0 " + group + " 1");
}

bool enter_namespaces()
{
    constexpr int wanted = CLONE_NEWNET | CLONE_NEWNS;
    return ::unshare(wanted) == 0 || enter_user_namespace(wanted);
}

bool raise_loopback()
{
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool done = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    ::close(fd);
    return done;
}

// Our own text in place of a file of the system's, for this process only.
bool replace_file(const char* path, const std::string& text)
{
    char name[] = "/tmp/reachd-net-test-XXXXXX";
    const int fd = ::mkstemp(name);
    if (fd < 0) {
        return false;
    }
    ::close(fd);
    const bool done = write_file(name, text) && ::mount(name, path, nullptr, MS_BIND, nullptr) == 0;
    ::unlink(name);
    return done;
}

// Local sockets are not confined by a network namespace: nscd and systemd-resolved would ask the real
// world for us. Both listen below /run.
bool own_name_service()
{
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("none", "/run", "tmpfs", 0, nullptr) == 0 &&
           replace_file("/etc/nsswitch.conf", "hosts: files dns\n") &&
           replace_file("/etc/hosts", "127.0.0.80 service.test\n") && replace_file("/etc/resolv.conf", "");
}

} // namespace

namespace reachd::test {

bool set_name_servers(const std::string& resolv_conf)
{
    return names_are_ours && write_file("/etc/resolv.conf", resolv_conf);
}

} // namespace reachd::test

int main(int count, char** arguments)
{
    testing::InitGoogleTest(&count, arguments);
    if (GTEST_FLAG_GET(list_tests)) {
        return RUN_ALL_TESTS();
    }
    if (!enter_namespaces() || !raise_loopback()) {
        std::printf("skipped: no network namespace of our own: %s\n", std::strerror(errno));
        return skipped;
    }
    names_are_ours = own_name_service();
    return RUN_ALL_TESTS();
}
