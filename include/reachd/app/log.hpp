// SPDX-License-Identifier: Apache-2.0
// log.hpp: one line per event, as text for people and journald or as JSON for shippers.
//
// Use     make_log() once in main; write() wherever app knows that something changed.
// Shapes  Text: "<level> event.id: sentence key=value ..."; JSON: one object a line.
// Errors  none: a log that cannot be written is no reason to stop.
#pragma once

#include "reachd/core/events.hpp"

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace spdlog {
class logger;
}

namespace reachd {

enum class log_format : std::uint8_t {
    text,
    json,
};

class event_log {
public:
    explicit event_log(log_format format);

    // `fields` is an object of plain values; their text is made printable.
    void write(const event_kind& what, const std::string& sentence, const nlohmann::json& fields);
    // The same with another level than the event usually has.
    void
    write(const event_kind& what, severity level, const std::string& sentence, const nlohmann::json& fields);

private:
    log_format format_;
    std::shared_ptr<spdlog::logger> sink_;
};

} // namespace reachd
