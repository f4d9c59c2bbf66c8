// SPDX-License-Identifier: Apache-2.0
// block_bound.hpp: how much of a block may still be blocked, after so many samples.
//
// Use     upper_share(0, 256, doubt) is 0.0116: with 95 % confidence less than 1.2 % is blocked.
// Shapes  One-sided, exact (Clopper-Pearson). With no failure it is 1 - doubt^(1/n). For a stratified
//         sample of equal strata it errs to the safe side while n * share >= blocked + 1 (Hoeffding 1956).
// Errors  none: no sample bounds nothing, and the answer is 1.
// Source  Clopper and Pearson 1934; docs/VERDICTS.md, "Blocks of addresses".
#pragma once

#include <cstdint>
#include <string>

namespace reachd {

inline constexpr double doubt = 0.05; // one-sided: 95 % confidence

// The largest share p at which at most `blocked` failures in `n` draws still have the chance `chance`.
double upper_share(std::uint64_t blocked, std::uint64_t n, double chance);

// "1.2 %": two digits, rounded up, as it is said after "less than".
std::string percent_above(double share);

} // namespace reachd
