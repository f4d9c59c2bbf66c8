// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/schedule.hpp"

#include <algorithm>

namespace reachd {
namespace {

constexpr unsigned most_doublings = 3; // eight intervals

} // namespace

schedule::schedule(
    const std::vector<std::size_t>& rows, std::chrono::seconds interval, time_point now, std::uint64_t seed
)
    : interval_{interval}, random_{seed}
{
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto offset = duration{interval} * i / rows.size();
        entries_.push_back({.row = rows[i], .when = now + offset});
    }
}

std::optional<schedule::due> schedule::next_due() const
{
    std::optional<due> first;
    for (const auto& one : entries_) {
        if (!one.running && (!first || one.when < first->when)) {
            first = due{one.row, one.when};
        }
    }
    return first;
}

void schedule::started(std::size_t row)
{
    if (auto* one = find(row)) {
        one->running = true;
    }
}

void schedule::finished(std::size_t row, round_result how, time_point now)
{
    auto* one = find(row);
    if (!one) {
        return;
    }
    one->running = false;
    one->back_off = how == round_result::still_the_same ? std::min(one->back_off + 1, most_doublings) : 0;
    std::uniform_real_distribution<double> factor{0.9, 1.1};
    const auto pause = duration{interval_} * (1U << one->back_off);
    one->when = one->hurried ? now : now + std::chrono::duration_cast<duration>(pause * factor(random_));
    one->hurried = false;
}

void schedule::no_later(std::size_t row, time_point when)
{
    if (auto* one = find(row)) {
        one->when = std::min(one->when, when);
    }
}

void schedule::hurry(std::size_t row, time_point now)
{
    if (auto* one = find(row)) {
        one->when = now;
        one->back_off = 0;
        one->hurried = one->running;
    }
}

schedule::entry* schedule::find(std::size_t row)
{
    const auto found = std::ranges::find(entries_, row, &entry::row);
    return found == entries_.end() ? nullptr : &*found;
}

} // namespace reachd
