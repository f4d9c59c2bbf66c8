// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/rotation.hpp"

#include <algorithm>
#include <numeric>
#include <set>

namespace reachd {
namespace {

bool same_run(const endpoint_state& one, const endpoint_state& other)
{
    return one.address == other.address && one.name == other.name && one.vantage == other.vantage &&
           one.judged.kind == other.judged.kind && one.judged.where == other.judged.where;
}

bool is_end_of_run(const std::vector<endpoint_state>& endpoints, std::size_t i)
{
    return i == 0 || i + 1 == endpoints.size() || !same_run(endpoints[i], endpoints[i - 1]) ||
           !same_run(endpoints[i], endpoints[i + 1]);
}

} // namespace

std::vector<std::size_t>
select_round(expectation expect, const std::vector<endpoint_state>& endpoints, rotation& turn)
{
    std::vector<std::size_t> all(endpoints.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    if (endpoints.size() <= whole_up_to || turn.rounds_per_sweep <= 1) {
        return all;
    }
    std::set<std::size_t> chosen;
    std::size_t troubled = 0;
    std::size_t ends = 0;
    for (const auto i : all) {
        const auto& one = endpoints[i];
        if (one.seen.empty() && !one.without_probing) {
            chosen.insert(i);
        } else if (one.needed && weigh(expect, one.judged, one.address) != endpoint_answer::pass) {
            if (troubled < most_troubled) {
                chosen.insert(i);
                ++troubled;
            }
        } else if (is_end_of_run(endpoints, i) && ends < most_ends) {
            chosen.insert(i);
            ++ends;
        }
    }
    const auto share = (endpoints.size() + turn.rounds_per_sweep - 1) / turn.rounds_per_sweep;
    for (std::size_t k = 0; k < share; ++k) {
        chosen.insert((turn.cursor + k) % endpoints.size());
    }
    turn.cursor = (turn.cursor + share) % endpoints.size();
    return {chosen.begin(), chosen.end()};
}

} // namespace reachd
