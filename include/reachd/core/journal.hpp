// SPDX-License-Identifier: Apache-2.0
// journal.hpp: one entry of the systemd journal in its native form.
//
// Shapes  FIELD=value lines; a value with a line break is sent with its length in front (little endian).
// Errors  none: a name that the journal would refuse is made fit (upper case, A-Z 0-9 _, 64 characters).
// Source  systemd, docs/JOURNAL_NATIVE_PROTOCOL.md.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reachd {

using journal_fields = std::vector<std::pair<std::string, std::string>>;

std::string to_journal_datagram(const journal_fields& fields);
std::string to_journal_name(std::string_view key);

} // namespace reachd
