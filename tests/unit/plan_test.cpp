// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/plan.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

// A catalogue whose one row asks for an address and a port of the site's own.
catalogue make_catalogue()
{
    outbound what;
    what.destinations = {value_ref{"address"}};
    what.ports = value_ref{"port"};
    return {
        .id = "cat",
        .title = "Vendor",
        .document = {},
        .contact = "Vendor Support",
        .values =
            {{"address", {.about = {}, .type = value_type::addresses, .default_text = {}, .ask = {}}},
             {"port", {.about = {}, .type = value_type::port, .default_text = "4200", .ask = {}}}},
        .requirements = {{.id = "signaling", .about = "Signaling", .note = "odd", .ask = {}, .what = what}},
    };
}

config make_config(std::vector<std::string> addresses)
{
    config site;
    site.catalogues = {"cat"};
    if (!addresses.empty()) {
        site.values["cat"]["address"] = std::move(addresses);
    }
    return site;
}

const outbound_row& outbound_of(const plan& made, std::size_t row = 0)
{
    return std::get<outbound_row>(made.rows.at(row).what);
}

TEST(plan, fills_in_the_sites_own_values_and_the_defaults_of_the_document)
{
    const auto made = make_plan(make_config({server_text, "vendor.example"}), {make_catalogue()});
    ASSERT_EQ(made.rows.size(), 1U);
    EXPECT_TRUE(made.rows[0].not_configured.empty());
    EXPECT_EQ(outbound_of(made).addresses, (std::vector{make_address(server_text)}));
    EXPECT_EQ(outbound_of(made).names, (std::vector<std::string>{"vendor.example"}));
    EXPECT_EQ(to_text(outbound_of(made).ports), "4200");
}

TEST(plan, prefers_the_sites_own_value_to_the_default)
{
    auto site = make_config({server_text});
    site.values["cat"]["port"] = {"4300"};
    EXPECT_EQ(to_text(outbound_of(make_plan(site, {make_catalogue()})).ports), "4300");
    site.values["other"]["port"] = {"4400"}; // another catalogue's value of the same name
    EXPECT_EQ(to_text(outbound_of(make_plan(site, {make_catalogue()})).ports), "4300");
}

TEST(plan, says_of_a_blank_value_whom_to_ask_and_what_to_set)
{
    auto known = make_catalogue();
    const auto by_contact = make_plan(make_config({}), {known});
    EXPECT_EQ(
        by_contact.rows[0].not_configured,
        "the document leaves the address blank: ask Vendor Support for it and set values.cat.address in the "
        "site's configuration"
    );
    known.values["address"].ask = "your account manager";
    EXPECT_NE(
        make_plan(make_config({}), {known}).rows[0].not_configured.find("ask your account manager"),
        std::string::npos
    );
    known.values["address"].ask.clear();
    known.contact.clear();
    EXPECT_NE(
        make_plan(make_config({}), {known}).rows[0].not_configured.find("ask the vendor"), std::string::npos
    );
}

TEST(plan, says_of_blank_ports_that_they_are_blank)
{
    auto known = make_catalogue();
    known.values["port"].default_text.clear();
    const auto made = make_plan(make_config({server_text}), {known});
    EXPECT_NE(made.rows[0].not_configured.find("leaves the ports blank"), std::string::npos);
    EXPECT_NE(made.rows[0].not_configured.find("values.cat.port"), std::string::npos);
}

TEST(plan, takes_an_empty_list_of_addresses_for_a_blank)
{
    auto site = make_config({});
    site.values["cat"]["address"] = {};
    EXPECT_FALSE(make_plan(site, {make_catalogue()}).rows[0].not_configured.empty());
}

TEST(plan, sorts_destinations_by_their_kind_and_drops_repeats)
{
    auto known = make_catalogue();
    outbound what;
    what.transport = transport::udp;
    what.expect = expectation::path;
    what.private_answers = true;
    what.payload = "who?";
    what.expect_reply = "me";
    what.tls_ports = parse_ports("5223").value();
    what.tls_names = {"cert.example"};
    what.tls_roots = {"Vendor Inc."};
    what.fallback_ports = parse_ports("443").value();
    what.ports = parse_ports("80,5223").value();
    what.destinations = {
        destination{make_address(server_text)}, destination{parse_block("17.0.0.0/8").value()},
        destination{std::string{"b.example"}},  destination{make_address(server_text)},
        destination{std::string{"a.example"}},  destination{parse_block("17.0.0.0/8").value()},
    };
    what.names = {"a.example", "c.example"};
    known.requirements[0].what = what;
    const auto made = make_plan(make_config({}), {known});
    const auto& row = outbound_of(made);
    EXPECT_EQ(row.addresses.size(), 1U);
    EXPECT_EQ(row.blocks.size(), 1U);
    EXPECT_EQ(row.names, (std::vector<std::string>{"a.example", "c.example", "b.example"}));
    EXPECT_EQ(row.transport, transport::udp);
    EXPECT_EQ(row.expect, expectation::path);
    EXPECT_TRUE(row.private_answers);
    EXPECT_EQ(row.payload, "who?");
    EXPECT_EQ(row.expect_reply, "me");
    EXPECT_EQ(to_text(row.tls_ports), "5223");
    EXPECT_EQ(row.tls_names, what.tls_names);
    EXPECT_EQ(row.tls_roots, what.tls_roots);
    EXPECT_EQ(to_text(row.fallback_ports), "443");
    EXPECT_EQ(to_text(row.ports), "80,5223");
}

TEST(plan, keeps_the_order_of_the_configuration_and_what_the_document_says_of_each_row)
{
    auto first = make_catalogue();
    auto second = make_catalogue();
    second.id = "second";
    second.requirements[0].ask = "the network team";
    second.requirements[0].role = role::disaster_recovery;
    auto site = make_config({server_text});
    site.catalogues = {"second", "missing", "cat"};
    const auto made = make_plan(site, {first, second});
    ASSERT_EQ(made.rows.size(), 2U);
    EXPECT_EQ(made.rows[0].catalogue, "second");
    EXPECT_EQ(made.rows[0].ask, "the network team");
    EXPECT_EQ(made.rows[0].role, role::disaster_recovery);
    EXPECT_EQ(made.rows[1].catalogue, "cat");
    EXPECT_EQ(made.rows[1].ask, "Vendor Support");
    EXPECT_EQ(made.rows[1].role, role::primary);
    EXPECT_EQ(made.rows[1].note, "odd");
    EXPECT_EQ(made.rows[1].about, "Signaling");
    EXPECT_EQ(made.catalogue_of(made.rows[1]).id, "cat");
    EXPECT_EQ(made.config, site);
}

TEST(plan, leaves_catalogues_out_that_the_site_does_not_name)
{
    auto other = make_catalogue();
    other.id = "other";
    EXPECT_EQ(make_plan(make_config({server_text}), {other, make_catalogue()}).rows.size(), 1U);
}

TEST(plan, has_the_sites_vantages_or_that_of_the_routing_table)
{
    auto site = make_config({server_text});
    const auto usual = make_plan(site, {make_catalogue()});
    ASSERT_EQ(usual.vantages.size(), 1U);
    EXPECT_EQ(usual.vantages[0].name, "");
    site.vantages = {{.name = "voice", .interface = "eth1", .source = {}}};
    EXPECT_EQ(make_plan(site, {make_catalogue()}).vantages, site.vantages);
}

TEST(plan, carries_idle_timers_and_inbound_rows_through)
{
    auto known = make_catalogue();
    const idle_timer timer{.transport = transport::tcp, .hold = seconds{720}, .over = {"signaling"}};
    const inbound service{
        .transport = transport::tcp, .sources = {make_address(server_text)}, .service = "the PBX"
    };
    known.requirements = {
        {.id = "idle", .about = {}, .note = {}, .ask = {}, .what = timer},
        {.id = "in", .about = {}, .note = {}, .ask = {}, .what = service}
    };
    const auto made = make_plan(make_config({}), {known});
    EXPECT_EQ(std::get<idle_timer>(made.rows[0].what), timer);
    EXPECT_EQ(std::get<inbound>(made.rows[1].what), service);
    EXPECT_TRUE(made.rows[0].not_configured.empty());
}

TEST(row_name, is_its_id_or_its_catalogue_and_id)
{
    const auto row = make_plan_row("signaling", outbound_row{});
    EXPECT_TRUE(is_named(row, "signaling"));
    EXPECT_TRUE(is_named(row, "cat/signaling"));
    for (const char* word : {"", "cat", "cat/", "signal", "other/signaling", "/signaling"}) {
        SCOPED_TRACE(word);
        EXPECT_FALSE(is_named(row, word));
    }
}

} // namespace
} // namespace reachd
