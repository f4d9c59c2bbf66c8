// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace reachd {
namespace {

// All endpoints of one address of one destination from one vantage, in the order of their ports.
struct lane {
    std::string destination;
    std::string vantage;
    std::vector<ip_address> addresses;
    std::vector<const endpoint_state*> endpoints;
};

std::string destination_of(const endpoint_state& one)
{
    return one.name.empty() && one.address ? to_text(*one.address) : one.name;
}

std::vector<lane> make_lanes(const std::vector<endpoint_state>& endpoints)
{
    std::vector<lane> lanes;
    std::map<std::tuple<std::string, std::string, std::optional<ip_address>>, std::size_t> index;
    for (const auto& one : endpoints) {
        const auto key = std::tuple{destination_of(one), one.vantage, one.address};
        const auto [at, is_new] = index.try_emplace(key, lanes.size());
        if (is_new) {
            lanes.push_back({.destination = std::get<0>(key), .vantage = one.vantage});
            if (one.address) {
                lanes.back().addresses.push_back(*one.address);
            }
        }
        lanes[at->second].endpoints.push_back(&one);
    }
    for (auto& one : lanes) {
        std::ranges::sort(one.endpoints, {}, &endpoint_state::port);
    }
    return lanes;
}

bool same_story(const lane& one, const lane& other)
{
    return one.destination == other.destination && one.vantage == other.vantage &&
           std::ranges::equal(
               one.endpoints,
               other.endpoints,
               [](const endpoint_state* a, const endpoint_state* b) {
                   return a->port == b->port && a->judged == b->judged && a->needed == b->needed;
               }
           );
}

void append_runs(const lane& from, expectation expect, std::vector<run>& runs)
{
    const endpoint_state* last = nullptr;
    std::vector<std::uint16_t> ports;
    const auto close_run = [&] {
        if (!last) {
            return;
        }
        const auto answer = weigh(expect, last->judged);
        runs.push_back({
            .destination = from.destination,
            .addresses = from.addresses,
            .vantage = from.vantage,
            .ports = make_port_set(std::move(ports)),
            .judged = last->judged,
            .passes = last->needed && answer == endpoint_answer::pass,
            .fails = last->needed && answer == endpoint_answer::fail,
        });
        ports.clear();
    };
    for (const auto* one : from.endpoints) {
        if (last && (last->judged != one->judged || last->needed != one->needed)) {
            close_run();
        }
        ports.push_back(one->port);
        last = one;
    }
    close_run();
}

} // namespace

std::vector<run> make_runs(const outbound_row& what, const std::vector<endpoint_state>& endpoints)
{
    std::vector<lane> merged;
    for (auto& one : make_lanes(endpoints)) {
        const auto twin = std::ranges::find_if(merged, [&](const lane& other) {
            return same_story(one, other);
        });
        if (twin == merged.end()) {
            merged.push_back(std::move(one));
        } else {
            twin->addresses.insert(twin->addresses.end(), one.addresses.begin(), one.addresses.end());
        }
    }
    std::vector<run> runs;
    for (const auto& one : merged) {
        append_runs(one, what.expect, runs);
    }
    return runs;
}

} // namespace reachd
