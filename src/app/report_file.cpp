// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/report_file.hpp"

#include "reachd/core/report_diff.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace reachd {
namespace {

namespace fs = std::filesystem;

std::unexpected<std::string> failed(const std::string& file, int number)
{
    return std::unexpected(fmt::format("cannot write {}: {}", file, std::strerror(number)));
}

std::expected<std::string, std::string> read_whole(const std::string& file)
{
    std::ifstream stream{file, std::ios::binary};
    std::string text;
    std::array<char, 65536> part{};
    while (stream && text.size() <= max_report_bytes) {
        stream.read(part.data(), part.size());
        text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
    }
    if (text.size() > max_report_bytes) {
        return std::unexpected(fmt::format("{}: larger than any report", file));
    }
    if (!stream.eof()) {
        return std::unexpected(fmt::format("{}: {}", file, std::strerror(errno)));
    }
    return text;
}

// 0, or the number of the error.
int write_all(int fd, const std::string& text)
{
    std::size_t written = 0;
    while (written < text.size()) {
        const auto count = ::write(fd, text.data() + written, text.size() - written);
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        written += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    return 0;
}

std::expected<void, std::string> write_as_it_is(const std::string& text, const std::string& file)
{
    const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(file, errno);
    }
    const int wrong = write_all(fd, text);
    ::close(fd);
    return wrong == 0 ? std::expected<void, std::string>{} : failed(file, wrong);
}

} // namespace

std::expected<json, std::string> read_report_file(const std::string& file)
{
    const auto text = read_whole(file);
    if (!text) {
        return std::unexpected(text.error());
    }
    auto read = parse_json(*text, file, comments::refused);
    if (!read) {
        return std::unexpected(to_text(read.error().front()));
    }
    if (const auto why = why_no_report(read->value)) {
        return std::unexpected(fmt::format("{}: {}", file, *why));
    }
    return std::move(read->value);
}

std::expected<void, std::string> may_write_file(const std::string& file)
{
    std::error_code wrong;
    const auto kind = fs::status(file, wrong).type();
    if (kind == fs::file_type::directory) {
        return failed(file, EISDIR);
    }
    const bool beside = kind == fs::file_type::not_found || kind == fs::file_type::regular;
    const auto real = kind == fs::file_type::regular ? fs::canonical(file, wrong) : fs::path{file};
    auto where = beside ? real.parent_path().string() : file;
    where = where.empty() ? "." : where;
    const auto how = beside ? W_OK | X_OK : W_OK;
    return ::access(where.c_str(), how) == 0 ? std::expected<void, std::string>{} : failed(file, errno);
}

std::expected<void, std::string> write_whole_file(const std::string& text, const std::string& file)
{
    std::error_code wrong;
    const auto kind = fs::status(file, wrong).type();
    if (fs::exists(fs::file_status{kind}) && kind != fs::file_type::regular) {
        return write_as_it_is(text, file);
    }
    const auto real = kind == fs::file_type::regular ? fs::canonical(file, wrong) : fs::path{file};
    const auto target = wrong || real.empty() ? file : real.string();
    auto beside = fmt::format("{}.{}.tmp", target, ::getpid());
    constexpr mode_t usual_mode = 0666; // less the umask
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, usual_mode);
    if (fd < 0) {
        return failed(file, errno);
    }
    int number = write_all(fd, text);
    if (struct stat old{};
        number == 0 && kind == fs::file_type::regular && ::stat(target.c_str(), &old) == 0) {
        ::fchmod(fd, old.st_mode & 07777U); // it stays as private as it was
    }
    number = ::close(fd) == 0 || number != 0 ? number : errno;
    if (number == 0 && std::rename(beside.c_str(), target.c_str()) != 0) {
        number = errno;
    }
    if (number != 0) {
        ::unlink(beside.c_str());
        return failed(file, number);
    }
    return {};
}

} // namespace reachd
