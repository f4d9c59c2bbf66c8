// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/history.hpp"

#include <algorithm>
#include <array>

namespace reachd {
namespace {

constexpr std::array all_kinds{
    record_kind::site,    record_kind::requirement, record_kind::endpoint, record_kind::idle,
    record_kind::address, record_kind::block,       record_kind::start,    record_kind::stop,
    record_kind::reload,  record_kind::acknowledge,
};

std::optional<microseconds> median(std::vector<microseconds>& list)
{
    if (list.empty()) {
        return std::nullopt;
    }
    const auto middle = list.begin() + static_cast<std::ptrdiff_t>(list.size() / 2);
    std::ranges::nth_element(list, middle);
    return *middle;
}

template <class Choose>
void take(std::optional<microseconds>& into, const std::optional<microseconds>& one, Choose choose)
{
    if (one) {
        into = into ? choose(*into, *one) : *one;
    }
}

void add(round_sample& into, const round_sample& one)
{
    into.rounds += one.rounds;
    into.rounds_pass += one.rounds_pass;
    into.rounds_fail += one.rounds_fail;
    into.pass += one.pass;
    into.fail += one.fail;
    into.unproven += one.unproven;
    take(into.rtt_min, one.rtt_min, [](auto a, auto b) { return std::min(a, b); });
    take(into.rtt_max, one.rtt_max, [](auto a, auto b) { return std::max(a, b); });
}

} // namespace

const char* to_string(record_kind value)
{
    switch (value) {
    case record_kind::site: return "site";
    case record_kind::requirement: return "requirement";
    case record_kind::endpoint: return "endpoint";
    case record_kind::idle: return "idle";
    case record_kind::address: return "address";
    case record_kind::block: return "block";
    case record_kind::start: return "start";
    case record_kind::stop: return "stop";
    case record_kind::reload: return "reload";
    case record_kind::acknowledge: return "acknowledge";
    }
    return "?";
}

std::optional<record_kind> parse_record_kind(std::string_view text)
{
    const auto found = std::ranges::find(all_kinds, text, [](record_kind one) { return to_string(one); });
    return found == all_kinds.end() ? std::nullopt : std::optional{*found};
}

const char* to_string(sample_width value)
{
    switch (value) {
    case sample_width::round: return "round";
    case sample_width::hour: return "hour";
    case sample_width::day: return "day";
    }
    return "?";
}

wall_time beginning_of(wall_time at, sample_width width)
{
    switch (width) {
    case sample_width::round: return at;
    case sample_width::hour: return std::chrono::floor<std::chrono::hours>(at);
    case sample_width::day: return std::chrono::floor<std::chrono::days>(at);
    }
    return at;
}

std::vector<round_sample> compact(const std::vector<round_sample>& fine, sample_width into)
{
    std::vector<round_sample> out;
    std::vector<microseconds> medians;
    for (const auto& one : fine) {
        const auto begins = beginning_of(one.at, into);
        if (!out.empty() && out.back().at == begins) {
            add(out.back(), one);
        } else {
            out.push_back(one);
            out.back().at = begins;
            out.back().width = into;
            medians.clear();
        }
        if (one.rtt_median) {
            medians.push_back(*one.rtt_median);
        }
        out.back().rtt_median = median(medians);
    }
    return out;
}

std::size_t history_batch::size() const
{
    return records.size() + samples.size() + sightings.size() + notes.size() + visits.size();
}

} // namespace reachd
