// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_draw.hpp"

#include <algorithm>
#include <cassert>

namespace reachd {
namespace {

constexpr unsigned smallest_choice = 30; // an IPv4 prefix: of four addresses, at least two may be drawn

void set_bit(ip_address& address, unsigned index, bool value)
{
    const auto mask = static_cast<std::uint8_t>(0x80U >> (index % 8));
    auto& byte = address.bytes[index / 8];
    byte = static_cast<std::uint8_t>(value ? byte | mask : byte & ~mask);
}

bool is_end_of_24(const ip_address& address)
{
    return address.is_v4() && (address.bytes[3] == 0 || address.bytes[3] == 255);
}

} // namespace

unsigned address_bits(family protocol)
{
    return protocol == family::v4 ? 32 : 128;
}

bool bit_at(const ip_address& address, unsigned index)
{
    return ((unsigned{address.bytes[index / 8]} >> (7U - index % 8U)) & 1U) != 0;
}

ip_block enclosing(const ip_address& address, unsigned prefix)
{
    ip_block block{address, static_cast<std::uint8_t>(prefix)};
    for (unsigned bit = prefix; bit < address_bits(address.family); ++bit) {
        set_bit(block.base, bit, false);
    }
    return block;
}

ip_block half_of(const ip_block& block, unsigned which)
{
    assert(block.prefix < address_bits(block.base.family) && which < 2);
    ip_block half{block.base, static_cast<std::uint8_t>(block.prefix + 1U)};
    set_bit(half.base, block.prefix, which == 1);
    return half;
}

ip_block common_block(const ip_address& one, const ip_address& other)
{
    assert(one.family == other.family);
    unsigned prefix = 0;
    while (prefix < address_bits(one.family) && bit_at(one, prefix) == bit_at(other, prefix)) {
        ++prefix;
    }
    return enclosing(one, prefix);
}

bool overlap(const ip_block& one, const ip_block& other)
{
    return one.contains(other.base) || other.contains(one.base);
}

ip_block part_of(const ip_block& block, unsigned bits, unsigned index)
{
    auto part = block;
    for (unsigned left = bits; left > 0; --left) {
        part = half_of(part, (index >> (left - 1)) & 1U);
    }
    return part;
}

std::uint64_t block_random::below(std::uint64_t bound)
{
    assert(bound > 0);
    // The last, incomplete stretch of the 64 bits is drawn again, or small results would be likelier.
    const std::uint64_t incomplete = (0 - bound) % bound; // 2^64 mod bound
    std::uint64_t drawn = engine_();
    while (drawn < incomplete) {
        drawn = engine_();
    }
    return drawn % bound;
}

ip_address block_random::host_in(const ip_block& block)
{
    const unsigned bits = address_bits(block.base.family);
    const bool choice = block.base.is_v4() && block.prefix <= smallest_choice;
    auto host = block.base;
    do {
        std::uint64_t drawn = 0;
        for (unsigned bit = block.prefix; bit < bits; ++bit) {
            const unsigned taken = (bit - block.prefix) % 64;
            drawn = taken == 0 ? engine_() : drawn >> 1U;
            set_bit(host, bit, (drawn & 1U) != 0);
        }
    } while (choice && is_end_of_24(host));
    return host;
}

} // namespace reachd
