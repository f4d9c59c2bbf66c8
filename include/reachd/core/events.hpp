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
    const char* message_id; // of the journal (sd-journal): 128 random bits, never used again
    const char* meaning;
};

namespace events {
inline constexpr event_kind started{
    "daemon.started", severity::info, "5479d20d2ee945c48f540325b93ea426", "the daemon serves its sockets"
};
inline constexpr event_kind stopping{
    "daemon.stopping", severity::info, "54d6a50c58e04761b86bd5e66aadaf75", "the daemon was asked to end"
};
inline constexpr event_kind task_failed{
    "task.failed", severity::error, "0778164c19bd492f8a7aab99cb35c05f",
    "a part of the daemon ended by an exception; the others go on"
};
inline constexpr event_kind verdict_changed{
    "verdict.changed", severity::info, "0ae725cbf60948a68ced8a763227d273",
    "a requirement's answer or its failing endpoints changed"
};
inline constexpr event_kind site_changed{
    "site.changed", severity::warning, "032bc0ad45144ba186921e490aaf9b9e",
    "the answer for the whole site changed"
};
inline constexpr event_kind address_new{
    "address.new", severity::info, "66b39091378b434696436b1e33e8d1da",
    "a name resolved to an address that was not seen before"
};
inline constexpr event_kind round_finished{
    "round.finished", severity::info, "7191d3cea9ae40abbc1640541d440fea",
    "all endpoints of a requirement were probed; never logged"
};
inline constexpr event_kind idle_measured{
    "idle.measured", severity::info, "a0954c5a3421477397fee9130a1bf51e",
    "a ladder has ended: what is known of an idle timer"
};
inline constexpr event_kind row_acknowledged{
    "row.acknowledged", severity::info, "768fc35525f945ac931fb380e1fb80c3",
    "somebody noted a failing row, or took the note away"
};
inline constexpr event_kind history_unavailable{
    "history.unavailable", severity::error, "46c02d50f92744f7b41205cd550ed2ce",
    "the history cannot be written; measuring goes on without it"
};
inline constexpr event_kind history_available{
    "history.available", severity::info, "bd49014522354b5e9ed19fa118c97323", "the history is written again"
};
inline constexpr event_kind history_set_aside{
    "history.aside", severity::error, "9ff8bc63787b4132a7374de852b9b23a",
    "a corrupt history was renamed, and a new one begun"
};
inline constexpr event_kind config_reloaded{
    "config.reloaded", severity::info, "05bdf78f45ce4f17ae18222efc826b22",
    "the files were read again and are in force"
};
inline constexpr event_kind config_rejected{
    "config.rejected", severity::error, "bba7bc687b4445f3b087d8c6490fce06",
    "the files have faults; what was in force stays"
};
inline constexpr event_kind root_missing{
    "root.missing", severity::warning, "879274278fa343b3ab26ead351a692f9",
    "a file of additional roots cannot be used; the rest is in force"
};
inline constexpr event_kind self_trouble{
    "self.trouble", severity::warning, "485564925cbd3c035f3d00c0cc772b98",
    "the daemon itself is in trouble; the network is not blamed for what follows from it"
};
inline constexpr event_kind self_recovered{
    "self.recovered", severity::info, "c8be2f6373d2bea474898ee47ef732e6",
    "a trouble of the daemon's own is over"
};
inline constexpr event_kind control_change{
    "control.change", severity::info, "b06658ebc8824f9eb1d24340a35a23a7",
    "somebody used a method that changes something"
};
inline constexpr event_kind probe_asked{
    "probe.progress", severity::info, "8a4e8680c1e7402199fa1e04a2406a30",
    "progress of a probe that a client asked for; never logged"
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
    events::root_missing,      events::self_trouble,
    events::self_recovered,    events::control_change,
    events::probe_asked,
};

} // namespace reachd
