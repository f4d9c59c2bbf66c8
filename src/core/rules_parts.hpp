// SPDX-License-Identifier: Apache-2.0
// rules_parts.hpp: the rules of one outbound row: of all of it, or of what fails.
#pragma once

#include "reachd/core/rules.hpp"

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

namespace reachd::rule_parts {

std::string key_of(const plan_row& row); // "catalogue/id"

template <class T>
void add_once(std::vector<T>& list, const std::type_identity_t<T>& one)
{
    if (std::ranges::find(list, one) == list.end()) {
        list.push_back(one);
    }
}

// `found` may be null: names then have no addresses.
allow_rule whole_rule(const plan_row& row, const outbound_row& what, const found_row* found);

// What fails of a row: ports joined for each destination, then destinations joined that lack the same.
// What no rule would mend becomes a note.
std::vector<allow_rule> failing_rules(
    const plan_row& row, const outbound_row& what, const found_row& found, std::vector<rule_note>& notes
);

} // namespace reachd::rule_parts
