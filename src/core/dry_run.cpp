// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/dry_run.hpp"

#include "dry_run_idle.hpp"
#include "reachd/core/fallback.hpp"
#include "reachd/core/greeting.hpp"
#include "reachd/core/hop_pacer.hpp"
#include "reachd/core/inquiry.hpp"
#include "reachd/core/pacer.hpp"
#include "reachd/core/time.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

// Linux repeats a SYN after a second (RFC 6298 section 2), since 6.5 four times at that pace.
constexpr std::chrono::milliseconds syn_spacing{1000};
// A and AAAA of getaddrinfo and of each of the servers that glibc uses (resolv.conf(5) MAXNS).
constexpr std::size_t questions_a_name = 2 * (1 + 3);
// What is walked along with an answer in question: a UDP port where nothing listens, and a canary.
constexpr std::size_t control_flows = 2;

// Packets of a healthy endpoint, as counted in the lab, where servers are four hops away (docs/LAB.md),
// 2026-11: SYN, ACK, what is said and its acknowledgements, FIN, ACK.
constexpr std::size_t packets_greeted = 6;
constexpr std::size_t packets_confirmed = 5;
// An inbound row: its service on the same link; then a reflector is found (SYN, ACK, hello, observe, what is
// acknowledged, FIN, ACK) and asked once more, for a connection.
constexpr std::size_t packets_inside = 4;
constexpr std::size_t packets_asking_to_try = 17;
constexpr std::size_t flows_asking_to_try = 2;
// Who it was that answered: 6 SYNs with a limited number of hops, of which 2 get through, 3 that discard near
// answers, and two segments more for each connection that comes of them.
constexpr std::size_t packets_inquiry = 19;
// A port that refuses: its own SYN, and 3 that discard near answers.
constexpr std::size_t packets_refused = 4;
// How far others get at an address: control flows and walks of the way out.
constexpr double packets_each_address = 4.5;
// How far a datagram gets that nobody answers.
constexpr std::size_t packets_passage = 1;
// Hops past the edge at which ports of a block take turns.
constexpr std::size_t hops_of_samples = 2;

std::size_t syns_at_most(const limits_config& limits)
{
    return 1 + static_cast<std::size_t>(limits.connect_timeout / syn_spacing);
}

std::size_t vantages_towards(const plan& what, const std::optional<ip_address>& address)
{
    const auto able = std::ranges::count_if(what.vantages, [&](const vantage& from) {
        return !from.source || !address || from.source->family == address->family;
    });
    return static_cast<std::size_t>(able);
}

json greetings_of(const outbound_row& row, const std::string& name)
{
    std::vector<std::pair<greeting, std::vector<std::uint16_t>>> groups;
    for (const auto port : probed_ports(row, !name.empty())) {
        const auto said = greeting_for(row, name, port);
        auto group = std::ranges::find(groups, said, &std::pair<greeting, std::vector<std::uint16_t>>::first);
        if (group == groups.end()) {
            groups.push_back({said, {}});
            group = groups.end() - 1;
        }
        group->second.push_back(port);
    }
    json out = json::array();
    for (auto& [said, ports] : groups) {
        out.push_back({{"ports", to_text(make_port_set(std::move(ports)))}, {"greeting", to_string(said)}});
    }
    return out;
}

// What all rows have in common, added up.
struct sums {
    std::size_t endpoints = 0; // one address for each name
    std::size_t names = 0;     // look-ups: a name of two rows is asked for twice
    std::map<std::string, std::size_t> endpoints_towards;
    std::size_t accepted = 0; // packets when every port accepts
    std::size_t refused = 0;  // when those refuse that need not accept
    std::size_t samples = 0;
    std::size_t sampled_ports = 0;
    std::size_t inbound_packets = 0;
    std::size_t inbound_flows = 0;
    idle_sums idle;
};

// Packets of one endpoint of a healthy site.
std::size_t healthy_packets(const plan& what, const outbound_row& row, greeting said)
{
    if (row.transport == transport::udp) {
        const auto exchange =
            row.expect_reply.empty() ? std::size_t{what.config.limits.attempts} : 1 + decoy_tries;
        return exchange + packets_passage;
    }
    if (said == greeting::tls) {
        return packets_greeted; // a verified certificate is the server's own word
    }
    return packets_inquiry + (said == greeting::none ? packets_confirmed : packets_greeted);
}

void add_healthy(
    const plan& what, const outbound_row& row, const std::string& name, std::size_t ways, sums& all
)
{
    for (const auto port : probed_ports(row, !name.empty())) {
        const auto said = greeting_for(row, name, port);
        const auto accepted = ways * healthy_packets(what, row, said);
        const bool may_refuse = row.transport == transport::tcp && row.expect != expectation::service;
        all.accepted += accepted;
        all.refused += may_refuse ? ways * packets_refused : accepted;
    }
}

// A block is cut into a power of two of parts; a small one is tried whole.
std::size_t samples_of(const limits_config& limits, const ip_block& block)
{
    constexpr unsigned small_bits = 8;
    const auto bits = (block.base.is_v4() ? 32U : 128U) - block.prefix;
    return bits <= small_bits ? std::size_t{1} << bits
                              : std::bit_floor(std::size_t{limits.samples_per_block});
}

json target_json(
    const plan& what, const outbound_row& row, const std::string& text, const char* kind,
    const std::optional<ip_address>& address, sums& all
)
{
    const auto ways = vantages_towards(what, address);
    const auto endpoints = probed_ports(row, !address).size() * ways;
    add_healthy(what, row, address ? std::string{} : text, ways, all);
    const auto flows = endpoints * what.config.limits.attempts;
    const auto packets = row.transport == transport::tcp ? syns_at_most(what.config.limits) : 1;
    all.endpoints += endpoints;
    all.endpoints_towards[text] += endpoints;
    return {
        {"destination", text},
        {"kind", kind},
        {"endpoints", endpoints},
        {"flows_at_most", flows},
        {"unanswered_packets_at_most", flows * packets},
        {"greetings", greetings_of(row, address ? std::string{} : text)},
    };
}

json outbound_json(const plan& what, const outbound_row& row, sums& all)
{
    json targets = json::array();
    for (const auto& one : row.addresses) {
        targets.push_back(target_json(what, row, to_text(one), "address", one, all));
    }
    for (const auto& one : row.names) {
        targets.push_back(target_json(what, row, one, "name", std::nullopt, all));
        ++all.names;
    }
    json blocks = json::array();
    for (const auto& one : row.blocks) {
        const auto ports = row.ports.size() * vantages_towards(what, one.base);
        const auto each = samples_of(what.config.limits, one);
        all.samples += ports * each;
        all.sampled_ports += ports;
        blocks.push_back({{"block", to_text(one)}, {"ports", ports}, {"samples_each", each}});
    }
    return {
        {"transport", to_string(row.transport)},
        {"ports", to_text(row.ports)},
        {"payload_bytes", row.transport == transport::udp
                              ? json(row.payload.empty() ? udp_payload.size() : row.payload.size())
                              : json(nullptr)},
        {"targets", std::move(targets)},
        {"samples", std::move(blocks)},
        {"look_ups", row.names},
    };
}

// The service is greeted like any port, and a reflector asked to try it from outside.
json inbound_json(const plan& what, const inbound_config& here, sums& all)
{
    const bool tried = here.published && !what.config.reflectors.empty();
    const auto packets = packets_inside + (tried ? packets_asking_to_try : 0);
    all.inbound_packets += packets;
    all.inbound_flows += 1 + (tried ? flows_asking_to_try : 0);
    return {
        {"transport", "tcp"},
        {"inbound",
         {{"service", to_text(here.service)},
          {"tried_from_outside", tried ? json(to_text(*here.published)) : json(nullptr)},
          {"packets", packets}}},
    };
}

const char* why_nothing_is_sent(const plan_row& row)
{
    if (!row.not_configured.empty()) {
        return row.not_configured.c_str();
    }
    return std::holds_alternative<inbound>(row.what) && !row.here
             ? "who can connect to the site shows only where the configuration says what is there (`inbound`)"
             : nullptr;
}

json row_json(const plan& what, const plan_row& row, dry_run_ladders ladders, sums& all)
{
    json out = {
        {"catalogue", row.catalogue},
        {"id", row.id},
        {"about", row.about},
        {"not_sent", nullptr},
    };
    if (const auto* why = why_nothing_is_sent(row)) {
        out["not_sent"] = why;
        return out;
    }
    if (row.here) {
        out.update(inbound_json(what, *row.here, all));
        return out;
    }
    if (const auto* timer = std::get_if<idle_timer>(&row.what)) {
        out.update(idle_dry_run(what, *timer, ladders, all.idle));
        return out;
    }
    out.update(outbound_json(what, std::get<outbound_row>(row.what), all));
    return out;
}

double paced(std::size_t flows, unsigned per_second)
{
    return per_second == 0 ? 0.0 : static_cast<double>(flows) / per_second;
}

json duration_json(const limits_config& limits, const sums& all)
{
    std::size_t most_towards_one = 0;
    for (const auto& [where, count] : all.endpoints_towards) {
        most_towards_one = std::max(most_towards_one, count);
    }
    const auto pacing = std::max(
        paced(all.endpoints, limits.new_flows_per_s),
        paced(most_towards_one, limits.new_flows_per_destination_per_s)
    );
    const auto timeout = std::chrono::duration<double>(limits.connect_timeout).count();
    const auto flows = all.endpoints * limits.attempts;
    const auto places = std::max(1U, limits.in_flight);
    // Silence keeps a place until the time limit.
    const auto waves = std::ceil(static_cast<double>(flows) / places);
    const auto silent = std::max(pacing * limits.attempts, waves * timeout) + timeout * limits.attempts;
    return {
        {"all_answer_s", std::lround(std::ceil(pacing))},
        {"nothing_answers_s", flows == 0 ? 0 : std::lround(std::ceil(silent))},
        {"idle_s", all.idle.longest.count()},
    };
}

// Samples of one port wait for each other, and ports for a hop that is free.
double sampling_time(const limits_config& limits, const sums& all)
{
    const auto rate = std::max(1U, limits.icmp_per_hop_per_s) * std::min(hops_of_samples, all.sampled_ports);
    return all.samples == 0 ? 0.0 : static_cast<double>(all.samples) / static_cast<double>(rate);
}

// What a check of a site sends where nothing is wrong.
json healthy_json(const limits_config& limits, const sums& all)
{
    const auto every = static_cast<std::size_t>(
        std::lround(packets_each_address * static_cast<double>(all.endpoints_towards.size()))
    );
    const auto others =
        every + all.names * questions_a_name + all.samples + all.idle.packets + all.inbound_packets;
    return {
        {"packets_if_ports_refuse", all.refused + others},
        {"packets_if_all_accept", all.accepted + others},
        {"dns_questions", all.names * questions_a_name},
        {"block_samples", all.samples},
        {"idle_packets", all.idle.packets},
        {"inbound_packets", all.inbound_packets},
        {"sampling_s", std::lround(std::ceil(sampling_time(limits, all)))},
    };
}

// What finding the faults of an unhealthy one may add.
json unhealthy_json(const limits_config& limits, std::size_t wanted)
{
    const auto packets = std::min(wanted, inquiry_probes_at_most);
    const auto sent = static_cast<double>(packets);
    const auto by_flows = paced(packets, limits.new_flows_per_s * repeats_faster);
    const auto by_hops = sent / (std::max(1U, limits.icmp_per_hop_per_s) * double{most_hops});
    return {
        {"packets_at_most", packets},
        {"in_s", inquiry_allowance_time.count()},
        {"takes_s", std::lround(std::ceil(std::max(by_flows, by_hops)))},
    };
}

json hop_probes_json(const limits_config& limits, std::size_t endpoints)
{
    const std::size_t each_flow = most_hops * hop_tries;
    const auto each = each_flow * (1 + control_flows);
    return {
        {"hops_at_most", most_hops},           {"tries", hop_tries},
        {"control_flows", control_flows},      {"packets_each_at_most", each},
        {"packets_at_most", each * endpoints}, {"per_hop_per_s", limits.icmp_per_hop_per_s},
    };
}

} // namespace

nlohmann::json dry_run_of(const plan& what, dry_run_ladders ladders)
{
    const auto& limits = what.config.limits;
    sums all;
    json rows = json::array();
    for (const auto& row : what.rows) {
        rows.push_back(row_json(what, row, ladders, all));
    }
    return {
        {"site", what.config.site},
        {"limits",
         {{"new_flows_per_s", limits.new_flows_per_s},
          {"new_flows_per_destination_per_s", limits.new_flows_per_destination_per_s},
          {"in_flight", limits.in_flight},
          {"connect_timeout_ms", limits.connect_timeout.count()},
          {"attempts", limits.attempts}}},
        {"requirements", std::move(rows)},
        // One more, as NAT64 is looked for (RFC 7050).
        {"dns", {{"look_ups", all.names > 0 ? all.names + 1 : 0}, {"questions_each", questions_a_name}}},
        {"hop_probes", hop_probes_json(limits, all.endpoints)},
        {"total",
         {{"endpoints", all.endpoints},
          {"flows_at_most", all.endpoints * limits.attempts},
          {"idle_flows", all.idle.flows},
          {"inbound_flows", all.inbound_flows},
          {"addresses_counted_for_a_name", 1}}},
        {"duration", duration_json(limits, all)},
        {"healthy", healthy_json(limits, all)},
        {"unhealthy", unhealthy_json(limits, most_hops * hop_tries * (1 + control_flows) * all.endpoints)},
    };
}

} // namespace reachd
