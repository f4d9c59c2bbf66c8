// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/log.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace reachd {
namespace {

class log_test : public testing::Test {
protected:
    log_test()
    {
        char name[] = "/tmp/reachd-log-XXXXXX";
        directory_ = ::mkdtemp(name);
    }

    ~log_test() override
    {
        ::unsetenv("JOURNAL_STREAM");
        std::filesystem::remove_all(directory_);
    }

    // A socket as journald has, and the variable that says that stderr leads to it.
    int open_journal()
    {
        const int listening = ::socket(AF_UNIX, SOCK_DGRAM, 0);
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        (directory_ + "/journal").copy(at.sun_path, sizeof(at.sun_path) - 1);
        EXPECT_EQ(::bind(listening, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
        struct stat mine{};
        ::fstat(STDERR_FILENO, &mine);
        ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", mine.st_dev, mine.st_ino).c_str(), 1);
        return listening;
    }

    static std::string received(int from)
    {
        std::string buffer(100'000, '\0');
        const auto count = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
        return count < 0 ? "nothing" : buffer.substr(0, static_cast<std::size_t>(count));
    }

    std::string directory_;
};

TEST_F(log_test, journal_gets_the_level_the_id_and_each_field)
{
    const int journal = open_journal();
    auto log = event_log::make({.journal = directory_ + "/journal"});
    ASSERT_TRUE(log);
    log->write(
        events::verdict_changed, severity::warning, "row: dropped", {{"failing", 3}, {"state", "fail"}}
    );
    EXPECT_EQ(
        received(journal), "MESSAGE=verdict.changed: row: dropped\nPRIORITY=4\nMESSAGE_ID=" +
                               std::string{events::verdict_changed.message_id} +
                               "\nSYSLOG_IDENTIFIER=reachd\nREACHD_EVENT=verdict.changed\nREACHD_FAILING=3\n"
                               "REACHD_STATE=fail\n"
    );
    ::close(journal);
}

TEST_F(log_test, T14_what_a_peer_said_makes_no_field_in_the_journal)
{
    const int journal = open_journal();
    auto log = event_log::make({.journal = directory_ + "/journal"});
    ASSERT_TRUE(log);
    log->write(events::started, "banner\nPRIORITY=0", {{"said", "x\nMESSAGE_ID=0"}});
    const auto entry = received(journal);
    EXPECT_EQ(entry.find("\nPRIORITY=0"), std::string::npos) << entry;
    EXPECT_EQ(entry.find("\nMESSAGE_ID=0"), std::string::npos) << entry;
    ::close(journal);
}

TEST_F(log_test, stderr_is_used_where_it_is_not_the_journals)
{
    const int journal = open_journal();
    ::setenv("JOURNAL_STREAM", "1:2", 1);
    auto log = event_log::make({.journal = directory_ + "/journal"});
    ASSERT_TRUE(log);
    testing::internal::CaptureStderr();
    log->write(events::started, "sentence", {{"key", "a b"}});
    EXPECT_NE(
        testing::internal::GetCapturedStderr().find("info daemon.started: sentence key=\"a b\""),
        std::string::npos
    );
    EXPECT_EQ(received(journal), "nothing");
    ::close(journal);
}

TEST_F(log_test, journal_that_is_gone_loses_no_line)
{
    ::close(open_journal());
    std::filesystem::remove(directory_ + "/journal");
    testing::internal::CaptureStderr();
    struct stat captured{}; // capturing made another stderr
    ::fstat(STDERR_FILENO, &captured);
    ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", captured.st_dev, captured.st_ino).c_str(), 1);
    auto log = event_log::make({.journal = directory_ + "/journal"});
    log->write(events::started, "sentence", {});
    const auto line = testing::internal::GetCapturedStderr();
    EXPECT_EQ(line.substr(0, 3), "<6>");
    EXPECT_NE(line.find("daemon.started: sentence"), std::string::npos);
}

TEST_F(log_test, file_gets_json_and_is_bounded_by_files_of_ten_megabytes)
{
    const auto file = directory_ + "/reachd.log";
    auto log = event_log::make({.format = log_format::json_lines, .file = file});
    ASSERT_TRUE(log);
    const std::string sentence(100'000, 'x');
    for (int i = 0; i < 700; ++i) {
        log->write(events::started, sentence, {});
    }
    std::uintmax_t bytes = 0;
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
        bytes += entry.file_size();
        ++files;
    }
    EXPECT_EQ(files, 5U);
    EXPECT_LE(bytes, 50'000'000U);
    std::ifstream in{file};
    std::string line;
    std::getline(in, line);
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    EXPECT_EQ(parsed.value("event", ""), "daemon.started");
}

TEST_F(log_test, file_that_cannot_be_written_is_said_with_its_name)
{
    const auto log = event_log::make({.file = directory_ + "/no/such/"});
    ASSERT_FALSE(log);
    EXPECT_NE(log.error().detail.find(directory_ + "/no/such/"), std::string::npos);
}

} // namespace
} // namespace reachd
