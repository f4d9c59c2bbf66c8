// SPDX-License-Identifier: Apache-2.0
#include "log_sinks.hpp"

#include "reachd/core/journal.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/text.hpp"

#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace reachd {
namespace {

class spdlog_sink : public log_sink {
public:
    explicit spdlog_sink(spdlog::sink_ptr where)
        : logger_{std::make_shared<spdlog::logger>("reachd", std::move(where))}
    {
        logger_->set_pattern("%v");
        logger_->flush_on(spdlog::level::info);
    }

    void write(const log_entry& entry, const std::string& line) override
    {
        static_cast<void>(entry);
        logger_->info("{}", line);
    }

private:
    std::shared_ptr<spdlog::logger> logger_;
};

// syslog(3)
const char* priority_of(severity value)
{
    switch (value) {
    case severity::info: return "6";
    case severity::warning: return "4";
    case severity::error: return "3";
    }
    return "3";
}

class journal_sink : public log_sink {
public:
    explicit journal_sink(const log_options& options)
        : program_{options.program}, socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)}
    {
        to_.sun_family = AF_UNIX;
        options.journal.copy(to_.sun_path, sizeof(to_.sun_path) - 1);
    }

    ~journal_sink() override
    {
        if (socket_ >= 0) {
            ::close(socket_);
        }
    }

    journal_sink(const journal_sink&) = delete;
    journal_sink& operator=(const journal_sink&) = delete;

    void write(const log_entry& entry, const std::string& line) override
    {
        journal_fields fields{
            {"MESSAGE", fmt::format("{}: {}", entry.what.id, printable(entry.sentence))},
            {"PRIORITY", priority_of(entry.level)},
            {"MESSAGE_ID", entry.what.message_id},
            {"SYSLOG_IDENTIFIER", program_},
            {"REACHD_EVENT", entry.what.id},
        };
        for (const auto& [key, value] : entry.fields.items()) {
            const auto text = value.is_string() ? value.get<std::string>() : dump(value);
            fields.emplace_back("REACHD_" + to_journal_name(key), printable(text));
        }
        const auto datagram = to_journal_datagram(fields);
        const auto sent = ::sendto(
            socket_, datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
            reinterpret_cast<const sockaddr*>(&to_), sizeof(to_)
        );
        if (sent < 0) { // full, gone or too long for it: its stream takes the line at least
            std::fprintf(stderr, "<%s>%s\n", priority_of(entry.level), line.c_str());
        }
    }

private:
    std::string program_;
    int socket_;
    sockaddr_un to_{};
};

} // namespace

std::unique_ptr<log_sink> make_stderr_sink()
{
    return std::make_unique<spdlog_sink>(std::make_shared<spdlog::sinks::stderr_sink_st>());
}

result<std::unique_ptr<log_sink>> make_file_sink(const std::string& file)
{
    try {
        return std::make_unique<spdlog_sink>(
            std::make_shared<spdlog::sinks::rotating_file_sink_st>(file, log_file_bytes, log_files - 1)
        );
    } catch (const spdlog::spdlog_ex& refused) {
        return std::unexpected(
            error{
                .code = errc::unavailable,
                .stage = {},
                .detail = fmt::format("cannot write the log to {}: {}", file, refused.what()),
            }
        );
    }
}

std::unique_ptr<log_sink> make_journal_sink(const log_options& options)
{
    return std::make_unique<journal_sink>(options);
}

bool is_stderr_the_journal()
{
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat mine{};
    return stream && ::fstat(STDERR_FILENO, &mine) == 0 &&
           fmt::format("{}:{}", mine.st_dev, mine.st_ino) == stream;
}

} // namespace reachd
