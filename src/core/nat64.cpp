// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/nat64.hpp"

#include <algorithm>
#include <array>

namespace reachd {

namespace {

constexpr std::array<std::uint8_t, 6> prefix_lengths{96, 64, 56, 48, 40, 32}; // RFC 6052 section 2.2
constexpr std::size_t zero_byte = 8; // bits 64 to 71, "u" in the figure there

// 192.0.0.170 and 192.0.0.171, RFC 7050 section 8.2.
constexpr std::array<std::array<std::uint8_t, 4>, 2> well_known{{{192, 0, 0, 170}, {192, 0, 0, 171}}};

// Where the four bytes of the IPv4 address lie.
std::array<std::size_t, 4> places(std::uint8_t prefix)
{
    std::array<std::size_t, 4> out{};
    std::size_t at = prefix / 8U;
    for (auto& place : out) {
        at += at == zero_byte ? 1 : 0;
        place = at++;
    }
    return out;
}

ip_block block_of(const ip_address& answer, std::uint8_t prefix)
{
    ip_block out{.base = answer, .prefix = prefix};
    std::fill(out.base.bytes.begin() + prefix / 8, out.base.bytes.end(), std::uint8_t{0});
    return out;
}

bool is_synthesised(const ip_address& answer, std::uint8_t prefix)
{
    return std::ranges::any_of(well_known, [&](const auto& v4) {
        ip_address known{.family = family::v4};
        std::ranges::copy(v4, known.bytes.begin());
        return embed(block_of(answer, prefix), known) == answer;
    });
}

} // namespace

std::optional<ip_block> nat64_prefix(std::span<const ip_address> answers)
{
    for (const auto prefix : prefix_lengths) {
        for (const auto& answer : answers) {
            if (!answer.is_v4() && is_synthesised(answer, prefix)) {
                return block_of(answer, prefix);
            }
        }
    }
    return std::nullopt;
}

ip_address embed(const ip_block& prefix, const ip_address& v4)
{
    auto out = block_of(prefix.base, prefix.prefix).base;
    const auto at = places(prefix.prefix);
    for (std::size_t i = 0; i < at.size(); ++i) {
        out.bytes[at[i]] = v4.bytes[i];
    }
    return out;
}

std::optional<ip_block> nat64_after(const name_lookup& found, const std::optional<ip_block>& before)
{
    auto answers = found.servers;
    answers.push_back(found.system);
    bool heard = false;
    std::vector<ip_address> addresses;
    for (const auto& one : answers) {
        heard = heard || one.status == dns_status::answered || one.status == dns_status::no_such_name ||
                one.status == dns_status::no_address;
        for (const auto& given : one.addresses) {
            addresses.push_back(given.address);
        }
    }
    return heard ? nat64_prefix(addresses) : before;
}

std::optional<ip_address> extract(const ip_block& prefix, const ip_address& v6)
{
    if (v6.is_v4() || !prefix.contains(v6)) {
        return std::nullopt;
    }
    ip_address out{.family = family::v4};
    const auto at = places(prefix.prefix);
    for (std::size_t i = 0; i < at.size(); ++i) {
        out.bytes[i] = v6.bytes[at[i]];
    }
    return embed(prefix, out) == v6 ? std::optional{out} : std::nullopt; // a suffix is no synthesis
}

} // namespace reachd
