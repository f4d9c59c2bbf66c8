// SPDX-License-Identifier: Apache-2.0
// events.hpp: the stable ids of everything that is logged or published; docs/EVENTS.md explains each.
#pragma once

#include <array>
#include <cstdint>

namespace reachd {

enum class severity : std::uint8_t {
    info,    // for the record
    warning, // somebody should look
    error,   // the daemon could not do its work
};

struct event_kind {
    const char* id;
    severity level;
    const char* meaning;
};

namespace events {
inline constexpr event_kind started{"daemon.started", severity::info, "the daemon serves its sockets"};
inline constexpr event_kind stopping{"daemon.stopping", severity::info, "the daemon was asked to end"};
inline constexpr event_kind task_failed{
    "task.failed", severity::error, "a part of the daemon ended by an exception; the others go on"
};
inline constexpr event_kind verdict_changed{
    "verdict.changed", severity::info, "a requirement's answer or its failing endpoints changed"
};
inline constexpr event_kind site_changed{
    "site.changed", severity::warning, "the answer for the whole site changed"
};
inline constexpr event_kind address_new{
    "address.new", severity::info, "a name resolved to an address that was not seen before"
};
inline constexpr event_kind round_finished{
    "round.finished", severity::info, "all endpoints of a requirement were probed; never logged"
};
inline constexpr event_kind idle_measured{
    "idle.measured", severity::info, "a ladder has ended: what is known of an idle timer"
};
inline constexpr event_kind row_acknowledged{
    "row.acknowledged", severity::info, "somebody noted a failing row, or took the note away"
};
inline constexpr event_kind history_unavailable{
    "history.unavailable", severity::error, "the history cannot be written; measuring goes on without it"
};
inline constexpr event_kind history_available{
    "history.available", severity::info, "the history is written again"
};
inline constexpr event_kind history_set_aside{
    "history.aside", severity::error, "a corrupt history was renamed, and a new one begun"
};
inline constexpr event_kind config_reloaded{
    "config.reloaded", severity::info, "the files were read again and are in force"
};
inline constexpr event_kind config_rejected{
    "config.rejected", severity::error, "the files have faults; what was in force stays"
};
inline constexpr event_kind root_missing{
    "root.missing", severity::warning, "a file of additional roots cannot be used; the rest is in force"
};
inline constexpr event_kind control_change{
    "control.change", severity::info, "somebody used a method that changes something"
};
inline constexpr event_kind probe_asked{
    "probe.progress", severity::info, "progress of a probe that a client asked for; never logged"
};
} // namespace events

inline constexpr std::array all_events{
    events::started,           events::stopping,
    events::task_failed,       events::verdict_changed,
    events::site_changed,      events::address_new,
    events::round_finished,    events::idle_measured,
    events::row_acknowledged,  events::history_unavailable,
    events::history_available, events::history_set_aside,
    events::config_reloaded,   events::config_rejected,
    events::root_missing,      events::control_change,
    events::probe_asked,
};

} // namespace reachd
