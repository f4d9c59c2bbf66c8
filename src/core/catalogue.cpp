// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/catalogue.hpp"

#include "reachd/core/json.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {
namespace {

constexpr std::size_t max_id_bytes = 64;

// IPv4 "this network", multicast and class E, IPv6 :: and multicast: no connection goes there.
bool is_unicast(const ip_address& address)
{
    const auto first = address.bytes[0];
    if (address.is_v4()) {
        return first != 0 && first < 224;
    }
    return first != 0xFF && address != ip_address{.family = family::v6};
}

// "10.1.2.3/8" -> "10.0.0.0/8", or nothing when the text is no address and length at all.
std::optional<std::string> block_without_host_bits(std::string_view text)
{
    const auto slash = text.find('/');
    auto base = slash == std::string_view::npos ? std::nullopt : parse_address(text.substr(0, slash));
    if (!base) {
        return std::nullopt;
    }
    const std::size_t length = base->is_v4() ? 32 : 128;
    // From the longest length down: the one that is written, with its host bits cleared, parses.
    for (std::size_t bit = length; bit-- > 0;) {
        const auto mask = static_cast<std::uint8_t>(~(1U << (7 - bit % 8)));
        base->bytes[bit / 8] = static_cast<std::uint8_t>(base->bytes[bit / 8] & mask);
        auto candidate = fmt::format("{}{}", to_text(*base), text.substr(slash));
        if (parse_block(candidate)) {
            return candidate;
        }
    }
    return std::nullopt;
}

bool ends_in_port(std::string_view text)
{
    const auto colon = text.rfind(':');
    return colon != std::string_view::npos && text.find(':') == colon && parse_ports(text.substr(colon + 1));
}

// Why `text` is no place to send a probe to; `allowed` is what it should have been.
std::optional<std::string> where_fault(std::string_view text, std::string_view allowed)
{
    if (const auto where = parse_destination(text)) {
        const auto* address = std::get_if<ip_address>(&*where);
        const auto* block = std::get_if<ip_block>(&*where);
        const bool multicast = (address != nullptr && !is_unicast(*address)) ||
                               (block != nullptr && block->prefix >= 4 && !is_unicast(block->base));
        return multicast ? std::optional{fmt::format("{} is nothing that one can connect to", text)}
                         : std::nullopt;
    }
    if (text.find("://") != std::string_view::npos) {
        return fmt::format("{} is a URL: give its host name alone", in_quotes(text));
    }
    if (const auto block = block_without_host_bits(text)) {
        return fmt::format("{} has bits below its prefix; did you mean '{}'?", in_quotes(text), *block);
    }
    if (ends_in_port(text)) {
        return fmt::format("{} carries a port: give ports under their own key", in_quotes(text));
    }
    return fmt::format("must be {}, not {}", allowed, in_quotes(text));
}

} // namespace

const char* to_string(expectation value)
{
    switch (value) {
    case expectation::service: return "service";
    case expectation::path: return "path";
    case expectation::blocked: return "blocked";
    }
    return "?";
}

const char* to_string(role value)
{
    switch (value) {
    case role::primary: return "primary";
    case role::disaster_recovery: return "disaster_recovery";
    }
    return "?";
}

const char* to_string(value_type value)
{
    switch (value) {
    case value_type::port: return "port";
    case value_type::ports: return "ports";
    case value_type::addresses: return "addresses";
    }
    return "?";
}

std::string to_text(const destination& where)
{
    if (const auto* address = std::get_if<ip_address>(&where)) {
        return to_text(*address);
    }
    if (const auto* block = std::get_if<ip_block>(&where)) {
        return to_text(*block);
    }
    return std::get<std::string>(where);
}

std::optional<destination> parse_destination(std::string_view text)
{
    if (const auto address = parse_address(text)) {
        return *address;
    }
    if (const auto block = parse_block(text)) {
        return *block;
    }
    if (is_host_name(text)) {
        return std::string{text};
    }
    return std::nullopt;
}

bool is_id(std::string_view text)
{
    const auto is_plain = [](char byte) {
        return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
    };
    return !text.empty() && text.size() <= max_id_bytes && is_plain(text.front()) &&
           std::ranges::all_of(text, [&](char byte) { return is_plain(byte) || byte == '-'; });
}

std::optional<std::string> destination_fault(std::string_view text)
{
    return where_fault(text, "an address, a block or a host name");
}

std::optional<std::string> value_fault(value_type type, std::string_view text)
{
    const auto ports = type == value_type::addresses ? std::nullopt : parse_ports(text);
    switch (type) {
    case value_type::port:
        return ports && ports->size() == 1
                 ? std::nullopt
                 : std::optional{fmt::format("must be one port, 1 to 65535, not {}", in_quotes(text))};
    case value_type::ports:
        return ports
                 ? std::nullopt
                 : std::optional{fmt::format("must be ports like '80,4200-4208', not {}", in_quotes(text))};
    case value_type::addresses:
        return parse_block(text)
                 ? std::optional{fmt::format("must be an address or a host name, not the block {}", text)}
                 : where_fault(text, "an address or a host name");
    }
    return std::nullopt;
}

} // namespace reachd
