// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/older_answers.hpp"

#include "reachd/core/groups.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace reachd {
namespace {

using place = std::pair<std::string, ip_address>; // an address as seen from one vantage

// When its silence began; of several the first.
std::map<place, wall_time>
silences_of(const std::vector<endpoint_state>& endpoints, const std::vector<std::size_t>& fell_silent)
{
    std::map<place, wall_time> out;
    for (const auto index : fell_silent) {
        const auto& one = endpoints[index];
        if (one.address && look_at(one) == first_look::silent) {
            const auto [at, is_new] = out.try_emplace({one.vantage, *one.address}, one.seen.front().at);
            at->second = std::min(at->second, one.seen.front().at);
        }
    }
    return out;
}

bool is_answering(const endpoint_state& one)
{
    const auto look = look_at(one);
    return one.address && one.transport == transport::tcp &&
           (look == first_look::connected || look == first_look::refused || look == first_look::trusted);
}

} // namespace

std::vector<std::vector<std::size_t>> answers_before_silence(
    const std::vector<endpoint_state>& endpoints, const std::vector<std::size_t>& fell_silent
)
{
    std::vector<std::vector<std::size_t>> out;
    for (const auto& [where, since] : silences_of(endpoints, fell_silent)) {
        std::vector<std::size_t> older;
        bool confirmed = false;
        for (std::size_t i = 0; i < endpoints.size(); ++i) {
            const auto& one = endpoints[i];
            if (is_answering(one) && place{one.vantage, *one.address} == where) {
                older.push_back(i);
                confirmed = confirmed || one.seen.back().at >= since;
            }
        }
        if (!confirmed && !older.empty()) {
            std::ranges::stable_sort(older, {}, [&](std::size_t i) { return endpoints[i].port; });
            out.push_back(std::move(older));
        }
    }
    return out;
}

bool has_answers_before_silence(
    const std::vector<endpoint_state>& others, const std::vector<endpoint_state>& endpoints,
    const std::vector<std::size_t>& fell_silent
)
{
    const auto silences = silences_of(endpoints, fell_silent);
    return std::ranges::any_of(others, [&](const endpoint_state& one) {
        const auto found = is_answering(one) ? silences.find({one.vantage, *one.address}) : silences.end();
        return found != silences.end() && one.seen.back().at < found->second;
    });
}

} // namespace reachd
