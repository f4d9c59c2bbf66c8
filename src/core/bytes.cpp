// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/bytes.hpp"

#include "reachd/core/socket_address.hpp"

#include <charconv>
#include <fmt/format.h>

namespace reachd {

bool equal_in_constant_time(byte_view one, byte_view other)
{
    if (one.size() != other.size()) {
        return false;
    }
    std::uint8_t difference = 0;
    for (std::size_t i = 0; i < one.size(); ++i) {
        difference = static_cast<std::uint8_t>(difference | (one[i] ^ other[i]));
    }
    return difference == 0;
}

std::optional<socket_address> parse_socket_address(std::string_view text)
{
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    auto host = text.substr(0, colon);
    const auto digits = text.substr(colon + 1);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    const auto address = parse_address(host);
    std::uint16_t port = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    const bool whole = code == std::errc{} && end == digits.data() + digits.size() && !digits.empty();
    if (!address || address->is_v4() == bracketed || !whole || port == 0) {
        return std::nullopt;
    }
    return socket_address{.address = *address, .port = port};
}

std::string to_text(const socket_address& where)
{
    return fmt::format(
        fmt::runtime(where.address.is_v4() ? "{}:{}" : "[{}]:{}"), to_text(where.address), where.port
    );
}

} // namespace reachd
