// SPDX-License-Identifier: Apache-2.0
// fallback.hpp: the ports that clients go to when a row's TLS ports are shut. They are told, not needed.
#pragma once

#include "reachd/core/site_state.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace reachd {

// Ports of the row that its named hosts are probed on only as a fallback.
bool is_fallback(const outbound_row& what, const endpoint_state& one);

// Where the row's named hosts, or its bare addresses, are probed.
std::vector<std::uint16_t> probed_ports(const outbound_row& what, bool named);

struct fallback_answer {
    row_answer state = row_answer::unproven; // pass: every endpoint that applications would use is open
    std::string sentence;                    // "from tcp 5223 clients fall back to 443, which works"
};
// Only for a row with fallback ports.
fallback_answer fallback_of(const outbound_row& what, const row_state& row);

} // namespace reachd
