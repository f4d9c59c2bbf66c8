// SPDX-License-Identifier: Apache-2.0
// log.hpp: one line per event: to the systemd journal with its fields, to a file, or to stderr.
//
// Use     event_log::make() once in main; write() wherever app knows that something changed.
// Shapes  Text: "<level> event.id: sentence key=value ..."; JSON: one object a line; the journal gets
// MESSAGE,
//         PRIORITY, MESSAGE_ID, REACHD_EVENT and a field REACHD_KEY for each key.
// Errors  make() says why a file cannot be written. Later a log that cannot be written is no reason to stop;
//         what the journal does not take goes to stderr.
#pragma once

#include "reachd/core/error.hpp"
#include "reachd/core/events.hpp"

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace reachd {

enum class log_format : std::uint8_t {
    text,
    json_lines,
};

struct log_options {
    log_format format = log_format::text;
    std::string file;                                    // "": the journal where stderr is its, else stderr
    std::string program = "reachd";                      // as the journal is told
    std::string journal = "/run/systemd/journal/socket"; // used only where stderr is the journal's
};

class log_sink;

class event_log {
public:
    static result<event_log> make(const log_options& options);
    ~event_log();
    event_log(event_log&& other) noexcept;
    event_log& operator=(event_log&& other) noexcept;

    // `fields` is an object of plain values; their text is made printable.
    void write(const event_kind& what, const std::string& sentence, const nlohmann::json& fields);
    // The same with another level than the event usually has.
    void
    write(const event_kind& what, severity level, const std::string& sentence, const nlohmann::json& fields);

private:
    event_log(log_options options, std::unique_ptr<log_sink> sink);

    log_options options_;
    std::unique_ptr<log_sink> sink_;
};

} // namespace reachd
