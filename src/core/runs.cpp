// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <map>
#include <span>
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
               one.endpoints, other.endpoints, [](const endpoint_state* a, const endpoint_state* b) {
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
        const auto answer = weigh(expect, last->judged, last->address);
        runs.push_back({
            .destination = from.destination,
            .addresses = from.addresses,
            .vantage = from.vantage,
            .ports = make_port_set(std::move(ports)),
            .judged = last->judged,
            .needed = last->needed,
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

// The box that a refused connect names, when it names one.
std::optional<ip_address> rejecting_box(const run& one)
{
    return one.judged.where && one.judged.where->at ? one.judged.where->at->address : std::nullopt;
}

// Runs that fail at the connect, in silence or by one and the same box.
bool may_be_one_story(const run& one, const std::optional<ip_address>& box)
{
    const auto own = rejecting_box(one);
    return one.fails && one.judged.kind == verdict_kind::blocked && one.judged.stage == stage::connect &&
           (one.judged.where.has_value() ? own && (!box || own == box) : true);
}

// A box that limits its ICMP rejects a few ports of a range aloud and the rest in silence (Linux: six at
// once, then one a second). More changes than this between the two are its doing, not a list of rules.
constexpr std::size_t most_honest_changes = 2;

run merge_torn(std::span<const run> torn, const ip_address& box)
{
    auto out = torn.front();
    std::vector<std::uint16_t> ports;
    std::size_t aloud = 0;
    for (const auto& one : torn) {
        const auto more = one.ports.ports();
        ports.insert(ports.end(), more.begin(), more.end());
        aloud += rejecting_box(one) ? more.size() : 0;
    }
    // Which box swallowed the silent ones is not proven: the run names none.
    out.judged.where.reset();
    out.judged.blame = blame::unknown;
    out.judged.sentence = fmt::format(
        "{} of {} ports are rejected by {}, the others give no answer: so does a box that rejects and "
        "limits its ICMP",
        aloud, ports.size(), to_text(box)
    );
    out.ports = make_port_set(std::move(ports));
    return out;
}

std::vector<run> mend_torn(std::vector<run> runs)
{
    std::vector<run> out;
    for (std::size_t i = 0; i < runs.size();) {
        std::optional<ip_address> box;
        auto end = i;
        while (end < runs.size() && may_be_one_story(runs[end], box)) {
            box = box ? box : rejecting_box(runs[end]);
            ++end;
        }
        if (box && end - i > most_honest_changes) {
            out.push_back(merge_torn(std::span{runs}.subspan(i, end - i), *box));
            i = end;
        } else {
            out.push_back(std::move(runs[i]));
            ++i;
        }
    }
    return out;
}

} // namespace

std::vector<run> make_runs(const outbound_row& what, const std::vector<endpoint_state>& endpoints)
{
    std::vector<lane> merged;
    for (auto& one : make_lanes(endpoints)) {
        const auto twin =
            std::ranges::find_if(merged, [&](const lane& other) { return same_story(one, other); });
        if (twin == merged.end()) {
            merged.push_back(std::move(one));
        } else {
            twin->addresses.insert(twin->addresses.end(), one.addresses.begin(), one.addresses.end());
        }
    }
    std::vector<run> runs;
    for (const auto& one : merged) {
        std::vector<run> own;
        append_runs(one, what.expect, own);
        own = mend_torn(std::move(own));
        std::ranges::move(own, std::back_inserter(runs));
    }
    return runs;
}

} // namespace reachd
