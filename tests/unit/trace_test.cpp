// SPDX-License-Identifier: Apache-2.0
// What single observations say of a flow, and when a hop's silence counts.
#include "reachd/core/trace.hpp"

#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

observation limited(unsigned limit, outcome what)
{
    auto one = make_seen(std::move(what));
    one.hop_limit = limit;
    return one;
}

TEST(icmp, of_each_kind_is_transit_a_rejection_or_an_answer_or_none_of_them)
{
    struct row {
        const char* about;
        const char* sender;
        std::uint8_t type;
        std::uint8_t code;
        bool transit;
        bool rejection;
        bool answer;
    };
    const std::vector<row> rows{
        {"time exceeded on the way", gateway_text, 11, 0, true, false, false},
        {"time exceeded while it was put together", gateway_text, 11, 1, false, false, false},
        {"prohibited by a box", gateway_text, 3, 13, false, true, false},
        {"unreachable, says the target itself", server_text, 3, 3, false, false, true},
        {"too long for a link", gateway_text, 3, 4, false, false, false},
        {"too long, says the target", server_text, 3, 4, false, false, false},
        {"an echo", gateway_text, 0, 0, false, false, false},
        {"IPv6: time exceeded on the way", "fd77::1", 3, 0, true, false, false},
        {"IPv6: too long for a link", "fd77::1", 2, 0, false, false, false},
        {"IPv6: prohibited by a box", "fd77::1", 1, 1, false, true, false},
        {"IPv6: unreachable, says the target itself", server6_text, 1, 4, false, false, true},
    };
    for (const auto& [about, sender, type, code, transit, rejection, answer] : rows) {
        SCOPED_TRACE(about);
        auto icmp = make_icmp(sender, type, code);
        const auto target = make_address(icmp.family == family::v4 ? server_text : server6_text);
        EXPECT_EQ(is_in_transit(icmp), transit);
        EXPECT_EQ(is_rejection(icmp, target), rejection);
        EXPECT_EQ(is_answer(icmp, target), answer);
        icmp.sender_is_us = true;
        EXPECT_FALSE(is_in_transit(icmp)) << "nothing has left this machine";
        EXPECT_FALSE(is_rejection(icmp, target));
    }
    EXPECT_FALSE(is_in_transit(refused{}));
    EXPECT_FALSE(is_rejection(refused{}, make_address(server_text)));
    EXPECT_TRUE(is_answer(refused{}, make_address(server_text)));
    EXPECT_FALSE(is_answer(no_reply{}, make_address(server_text)));
    EXPECT_FALSE(is_answer(make_unmeasured(local_cause::no_memory), make_address(server_text)));
}

TEST(control_flow, goes_to_the_two_ports_of_traceroute_by_udp)
{
    for (const auto& [port, how, is] :
         {std::tuple{control_port, transport::udp, true},
          {control_port + 1, transport::udp, true},
          {control_port + 2, transport::udp, false},
          {control_port - 1, transport::udp, false},
          {control_port, transport::tcp, false}}) {
        EXPECT_EQ(is_control(make_target(server_text, static_cast<std::uint16_t>(port), how)), is) << port;
    }
}

TEST(flow_view, has_silence_at_a_hop_only_where_nothing_else_was_ever_seen_there)
{
    const auto target = make_target(server_text, 443);
    const std::vector<observation> silence(3, limited(2, no_reply{seconds{1}}));
    EXPECT_TRUE(view_of(target, silence).is_silent_at(2, 3));
    EXPECT_FALSE(view_of(target, silence).is_silent_at(2, 4)) << "tries are missing";
    EXPECT_FALSE(view_of(target, silence).is_silent_at(3, 1));
    const std::vector<std::pair<const char*, outcome>> others{
        {"time exceeded", make_icmp(gateway_text, 11, 0)},
        {"answered", connected{}},
        {"rejected", make_icmp(gateway_text, 3, 13)},
        {"translated", make_icmp(server_text, 11, 0)},
    };
    for (const auto& [about, what] : others) {
        auto seen = silence;
        seen.push_back(limited(2, what));
        EXPECT_FALSE(view_of(target, seen).is_silent_at(2, 3)) << about;
        EXPECT_TRUE(view_of(target, seen).is_settled(2, 9)) << about;
    }
    auto unsent = silence;
    unsent.push_back(limited(2, make_unmeasured(local_cause::no_memory)));
    EXPECT_TRUE(view_of(target, unsent).is_silent_at(2, 3)) << "what could not be sent says nothing";
    EXPECT_TRUE(view_of(target, unsent).is_settled(2, 9)) << "and will not be sent";
    EXPECT_FALSE(view_of(target, silence).is_settled(2, 4));
}

TEST(flow_view, counts_those_tries_apart_for_which_a_hop_may_have_had_no_icmp_left)
{
    std::vector<observation> seen(3, limited(2, no_reply{seconds{1}}));
    seen[1].unpaced = true;
    EXPECT_EQ(view_of(make_target(server_text), seen).silent_unpaced.at(2), 1U);
}

TEST(flow_view, knows_its_own_address_where_a_source_was_told)
{
    auto one = make_seen(connected{});
    for (const auto& [source, address, port] :
         {std::tuple{"10.77.1.2:41002", "10.77.1.2", 41002},
          {"[fd77::2]:41003", "fd77::2", 41003},
          {"nowhere", "", 0},
          {"", "", 0}}) {
        one.source = source;
        const auto view = view_of(make_target(server_text), {one});
        EXPECT_EQ(view.source ? to_text(*view.source) : "", address) << source;
        EXPECT_EQ(source_port_of(one), port) << source;
    }
}

TEST(flow_view, is_sure_of_a_received_ttl_only_after_enough_silence_above_it)
{
    const auto target = make_target(server_text, 443);
    const auto view_with = [&](unsigned silences) {
        std::vector<observation> seen(1 + silences, make_seen(no_reply{seconds{1}}));
        seen[0].what = connected{};
        seen[0].min_ttl = 60;
        for (unsigned i = 1; i <= silences; ++i) {
            seen[i].min_ttl = 61;
        }
        return view_of(target, seen);
    };
    EXPECT_EQ(view_with(min_ttl_tries - 1).received_ttl(), std::nullopt);
    EXPECT_EQ(view_with(min_ttl_tries).received_ttl(), 60U);
    EXPECT_EQ(view_with(min_ttl_tries).sure_received_ttl(), std::nullopt) << "a loss may look so";
    EXPECT_EQ(view_with(sure_min_ttl_tries).sure_received_ttl(), 60U);
    auto highest = make_seen(connected{});
    highest.min_ttl = 255;
    EXPECT_EQ(view_of(target, {highest}).sure_received_ttl(), 255U) << "nothing can be above it";
}

TEST(flow_view, learns_no_received_ttl_from_icmp_errors_nor_from_what_could_not_be_sent)
{
    for (const auto& what :
         {outcome{make_icmp(server_text, 3, 3)}, outcome{make_unmeasured(local_cause::no_memory)}}) {
        auto one = make_seen(what);
        one.min_ttl = 60;
        const auto view = view_of(make_target(server_text, 443), {one});
        EXPECT_TRUE(view.min_answered.empty());
        EXPECT_TRUE(view.min_silent.empty());
        EXPECT_TRUE(view.unmeasured.contains(60 + most_hops));
    }
}

TEST(flow_view, counts_what_came_over_the_link_by_itself)
{
    std::vector<observation> seen{
        make_seen(connected{}), make_seen(no_reply{seconds{1}}), make_seen(no_reply{seconds{1}}),
        make_seen(make_unmeasured(local_cause::refused_here))
    };
    for (auto& one : seen) {
        one.on_link = true;
    }
    const auto view = view_of(make_target(server_text), seen);
    EXPECT_EQ(view.link_answers, 1U);
    EXPECT_EQ(view.link_silences, 2U);
    EXPECT_EQ(view.link_failures, 1U);
    EXPECT_EQ(view.plain_answers, 0U);
}

TEST(hops_back, are_counted_from_the_initial_ttl_below_which_it_arrived)
{
    for (const auto& [received, hops] :
         {std::pair{64U, 0U}, {57U, 7U}, {128U, 0U}, {65U, 63U}, {250U, 5U}, {32U, 0U}, {1U, 31U}}) {
        EXPECT_EQ(hops_back(received), hops) << received;
    }
    EXPECT_EQ(hops_back(256), 0U) << "no TTL";
}

} // namespace
} // namespace reachd
