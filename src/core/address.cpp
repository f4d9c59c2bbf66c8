// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/address.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <fmt/format.h>
#include <utility>

namespace reachd {
namespace {

std::optional<unsigned> parse_number(std::string_view text, unsigned most)
{
    unsigned value = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, value);
    const bool leading_zero = text.size() > 1 && text.front() == '0';
    if (code != std::errc{} || stop != end || leading_zero || value > most) {
        return std::nullopt;
    }
    return value;
}

bool bits_beyond_are_zero(const ip_block& block)
{
    const std::size_t length = block.base.is_v4() ? 32 : 128;
    for (std::size_t bit = block.prefix; bit < length; ++bit) {
        if ((unsigned{block.base.bytes[bit / 8]} >> (7U - bit % 8U)) & 1U) {
            return false;
        }
    }
    return true;
}

// IANA IPv4 and IPv6 special-purpose address registries (RFC 6890 and updates), those entries that
// are not globally reachable, plus multicast and class E.
constexpr const char* special_blocks[] = {
    "0.0.0.0/8",    "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",   "169.254.0.0/16",  "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4",  "240.0.0.0/4",  "::/128",         "::1/128",       "::ffff:0:0/96",   "64:ff9b:1::/48",
    "100::/64",     "2001:2::/48",  "2001:10::/28",   "2001:db8::/32", "3fff::/20",       "fc00::/7",
    "fe80::/10",    "ff00::/8",
};

std::vector<ip_block> make_special_blocks()
{
    std::vector<ip_block> blocks;
    for (const char* text : special_blocks) {
        blocks.push_back(parse_block(text).value());
    }
    return blocks;
}

bool is_label_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '_';
}

} // namespace

const char* to_string(transport value)
{
    switch (value) {
    case transport::tcp: return "tcp";
    case transport::udp: return "udp";
    }
    return "?";
}

std::optional<transport> parse_transport(std::string_view text)
{
    if (text == "tcp") {
        return transport::tcp;
    }
    if (text == "udp") {
        return transport::udp;
    }
    return std::nullopt;
}

std::optional<ip_address> parse_address(std::string_view text)
{
    ip_address address;
    const std::string copy{text}; // inet_pton wants a terminated string
    if (copy.find('\0') != std::string::npos) {
        return std::nullopt;
    }
    if (inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) {
        return address;
    }
    address.family = family::v6;
    if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
        return address;
    }
    return std::nullopt;
}

std::string to_text(const ip_address& address)
{
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(address.is_v4() ? AF_INET : AF_INET6, address.bytes.data(), text, sizeof text);
    return text;
}

bool ip_block::contains(const ip_address& address) const
{
    if (address.family != base.family) {
        return false;
    }
    const std::size_t whole = prefix / 8U;
    if (!std::equal(base.bytes.begin(), base.bytes.begin() + whole, address.bytes.begin())) {
        return false;
    }
    const unsigned rest = prefix % 8U;
    return rest == 0 || (base.bytes[whole] >> (8 - rest)) == (address.bytes[whole] >> (8 - rest));
}

std::optional<ip_block> parse_block(std::string_view text)
{
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto base = parse_address(text.substr(0, slash));
    if (!base) {
        return std::nullopt;
    }
    const auto prefix = parse_number(text.substr(slash + 1), base->is_v4() ? 32 : 128);
    if (!prefix) {
        return std::nullopt;
    }
    const ip_block block{*base, static_cast<std::uint8_t>(*prefix)};
    return bits_beyond_are_zero(block) ? std::optional{block} : std::nullopt;
}

std::string to_text(const ip_block& block)
{
    return fmt::format("{}/{}", to_text(block.base), block.prefix);
}

bool is_special_purpose(const ip_address& address)
{
    static const std::vector<ip_block> blocks = make_special_blocks();
    return std::ranges::any_of(blocks, [&](const ip_block& block) { return block.contains(address); });
}

bool is_host_name(std::string_view text)
{
    if (text.ends_with('.')) {
        text.remove_suffix(1);
    }
    if (text.empty() || text.size() > 253 || parse_address(text)) {
        return false;
    }
    std::size_t length = 0;
    for (std::size_t at = 0; at <= text.size(); ++at) {
        if (at == text.size() || text[at] == '.') {
            if (length == 0 || length > 63 || text[at - 1] == '-' || text[at - length] == '-') {
                return false;
            }
            length = 0;
        } else if (is_label_byte(text[at])) {
            ++length;
        } else {
            return false;
        }
    }
    // A last label of digits only would read as an address that inet_pton refused ("10.1").
    const auto last_dot = text.rfind('.');
    const auto last = last_dot == std::string_view::npos ? text : text.substr(last_dot + 1);
    return !std::ranges::all_of(last, [](char byte) { return byte >= '0' && byte <= '9'; });
}

bool port_set::contains(std::uint16_t port) const
{
    return std::ranges::any_of(ranges, [port](const port_range& range) {
        return range.first <= port && port <= range.last;
    });
}

std::size_t port_set::size() const
{
    std::size_t count = 0;
    for (const auto& range : ranges) {
        count += static_cast<std::size_t>(range.last - range.first) + 1U;
    }
    return count;
}

std::vector<std::uint16_t> port_set::ports() const
{
    std::vector<std::uint16_t> all;
    all.reserve(size());
    for (const auto& range : ranges) {
        for (unsigned port = range.first; port <= range.last; ++port) {
            all.push_back(static_cast<std::uint16_t>(port));
        }
    }
    return all;
}

port_set make_port_set(std::vector<std::uint16_t> ports)
{
    std::ranges::sort(ports);
    port_set set;
    for (const auto port : ports) {
        if (set.ranges.empty() || port > set.ranges.back().last + 1) {
            set.ranges.push_back({port, port});
        } else {
            set.ranges.back().last = port;
        }
    }
    return set;
}

std::optional<port_set> parse_ports(std::string_view text)
{
    std::vector<port_range> ranges;
    while (true) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        const auto dash = part.find('-');
        const auto first = parse_number(part.substr(0, dash), 65535);
        const auto last = dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1), 65535);
        if (!first || !last || *first == 0 || *first > *last) {
            return std::nullopt;
        }
        ranges.push_back({static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)});
        if (comma == std::string_view::npos) {
            break;
        }
        text.remove_prefix(comma + 1);
    }
    std::ranges::sort(ranges);
    port_set set;
    for (const auto& range : ranges) {
        if (set.ranges.empty() || range.first > set.ranges.back().last + 1) {
            set.ranges.push_back(range);
        } else {
            set.ranges.back().last = std::max(set.ranges.back().last, range.last);
        }
    }
    return set;
}

std::string to_text(const port_set& ports)
{
    std::string text;
    for (const auto& range : ports.ranges) {
        text += text.empty() ? "" : ",";
        text += range.first == range.last ? fmt::format("{}", range.first)
                                          : fmt::format("{}-{}", range.first, range.last);
    }
    return text;
}

std::string to_text(const endpoint& where)
{
    const auto form = where.address.is_v4() ? "{} {}:{}" : "{} [{}]:{}";
    return fmt::format(fmt::runtime(form), to_string(where.transport), to_text(where.address), where.port);
}

} // namespace reachd
