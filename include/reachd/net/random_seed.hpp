// SPDX-License-Identifier: Apache-2.0
// random_seed.hpp: a seed that nobody can foresee, for generators whose draws must not be (ports, samples,
// jitter).
#pragma once

#include <cstdint>
#include <random>

namespace reachd {

inline std::uint64_t random_seed()
{
    std::random_device source;
    return (std::uint64_t{source()} << 32) | source();
}

} // namespace reachd
