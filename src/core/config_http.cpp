// SPDX-License-Identifier: Apache-2.0
#include "config_http.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {
namespace {

constexpr std::size_t max_hosts = 16;
constexpr std::size_t max_path_bytes = 107; // unix(7), sun_path
constexpr std::string_view unix_prefix = "unix:";

bool is_loopback(const ip_address& address)
{
    constexpr unsigned char v4_net = 127; // RFC 1122 section 3.2.1.3 (g)
    return address.is_v4() ? address.bytes.front() == v4_net : address == parse_address("::1");
}

void check_listen(object_reader& reader, const http_config& what)
{
    const auto where = parse_listen_address(what.listen);
    if (!where && !parse_listen_path(what.listen)) {
        const auto message = fmt::format(
            "must be an address and a port, as in '127.0.0.1:9870' or '[::1]:9870', or a socket's path, as "
            "in "
            "'unix:/run/reachd/http.sock', not {}",
            in_quotes(what.listen)
        );
        reader.fault("listen", message);
    } else if (where && !is_loopback(where->address) && !what.allow_remote) {
        const auto message = fmt::format(
            "{} can be reached from other machines, and the page says what your site can reach: listen on "
            "127.0.0.1 or [::1], or add \"allow_remote\": true",
            in_quotes(what.listen)
        );
        reader.fault("listen", message);
    }
}

} // namespace

void read_http(object_reader reader, http_config& into)
{
    reader.allow({"listen", "hosts", "allow_remote"});
    reader.require("listen", "an address and a port, as in \"127.0.0.1:9870\"");
    into.listen = reader.text("listen").value_or("");
    into.allow_remote = reader.boolean("allow_remote").value_or(false);
    if (reader.has("listen")) {
        check_listen(reader, into);
    }
    into.hosts = reader.texts("hosts").value_or(std::vector<std::string>{});
    if (into.hosts.size() > max_hosts) {
        reader.fault(
            "hosts", fmt::format("must have at most {} entries, not {}", max_hosts, into.hosts.size())
        );
    }
    for (std::size_t index = 0; index < into.hosts.size(); ++index) {
        if (!is_host_name(into.hosts[index])) {
            const auto message =
                fmt::format("must be a host's name without a port, not {}", in_quotes(into.hosts[index]));
            reader.fault_at("hosts", index, message);
        }
    }
}

std::optional<listen_address> parse_listen_address(std::string_view text)
{
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    auto host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    const auto address = parse_address(host);
    const auto ports = parse_ports(text.substr(colon + 1));
    if (!address || address->is_v4() == bracketed || !ports || ports->size() != 1) {
        return std::nullopt;
    }
    return listen_address{.address = *address, .port = ports->ranges.front().first};
}

std::optional<std::string> parse_listen_path(std::string_view text)
{
    if (!text.starts_with(unix_prefix)) {
        return std::nullopt;
    }
    text.remove_prefix(unix_prefix.size());
    const bool fits = text.starts_with('/') && text.size() > 1 && text.size() <= max_path_bytes &&
                      !has_control_character(text);
    return fits ? std::optional{std::string{text}} : std::nullopt;
}

} // namespace reachd
