// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/payload.hpp"

#include <charconv>
#include <fmt/format.h>

namespace reachd {

namespace {

constexpr std::string_view hex_mark{"hex:"};
constexpr int sixteen = 16;

std::expected<std::string, std::string> from_hex(std::string_view digits)
{
    if (digits.size() % 2 != 0) {
        return std::unexpected{std::string{"must have two hexadecimal digits for each byte after 'hex:'"}};
    }
    std::string bytes;
    for (std::size_t at = 0; at < digits.size(); at += 2) {
        unsigned char byte = 0;
        const char* const end = digits.data() + at + 2;
        const auto [stop, code] = std::from_chars(digits.data() + at, end, byte, sixteen);
        if (code != std::errc{} || stop != end) {
            return std::unexpected{
                fmt::format("must have hexadecimal digits alone after 'hex:', not '{}'", digits.substr(at, 2))
            };
        }
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

} // namespace

std::expected<std::string, std::string> parse_payload(std::string_view text)
{
    auto bytes = text.starts_with(hex_mark) ? from_hex(text.substr(hex_mark.size()))
                                            : std::expected<std::string, std::string>{std::string{text}};
    if (bytes && bytes->size() > max_payload_bytes) {
        return std::unexpected{
            fmt::format("must have at most {} bytes, not {}", max_payload_bytes, bytes->size())
        };
    }
    return bytes;
}

} // namespace reachd
