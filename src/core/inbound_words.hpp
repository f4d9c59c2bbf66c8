// SPDX-License-Identifier: Apache-2.0
// inbound_words.hpp: words that an inbound row's sentences and its report share.
#pragma once

#include "reachd/core/inbound_result.hpp"

#include <string>

namespace reachd {

// The first bytes that a stranger was told, printable.
std::string said_text(const inbound_knock& knock);

} // namespace reachd
