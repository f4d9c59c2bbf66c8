// SPDX-License-Identifier: Apache-2.0
// Whole paths in virtual time: nothing is green on a stranger's word, and nobody is blamed for another.
#include "sim/path_trial.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <iostream>

namespace reachd::test {
namespace {

// --- thousands of paths ---

std::optional<std::uint64_t> only_seed()
{
    const char* given = std::getenv("REACHD_SIM_SEED");
    return given != nullptr ? std::optional<std::uint64_t>{std::stoull(given)} : std::nullopt;
}

// REACHD_SIM_FACTOR=10 tries thousands: minutes in a debug build, seconds in an optimised one.
std::uint64_t factor()
{
    const char* given = std::getenv("REACHD_SIM_FACTOR");
    return given != nullptr ? std::stoull(given) : 1;
}

constexpr std::size_t most_told = 3; // failures, in full

struct outcome_of_worlds {
    tally sum;
    std::size_t broken = 0;
};

// Runs `cases` worlds, or the one that REACHD_SIM_SEED names, and tells of some that break a law.
outcome_of_worlds try_worlds(
    weather how, std::uint64_t first, std::uint64_t cases, const std::function<void(std::string)>& tell
)
{
    outcome_of_worlds out;
    const auto only = only_seed();
    for (std::uint64_t seed = only.value_or(first); seed < (only ? *only + 1 : first + cases * factor());
         ++seed) {
        path_trial trial{make_world(seed, how)};
        trial.run();
        for (auto& fault : trial.faults()) {
            if (std::getenv("REACHD_SIM_TELL") != nullptr) { // each of them, with its seed
                std::cout << fmt::format("seed {}: {}\n", seed, fault);
            }
            if (++out.broken <= most_told) {
                tell(std::move(fault));
            }
        }
        if (std::getenv("REACHD_SIM_GAPS") != nullptr) { // what is not proven, and could be
            for (const auto& gap : trial.gaps()) {
                std::cout << fmt::format("seed {}: gap: {}\n", seed, gap);
            }
        }
        out.sum.add(trial.count());
    }
    std::cout << fmt::format(
        "{} endpoints, {} orders; {} break a law ({} by their neighbours); green {} of {}; located {} of "
        "{}\n",
        out.sum.endpoints, out.sum.orders, out.broken, out.sum.spoken_for, out.sum.green, out.sum.innocent,
        out.sum.located, out.sum.locatable
    );
    return out;
}

void fail_with(const std::string& text)
{
    ADD_FAILURE() << text;
}

double share(std::size_t part, std::size_t whole)
{
    return static_cast<double>(part) / static_cast<double>(std::max<std::size_t>(whole, 1));
}

TEST(path_sim, keeps_the_laws_and_proves_every_innocent_where_every_hop_answers)
{
    const auto all = try_worlds(weather::clear, 31000000, 40, fail_with);
    constexpr double least_located = 0.97; // the rest is behind boxes that let no control flow pass either
    EXPECT_EQ(all.sum.green, all.sum.innocent);
    EXPECT_GE(share(all.sum.located, all.sum.locatable), least_located);
    EXPECT_LE(share(all.sum.spoken_for, all.sum.endpoints), 0.001);
}

TEST(path_sim, keeps_the_laws_where_hops_are_hidden_and_icmp_is_filtered)
{
    const auto all = try_worlds(weather::hidden, 33000000, 60, fail_with);
    EXPECT_LE(share(all.sum.spoken_for, all.sum.endpoints), 0.001);
}

// A way that is mute for the flows of one port looks like a rule about that port.
TEST(path_sim, hardly_ever_breaks_a_law_where_ways_fork)
{
    std::string last;
    const auto all = try_worlds(weather::parallel, 30000000, 35, [&](std::string text) { last = text; });
    constexpr double most = 0.001;
    EXPECT_LT(share(all.broken, all.sum.endpoints), most) << last;
}

// Three lost tries look like silence.
TEST(path_sim, hardly_ever_breaks_a_law_where_packets_are_lost)
{
    std::string last;
    const auto all = try_worlds(weather::lossy, 32000000, 20, [&](std::string text) { last = text; });
    constexpr double most = 0.005;
    EXPECT_LT(share(all.broken, all.sum.endpoints), most) << last;
}

// --- single worlds ---

rule make_rule(deed what, point where, port_range ports = {1, 65535})
{
    return {.what = what, .where = where, .about = {.destination = {}, .kind = {}, .ports = ports}};
}

path_trial try_path(world all)
{
    path_trial trial{std::move(all)};
    trial.run();
    for (const auto& fault : trial.faults()) {
        ADD_FAILURE() << fault;
    }
    return trial;
}

constexpr port_range https{443, 443};

TEST(path_sim, proves_a_free_way)
{
    const auto trial = try_path(lay_path({}));
    EXPECT_EQ(trial.judged("tcp1").kind, verdict_kind::open);
    EXPECT_EQ(trial.judged("udp1").kind, verdict_kind::permitted);
}

TEST(path_sim, finds_a_reset_of_the_sites_firewall)
{
    auto all = lay_path({.site = 2});
    all.net.boxes[1].rules.push_back(make_rule(deed::reset, point::forward, https));
    const auto trial = try_path(std::move(all));
    EXPECT_EQ(trial.judged("tcp1").kind, verdict_kind::blocked);
    EXPECT_EQ(trial.judged("tcp1").blame, blame::site);
    EXPECT_EQ(trial.judged("tcp1", 1).kind, verdict_kind::open) << "the other port";
}

TEST(path_sim, finds_a_transparent_proxy_of_the_provider)
{
    auto all = lay_path({});
    all.net.boxes[3].rules.push_back(make_rule(deed::proxy, point::prerouting, https));
    const auto trial = try_path(std::move(all));
    EXPECT_EQ(trial.judged("tcp1").kind, verdict_kind::intercepted);
    EXPECT_EQ(trial.judged("tcp1").blame, blame::isp);
}

TEST(path_sim, does_not_believe_a_syn_proxy_whose_server_is_gone)
{
    auto all = lay_path({});
    all.net.boxes[1].rules.push_back(make_rule(deed::syn_proxy, point::forward, https));
    all.net.boxes[3].rules.push_back(make_rule(deed::drop, point::forward, https));
    const auto trial = try_path(std::move(all));
    EXPECT_NE(trial.judged("tcp1").kind, verdict_kind::open);
}

TEST(path_sim, tells_a_drop_at_the_edge_from_a_dead_host)
{
    auto dropped = lay_path({});
    dropped.net.boxes[1].rules.push_back(make_rule(deed::drop, point::forward, https));
    EXPECT_EQ(try_path(std::move(dropped)).judged("tcp1").blame, blame::edge);
    auto dead = lay_path({});
    dead.net.servers[0].dead = true;
    const auto trial = try_path(std::move(dead));
    EXPECT_TRUE(trial.judged("tcp1").blame == blame::unknown || trial.judged("tcp1").blame == blame::service);
}

TEST(path_sim, believes_a_server_next_to_the_provider)
{
    const auto trial = try_path(lay_path({.site = 1, .isp = 1, .tail = 0}));
    EXPECT_EQ(trial.judged("tcp1").kind, verdict_kind::open);
}

TEST(path_sim, blames_nobody_where_no_icmp_comes_in)
{
    auto all = lay_path({});
    all.net.boxes[1].rules.push_back(make_rule(deed::hide_errors, point::forward));
    const auto trial = try_path(std::move(all));
    EXPECT_EQ(trial.judged("tcp1").kind, verdict_kind::open);
    EXPECT_EQ(trial.judged("udp1").blame, blame::unknown);
}

TEST(path_sim, calls_the_provider_only_behind_a_hop_of_its_own)
{
    auto all = lay_path({.site = 3, .isp = 1, .tail = 1});
    all.net.boxes[2].tells = false;
    all.net.boxes[2].rules.push_back(make_rule(deed::reset, point::forward));
    all.net.boxes[2].rules.push_back(make_rule(deed::reject, point::forward));
    all.net.boxes[3].tells = false;
    EXPECT_NE(try_path(std::move(all)).judged("tcp1").blame, blame::isp);
}

TEST(path_sim, takes_no_ttl_from_answers_by_icmp)
{
    auto all = lay_path({});
    for (const auto port : {std::uint16_t{443}, std::uint16_t{8443}}) {
        all.net.servers[0].ports[{transport::tcp, port}] = manner::rejects;
    }
    EXPECT_EQ(try_path(std::move(all)).judged("tcp1").kind, verdict_kind::closed);
}

TEST(path_sim, leaves_open_whether_this_machine_or_the_first_box_drops)
{
    auto all = lay_path({});
    all.net.boxes[0].rules.push_back(make_rule(deed::drop, point::forward, https));
    EXPECT_EQ(try_path(std::move(all)).judged("tcp1").blame, blame::unknown);
}

TEST(path_sim, finds_this_machines_own_filter)
{
    auto all = lay_path({});
    all.net.boxes[0].rules.push_back(make_rule(deed::reset, point::forward, https));
    EXPECT_EQ(try_path(std::move(all)).judged("tcp1").blame, blame::host);
}

TEST(path_sim, does_not_take_a_shorter_parallel_way_for_an_impostor)
{
    auto all = lay_path({.site = 1, .isp = 2, .tail = 3});
    auto& tail = all.net.servers[0].tail[0];
    tail.rows.push_back({tail.rows[0].back()});
    tail.rows[0].pop_back();
    all.net.spreads_flows = true;
    for (std::uint16_t port = 2001; port <= 2012; ++port) {
        all.net.servers[0].ports[{transport::tcp, port}] = manner::answers;
        all.plan.add(
            "more" + std::to_string(port), expectation::path, {make_endpoint(server_text, port, {})}
        );
    }
    const auto trial = try_path(std::move(all));
    EXPECT_NE(trial.judged("tcp1").kind, verdict_kind::intercepted);
}

} // namespace
} // namespace reachd::test
