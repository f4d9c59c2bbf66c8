// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/process_metrics.hpp"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace reachd {
namespace {

// proc(5), /proc/pid/stat, counted from the state, which is field 3.
constexpr std::size_t field_utime = 14;
constexpr std::size_t field_stime = 15;
constexpr std::size_t field_starttime = 22;
constexpr std::size_t field_rss = 24;

// The fields from the third on: the second is the program's name and may have blanks and brackets.
std::vector<double> own_stat()
{
    std::ifstream file{"/proc/self/stat"};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    const auto end = text.rfind(')');
    std::istringstream rest{end == std::string::npos ? "" : text.substr(end + 1)};
    std::string state;
    rest >> state;
    std::vector<double> out{0};
    for (double value = 0; rest >> value;) {
        out.push_back(value);
    }
    return out;
}

std::optional<double> boot_time()
{
    std::ifstream file{"/proc/stat"};
    for (std::string word; file >> word;) {
        double value = 0;
        if (word == "btime" && file >> value) {
            return value;
        }
    }
    return std::nullopt;
}

// mallinfo(3): of all arenas; what the allocator keeps for later is not counted, but for a few chunks of each
// thread.
std::optional<double> heap_in_use()
{
#ifdef __GLIBC__
    const auto seen = mallinfo2();
    return static_cast<double>(seen.uordblks) + static_cast<double>(seen.hblkhd);
#else
    return std::nullopt;
#endif
}

void gauge(exposition& out, const char* name, const char* help, std::optional<double> value)
{
    if (value) {
        out.family(name, metric_type::gauge, help);
        out.sample(*value);
    }
}

} // namespace

std::optional<descriptor_count> count_descriptors()
{
    std::error_code failed;
    std::size_t entries = 0; // the one that lists them among them
    for (std::filesystem::directory_iterator at{"/proc/self/fd", failed}; !failed && at != end(at);
         at.increment(failed)) {
        ++entries;
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || (failed && failed != std::errc::too_many_files_open)) {
        return std::nullopt;
    }
    const auto most = static_cast<std::size_t>(limit.rlim_cur);
    return descriptor_count{.open = failed ? most : entries - 1, .limit = most};
}

void write_process_metrics(exposition& out)
{
    const auto stat = own_stat();
    const auto field = [&](std::size_t number) -> std::optional<double> {
        return number - 3 < stat.size() ? std::optional{stat[number - 3]} : std::nullopt;
    };
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    if (const auto user = field(field_utime), system = field(field_stime); user && system) {
        out.family("process_cpu_seconds_total", metric_type::counter, "User and system CPU time spent.");
        out.sample((*user + *system) / ticks);
    }
    if (const auto pages = field(field_rss)) {
        gauge(
            out, "process_resident_memory_bytes", "Resident memory.",
            *pages * static_cast<double>(::sysconf(_SC_PAGESIZE))
        );
    }
    gauge(
        out, "reachd_heap_in_use_bytes",
        "Memory the program has allocated and not given back to the allocator.", heap_in_use()
    );
    if (const auto boot = boot_time(), since = field(field_starttime); boot && since) {
        gauge(out, "process_start_time_seconds", "Start time of the process.", *boot + *since / ticks);
    }
    if (const auto seen = count_descriptors()) {
        gauge(out, "process_open_fds", "Open file descriptors.", static_cast<double>(seen->open));
        gauge(out, "process_max_fds", "Limit of open file descriptors.", static_cast<double>(seen->limit));
    }
}

void share_one_heap()
{
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 1);
#endif
}

void return_free_memory()
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

} // namespace reachd
