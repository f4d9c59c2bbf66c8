// SPDX-License-Identifier: Apache-2.0
// report_file.hpp: reports that lie in files.
//
// Errors  One sentence that names the file and says what to do.
// Limits  max_report_bytes: a report of 50,000 endpoints with their evidence has about that many.
#pragma once

#include "reachd/core/json.hpp"

#include <expected>
#include <string>

namespace reachd {

inline constexpr std::size_t max_report_bytes = 64U << 20U;

// A site report as `check --format json` makes it.
std::expected<json, std::string> read_report_file(const std::string& file);

// The whole text or nothing: written beside the file and then put in its place. What is no regular file
// (/dev/stdout, a pipe) is written to as it is.
std::expected<void, std::string> write_whole_file(const std::string& text, const std::string& file);

// Whether that may succeed: to be asked before what takes long.
std::expected<void, std::string> may_write_file(const std::string& file);

} // namespace reachd
