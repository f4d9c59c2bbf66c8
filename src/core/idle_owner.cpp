// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/idle_owner.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace reachd {
namespace {

constexpr unsigned flows_each = 2;      // one packet that gets lost decides nothing
constexpr unsigned most_unanswered = 3; // the fourth keep-alive cuts Linux's timer to 300 s (tcp_max_retrans)
constexpr int hold_percent = 130;       // of the silence that was lost
constexpr int usual_percent = 40;       // of it, between two refreshes
constexpr int safe_percent = 80;        // of the silence that was survived

enum class trial_answer : std::uint8_t {
    held,
    lost,
    unknown,
};

trial_answer answer_at(std::span<const refreshed_flow> flows, unsigned hops)
{
    std::size_t lost = 0;
    for (const auto& one : flows) {
        if (one.hops == hops && one.grade == idle_grade::inbound) {
            return trial_answer::held;
        }
        lost += one.hops == hops && one.grade == idle_grade::inbound_lost ? 1U : 0U;
    }
    return lost >= flows_each ? trial_answer::lost : trial_answer::unknown;
}

// The first number of hops that holds; nullopt unless lost..lost, held..held.
std::optional<unsigned> first_that_holds(std::span<const refreshed_flow> flows, unsigned last)
{
    std::optional<unsigned> out;
    for (unsigned k = 0; k <= last; ++k) {
        const auto answer = answer_at(flows, k);
        if (answer == trial_answer::unknown || (out && answer == trial_answer::lost)) {
            return std::nullopt;
        }
        if (!out && answer == trial_answer::held) {
            out = k;
        }
    }
    return out;
}

hop hop_at(std::span<const refreshed_flow> flows, const path& way, unsigned number)
{
    for (const auto& one : flows) {
        if (one.hops == number && one.ended_at) {
            return {number, one.ended_at};
        }
    }
    return number >= 1 && number <= way.hops.size() ? way.at(number) : hop{number, std::nullopt};
}

// Whose it is, as far as the edge tells; "" where it does not.
std::string owner_text(const path& way, unsigned from, unsigned to)
{
    if (way.edge == 0) {
        return {};
    }
    return to <= way.edge  ? ", a box of the site"
         : from > way.edge ? ", a box of the provider's or beyond"
                           : ", the site's last box or the provider's first";
}

} // namespace

idle_trial owner_trial(std::optional<duration> held, duration lost, unsigned routers, idle_class which)
{
    idle_trial out;
    out.hold = lost * hold_percent / 100;
    auto every = lost * usual_percent / 100;
    if (held) {
        every = std::min(every, *held * safe_percent / 100);
    }
    if (which == idle_class::tcp) {
        every = std::max(every, out.hold / (most_unanswered + 1));
    }
    for (auto at = every; at < out.hold && out.refresh.size() < 64; at += every) {
        out.refresh.push_back(at);
    }
    if (which == idle_class::tcp && out.refresh.size() > most_unanswered) {
        out.refresh.resize(most_unanswered);
    }
    for (unsigned k = 0; k <= routers + 1; ++k) {
        out.flows.insert(out.flows.end(), flows_each, k);
    }
    return out;
}

path path_of_trial(
    std::span<const refreshed_flow> flows, path known, const local_network& local, const path_config& config
)
{
    for (const auto& one : flows) {
        if (!one.ended_at || one.hops == 0) {
            continue;
        }
        known.hops.resize(std::max<std::size_t>(known.hops.size(), one.hops));
        auto& there = known.hops[one.hops - 1];
        if (!there.address) {
            there.address = one.ended_at;
            ++there.flows;
        }
        if (!config.edge && belongs_to_site(*one.ended_at, one.hops, local, config)) {
            known.edge = std::max(known.edge, one.hops);
        }
    }
    return known;
}

std::string not_looked_for(duration takes, seconds longest)
{
    return fmt::format(
        "which box it is was not looked for: that takes a silence of {}, and longest_s is {}",
        seconds_text(takes), longest.count()
    );
}

idle_owner judge_owner(std::span<const refreshed_flow> flows, const path& way)
{
    idle_owner out;
    if (flows.empty()) {
        return out;
    }
    const auto last = std::ranges::max(flows, {}, &refreshed_flow::hops).hops;
    if (answer_at(flows, 0) == trial_answer::held) {
        out.sentence = "which box it is was not to be told: the next time it held";
        return out;
    }
    if (answer_at(flows, last) != trial_answer::held) {
        out.sentence =
            "which box it is was not to be told: flows that were kept busy all the way were lost as well";
        return out;
    }
    const auto first = first_that_holds(flows, last);
    if (!first) {
        out.sentence =
            "which box it is was not to be told: refreshes that end at one hop and at the next contradict "
            "each other";
        return out;
    }
    const auto here = hop_at(flows, way, *first);
    if (*first == 1) {
        out.where = location{.at = here, .after = {}, .before = {}};
        out.sentence = fmt::format(
            "refreshes that end at {} keep it: it is that box{}", describe(here), owner_text(way, 1, 1)
        );
        return out;
    }
    const auto nearer = hop_at(flows, way, *first - 1);
    out.where = location{.at = {}, .after = nearer, .before = here};
    out.sentence =
        *first == last
            ? fmt::format(
                  "only what reaches the reflector keeps it, not refreshes that end at {}: it is that box or "
                  "one beyond it{}",
                  describe(nearer), owner_text(way, *first - 1, *first)
              )
            : fmt::format(
                  "refreshes that end at {} keep it, those that end at {} do not: it is the former, or the "
                  "latter where that box counts only what it passes on{}",
                  describe(here), describe(nearer), owner_text(way, *first - 1, *first)
              );
    return out;
}

} // namespace reachd
