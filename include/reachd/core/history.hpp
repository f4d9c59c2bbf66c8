// SPDX-License-Identifier: Apache-2.0
// history.hpp: what is remembered of a site: records of what changed, and samples of rounds.
//
// Use     history_watch.hpp makes records of states; store/history_store.hpp keeps and finds them.
// Shapes  A record of a requirement holds the whole row as it stood then: its state, its sentence and the
//         runs that do not pass. So the site as it was is the last record of each row.
// Units   wall time; `detail` is a JSON object as text, "" for none.
// Errors  none.
#pragma once

#include "reachd/core/acknowledgement.hpp"
#include "reachd/core/address.hpp"
#include "reachd/core/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reachd {

enum class record_kind : std::uint8_t {
    site,        // the answer for the whole site
    requirement, // a row's state, or the verdict of one of its runs
    endpoint,    // the verdict of neighbouring endpoints
    idle,        // a ladder has ended
    address,     // a name has an address that it did not have
    block,       // a round of samples of a block
    start,       // the daemon began
    stop,        // it ended, or was found to have ended
    reload,      // the files were read again
    acknowledge, // a note was attached or taken away
};
const char* to_string(record_kind value);
std::optional<record_kind> parse_record_kind(std::string_view text);

// Endpoints of one address that changed alike.
struct endpoint_span {
    std::string address; // "" where a name has none
    std::string name;
    std::string vantage;
    reachd::transport transport = transport::tcp;
    port_set ports;
    bool operator==(const endpoint_span&) const = default;
};

struct history_record {
    wall_time at{};
    record_kind kind = record_kind::requirement;
    std::string catalogue; // "" for what concerns the whole site
    std::string requirement;
    std::string state; // a word: of the row, the site, the verdict, the ending
    std::string before;
    wall_time since{}; // of the state
    std::string sentence;
    std::optional<endpoint_span> target;
    std::string detail;
    bool operator==(const history_record&) const = default;
};

enum class sample_width : std::uint8_t {
    round, // one round
    hour,  // all rounds of an hour
    day,   // all of a day
};
const char* to_string(sample_width value);

// What rounds of one row measured; the counts of endpoints are sums over the rounds.
struct round_sample {
    std::string catalogue;
    std::string requirement;
    wall_time at{}; // of the round, or the beginning of the hour or day
    sample_width width = sample_width::round;
    std::uint64_t rounds = 1;
    std::uint64_t rounds_pass = 0;
    std::uint64_t rounds_fail = 0;
    std::uint64_t pass = 0; // endpoints
    std::uint64_t fail = 0;
    std::uint64_t unproven = 0;
    std::optional<microseconds> rtt_min;
    std::optional<microseconds> rtt_median; // of wider ones: the median of the rounds' medians
    std::optional<microseconds> rtt_max;
    bool operator==(const round_sample&) const = default;
};

// Samples of one row, in the order of time, put together into the hours or days they fall in.
std::vector<round_sample> compact(const std::vector<round_sample>& fine, sample_width into);
// The beginning of the hour or day that `at` falls in.
wall_time beginning_of(wall_time at, sample_width width);

// When a name was first and last seen to have an address.
struct address_sighting {
    std::string name;
    std::string address;
    wall_time first{};
    wall_time last{};
    bool operator==(const address_sighting&) const = default;
};

// A note that was attached; nullopt: it is gone.
struct acknowledgement_change {
    std::string catalogue;
    std::string requirement;
    std::optional<acknowledgement> note;
    bool operator==(const acknowledgement_change&) const = default;
};

// When an allowed source of an inbound row was last seen connected.
struct row_visit {
    std::string catalogue;
    std::string requirement;
    ip_address source;
    wall_time at{};
    bool operator==(const row_visit&) const = default;
};

// What is written at once: all of it or nothing.
struct history_batch {
    std::vector<history_record> records;
    std::vector<round_sample> samples;
    std::vector<address_sighting> sightings;
    std::vector<acknowledgement_change> notes;
    std::vector<row_visit> visits;
    [[nodiscard]] std::size_t size() const;
};

// "catalogue/requirement" as a key; "/" for the site.
using row_key = std::pair<std::string, std::string>;

// What a daemon that begins is told of the one before it.
struct history_memory {
    std::map<row_key, history_record> last; // of kinds `site` and `requirement`
    std::map<row_key, acknowledgement> notes;
    std::vector<row_visit> visits;
};

} // namespace reachd
