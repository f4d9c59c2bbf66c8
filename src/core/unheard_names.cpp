// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/unheard_names.hpp"

#include "reachd/core/self_care.hpp"

#include <algorithm>

namespace reachd {

bool lacks_answers(const name_lookup& found)
{
    const auto is_silent = [](const dns_answer& one) { return one.status == dns_status::no_reply; };
    return is_silent(found.system) || std::ranges::any_of(found.servers, is_silent);
}

void blame_standstill(name_lookup& found)
{
    const auto mark = [](dns_answer& one) {
        if (one.status == dns_status::no_reply) {
            one.status = dns_status::not_asked;
            one.detail = stalled_outcome().detail;
        }
    };
    mark(found.system);
    std::ranges::for_each(found.servers, mark);
}

} // namespace reachd
