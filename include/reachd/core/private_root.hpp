// SPDX-License-Identifier: Apache-2.0
// private_root.hpp: a certificate whose root is not trusted here, and may rightly be the vendor's own.
//
// Use     After judge(), for a row that names the owners of private roots (`tls_roots`).
// Limits  Anybody can write the owner's name into a chain: it acquits nobody, so the verdict is unproven.
#pragma once

#include "reachd/core/verdict.hpp"

#include <span>
#include <string>
#include <vector>

namespace reachd {

// Turns `intercepted` into `unproven` where the chain's only fault is a missing root of one of `owners`.
void doubt_missing_root(
    verdict& judged, std::span<const observation> seen, const std::vector<std::string>& owners
);

} // namespace reachd
