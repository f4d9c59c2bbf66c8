// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/config.hpp"

#include "config_http.hpp"
#include "reachd/core/json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <utility>

namespace reachd {
namespace {

constexpr std::size_t max_site_bytes = 100;     // it heads every report
constexpr std::size_t max_name_bytes = 64;      // of a vantage
constexpr std::size_t max_interface_bytes = 15; // IFNAMSIZ less its NUL, linux/if.h
constexpr std::size_t max_catalogues = 256;
constexpr std::size_t max_vantages = 64;
constexpr std::size_t max_reflectors = 16;
constexpr std::size_t max_networks = 256;
constexpr std::size_t max_inbound = 256;
constexpr std::size_t max_rungs = 64; // of one ladder; the built-in ones have 15
constexpr std::int64_t most_seconds = 30 * 86400;
constexpr std::int64_t most_rung_s = 86400;
constexpr std::int64_t most_flows = 100000; // about what one source address has ports for in a second
constexpr std::int64_t most_in_flight = 10000;
constexpr std::int64_t least_timeout_ms = 100; // below it a continent away looks like silence
constexpr std::int64_t most_timeout_ms = 60000;
constexpr std::int64_t most_attempts = 10;
constexpr std::int64_t most_samples = 256; // strata of a round
constexpr std::int64_t most_entries = 1'000'000;
constexpr std::int64_t most_icmp = 1000; // msgs_per_sec of a Linux router, net/ipv4/icmp.c
constexpr std::size_t most_files = 64;   // of additional roots
constexpr std::int64_t most_days = 3650;
constexpr std::int64_t most_history_mb = 100'000;

bool is_vantage_name(std::string_view text)
{
    const auto is_plain = [](char byte) {
        return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
    };
    return !text.empty() && text.size() <= max_name_bytes && is_plain(text.front()) &&
           std::ranges::all_of(text, [&](char byte) {
               return is_plain(byte) || byte == '-' || byte == '_' || byte == '.';
           });
}

// dev_valid_name() of the kernel: no '/', ':' or blank, and not "." or "..".
bool is_interface_name(std::string_view text)
{
    return !text.empty() && text.size() <= max_interface_bytes && text != "." && text != ".." &&
           text.find_first_of("/: ") == std::string_view::npos;
}

// Text that must say something when it is there.
std::string read_filled(object_reader& reader, std::string_view key)
{
    auto text = reader.text(key);
    if (text && text->empty()) {
        reader.fault(key, "must not be empty; leave the key out instead");
    }
    return std::move(text).value_or("");
}

std::vector<std::string> read_files(object_reader& reader, std::string_view key)
{
    auto files = reader.texts(key).value_or(std::vector<std::string>{});
    if (files.size() > most_files) {
        reader.fault(key, fmt::format("must have at most {} entries, not {}", most_files, files.size()));
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (files[i].empty()) {
            reader.fault_at(key, i, "must not be empty");
        }
    }
    return files;
}

void read_seconds(object_reader& reader, std::string_view key, std::chrono::seconds& into)
{
    if (const auto number = reader.integer(key, 1, most_seconds)) {
        into = std::chrono::seconds{*number};
    }
}

void read_count(
    object_reader& reader, std::string_view key, std::int64_t least, std::int64_t most, unsigned& into
)
{
    if (const auto number = reader.integer(key, least, most)) {
        into = static_cast<unsigned>(*number);
    }
}

std::vector<std::string> read_catalogues(object_reader& root)
{
    auto ids = root.texts("catalogues").value_or(std::vector<std::string>{});
    if (ids.size() > max_catalogues) {
        root.fault(
            "catalogues", fmt::format("must have at most {} entries, not {}", max_catalogues, ids.size())
        );
        return {};
    }
    std::set<std::string_view> seen;
    for (std::size_t index = 0; index < ids.size(); ++index) {
        if (!is_id(ids[index])) {
            const auto message = fmt::format(
                "must be the id of a catalogue (small letters, digits and '-'), not {}", in_quotes(ids[index])
            );
            root.fault_at("catalogues", index, message);
        } else if (!seen.insert(ids[index]).second) {
            root.fault_at("catalogues", index, fmt::format("{} is listed twice", in_quotes(ids[index])));
        }
    }
    return ids;
}

// A number, a text or a list of texts, as a list of texts.
std::vector<std::string> read_value(object_reader& values, const std::string& name)
{
    const auto& raw = *values.member(name);
    if (raw.is_number()) {
        const auto port = values.integer(name, 1, 65535); // only ports are numbers
        return port ? std::vector{fmt::format("{}", *port)} : std::vector<std::string>{};
    }
    if (raw.is_array()) {
        if (raw.empty()) {
            values.fault(name, "must not be empty; leave the key out while the value is not known");
        } else if (raw.size() > max_destinations) {
            values.fault(
                name, fmt::format("must have at most {} entries, not {}", max_destinations, raw.size())
            );
            return {};
        }
        return values.texts(name).value_or(std::vector<std::string>{});
    }
    if (!raw.is_string()) {
        values.fault(name, "must be a number, a text or a list of texts");
        return {};
    }
    return {read_filled(values, name)};
}

void read_values(object_reader& root, config& into)
{
    if (!root.has("values")) {
        return;
    }
    auto catalogues = root.child("values");
    for (const auto& [id, unused] : catalogues.value().items()) {
        auto values = catalogues.child(id);
        auto& texts = into.values[id];
        for (const auto& [name, also_unused] : values.value().items()) {
            texts[name] = read_value(values, name);
        }
    }
}

vantage read_vantage(object_reader& reader)
{
    reader.allow({"name", "interface", "source"});
    reader.require("name", "what reports call this way out");
    vantage way;
    way.name = reader.text("name").value_or("");
    if (reader.has("name") && !is_vantage_name(way.name)) {
        reader.fault(
            "name", fmt::format(
                        "must be letters, digits, '.', '_' and '-', {} at most, not {}", max_name_bytes,
                        in_quotes(way.name)
                    )
        );
    }
    if (const auto name = reader.text("interface")) {
        way.interface = *name;
        if (!is_interface_name(*name)) {
            constexpr auto form =
                "must be the name of an interface (1 to {} bytes, no '/', ':' or blank), not {}";
            const auto message = fmt::format(form, max_interface_bytes, in_quotes(*name));
            reader.fault("interface", message);
        }
    }
    if (const auto text = reader.text("source")) {
        way.source = parse_address(*text);
        if (!way.source || destination_fault(*text)) {
            reader.fault("source", fmt::format("must be an address of this host, not {}", in_quotes(*text)));
        }
    }
    if (!reader.has("interface") && !reader.has("source")) {
        reader.fault("", "must have 'interface' or 'source', or both");
    }
    return way;
}

void read_vantages(object_reader& root, config& into)
{
    auto readers = root.children("vantages");
    if (readers.size() > max_vantages) {
        root.fault(
            "vantages", fmt::format("must have at most {} entries, not {}", max_vantages, readers.size())
        );
        return;
    }
    std::set<std::string> names;
    for (auto& reader : readers) {
        into.vantages.push_back(read_vantage(reader));
        const auto& name = into.vantages.back().name;
        if (!name.empty() && !names.insert(name).second) {
            reader.fault("name", fmt::format("{} is the name of an earlier vantage", in_quotes(name)));
        }
    }
}

void read_schedule(object_reader reader, schedule_config& into)
{
    reader.allow({"interval_s", "nat_interval_s", "sweep_interval_s"});
    read_seconds(reader, "interval_s", into.interval);
    read_seconds(reader, "nat_interval_s", into.nat_interval);
    read_seconds(reader, "sweep_interval_s", into.sweep_interval);
}

void read_limits(object_reader reader, limits_config& into)
{
    reader.allow(
        {"new_flows_per_s", "new_flows_per_destination_per_s", "in_flight", "connect_timeout_ms", "attempts",
         "icmp_per_hop_per_s", "samples_per_block", "nat_entries"}
    );
    read_count(reader, "new_flows_per_s", 0, most_flows, into.new_flows_per_s);
    read_count(
        reader, "new_flows_per_destination_per_s", 0, most_flows, into.new_flows_per_destination_per_s
    );
    read_count(reader, "in_flight", 1, most_in_flight, into.in_flight);
    read_count(reader, "attempts", 1, most_attempts, into.attempts);
    read_count(reader, "samples_per_block", 1, most_samples, into.samples_per_block);
    read_count(reader, "icmp_per_hop_per_s", 0, most_icmp, into.icmp_per_hop_per_s);
    read_count(reader, "nat_entries", 0, most_entries, into.nat_entries);
    if (const auto number = reader.integer("connect_timeout_ms", least_timeout_ms, most_timeout_ms)) {
        into.connect_timeout = std::chrono::milliseconds{*number};
    }
}

void read_path(object_reader reader, path_config& into)
{
    reader.allow({"edge", "site_networks"});
    if (const auto text = reader.text("edge")) {
        into.edge = parse_address(*text);
        if (!into.edge) {
            reader.fault(
                "edge", fmt::format("must be an address of the site's last router, not {}", in_quotes(*text))
            );
        }
    }
    const auto texts = reader.texts("site_networks").value_or(std::vector<std::string>{});
    if (texts.size() > max_networks) {
        reader.fault(
            "site_networks", fmt::format("must have at most {} entries, not {}", max_networks, texts.size())
        );
        return;
    }
    for (std::size_t index = 0; index < texts.size(); ++index) {
        const auto block = parse_block(texts[index]);
        if (block) {
            into.site_networks.push_back(*block);
        } else {
            reader.fault_at(
                "site_networks", index,
                fmt::format(
                    "must be a block as \"10.0.0.0/8\", with no bit set below the prefix, not {}",
                    in_quotes(texts[index])
                )
            );
        }
    }
}

void read_reflectors(object_reader& root, config& into)
{
    auto readers = root.children("reflectors");
    if (readers.size() > max_reflectors) {
        root.fault(
            "reflectors", fmt::format("must have at most {} entries, not {}", max_reflectors, readers.size())
        );
        return;
    }
    std::set<std::pair<std::string, std::uint16_t>> seen;
    for (auto& reader : readers) {
        reader.allow({"host", "port", "secret_file"});
        reader.require("host", "the address or name of a reflector");
        reflector_config one;
        one.host = reader.text("host").value_or("");
        if (reader.has("host")) {
            if (const auto wrong = value_fault(value_type::addresses, one.host)) {
                reader.fault("host", *wrong);
            }
        }
        one.port = static_cast<std::uint16_t>(reader.integer("port", 1, 65535).value_or(one.port));
        one.secret_file = read_filled(reader, "secret_file");
        if (!one.host.empty() && !seen.emplace(one.host, one.port).second) {
            reader.fault("host", fmt::format("{} port {} is listed twice", in_quotes(one.host), one.port));
        }
        into.reflectors.push_back(std::move(one));
    }
}

// Where something can listen; the fault says what to write instead.
std::optional<socket_address> read_service(object_reader& reader, std::string_view key)
{
    const auto text = reader.text(key);
    if (!text) {
        return std::nullopt;
    }
    const auto where = parse_socket_address(*text);
    if (!where || destination_fault(to_text(where->address))) {
        const auto message = fmt::format(
            "must be the address of a host and a port, as in \"192.0.2.1:8443\" or \"[2001:db8::1]:8443\", "
            "not {}",
            in_quotes(*text)
        );
        reader.fault(key, message);
        return std::nullopt;
    }
    return where;
}

void read_inbound(object_reader rows, config& into)
{
    if (rows.value().size() > max_inbound) {
        rows.fault("", fmt::format("must have at most {} entries, not {}", max_inbound, rows.value().size()));
        return;
    }
    for (const auto& [name, unused] : rows.value().items()) {
        auto reader = rows.child(name);
        reader.allow({"service", "public"});
        inbound_config one;
        reader.require("service", "address and port of the service, as this machine reaches it");
        one.service = read_service(reader, "service").value_or(socket_address{});
        one.published = read_service(reader, "public");
        into.inbound.emplace(name, one);
    }
}

void read_not_needed(object_reader reader, config& into)
{
    if (reader.value().size() > max_inbound) {
        reader.fault(
            "", fmt::format("must have at most {} entries, not {}", max_inbound, reader.value().size())
        );
        return;
    }
    for (const auto& [name, unused] : reader.value().items()) {
        into.not_needed.emplace(name, read_filled(reader, name));
    }
}

std::vector<std::chrono::seconds> read_rungs(object_reader& reader, std::string_view key)
{
    std::vector<std::chrono::seconds> rungs;
    const auto numbers = reader.integers(key, 1, most_rung_s).value_or(std::vector<std::int64_t>{});
    if (numbers.size() > max_rungs) {
        reader.fault(key, fmt::format("must have at most {} entries, not {}", max_rungs, numbers.size()));
        return rungs;
    }
    for (std::size_t index = 0; index < numbers.size(); ++index) {
        if (index > 0 && numbers[index] <= numbers[index - 1]) {
            const auto message =
                fmt::format("must ascend: {} does not follow {}", numbers[index], numbers[index - 1]);
            reader.fault_at(key, index, message);
        }
        rungs.emplace_back(numbers[index]);
    }
    return rungs;
}

void read_sections(object_reader& root, config& into)
{
    if (root.has("history")) {
        auto reader = root.child("history");
        reader.allow({"path", "keep_days", "max_mb"});
        into.history.path = read_filled(reader, "path");
        read_count(reader, "keep_days", 1, most_days, into.history.keep_days);
        read_count(reader, "max_mb", 1, most_history_mb, into.history.max_mb);
    }
    if (root.has("path")) {
        read_path(root.child("path"), into.path);
    }
    if (root.has("inbound")) {
        read_inbound(root.child("inbound"), into);
    }
    if (root.has("not_needed")) {
        read_not_needed(root.child("not_needed"), into);
    }
    if (root.has("idle")) {
        auto reader = root.child("idle");
        reader.allow({"udp_rungs_s", "tcp_rungs_s", "longest_s"});
        into.idle.udp_rungs = read_rungs(reader, "udp_rungs_s");
        into.idle.tcp_rungs = read_rungs(reader, "tcp_rungs_s");
        if (const auto longest = reader.integer("longest_s", 1, most_rung_s)) {
            into.idle.longest = std::chrono::seconds{*longest};
        }
    }
    if (root.has("tls")) {
        auto reader = root.child("tls");
        reader.allow({"ca_file", "extra_ca_files"});
        into.tls_ca_file = read_filled(reader, "ca_file");
        into.tls_extra_ca_files = read_files(reader, "extra_ca_files");
    }
    if (root.has("http")) {
        read_http(root.child("http"), into.http);
    }
}

} // namespace

config_reading read_config(std::string_view text, std::string_view file)
{
    const auto document = parse_json(text, file, comments::allowed);
    if (!document) {
        return {{}, document.error()};
    }
    config_reading out;
    auto& [result, faults] = out;
    object_reader root{*document, document->value, "", std::string{file}, faults};
    root.allow(
        {"site", "catalogues", "values", "vantages", "schedule", "limits", "reflectors", "history", "idle",
         "path", "inbound", "not_needed", "tls", "http"}
    );
    if (root.has("site")) {
        result.site = read_filled(root, "site");
        if (result.site.size() > max_site_bytes) {
            root.fault(
                "site", fmt::format("must be at most {} bytes, not {}", max_site_bytes, result.site.size())
            );
        }
    }
    result.catalogues = read_catalogues(root);
    read_values(root, result);
    read_vantages(root, result);
    if (root.has("schedule")) {
        read_schedule(root.child("schedule"), result.schedule);
    }
    if (root.has("limits")) {
        read_limits(root.child("limits"), result.limits);
    }
    read_reflectors(root, result);
    read_sections(root, result);
    std::ranges::stable_sort(faults, {}, &file_fault::line);
    return out;
}

parsed<config> parse_config(std::string_view text, std::string_view file)
{
    auto read = read_config(text, file);
    if (!read.faults.empty()) {
        return std::unexpected{std::move(read.faults)};
    }
    return std::move(read.value);
}

} // namespace reachd
