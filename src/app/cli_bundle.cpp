// SPDX-License-Identifier: Apache-2.0
// What support asks for first, with nothing in it that must not leave the site.
#include "doctor_findings.hpp"
#include "reachd/app/cli_link.hpp"
#include "reachd/app/report_file.hpp"
#include "reachd/app/support_bundle.hpp"
#include "reachd/core/redact.hpp"
#include "reachd/net/wall_clock.hpp"

#include <array>
#include <cstdio>
#include <deque>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <sys/utsname.h>

namespace reachd {
namespace {

constexpr std::size_t most_log_lines = 2000;
constexpr std::size_t most_bytes = 4U << 20U; // of a configuration; those of the schema have a few kilobytes

std::string read_text(const std::filesystem::path& file)
{
    std::ifstream stream{file, std::ios::binary};
    std::string text;
    std::array<char, 4096> part{}; // files of /proc/sys refuse to be read in large pieces
    while (stream && text.size() < most_bytes) {
        stream.read(part.data(), part.size());
        text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
    }
    return text;
}

bundle_file configuration(const std::filesystem::path& file)
{
    bundle_file out{"configuration.json", "the site's configuration without secrets, comments left out", {}};
    const auto read = parse_json(read_text(file), file.string(), comments::allowed);
    // A text that cannot be read cannot be redacted: only the fault is told.
    out.content = read ? dump(without_secrets(read->value), 2) + '\n'
                       : fmt::format(
                             "it cannot be read: a fault on line {}; the text itself is left out\n",
                             read.error().front().line
                         );
    return out;
}

bundle_file doctor(const paths& where)
{
    json list = json::array();
    for (const auto& one : examine(where)) {
        list.push_back({{"state", word_of(one.how)}, {"topic", one.topic}, {"sentence", one.sentence}});
    }
    return {"doctor.json", "what this machine can and cannot measure", dump({{"findings", list}}, 2) + '\n'};
}

bundle_file machine()
{
    utsname name{};
    ::uname(&name);
    auto text = fmt::format("kernel: {} {} {}\n", name.sysname, name.release, name.machine);
    std::istringstream release{read_text("/etc/os-release")};
    for (std::string line; std::getline(release, line);) {
        if (line.starts_with("PRETTY_NAME=") || line.starts_with("VERSION_ID=")) {
            text += line + '\n';
        }
    }
    for (const char* name_of :
         {"ip_default_ttl", "tcp_syn_retries", "ip_local_port_range", "tcp_timestamps"}) {
        text +=
            fmt::format("net.ipv4.{}: {}", name_of, read_text(std::string{"/proc/sys/net/ipv4/"} + name_of));
    }
    return {"machine.txt", "kernel, system, network settings", text};
}

bundle_file log_end(const std::string& file)
{
    std::ifstream stream{file};
    std::deque<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(std::move(line));
        if (lines.size() > most_log_lines) {
            lines.pop_front();
        }
    }
    bundle_file out{"log.txt", fmt::format("the last {} lines of {}", lines.size(), file), {}};
    for (const auto& line : lines) {
        out.content += line + '\n';
    }
    return out;
}

// What the daemon knows; where there is none, why.
void ask_all(const cli_common& common, std::vector<bundle_file>& into)
{
    struct question {
        const char* method;
        const char* about;
    };
    constexpr question questions[] = {
        {"version", "what runs, and since when"},      {"health", "the site's state"},
        {"report", "every verdict with its evidence"}, {"catalogues", "what is in force"},
        {"history", "what changed, the newest 1000"},
    };
    for (const auto& one : questions) {
        if (find_method(one.method) == nullptr) {
            continue;
        }
        std::string why;
        const json params =
            std::string_view{one.method} == "history" ? json{{"limit", 1000}} : json::object();
        const auto answer = ask_daemon_quietly(common, one.method, params, usual_wait, why);
        into.push_back(
            answer ? bundle_file{fmt::format("{}.json", one.method), one.about, dump(*answer, 2) + '\n'}
                   : bundle_file{fmt::format("{}.txt", one.method), "why it is not here", why + '\n'}
        );
    }
}

bundle_file about(const cli_common& common, const paths& where, wall_time now)
{
    return {
        "about.txt",
        "versions, times, places",
        fmt::format(
            "reachctl {}\nmade {}\nconfiguration {}\nruntime directory {}\n", common.version, to_text(now),
            where.config.string(), where.runtime_dir.string()
        ),
    };
}

} // namespace

int command_support_bundle(const cli_common& common, const cli_bundle& options)
{
    const auto where = find_paths(common.where, running_program());
    const auto now = wall_now();
    std::vector<bundle_file> files{
        about(common, where, now), configuration(where.config), machine(), doctor(where)
    };
    ask_all(common, files);
    if (!options.log.empty()) {
        files.push_back(log_end(options.log));
    }
    if (options.addresses == site_addresses::masked) {
        address_mask mask;
        for (auto& one : files) {
            one.content = mask.apply(one.content);
        }
    }
    const auto listed = list_of(files);
    std::fputs(listed.c_str(), stdout);
    std::fflush(stdout);
    if (options.output.empty()) {
        return exit_ready;
    }
    const auto now_s = std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
    const auto packed = pack_bundle("reachd-support", files, now_s);
    if (!packed) {
        std::fprintf(stderr, "reachctl: %s\n", packed.error().c_str());
        return exit_unproven;
    }
    if (write_out(*packed, options.output) != 0) {
        return exit_unproven;
    }
    std::fprintf(
        stderr, "reachctl: %s holds these files; read them before you send it\n",
        printable(options.output).c_str()
    );
    return exit_ready;
}

} // namespace reachd
