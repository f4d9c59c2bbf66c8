// SPDX-License-Identifier: Apache-2.0
#include "report_reading.hpp"

#include "reachd/core/address.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace reachd::reading {
namespace {

const json& member(const json& from, const char* key)
{
    static const json nothing;
    if (!from.is_object()) {
        return nothing;
    }
    const auto found = from.find(key);
    return found != from.end() ? *found : nothing;
}

// What endpoints have to share to be told as one.
std::string likeness(const json& one)
{
    std::string key;
    for (const char* part : {"vantage", "transport", "verdict", "blame", "sentence"}) {
        key += text_at(one, part) + '\n';
    }
    return key + (one.contains("needed") ? "not needed" : "");
}

std::string destination_of(const json& one)
{
    const auto name = text_at(one, "name");
    const auto address = text_at(one, "address");
    return name.empty() ? address : address.empty() ? name : fmt::format("{} ({})", name, address);
}

const json* more_seen(const json* one, const json* other)
{
    return list_at(*other, "evidence").size() > list_at(*one, "evidence").size() ? other : one;
}

// The ports of each destination first; then destinations with the same ports.
std::vector<endpoint_group> merged(std::vector<endpoint_group> all)
{
    std::vector<endpoint_group> out;
    std::map<std::string, std::size_t> known;
    for (auto& one : all) {
        const auto [at, added] =
            known.try_emplace(likeness(*one.most_seen) + ports_text(one.ports), out.size());
        if (added) {
            out.push_back(std::move(one));
            continue;
        }
        auto& into = out[at->second];
        into.destinations.push_back(one.destinations.front());
        into.most_seen = more_seen(into.most_seen, one.most_seen);
    }
    return out;
}

} // namespace

std::string text_at(const json& from, const char* key)
{
    const auto& found = member(from, key);
    return found.is_string() ? found.get<std::string>() : std::string{};
}

long long number_at(const json& from, const char* key)
{
    const auto& found = member(from, key);
    return found.is_number_integer() ? found.get<long long>() : 0;
}

std::optional<double> decimal_at(const json& from, const char* key)
{
    const auto& found = member(from, key);
    return found.is_number() ? std::optional{found.get<double>()} : std::nullopt;
}

const json& object_at(const json& from, const char* key)
{
    static const json nothing = json::object();
    const auto& found = member(from, key);
    return found.is_object() ? found : nothing;
}

const json& list_at(const json& from, const char* key)
{
    static const json nothing = json::array();
    const auto& found = member(from, key);
    return found.is_array() ? found : nothing;
}

bool is_true(const json& from, const char* key)
{
    const auto& found = member(from, key);
    return found.is_boolean() && found.get<bool>();
}

std::vector<std::string> texts_at(const json& from, const char* key)
{
    std::vector<std::string> out;
    for (const auto& one : list_at(from, key)) {
        if (one.is_string()) {
            out.push_back(one.get<std::string>());
        }
    }
    return out;
}

std::vector<row_view> rows_of(const json& report, const std::string& state)
{
    std::vector<row_view> out;
    for (const auto& one : list_at(report, "catalogues")) {
        for (const auto& row : list_at(one, "requirements")) {
            if (row.is_object() && (state.empty() || text_at(row, "state") == state)) {
                out.push_back({&one, &row});
            }
        }
    }
    return out;
}

std::vector<const json*> idle_of(const json& report, const row_view& which)
{
    constexpr std::size_t most = 512; // a site has a few: it is looked through for each row
    std::vector<const json*> out;
    std::size_t looked_at = 0;
    for (const auto& one : list_at(report, "idle")) {
        if (++looked_at > most) {
            break;
        }
        if (text_at(one, "requirement") == text_at(*which.row, "id") &&
            text_at(one, "catalogue") == text_at(*which.catalogue, "id")) {
            out.push_back(&one);
        }
    }
    return out;
}

std::vector<endpoint_group> groups_of(const json& row)
{
    std::vector<endpoint_group> out;
    std::map<std::string, std::size_t> known;
    for (const auto& one : list_at(row, "endpoints")) {
        const auto where = destination_of(one);
        const auto [at, added] = known.try_emplace(where + '\n' + likeness(one), out.size());
        if (added) {
            out.push_back({&one, {}, {where}});
        }
        auto& group = out[at->second];
        group.ports.push_back(static_cast<unsigned>(number_at(one, "port")));
        group.most_seen = more_seen(group.most_seen, &one);
    }
    return merged(std::move(out));
}

bool is_passable(const json& endpoint)
{
    const auto verdict = text_at(endpoint, "verdict");
    return verdict == "open" || verdict == "closed" || verdict == "permitted";
}

std::size_t observations_of(const json& row)
{
    std::size_t count = 0;
    for (const auto& one : list_at(row, "endpoints")) {
        count += list_at(one, "evidence").size();
    }
    return count;
}

std::string ports_text(std::vector<unsigned> ports)
{
    std::ranges::sort(ports);
    std::string out;
    for (std::size_t first = 0; first < ports.size();) {
        auto last = first;
        while (last + 1 < ports.size() && ports[last + 1] <= ports[last] + 1) {
            ++last;
        }
        out += out.empty() ? "" : ",";
        out += ports[first] == ports[last] ? fmt::format("{}", ports[first])
                                           : fmt::format("{}-{}", ports[first], ports[last]);
        first = last + 1;
    }
    return out;
}

std::vector<port_span> spans_of(const std::string& ports)
{
    std::vector<port_span> out;
    if (const auto read = parse_ports(ports)) {
        for (const auto& one : read->ranges) {
            out.push_back({one.first, one.last});
        }
    }
    return out;
}

} // namespace reachd::reading
