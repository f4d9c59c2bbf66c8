// SPDX-License-Identifier: Apache-2.0
// block_draw.hpp: parts of an address block, and hosts drawn from it with a seed.
//
// Shapes  A block of prefix p has two halves of prefix p + 1, down to single addresses.
//         The same seed draws the same hosts with every standard library: the engine is std::mt19937_64,
//         whose output the standard fixes; std::uniform_int_distribution and std::shuffle are not used.
// Limits  .0 and .255 of an IPv4 /24 are not drawn where there is a choice (a part of /30 or larger):
//         filters and routers treat network and broadcast addresses apart.
#pragma once

#include "reachd/core/address.hpp"

#include <cstdint>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace reachd {

// 32 or 128.
unsigned address_bits(family protocol);
bool bit_at(const ip_address& address, unsigned index); // 0 is the first on the wire

// The block of that prefix that holds the address.
ip_block enclosing(const ip_address& address, unsigned prefix);
// The lower (0) or upper (1) half of a block that is larger than one address.
ip_block half_of(const ip_block& block, unsigned which);
// The smallest block that holds both.
ip_block common_block(const ip_address& one, const ip_address& other);
bool overlap(const ip_block& one, const ip_block& other);
// The part number `index` of 2^bits equal ones.
ip_block part_of(const ip_block& block, unsigned bits, unsigned index);

class block_random {
public:
    explicit block_random(std::uint64_t seed) : engine_{seed} {}

    // Uniform in [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound);
    ip_address host_in(const ip_block& block);

    template <class T>
    void shuffle(std::vector<T>& all)
    {
        for (std::size_t i = all.size(); i > 1; --i) {
            std::swap(all[i - 1], all[below(i)]);
        }
    }

private:
    std::mt19937_64 engine_;
};

} // namespace reachd
