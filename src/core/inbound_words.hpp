// SPDX-License-Identifier: Apache-2.0
// inbound_words.hpp: words that an inbound row's sentences and its report share.
#pragma once

#include "reachd/core/inbound_result.hpp"

#include <string>
#include <vector>

namespace reachd {

std::vector<std::string> texts_of(const std::vector<ip_address>& addresses);
// Who may connect: "192.0.2.1 and 192.0.2.2".
std::string allowed_text(const inbound& what);
std::string visit_text(const inbound_visit& visit);
// Who tried from where, and what came of it.
std::string knock_text(const inbound_knock& knock);
// The first bytes that a stranger was told, printable.
std::string said_text(const inbound_knock& knock);
// With "; " between, where both say something.
std::string joined(const std::string& one, const std::string& other);

} // namespace reachd
