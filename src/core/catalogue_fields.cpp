// SPDX-License-Identifier: Apache-2.0
// Lists, ports, payloads and the TLS keys of an outbound row.
#include "catalogue_fields.hpp"

#include "reachd/core/payload.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace reachd {
namespace {

// A port as a number, or a list of ports as text.
port_set read_port_list(object_reader& reader, std::string_view key)
{
    const auto* raw = reader.member(key);
    if (raw == nullptr) {
        return {};
    }
    if (raw->is_number()) {
        const auto port = reader.integer(key, 1, 65535);
        return port ? make_port_set({static_cast<std::uint16_t>(*port)}) : port_set{};
    }
    const auto text = reader.text(key);
    if (!text) {
        return {};
    }
    if (const auto wrong = value_fault(value_type::ports, *text)) {
        reader.fault(key, *wrong);
    }
    return parse_ports(*text).value_or(port_set{});
}

// Ports of `one` that `other` has not, or has as well.
std::vector<std::uint16_t> ports_where(const port_set& one, const port_set& other, bool wanted)
{
    auto ports = one.ports();
    std::erase_if(ports, [&](std::uint16_t port) { return other.contains(port) != wanted; });
    return ports;
}

} // namespace

std::vector<std::string> read_list(object_reader& reader, std::string_view key, std::size_t most)
{
    auto texts = reader.texts(key).value_or(std::vector<std::string>{});
    if (const auto* raw = reader.member(key); raw != nullptr && raw->is_array() && raw->empty()) {
        reader.fault(key, "must not be empty");
    }
    if (texts.size() > most) {
        reader.fault(key, fmt::format("must have at most {} entries, not {}", most, texts.size()));
        return {};
    }
    std::set<std::string_view> seen;
    for (std::size_t index = 0; index < texts.size(); ++index) {
        if (!seen.insert(texts[index]).second) {
            reader.fault_at(key, index, fmt::format("{} is listed twice", in_quotes(texts[index])));
        }
    }
    return texts;
}

std::vector<std::string> read_host_names(object_reader& reader, std::string_view key)
{
    auto names = read_list(reader, key, max_destinations);
    for (std::size_t index = 0; index < names.size(); ++index) {
        if (!is_host_name(names[index])) {
            reader.fault_at(key, index, fmt::format("{} is not a host name", in_quotes(names[index])));
        }
    }
    return names;
}

std::string read_payload(object_reader& reader, std::string_view key, transport kind)
{
    const auto text = reader.text(key);
    if (!text) {
        return {};
    }
    if (kind == transport::tcp) {
        reader.fault(key, "is for 'udp' rows; a TCP service is asked by the greeting of its port");
        return {};
    }
    const auto bytes = parse_payload(*text);
    if (!bytes) {
        reader.fault(key, bytes.error());
    }
    return bytes.value_or("");
}

void read_tls(object_reader& reader, outbound& row)
{
    for (const auto* key : {"tls_ports", "tls_names", "tls_roots", "fallback_ports"}) {
        if (!reader.has(key)) {
            continue;
        }
        if (row.transport == transport::udp || row.expect == expectation::blocked) {
            reader.fault(key, "is for 'tcp' rows that expect 'service' or 'path'");
            return;
        }
        if (!reader.has("tls_ports")) {
            reader.fault(key, "goes with 'tls_ports'");
            return;
        }
    }
    row.tls_ports = read_port_list(reader, "tls_ports");
    row.fallback_ports = read_port_list(reader, "fallback_ports");
    row.tls_names = read_host_names(reader, "tls_names");
    row.tls_roots = read_list(reader, "tls_roots", max_destinations);
    const auto* own = std::get_if<port_set>(&row.ports);
    if (own == nullptr) {
        return; // a value of the site's: nothing to hold them against
    }
    auto all = own->ports();
    const auto more = row.fallback_ports.ports();
    all.insert(all.end(), more.begin(), more.end());
    if (!ports_where(row.tls_ports, make_port_set(std::move(all)), false).empty()) {
        reader.fault("tls_ports", "must be among 'ports' and 'fallback_ports'");
    }
    if (!ports_where(row.fallback_ports, *own, true).empty()) {
        reader.fault("fallback_ports", "must not be among 'ports', which are needed anyway");
    }
}

} // namespace reachd
