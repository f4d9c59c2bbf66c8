// SPDX-License-Identifier: Apache-2.0
// log_sinks.hpp: where the lines of the log go.
#pragma once

#include "reachd/app/log.hpp"

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace reachd {

// One event, before it has a form.
struct log_entry {
    const event_kind& what;
    severity level;
    const std::string& sentence;
    const nlohmann::json& fields;
};

class log_sink {
public:
    virtual ~log_sink() = default;
    // `line` is the entry in the form that was asked for.
    virtual void write(const log_entry& entry, const std::string& line) = 0;
};

// 10 MB a file: days of a site that changes every minute; a site's whole log is at most 50 MB.
inline constexpr std::size_t log_file_bytes = 10'000'000;
inline constexpr std::size_t log_files = 5;

std::unique_ptr<log_sink> make_stderr_sink();
result<std::unique_ptr<log_sink>> make_file_sink(const std::string& file);
std::unique_ptr<log_sink> make_journal_sink(const log_options& options);

// Whether stderr is a stream that leads to the journal (sd-daemon(3): JOURNAL_STREAM is its device and
// inode).
bool is_stderr_the_journal();

} // namespace reachd
