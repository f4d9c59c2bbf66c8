// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/log.hpp"

#include "reachd/core/json.hpp"
#include "reachd/core/text.hpp"
#include "reachd/net/wall_clock.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace reachd {
namespace {

spdlog::level::level_enum level_of(severity value)
{
    switch (value) {
    case severity::info: return spdlog::level::info;
    case severity::warning: return spdlog::level::warn;
    case severity::error: return spdlog::level::err;
    }
    return spdlog::level::err;
}

const char* word_of(severity value)
{
    switch (value) {
    case severity::info: return "info";
    case severity::warning: return "warning";
    case severity::error: return "error";
    }
    return "error";
}

// sd-daemon(3): journald reads the level from the front of the line.
const char* journal_prefix(severity value)
{
    if (!std::getenv("JOURNAL_STREAM")) {
        return "";
    }
    switch (value) {
    case severity::info: return "<6>";
    case severity::warning: return "<4>";
    case severity::error: return "<3>";
    }
    return "<3>";
}

std::string field_text(const nlohmann::json& value)
{
    const auto text = printable(value.is_string() ? value.get<std::string>() : dump(value));
    return text.find_first_of(" \"=") == std::string::npos && !text.empty() ? text
                                                                            : dump(nlohmann::json(text));
}

} // namespace

event_log::event_log(log_format format)
    : format_{format},
      sink_{std::make_shared<spdlog::logger>("reachd", std::make_shared<spdlog::sinks::stderr_sink_st>())}
{
    sink_->set_pattern("%v");
    sink_->flush_on(spdlog::level::info);
}

void event_log::write(const event_kind& what, const std::string& sentence, const nlohmann::json& fields)
{
    write(what, what.level, sentence, fields);
}

void event_log::write(
    const event_kind& what, severity level, const std::string& sentence, const nlohmann::json& fields
)
{
    const auto when = to_text(wall_now());
    if (format_ == log_format::json) {
        nlohmann::json line = fields;
        line["time"] = when;
        line["level"] = word_of(level);
        line["event"] = what.id;
        line["message"] = sentence;
        sink_->log(level_of(level), "{}", dump(line));
        return;
    }
    std::string line = journal_prefix(level);
    if (line.empty()) {
        line = when + ' ';
    }
    line += fmt::format("{} {}: {}", word_of(level), what.id, printable(sentence));
    for (const auto& [key, value] : fields.items()) {
        line += fmt::format(" {}={}", key, field_text(value));
    }
    sink_->log(level_of(level), "{}", line);
}

} // namespace reachd
