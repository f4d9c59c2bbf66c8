// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/availability.hpp"

#include <algorithm>

namespace reachd {
namespace {

// Adds what follows; neighbours of one record are one span.
void append(std::vector<state_span>& timeline, state_span next)
{
    if (next.to <= next.from) {
        return;
    }
    if (!timeline.empty() && timeline.back().is == next.is && timeline.back().record == next.record) {
        timeline.back().to = next.to;
    } else {
        timeline.push_back(next);
    }
}

milliseconds overlap(const state_span& one, wall_time from, wall_time to)
{
    return std::max(milliseconds{0}, std::min(one.to, to) - std::max(one.from, from));
}

} // namespace

const char* to_string(standing value)
{
    switch (value) {
    case standing::up: return "up";
    case standing::down: return "down";
    case standing::unproven: return "unproven";
    case standing::unknown: return "unknown";
    }
    return "?";
}

standing standing_of(std::string_view state)
{
    return state == "pass" || state == "ready"     ? standing::up
         : state == "fail" || state == "not_ready" ? standing::down
                                                   : standing::unproven;
}

std::vector<state_point> drop_overtaken(std::vector<state_point> points)
{
    std::ranges::sort(points, {}, &state_point::record);
    auto earliest = wall_time::max(); // of those written later
    for (auto one = points.rbegin(); one != points.rend(); ++one) {
        earliest = std::min(earliest, one->at);
        one->record = one->at > earliest ? 0 : one->record;
    }
    std::erase_if(points, [](const state_point& one) { return one.record == 0; });
    return points;
}

std::vector<state_span> make_timeline(
    std::span<const state_point> points, std::span<const watch_span> watched, wall_time from, wall_time to
)
{
    std::vector<state_span> timeline;
    auto done = from;
    auto next = points.begin();
    for (const auto& watch : watched) {
        // The first word of this daemon: what the one before knew ended with it.
        while (next != points.end() && next->at < watch.from) {
            ++next;
        }
        for (; next != points.end() && next->at <= watch.to; ++next) {
            const auto follower = std::next(next);
            const bool more = follower != points.end() && follower->at <= watch.to;
            const auto ends = std::min(to, more ? follower->at : watch.to);
            const auto begins = std::max(done, next->at);
            if (ends <= begins) {
                continue;
            }
            append(timeline, {.from = done, .to = begins});
            append(
                timeline,
                {.from = begins, .to = ends, .is = next->is, .since = next->since, .record = next->record}
            );
            done = ends;
        }
    }
    append(timeline, {.from = done, .to = to});
    return timeline;
}

std::optional<double> availability::share_up() const
{
    const auto known = up + down;
    return known.count() > 0
             ? std::optional{static_cast<double>(up.count()) / static_cast<double>(known.count())}
             : std::nullopt;
}

double availability::coverage() const
{
    return window.count() > 0 ? static_cast<double>((up + down).count()) / static_cast<double>(window.count())
                              : 0.0;
}

availability measure(std::span<const state_span> timeline, wall_time from, wall_time to)
{
    availability out{.window = std::max(milliseconds{0}, to - from)};
    for (const auto& one : timeline) {
        const auto length = overlap(one, from, to);
        switch (one.is) {
        case standing::up: out.up += length; break;
        case standing::down: out.down += length; break;
        case standing::unproven: out.unproven += length; break;
        case standing::unknown: out.unknown += length; break;
        }
    }
    out.unknown = out.window - out.up - out.down - out.unproven; // what the timeline does not reach
    return out;
}

std::vector<outage> outages(std::span<const state_span> timeline)
{
    std::vector<outage> out;
    bool open = false;
    milliseconds gap{}; // unwatched, since the last word of an outage
    for (const auto& one : timeline) {
        if (one.is == standing::unknown) {
            gap += one.to - one.from;
            continue;
        }
        if (open && one.is != standing::down) {
            out.back().end = one.from;
            out.back().ended_as = one.is;
            out.back().unwatched += gap;
            open = false;
        } else if (one.is == standing::down && open) {
            out.back().unwatched += gap;
        } else if (one.is == standing::down) {
            const bool began_before = one.since != wall_time{} && one.since < one.from;
            out.push_back({.start = began_before ? one.since : one.from, .record = one.record});
            open = true;
        }
        gap = {};
    }
    return out;
}

} // namespace reachd
