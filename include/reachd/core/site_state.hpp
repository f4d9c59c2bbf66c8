// SPDX-License-Identifier: Apache-2.0
// site_state.hpp: everything that is known of a site at one moment, and the answers drawn from it.
//
// Use     The engine writes lookups and observations into the rows; evaluate() draws every verdict anew
//         and says what has changed. Nothing here reads a clock.
// Shapes  `rows` runs parallel to plan::rows. An endpoint without an address is a name that has none.
// Errors  none: what is missing is unproven.
#pragma once

#include "reachd/core/acknowledgement.hpp"
#include "reachd/core/block_result.hpp"
#include "reachd/core/idle_result.hpp"
#include "reachd/core/inbound_result.hpp"
#include "reachd/core/names.hpp"
#include "reachd/core/path.hpp"
#include "reachd/core/plan.hpp"
#include "reachd/core/traffic.hpp"
#include "reachd/core/verdict.hpp"

#include <optional>
#include <string>
#include <vector>

namespace reachd {

enum class row_answer : std::uint8_t {
    pass,           // every endpoint that it needs is proven as it expects
    fail,           // at least one is proven otherwise
    unproven,       // none fails, some are undecided
    not_configured, // the site has not filled in a value
    not_needed,     // told as not_configured, but the site can be ready without it
};
const char* to_string(row_answer value);
std::optional<row_answer> parse_row_answer(std::string_view word);

enum class site_answer : std::uint8_t {
    ready,     // every row passes
    not_ready, // any fails
    unproven,  // none fails, some are undecided or not configured
};
const char* to_string(site_answer value);

struct endpoint_state {
    std::optional<ip_address> address; // nullopt: the name did not resolve
    std::uint16_t port = 0;
    reachd::transport transport = transport::tcp;
    std::string name;                       // "" for a literal address
    std::string vantage;                    // "" for the routing table's own
    std::vector<std::string> servers;       // DNS servers that gave the address
    std::optional<verdict> without_probing; // settled before any packet: forged or unresolved
    std::vector<observation> seen;          // of the last probe
    // Drawn by evaluate():
    verdict judged;
    bool needed = true; // false: applications would not use it (no route for its family here)
    wall_time since{};
    [[nodiscard]] bool is_same_target(const endpoint_state& other) const;
    [[nodiscard]] bool has_no_route() const; // this machine, for its address's family: seen by the last probe
};

// Neighbouring ports of one destination with the same verdict.
struct run {
    std::string destination;           // as the row names it: a name or an address
    std::vector<ip_address> addresses; // those it stands for
    std::string vantage;
    port_set ports;
    verdict judged;
    bool needed = true;
    bool passes = false;
    bool fails = false;
};

struct row_counts {
    std::size_t total = 0;
    std::size_t pass = 0;
    std::size_t fail = 0;
    std::size_t unproven = 0;
    bool operator==(const row_counts&) const = default;
};

struct row_state {
    std::vector<name_lookup> lookups;
    std::vector<endpoint_state> endpoints;
    std::vector<block_result> samples; // one for each block, port and vantage; rounds added up
    std::vector<idle_result> idle;     // of the last ladder; one for each class
    std::string idle_why;              // of an idle row: why there is none
    inbound_seen inbound;              // of an inbound row
    std::optional<wall_time> checked;  // end of the last round; nullopt: never
    bool measuring = false;            // a round is under way: its verdicts are drawn at the end
    std::string not_run;               // why it was left out of this check; "" when it was not
    std::optional<acknowledgement> acknowledged;
    std::optional<remembered<row_answer>> before_start; // until the row is measured
    bool measured_once = false;                         // a whole round was evaluated; evaluate() notes it
    // Drawn by evaluate():
    row_answer state = row_answer::unproven;
    std::string sentence;
    std::string advice; // what to do next; "" when it passes
    std::vector<std::string> findings;
    std::vector<run> runs;
    row_counts counts;
    wall_time since{};
};

struct site_state {
    std::vector<row_state> rows;
    local_network local;
    reachd::traces traces;         // of hop-limited probes, by flow
    traffic sent;                  // by the engine, all rows together
    std::optional<ip_block> nat64; // prefix of this network's NAT64 (RFC 7050); nullopt: none noticed
    std::optional<remembered<site_answer>> before_start; // until all rows are measured
    // Drawn by evaluate():
    site_answer state = site_answer::unproven;
    std::string sentence;
    std::vector<std::string> findings; // what concerns more than one row
    wall_time since{};
};

// What one evaluation found different from the one before.
struct row_change {
    std::size_t row;
    row_answer before;
    row_answer now;
};

// Draws all verdicts and answers; answers the rows whose state or whose runs' verdicts changed.
std::vector<row_change> evaluate(const plan& what, site_state& site, wall_time now);

// What an endpoint's verdict means for its row.
enum class endpoint_answer : std::uint8_t {
    pass,      // as expected
    fail,      // proven otherwise
    undecided, // neither
};
endpoint_answer
weigh(expectation expect, const verdict& judged, const std::optional<ip_address>& target = std::nullopt);

// --- the steps of evaluate(), each for itself ---

// Looks at each endpoint's neighbours: what a single exchange cannot tell (docs/VERDICTS.md).
void correlate(const plan& what, site_state& site);
// Collapses a row's endpoints into runs, in the order of destinations and ports.
std::vector<run> make_runs(const outbound_row& what, const std::vector<endpoint_state>& endpoints);
// What the samples of a row's blocks prove, as runs: the block itself, and each hole.
std::vector<run> block_runs(const plan& what, const site_state& site, std::size_t row);
// The row's own sentence, and what to do about it.
std::string row_sentence(const plan_row& what, const row_state& row);
std::string row_advice(const plan_row& what, const row_state& row);
std::string site_sentence(const plan& what, const site_state& site);
// In place of each failing row's own advice; "" but where a box of
// the site says that it has no way on.
std::string advice_where_nothing_gets_out(const site_state& site);

struct named_answer {
    std::string id;
    row_answer state{};
};
// "2 of 16 requirements fail: signaling, nlb.", whatever else is known.
std::string count_sentence(const std::vector<named_answer>& rows);

} // namespace reachd
