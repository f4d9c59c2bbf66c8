// SPDX-License-Identifier: Apache-2.0
// The command metrics: what the daemon knows, for Prometheus, on stdout or as a file for node_exporter.
#include "reachd/app/cli.hpp"
#include "reachd/app/cli_link.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reachd {
namespace {

constexpr int exit_cannot_write = 73; // EX_CANTCREAT of sysexits.h
constexpr mode_t readable = 0644;     // the exporter is another user

bool write_all(int fd, std::string_view text)
{
    while (!text.empty()) {
        const auto size = ::write(fd, text.data(), text.size());
        if (size < 0) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

// Under another name first: an exporter that reads at any moment finds a whole file. The name does not end
// in .prom, which is what exporters look for.
int put_in_place(const std::string& text, const std::string& file)
{
    auto name = file + ".XXXXXX";
    const int fd = ::mkstemp(name.data());
    bool good = fd >= 0 && write_all(fd, text) && ::fchmod(fd, readable) == 0;
    int failed = errno;
    good = (fd < 0 || ::close(fd) == 0) && good;
    if (good && ::rename(name.c_str(), file.c_str()) == 0) {
        return 0;
    }
    failed = good ? errno : failed;
    if (fd >= 0) {
        ::unlink(name.c_str());
    }
    std::fprintf(stderr, "reachctl: cannot write %s: %s\n", file.c_str(), std::strerror(failed));
    return exit_cannot_write;
}

} // namespace

int command_metrics(const cli_common& common, const cli_query& options)
{
    const auto answer = ask_daemon(common, "metrics", json::object(), usual_wait);
    if (!answer) {
        return exit_unproven;
    }
    const auto text = answer->value("text", "");
    if (!options.textfile.empty()) {
        return put_in_place(text, options.textfile);
    }
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
}

} // namespace reachd
