// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/log.hpp"

#include "log_sinks.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/text.hpp"
#include "reachd/net/wall_clock.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

const char* word_of(severity value)
{
    switch (value) {
    case severity::info: return "info";
    case severity::warning: return "warning";
    case severity::error: return "error";
    }
    return "error";
}

std::string field_text(const nlohmann::json& value)
{
    const auto text = printable(value.is_string() ? value.get<std::string>() : dump(value));
    return text.find_first_of(" \"=") == std::string::npos && !text.empty() ? text
                                                                            : dump(nlohmann::json(text));
}

} // namespace

event_log::event_log(log_options options, std::unique_ptr<log_sink> sink)
    : options_{std::move(options)}, sink_{std::move(sink)}
{
}

event_log::~event_log() = default;
event_log::event_log(event_log&& other) noexcept = default;
event_log& event_log::operator=(event_log&& other) noexcept = default;

result<event_log> event_log::make(const log_options& options)
{
    if (!options.file.empty()) {
        auto file = make_file_sink(options.file);
        if (!file) {
            return std::unexpected(std::move(file.error()));
        }
        return event_log{options, std::move(*file)};
    }
    return event_log{options, is_stderr_the_journal() ? make_journal_sink(options) : make_stderr_sink()};
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
    if (options_.format == log_format::json_lines) {
        nlohmann::json line = fields;
        line["time"] = when;
        line["level"] = word_of(level);
        line["event"] = what.id;
        line["message"] = sentence;
        sink_->write({what, level, sentence, fields}, dump(line));
        return;
    }
    auto line = fmt::format("{} {} {}: {}", when, word_of(level), what.id, printable(sentence));
    for (const auto& [key, value] : fields.items()) {
        line += fmt::format(" {}={}", key, field_text(value));
    }
    sink_->write({what, level, sentence, fields}, line);
}

} // namespace reachd
