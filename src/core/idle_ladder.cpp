// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/idle_ladder.hpp"

#include <algorithm>
#include <array>

namespace reachd {
namespace {

using namespace std::chrono_literals;

// Between and beyond the timers that vendors ship (30, 60, 120, 180, 240, 300, 350, 600, 900, 1800, 3600 s).
constexpr std::array udp_rungs{15s, 20s, 25s, 30s, 35s, 45s, 55s, 60s, 65s, 75s, 90s, 120s, 150s, 180s, 300s};
constexpr std::array tcp_rungs{60s,  120s, 180s, 240s, 300s, 350s,  420s, 480s,
                               600s, 660s, 720s, 780s, 900s, 1800s, 3600s};
constexpr seconds usual_guard{2};
constexpr seconds usual_stagger{37}; // no divisor of a rung: deaths by age and by the clock differ
constexpr int stagger_share = 4;     // of a short ladder

std::vector<seconds> usual_rungs(idle_class which)
{
    return which == idle_class::tcp ? std::vector<seconds>{tcp_rungs.begin(), tcp_rungs.end()}
                                    : std::vector<seconds>{udp_rungs.begin(), udp_rungs.end()};
}

// The silences of the first ladder, ascending, each once.
std::vector<seconds> silences(const idle_need& need)
{
    const auto guard = guard_of(need.required);
    auto all = need.rungs.empty() ? usual_rungs(need.which) : need.rungs;
    const auto longest = need.longest       ? *need.longest
                       : need.rungs.empty() ? usual_longest(need.which, need.required)
                                            : need.rungs.back();
    std::erase_if(all, [&](seconds one) { return one > longest; });
    all.insert(all.end(), {need.required - guard, need.required, need.required + guard});
    std::erase_if(all, [](seconds one) { return one <= seconds::zero(); });
    std::ranges::sort(all);
    const auto twice = std::ranges::unique(all);
    all.erase(twice.begin(), twice.end());
    return all;
}

} // namespace

const char* class_word(idle_class value)
{
    switch (value) {
    case idle_class::tcp: return nullptr;
    case idle_class::udp_single: return "single";
    case idle_class::udp_stream: return "stream";
    }
    return nullptr;
}

transport transport_of(idle_class value)
{
    return value == idle_class::tcp ? transport::tcp : transport::udp;
}

const char* to_string(idle_grade value)
{
    switch (value) {
    case idle_grade::inbound: return "inbound";
    case idle_grade::inbound_lost: return "inbound_lost";
    case idle_grade::outbound: return "outbound";
    case idle_grade::outbound_lost: return "outbound_lost";
    case idle_grade::none: return "none";
    }
    return "?";
}

bool has_held(idle_grade value)
{
    return value == idle_grade::inbound || value == idle_grade::outbound;
}

bool was_lost(idle_grade value)
{
    return value == idle_grade::inbound_lost || value == idle_grade::outbound_lost;
}

const char* to_string(after_expiry value)
{
    switch (value) {
    case after_expiry::recreates: return "re-creates";
    case after_expiry::remaps: return "re-maps";
    case after_expiry::resets: return "resets";
    case after_expiry::drops: return "drops";
    }
    return "?";
}

idle_reading not_opened(duration hold, unsigned turn, const std::string& why, time_point now)
{
    return {
        .idle = hold,
        .grade = idle_grade::none,
        .reason = "it could not be opened: " + why,
        .begun = now,
        .tested = now,
        .turn = turn,
    };
}

seconds guard_of(seconds required)
{
    return required > 2 * usual_guard ? usual_guard : 1s;
}

seconds usual_longest(idle_class which, seconds required)
{
    const auto quarter_more = required + required / 4;
    return which == idle_class::tcp ? quarter_more : std::max<seconds>(quarter_more, 5min);
}

duration stagger_of(const idle_need& need)
{
    return std::min<duration>(usual_stagger, std::max<duration>(1s, silences(need).back() / stagger_share));
}

std::vector<idle_rung> first_rungs(const idle_need& need)
{
    const auto all = silences(need);
    const auto later = stagger_of(need);
    std::vector<idle_rung> out;
    for (const auto one : all) {
        out.push_back({.hold = one});
    }
    // Three flows of the required time: one packet that gets lost decides nothing.
    out.push_back({.hold = need.required});
    out.push_back({.hold = need.required, .start = later});
    // Half way between the others: a closer bracket, and flows that span the moment at which the first
    // ladder's died.
    const auto guard = guard_of(need.required);
    for (std::size_t i = 1; i < all.size(); ++i) {
        if (all[i] - all[i - 1] > guard) {
            out.push_back({.hold = duration{all[i - 1] + all[i]} / 2, .start = later});
        }
    }
    return out;
}

std::vector<idle_rung> refine_rungs(duration survived, duration lost)
{
    std::vector<idle_rung> out;
    for (unsigned i = 1; i <= rungs_of_refinement && lost > survived; ++i) {
        out.push_back({.hold = survived + (lost - survived) * i / (rungs_of_refinement + 1)});
    }
    return out;
}

duration length_of(const std::vector<idle_rung>& rungs)
{
    duration out{};
    for (const auto& one : rungs) {
        out = std::max(out, one.start + one.hold);
    }
    return out;
}

} // namespace reachd
