// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/control_listener.hpp"

#include "control_fixture.hpp"

#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reachd::test {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const std::string& path)
{
    struct stat seen{};
    return ::lstat(path.c_str(), &seen) == 0 ? seen.st_mode & 0777U : 0;
}

result<control_listeners> bind_in(const std::string& directory, const std::string& group = "")
{
    return bind_listeners({.directory = directory, .control_group = group});
}

std::string refusal_of(const result<control_listeners>& listeners)
{
    return listeners ? "bound" : listeners.error().detail;
}

// A socket file that nobody listens on any more.
void leave_stale(const std::string& path)
{
    const unique_fd socket{::socket(AF_UNIX, SOCK_STREAM, 0)};
    const auto at = socket_address(path);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
}

unique_fd listen_on(const std::string& path)
{
    unique_fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto at = socket_address(path);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(socket.get(), 1), 0);
    return socket;
}

TEST(control_listener, T08_makes_sockets_of_the_right_mode_whatever_the_umask)
{
    for (const mode_t mask : {0U, 022U, 077U}) {
        const temporary_directory above;
        const auto directory = above / "run";
        const auto before = ::umask(mask);
        const auto listeners = bind_in(directory);
        EXPECT_EQ(::umask(before), mask); // as it was left
        ASSERT_TRUE(listeners) << listeners.error().detail;
        EXPECT_EQ(mode_of(directory), 0755U);
        EXPECT_EQ(mode_of(directory + "/control.sock"), 0660U);
        EXPECT_EQ(mode_of(directory + "/status.sock"), 0666U);
        EXPECT_EQ(mode_of(directory + "/reachd.lock"), 0600U);
        EXPECT_TRUE(plain_client{directory + "/control.sock"}.connected());
    }
}

TEST(control_listener, gives_the_control_socket_to_a_group)
{
    const temporary_directory directory;
    const auto* group = ::getgrgid(::getegid());
    ASSERT_NE(group, nullptr);
    const auto listeners = bind_in(directory.path(), group->gr_name);
    ASSERT_TRUE(listeners) << listeners.error().detail;
    EXPECT_EQ(mode_of(directory / "control.sock"), 0660U);
}

TEST(control_listener, knows_when_there_is_no_such_group_and_leaves_nothing_behind)
{
    const temporary_directory directory;
    const auto listeners = bind_in(directory.path(), "reachd-no-such-group");
    ASSERT_FALSE(listeners);
    EXPECT_EQ(listeners.error().code, errc::not_found);
    EXPECT_FALSE(fs::exists(directory / "control.sock"));
}

TEST(control_listener, tells_a_second_daemon_who_is_there)
{
    const temporary_directory directory;
    {
        const auto first = bind_in(directory.path());
        ASSERT_TRUE(first);
        const auto second = bind_in(directory.path());
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, errc::in_use);
        EXPECT_NE(
            second.error().detail.find("(process " + std::to_string(::getpid()) + ")"), std::string::npos
        );
        EXPECT_TRUE(plain_client{directory / "status.sock"}.connected()); // the first is unharmed
    }
    EXPECT_TRUE(bind_in(directory.path())); // once it has gone
}

TEST(control_listener, T09_replaces_a_stale_socket_of_its_own)
{
    const temporary_directory directory;
    leave_stale(directory / "control.sock");
    leave_stale(directory / "status.sock");
    const auto listeners = bind_in(directory.path());
    ASSERT_TRUE(listeners) << listeners.error().detail;
    EXPECT_TRUE(plain_client{directory / "control.sock"}.connected());
}

TEST(control_listener, T09_leaves_a_socket_alone_on_which_somebody_listens_without_our_lock)
{
    const temporary_directory directory;
    const auto other = listen_on(directory / "control.sock");
    const auto listeners = bind_in(directory.path());
    ASSERT_FALSE(listeners);
    EXPECT_EQ(listeners.error().code, errc::in_use);
    EXPECT_TRUE(plain_client{directory / "control.sock"}.connected());
}

TEST(control_listener, T09_leaves_everything_alone_that_is_no_socket)
{
    const temporary_directory directory;
    const auto path = directory / "status.sock";
    std::ofstream{path} << "precious";
    EXPECT_EQ(
        refusal_of(bind_in(directory.path())),
        path + " is a file where a socket should be made: it was left alone"
    );
    EXPECT_EQ(fs::file_size(path), 8U);
    fs::remove(path);
    fs::create_directory(path);
    EXPECT_NE(refusal_of(bind_in(directory.path())).find("is a directory"), std::string::npos);
    EXPECT_TRUE(fs::is_directory(path));
    fs::remove(path);
    leave_stale(directory / "elsewhere");
    fs::create_symlink(directory / "elsewhere", path);
    EXPECT_NE(refusal_of(bind_in(directory.path())).find("is a symbolic link"), std::string::npos);
    EXPECT_TRUE(fs::is_symlink(path));
    EXPECT_TRUE(fs::exists(directory / "elsewhere"));
    fs::remove(path);
    EXPECT_FALSE(fs::exists(directory / "control.sock")); // what was made before the refusal is gone
    EXPECT_EQ(refusal_of(bind_in(directory.path())), "bound");
}

TEST(control_listener, T09_leaves_a_stale_socket_of_another_user_alone)
{
    const temporary_directory directory;
    const auto path = directory / "control.sock";
    leave_stale(path);
    if (::lchown(path.c_str(), 65534, static_cast<gid_t>(-1)) != 0) {
        GTEST_SKIP() << "needs root to make a file of another user";
    }
    EXPECT_EQ(
        refusal_of(bind_in(directory.path())),
        path + " is a socket of user 65534, not ours: it was left alone"
    );
    EXPECT_TRUE(fs::exists(path));
}

TEST(control_listener, T09_does_not_follow_a_link_in_place_of_its_lock)
{
    const temporary_directory directory;
    const auto precious = directory / "precious";
    std::ofstream{precious} << "precious";
    fs::create_symlink(precious, directory / "reachd.lock");
    EXPECT_FALSE(bind_in(directory.path()));
    fs::remove(directory / "reachd.lock");
    fs::create_hard_link(precious, directory / "reachd.lock");
    EXPECT_FALSE(bind_in(directory.path()));
    EXPECT_EQ(fs::file_size(precious), 8U);
    fs::remove(directory / "reachd.lock");
    EXPECT_TRUE(bind_in(directory.path()));
}

TEST(control_listener, T09_refuses_a_path_that_is_too_long_with_the_number)
{
    const temporary_directory above;
    const auto directory_of = [&](std::size_t socket_bytes) {
        const auto rest = socket_bytes - above.path().size() - std::string_view{"//control.sock"}.size();
        return above / std::string(rest, 'd');
    };
    EXPECT_TRUE(bind_in(directory_of(107)));
    const auto refused = bind_in(directory_of(108));
    ASSERT_FALSE(refused);
    EXPECT_NE(
        refused.error().detail.find("has 108 bytes, and a Unix socket's path at most 107"), std::string::npos
    );
}

TEST(control_listener, needs_a_directory_that_can_be_made)
{
    const temporary_directory above;
    EXPECT_EQ(bind_in(above / "a/b").error().code, errc::unavailable);
    std::ofstream{above / "file"} << "";
    EXPECT_NE(refusal_of(bind_in(above / "file")).find("is a file, no directory"), std::string::npos);
}

TEST(control_listener, removes_only_the_sockets_that_it_made)
{
    const temporary_directory directory;
    {
        const auto listeners = bind_in(directory.path());
        ASSERT_TRUE(listeners);
        fs::rename(directory / "control.sock", directory / "moved");
        leave_stale(directory / "control.sock"); // somebody else's
    }
    EXPECT_TRUE(fs::exists(directory / "control.sock"));
    EXPECT_FALSE(fs::exists(directory / "status.sock"));
    EXPECT_TRUE(fs::exists(directory / "reachd.lock")); // removing a lock file is a race
}

TEST(control_listener, adopts_inherited_sockets_and_does_not_remove_them)
{
    const temporary_directory directory;
    {
        auto control = listen_on(directory / "c");
        auto status = listen_on(directory / "s");
        const auto adopted = adopt_listeners({{"status", status.release()}, {"control", control.release()}});
        ASSERT_TRUE(adopted) << adopted.error().detail;
        EXPECT_NE(::fcntl(adopted->control.get(), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_FALSE(adopted->lock);
    }
    EXPECT_TRUE(fs::exists(directory / "c"));
    EXPECT_TRUE(fs::exists(directory / "s"));
}

TEST(control_listener, adopts_one_socket_alone)
{
    const temporary_directory directory;
    const auto adopted = adopt_listeners({{"status", listen_on(directory / "s").release()}});
    ASSERT_TRUE(adopted);
    EXPECT_TRUE(adopted->status);
    EXPECT_FALSE(adopted->control);
}

TEST(control_listener, refuses_inherited_sockets_that_it_cannot_serve)
{
    const temporary_directory directory;
    const auto refused = [](std::vector<inherited_socket> inherited) { return !adopt_listeners(inherited); };
    EXPECT_TRUE(refused({}));
    EXPECT_TRUE(refused({{"web", listen_on(directory / "a").release()}}));
    EXPECT_TRUE(refused(
        {{"control", listen_on(directory / "b").release()}, {"control", listen_on(directory / "c").release()}}
    ));
    EXPECT_TRUE(refused({{"control", ::socket(AF_UNIX, SOCK_STREAM, 0)}})); // does not listen
    EXPECT_TRUE(refused({{"control", ::socket(AF_UNIX, SOCK_DGRAM, 0)}}));
    EXPECT_TRUE(refused({{"control", ::socket(AF_INET, SOCK_STREAM, 0)}}));
    EXPECT_TRUE(refused({{"control", ::open("/dev/null", O_RDONLY)}}));
}

} // namespace
} // namespace reachd::test
