// SPDX-License-Identifier: Apache-2.0
// history_watch.hpp: what of a site's state is worth remembering: makes records and samples of it.
//
// Use     One for the life of the daemon; the engine's events come in, what is to be kept comes out.
// Shapes  Every change of a row is a record of its own. Endpoints of one address that changed alike are
//         one record with their ports; their first sight is recorded where the row is not as it was
//         before the daemon was started.
// Limits  most_endpoint_changes an hour and endpoint: further ones are counted, and summed up in one
//         record at the end of the hour. After most_detailed an hour a row's records lose their detail.
//         Of more than most_sighted addresses it forgets which it has written: they are written again.
// Units   `now` is wall time.
// Errors  none.
#pragma once

#include "reachd/core/history.hpp"
#include "reachd/core/site_state.hpp"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace reachd {

inline constexpr unsigned most_endpoint_changes = 12; // an hour: one in five minutes
inline constexpr unsigned most_detailed = 30;         // an hour and row
inline constexpr std::size_t most_sighted = 4096;     // addresses of names, in memory

class history_watch {
public:
    history_watch() = default;
    // What the daemon before this one left.
    explicit history_watch(history_memory before);

    // A row's state or its runs changed.
    history_batch
    row_changed(const plan& what, const site_state& site, std::size_t row, row_answer before, wall_time now);
    // A round of a row has ended: its sample, what its names resolved to, and the row where this daemon
    // has not recorded it yet.
    history_batch round_finished(const plan& what, const site_state& site, std::size_t row, wall_time now);
    // Rows that no round is made of (idle, inbound, not configured), where they are not recorded yet.
    history_batch rows_at_rest(const plan& what, const site_state& site, wall_time now);
    // The answer for the whole site, where it is new.
    history_batch site_drawn(const site_state& site, wall_time now);
    [[nodiscard]] std::size_t sighted() const { return sighted_.size(); }
    [[nodiscard]] const std::map<row_key, acknowledgement>& notes() const { return notes_; }
    // A note that was set, or that is gone by itself: the row recovered.
    history_batch notes_changed(const plan& what, const site_state& site, wall_time now);
    // Visits of allowed sources that were not written before, or long enough ago.
    history_batch visits_noted(const plan& what, const site_state& site);

private:
    using sighting_key = std::pair<std::string, std::string>; // name, address
    using endpoint_key = std::tuple<std::string, std::string, std::string, transport, std::uint16_t>;
    struct known_endpoint {
        verdict judged;
        wall_time hour{};      // the hour of these counts
        unsigned changes = 0;  // in it
        unsigned left_out = 0; // of them
    };
    struct known_row {
        bool told = false;    // by this daemon
        wall_time hour{};     // the hour of this count
        unsigned records = 0; // in it
        std::map<endpoint_key, known_endpoint> endpoints;
    };

    void add_row(
        history_batch& into, const plan_row& what, const site_state& site, const row_state& row,
        std::string before, wall_time now
    );
    static void add_endpoints(
        history_batch& into, known_row& known, const plan_row& what, const site_state& site,
        const row_state& row, bool first_sight_counts, wall_time now
    );
    static void add_summaries(
        history_batch& into, known_row& known, const plan_row& what, const row_state& row, wall_time now
    );
    void add_sightings(history_batch& into, const row_state& row, wall_time now);
    void forget_sightings(wall_time now);

    history_memory before_;
    std::map<row_key, known_row> rows_;
    std::map<sighting_key, wall_time> sighted_;                   // last written
    std::map<std::pair<row_key, ip_address>, wall_time> visited_; // the visit that was last written
    std::map<row_key, acknowledgement> notes_;
    std::optional<site_answer> site_;
};

} // namespace reachd
