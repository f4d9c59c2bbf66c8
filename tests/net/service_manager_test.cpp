// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/service_manager.hpp"

#include "control_fixture.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace reachd::test {
namespace {

constexpr pid_t own = 1234;

// "control=3 status=4", or the code of the error.
std::string parsed_as(const listen_variables& variables)
{
    const auto sockets = parse_listen_variables(variables, own);
    if (!sockets) {
        return to_string(sockets.error().code);
    }
    std::string text;
    for (const auto& one : *sockets) {
        text += (text.empty() ? "" : " ") + one.name + "=" + std::to_string(one.fd);
    }
    return text;
}

TEST(service_manager, hands_over_sockets_by_name)
{
    EXPECT_EQ(parsed_as({"1234", "2", "control:status"}), "control=3 status=4");
    EXPECT_EQ(parsed_as({"1234", "1", "status"}), "status=3");
}

TEST(service_manager, hands_over_nothing_where_nothing_is_meant_for_us)
{
    EXPECT_EQ(parsed_as({}), "");
    EXPECT_EQ(parsed_as({"1235", "2", "control:status"}), "");
    EXPECT_EQ(parsed_as({std::nullopt, "2", "control:status"}), "");
    EXPECT_EQ(parsed_as({"1234", "0", ""}), "");
    EXPECT_EQ(parsed_as({"1234", "0", std::nullopt}), "");
}

TEST(service_manager, is_not_believed_when_its_variables_make_no_sense)
{
    for (const auto& variables : std::vector<listen_variables>{
             {"x", "1", "control"},
             {"", "1", "control"},
             {"1234 ", "1", "control"},
             {"1234", "-1", "control"},
             {"1234", "1x", "control"},
             {"1234", "99999999999", "control"},
             {"1234", "65", "control"},
             {"1234", "2", "control"},
             {"1234", "1", "control:status"},
             {"1234", "1", std::nullopt}
         }) {
        EXPECT_EQ(parsed_as(variables), "invalid") << *variables.pid << " " << *variables.fds;
    }
}

TEST(service_manager, has_its_variables_removed_for_children)
{
    ::setenv("LISTEN_PID", std::to_string(::getpid() + 1).c_str(), 1);
    ::setenv("LISTEN_FDS", "1", 1);
    const auto sockets = take_inherited_sockets();
    ASSERT_TRUE(sockets);
    EXPECT_TRUE(sockets->empty());
    EXPECT_EQ(std::getenv("LISTEN_PID"), nullptr);
    EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
}

TEST(service_manager, is_told_that_a_descriptor_it_names_is_not_there)
{
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "64", 1); // more than this process has
    std::string names = "control";
    for (int i = 1; i < 64; ++i) {
        names += ":x";
    }
    ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
    std::vector<int> flags;
    for (int fd = 3; fd < 67; ++fd) {
        flags.push_back(::fcntl(fd, F_GETFD));
    }
    const auto sockets = take_inherited_sockets();
    for (int fd = 3; fd < 67; ++fd) {
        if (flags[static_cast<std::size_t>(fd - 3)] >= 0) {
            ::fcntl(fd, F_SETFD, flags[static_cast<std::size_t>(fd - 3)]);
        }
    }
    ASSERT_FALSE(sockets);
    EXPECT_EQ(sockets.error().code, errc::invalid);
}

TEST(service_manager, is_answered_at_half_of_its_watchdog_time)
{
    EXPECT_EQ(parse_watchdog("30000000", "1234", own), microseconds{15'000'000});
    EXPECT_EQ(parse_watchdog("30000000", std::nullopt, own), microseconds{15'000'000});
    EXPECT_EQ(parse_watchdog(std::nullopt, "1234", own), std::nullopt);
    EXPECT_EQ(parse_watchdog("30000000", "1235", own), std::nullopt);
    for (const auto* nonsense : {"", "0", "-5", "1s", "1"}) {
        EXPECT_EQ(parse_watchdog(nonsense, "1234", own), std::nullopt) << nonsense;
    }
}

// A service manager's end: bound to `name`, whose first byte is NUL for the abstract namespace.
class notified {
public:
    explicit notified(const std::string& name) : socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)}
    {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::memcpy(at.sun_path, name.data(), name.size());
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&at), size), 0);
    }
    [[nodiscard]] std::string hears() const
    {
        std::array<char, 200> text{};
        const auto size = ::recv(socket_.get(), text.data(), text.size(), MSG_DONTWAIT);
        return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
    }

private:
    unique_fd socket_;
};

TEST(service_manager, hears_us_on_a_socket_with_a_path)
{
    const temporary_directory directory;
    const auto path = directory / "notify";
    const notified manager{path};
    EXPECT_TRUE(notify_socket(path, "READY=1\nSTATUS=12 rows"));
    EXPECT_EQ(manager.hears(), "READY=1\nSTATUS=12 rows");
}

TEST(service_manager, hears_us_on_an_abstract_socket)
{
    const auto name = "reachd-test-" + std::to_string(::getpid());
    const notified manager{std::string{'\0'} + name};
    ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
    EXPECT_TRUE(notify_service_manager("WATCHDOG=1"));
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_EQ(manager.hears(), "WATCHDOG=1");
}

TEST(service_manager, is_not_missed_when_there_is_none)
{
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_TRUE(notify_service_manager("READY=1"));
}

TEST(service_manager, that_does_not_listen_is_an_error_and_not_more)
{
    const temporary_directory directory;
    EXPECT_EQ(notify_socket(directory / "nobody", "READY=1").error().code, errc::unavailable);
    EXPECT_EQ(notify_socket("relative", "READY=1").error().code, errc::invalid);
    EXPECT_EQ(notify_socket("vsock:2:1", "READY=1").error().code, errc::invalid);
    EXPECT_EQ(notify_socket("@", "READY=1").error().code, errc::invalid);
    EXPECT_EQ(notify_socket("/" + std::string(200, 'x'), "READY=1").error().code, errc::invalid);
}

} // namespace
} // namespace reachd::test
