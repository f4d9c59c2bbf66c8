// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/expand.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

const std::vector<vantage> routing_table{vantage{}};

std::vector<std::string> texts(const std::vector<endpoint_state>& endpoints)
{
    std::vector<std::string> out;
    for (const auto& one : endpoints) {
        out.push_back(
            one.name + "|" + (one.address ? to_text(*one.address) : "") + "|" + std::to_string(one.port) +
            "|" + one.vantage
        );
    }
    return out;
}

using list = std::vector<std::string>;

TEST(expand, makes_every_address_times_every_port_literals_first)
{
    auto row = make_outbound(expectation::service, "80,443");
    row.addresses = {make_address(server_text)};
    row.names = {"vendor.example"};
    const auto lookup = make_lookup("vendor.example", {other_server_text, server6_text});
    const auto made = expand(row, {lookup}, routing_table, {});
    EXPECT_EQ(
        texts(made), (list{
                         "|54.215.171.160|80|",
                         "|54.215.171.160|443|",
                         "vendor.example|54.219.138.108|80|",
                         "vendor.example|54.219.138.108|443|",
                         "vendor.example|2600:1f00::10|80|",
                         "vendor.example|2600:1f00::10|443|",
                     })
    );
}

TEST(expand, probes_names_alone_on_the_fallback_ports)
{
    auto row = make_outbound(expectation::path, "5223");
    row.addresses = {make_address(server_text)};
    row.names = {"vendor.example"};
    row.fallback_ports = parse_ports("443").value();
    const auto made = expand(row, {make_lookup("vendor.example", {other_server_text})}, routing_table, {});
    EXPECT_EQ(
        texts(made), (list{
                         "|54.215.171.160|5223|",
                         "vendor.example|54.219.138.108|5223|",
                         "vendor.example|54.219.138.108|443|",
                     })
    );
}

TEST(expand, gives_endpoints_the_transport_of_the_row_and_the_servers_of_the_name)
{
    auto row = make_outbound(expectation::path, "4200");
    row.transport = transport::udp;
    row.names = {"vendor.example"};
    const auto made = expand(row, {make_lookup("vendor.example", {server_text})}, routing_table, {});
    ASSERT_EQ(made.size(), 1U);
    EXPECT_EQ(made[0].transport, transport::udp);
    EXPECT_EQ(made[0].servers, (list{"system", "10.77.1.53"}));
    EXPECT_FALSE(made[0].without_probing);
    EXPECT_TRUE(made[0].needed);
}

TEST(expand, keeps_a_name_without_address_as_an_endpoint_that_is_not_probed)
{
    auto row = make_outbound(expectation::service, "80,443");
    row.names = {"vendor.example"};
    const auto made =
        expand(row, {make_failed_lookup("vendor.example", dns_status::no_such_name)}, routing_table, {});
    EXPECT_EQ(texts(made), (list{"vendor.example||80|", "vendor.example||443|"}));
    for (const auto& one : made) {
        ASSERT_TRUE(one.without_probing);
        EXPECT_EQ(one.without_probing->kind, verdict_kind::unresolved);
    }
}

TEST(expand, marks_a_forged_address_and_no_other)
{
    auto row = make_outbound(expectation::service);
    row.names = {"vendor.example"};
    const auto lookup = make_lookup("vendor.example", {"10.77.1.80", server_text});
    const auto made = expand(row, {lookup}, routing_table, {});
    ASSERT_EQ(made.size(), 2U);
    EXPECT_TRUE(made[0].without_probing);
    EXPECT_FALSE(made[1].without_probing);

    row.private_answers = true;
    EXPECT_FALSE(expand(row, {lookup}, routing_table, {})[0].without_probing);
}

TEST(expand, probes_a_literal_in_private_space_as_it_was_asked_for_by_number)
{
    auto row = make_outbound(expectation::service);
    row.addresses = {make_address("10.9.9.9")};
    EXPECT_FALSE(expand(row, {}, routing_table, {})[0].without_probing);
}

TEST(expand, repeats_everything_for_each_vantage)
{
    auto row = make_outbound(expectation::service, "80,443");
    row.addresses = {make_address(server_text)};
    const std::vector<vantage> both{
        {.name = "wired", .interface = "eth0", .source = {}},
        {.name = "voice", .interface = {}, .source = make_address("10.20.0.5")}
    };
    EXPECT_EQ(
        texts(expand(row, {}, both, {})), (list{
                                              "|54.215.171.160|80|wired",
                                              "|54.215.171.160|443|wired",
                                              "|54.215.171.160|80|voice",
                                              "|54.215.171.160|443|voice",
                                          })
    );
}

TEST(expand, does_not_send_from_an_address_of_the_other_family)
{
    auto row = make_outbound(expectation::service);
    row.names = {"vendor.example"};
    const std::vector<vantage> both{
        {.name = "four", .interface = {}, .source = make_address("10.20.0.5")},
        {.name = "six", .interface = {}, .source = make_address("2600::5")}
    };
    const auto made = expand(row, {make_lookup("vendor.example", {server_text, server6_text})}, both, {});
    EXPECT_EQ(
        texts(made), (list{"vendor.example|54.215.171.160|443|four", "vendor.example|2600:1f00::10|443|six"})
    );
}

TEST(expand, keeps_what_is_known_of_the_same_target_only)
{
    auto row = make_outbound(expectation::service, "80,443");
    row.addresses = {make_address(server_text)};
    row.names = {"vendor.example"};
    const auto lookup = make_lookup("vendor.example", {server_text});
    auto before = expand(row, {lookup}, routing_table, {});
    before[1].seen = {make_seen(connected{})};
    before[1].judged.kind = verdict_kind::open;
    before[1].since = make_wall(seconds{500});

    const auto after = expand(row, {lookup}, routing_table, before);
    ASSERT_EQ(after.size(), 4U);
    EXPECT_EQ(after[1].seen, before[1].seen);
    EXPECT_EQ(after[1].judged, before[1].judged);
    EXPECT_EQ(after[1].since, before[1].since);
    for (const std::size_t other : {0U, 2U, 3U}) { // another port, and the name at the same address
        SCOPED_TRACE(other);
        EXPECT_TRUE(after[other].seen.empty());
        EXPECT_EQ(after[other].since, wall_time{});
    }
}

TEST(expand, knows_nothing_of_one_vantage_from_another)
{
    auto row = make_outbound(expectation::service);
    row.addresses = {make_address(server_text)};
    auto before = expand(row, {}, {vantage{.name = "wired", .interface = {}, .source = {}}}, {});
    before[0].seen = {make_seen(connected{})};
    EXPECT_TRUE(
        expand(row, {}, {vantage{.name = "voice", .interface = {}, .source = {}}}, before)[0].seen.empty()
    );
}

TEST(expand, forgets_addresses_that_the_name_no_longer_has_and_judges_the_name_anew)
{
    auto row = make_outbound(expectation::service);
    row.names = {"vendor.example"};
    const auto before = expand(row, {make_lookup("vendor.example", {server_text})}, routing_table, {});
    const auto moved =
        expand(row, {make_lookup("vendor.example", {other_server_text})}, routing_table, before);
    EXPECT_EQ(texts(moved), (list{"vendor.example|54.219.138.108|443|"}));
    const auto gone =
        expand(row, {make_failed_lookup("vendor.example", dns_status::no_reply)}, routing_table, before);
    EXPECT_TRUE(gone.at(0).without_probing);
    const auto back = expand(row, {make_lookup("vendor.example", {server_text})}, routing_table, gone);
    EXPECT_FALSE(back.at(0).without_probing);
}

TEST(new_addresses, are_those_of_names_that_were_not_there_before_each_once)
{
    auto row = make_outbound(expectation::service, "80,443");
    row.addresses = {make_address("1.2.3.4")};
    row.names = {"a.example", "b.example"};
    const auto before = expand(
        row, {make_lookup("a.example", {server_text}), make_lookup("b.example", {server_text})},
        routing_table, {}
    );
    const auto now = expand(
        row,
        {make_lookup("a.example", {server_text, other_server_text}),
         make_lookup("b.example", {other_server_text})},
        routing_table, {}
    );
    EXPECT_EQ(new_addresses(before, now), (list{"a.example 54.219.138.108", "b.example 54.219.138.108"}));
    EXPECT_TRUE(new_addresses(now, now).empty());
}

TEST(new_addresses, are_none_for_literals_and_names_without_address)
{
    auto row = make_outbound(expectation::service);
    row.addresses = {make_address(server_text)};
    row.names = {"a.example"};
    const auto now =
        expand(row, {make_failed_lookup("a.example", dns_status::no_such_name)}, routing_table, {});
    EXPECT_TRUE(new_addresses({}, now).empty());
}

TEST(endpoint_state, is_the_same_target_only_if_all_that_names_it_is_the_same)
{
    const auto one = make_named("a.example", server_text, 443, {});
    EXPECT_TRUE(one.is_same_target(make_named("a.example", server_text, 443, make_silence())));
    EXPECT_FALSE(one.is_same_target(make_named("b.example", server_text, 443, {})));
    EXPECT_FALSE(one.is_same_target(make_named("a.example", other_server_text, 443, {})));
    EXPECT_FALSE(one.is_same_target(make_named("a.example", server_text, 80, {})));
    auto udp = one;
    udp.transport = transport::udp;
    EXPECT_FALSE(one.is_same_target(udp));
    auto voice = one;
    voice.vantage = "voice";
    EXPECT_FALSE(one.is_same_target(voice));
}

} // namespace
} // namespace reachd
