// SPDX-License-Identifier: Apache-2.0
// self_care.hpp: this program's own troubles, judged from its clocks and its failures, so that the network is
// not blamed for them.
//
// Use     looked() several times a second, failed() and counted() as it happens; findings() at any time.
// Shapes  A trouble lasts until it was not seen for `self_trouble_lasts` (a step of the clock: longer).
// Units   `due` and `now` are steady; a reading's `wall` is only compared with other readings.
// Limits  64 stalls are remembered; a look every quarter of a second sees stalls from half a second on whole.
// Source  clock_gettime(2): CLOCK_BOOTTIME goes on while the machine is suspended, CLOCK_MONOTONIC does not;
//         both go on while a process is stopped or has no turn.
#pragma once

#include "reachd/core/observation.hpp"

#include <array>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace reachd {

enum class self_trouble : std::uint8_t {
    event_loop_lag, // the process had no turn, was suspended, or has too much to do
    no_descriptors, // EMFILE, ENFILE, or nearly
    no_memory,      // ENOMEM, ENOBUFS, bad_alloc
    clock,          // the wall clock was set, or is plainly wrong
};
inline constexpr std::array all_self_troubles{
    self_trouble::event_loop_lag, self_trouble::no_descriptors, self_trouble::no_memory, self_trouble::clock
};
const char* to_string(self_trouble value);

inline constexpr milliseconds self_look_interval{250};
inline constexpr seconds event_loop_lag_limit{1}; // above it verdicts come late and exchanges may break
inline constexpr seconds clock_step_limit{3};     // NTP slews less by far (adjtimex(2): 500 ppm)
// Probes that waited are asked again within a few seconds; what lasts longer comes again.
inline constexpr seconds self_trouble_lasts{30};
inline constexpr std::chrono::minutes clock_step_lasts{
    10
}; // evidence from before and after lies side by side
// Of its time limit an exchange may lose this part and its silence still counts.
inline constexpr int stall_share = 3;

struct clock_reading {
    time_point now;    // CLOCK_MONOTONIC
    duration asleep{}; // by which CLOCK_BOOTTIME is ahead of it
    wall_time wall{};
};

struct descriptor_count {
    std::size_t open = 0;
    std::size_t limit = 0;
};

struct self_finding {
    self_trouble what = self_trouble::event_loop_lag;
    wall_time since{};
    std::string sentence;
    bool operator==(const self_finding&) const = default;
};

// {"trouble", "since", "sentence"} of each.
nlohmann::json to_json(const std::vector<self_finding>& findings);

// What an exchange is worth whose waiting time was cut into.
not_measured stalled_outcome();

class self_care {
public:
    // `made`: the day on which this program was made; no clock that is right says an earlier one.
    explicit self_care(wall_time made) : made_{made} {}

    // How often the wall clock was set: what has times from before cannot be compared with what comes after.
    [[nodiscard]] unsigned clock_steps() const { return clock_steps_; }
    // A look at the clocks that was due then.
    void looked(time_point due, const clock_reading& at);
    // Something could not be done on this machine.
    void failed(local_cause why, const clock_reading& at);
    void counted(const descriptor_count& seen, const clock_reading& at);

    // For how long this process stood still between `since` and `at`; the next look is due at `next_look`.
    [[nodiscard]] duration stood_still(time_point since, time_point next_look, const clock_reading& at) const;
    [[nodiscard]] std::vector<self_finding> findings(time_point now) const;

private:
    struct stall {
        time_point from;
        time_point to;
        duration asleep{};
    };
    struct memory {
        std::optional<time_point> until;
        wall_time since{};
        duration worst{};
        std::string sentence;
    };
    memory& renew(self_trouble what, duration lasts, const clock_reading& at);
    void compare_clocks(const clock_reading& at);

    wall_time made_;
    std::optional<clock_reading> last_;
    unsigned clock_steps_ = 0;
    std::deque<stall> stalls_;
    std::array<memory, all_self_troubles.size()> memories_;
};

} // namespace reachd
