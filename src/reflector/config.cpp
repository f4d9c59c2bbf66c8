// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/config.hpp"

#include "reachd/core/json.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd::reflector {

namespace {

constexpr std::int64_t most = 1'000'000'000; // of any count: what a machine could do at all

void read_count(object_reader& in, std::string_view key, std::uint32_t& into)
{
    if (const auto value = in.integer(key, 1, most)) {
        into = static_cast<std::uint32_t>(*value);
    }
}

void read_seconds(
    object_reader& in, std::string_view key, seconds& into, std::int64_t least, std::int64_t longest
)
{
    if (const auto value = in.integer(key, least, longest)) {
        into = seconds{*value};
    }
}

void read_limits(object_reader in, limits& into)
{
    in.allow(
        {"source_packets_per_s", "source_burst", "total_packets_per_s", "total_bytes_per_s", "appointments",
         "appointments_per_key", "appointments_per_address", "delay_s", "report_kept_s", "nonces_per_key",
         "tcp_connections", "tcp_connections_per_address", "tcp_idle_s", "connect_backs"}
    );
    read_count(in, "source_packets_per_s", into.source_packets_per_s);
    read_count(in, "source_burst", into.source_burst);
    read_count(in, "total_packets_per_s", into.total_packets_per_s);
    read_count(in, "total_bytes_per_s", into.total_bytes_per_s);
    read_count(in, "appointments", into.appointments);
    read_count(in, "appointments_per_key", into.appointments_per_key);
    read_count(in, "appointments_per_address", into.appointments_per_address);
    read_count(in, "nonces_per_key", into.nonces_per_key);
    read_count(in, "tcp_connections", into.tcp_connections);
    read_count(in, "tcp_connections_per_address", into.tcp_connections_per_address);
    read_count(in, "connect_backs", into.connect_backs);
    constexpr std::int64_t longest_delay = 86400; // a day: no idle timer that anybody asks for is longer
    read_seconds(in, "delay_s", into.delay, 1, longest_delay);
    read_seconds(in, "report_kept_s", into.report_kept, 1, longest_delay);
    read_seconds(in, "tcp_idle_s", into.tcp_idle, 10, 2 * longest_delay);
    if (into.tcp_idle <= into.delay) {
        in.fault("tcp_idle_s", "must be more than delay_s, or connections end before their answer");
    }
}

std::optional<socket_address> read_address(object_reader& in, std::string_view key)
{
    const auto text = in.text(key);
    if (!text) {
        return std::nullopt;
    }
    auto address = parse_socket_address(*text);
    if (!address) {
        in.fault(
            key, "must be ADDRESS:PORT, as 192.0.2.1:3478 or [2001:db8::1]:3478, not " + in_quotes(*text)
        );
    }
    return address;
}

void read_stun(object_reader& in, config& into)
{
    if (const auto word = in.text("stun")) {
        if (*word == "keyed" || *word == "open" || *word == "discovery") {
            into.stun = *word == "keyed" ? stun_access::keyed
                      : *word == "open"  ? stun_access::open
                                         : stun_access::discovery;
        } else {
            in.fault("stun", "must be keyed, open or discovery, not " + in_quotes(*word));
        }
    }
    if (const auto word = in.text("stun_padding")) {
        if (*word != "required" && *word != "not_required") {
            in.fault("stun_padding", "must be required or not_required, not " + in_quotes(*word));
        }
        into.stun_padding_required = *word != "not_required";
    }
}

bool is_loopback(const ip_address& address)
{
    constexpr std::uint8_t v4_loopback = 127;
    if (address.is_v4()) {
        return address.bytes[0] == v4_loopback;
    }
    ip_address one;
    one.family = family::v6;
    one.bytes.back() = 1;
    return address == one;
}

bool is_wildcard(const ip_address& address)
{
    return std::ranges::all_of(address.bytes, [](std::uint8_t byte) { return byte == 0; });
}

} // namespace

parsed<config> parse_config(std::string_view text, std::string_view file)
{
    auto document = parse_json(text, file, comments::allowed);
    if (!document) {
        return std::unexpected(document.error());
    }
    file_faults faults;
    config out;
    object_reader in{*document, document->value, "", std::string{file}, faults};
    in.allow(
        {"listen", "alternate", "key_file", "metrics_file", "allow_unauthenticated_echo", "connect_back",
         "stun", "stun_padding", "limits"}
    );
    const auto listen = in.texts("listen").value_or(std::vector<std::string>{});
    for (std::size_t i = 0; i < listen.size(); ++i) {
        if (const auto address = parse_socket_address(listen[i])) {
            out.listen.push_back(*address);
        } else {
            in.fault_at("listen", i, "must be ADDRESS:PORT, not " + in_quotes(listen[i]));
        }
    }
    out.alternate = read_address(in, "alternate");
    out.key_file = in.text("key_file").value_or("");
    out.metrics_file = in.text("metrics_file").value_or("");
    out.allow_unauthenticated_echo = in.boolean("allow_unauthenticated_echo").value_or(false);
    out.connect_back = in.boolean("connect_back").value_or(false);
    read_stun(in, out);
    if (in.has("limits")) {
        read_limits(in.child("limits"), out.limits);
    }
    if (!faults.empty()) {
        return std::unexpected(std::move(faults));
    }
    return out;
}

std::optional<std::string> why_not_start(const config& what, std::size_t keys)
{
    if (what.listen.empty()) {
        return "no address to listen on: --listen ADDRESS:PORT, or \"listen\" in the configuration";
    }
    if (what.alternate && std::ranges::any_of(what.listen, [&](const socket_address& one) {
            return one.address == what.alternate->address || one.port == what.alternate->port ||
                   one.address.family != what.alternate->address.family || is_wildcard(one.address);
        })) {
        return "with an alternate address every listen address is one of this host's own, of the same "
               "family, "
               "and differs from it in both address and port";
    }
    const bool public_address =
        std::ranges::any_of(what.listen, [](const socket_address& one) { return !is_loopback(one.address); });
    if (!public_address || what.allow_unauthenticated_echo) {
        return std::nullopt;
    }
    if (keys == 0) {
        return "refused: without a key only loopback addresses are served, as anybody could use it against "
               "others. Give a --key-file, or set \"allow_unauthenticated_echo\" (docs/REFLECTOR.md)";
    }
    if (what.stun != stun_access::keyed) {
        return "refused: \"stun\" answers anybody; that needs \"allow_unauthenticated_echo\" as well "
               "(docs/REFLECTOR.md)";
    }
    return std::nullopt;
}

} // namespace reachd::reflector
