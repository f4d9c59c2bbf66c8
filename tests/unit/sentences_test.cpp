// SPDX-License-Identifier: Apache-2.0
// What a person reads: the sentence of a row, what to do about it, and the sentence of the site.
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

std::vector<observation> answered()
{
    return {make_seen(connected{})};
}

std::vector<observation> trouble(local_cause why)
{
    return {make_seen(make_unmeasured(why))};
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

scene one_row(endpoint_state one, expectation expect = expectation::service)
{
    auto it = make_scene();
    it.add("row", expect, {std::move(one)});
    it.evaluate();
    return it;
}

TEST(row_sentence, of_a_passing_row_counts_what_was_proven)
{
    EXPECT_EQ(one_row(make_endpoint(server_text, 443, answered())).row("row").sentence, "answers");

    auto it = make_scene();
    it.add(
        "service", expectation::service,
        {make_endpoint(server_text, 80, answered()), make_endpoint(server_text, 443, answered())}
    );
    it.add(
        "path", expectation::path,
        {make_endpoint(server_text, 80, answered()), make_endpoint(server_text, 81, {make_seen(refused{})}),
         make_endpoint(server_text, 82, {make_seen(refused{})})}
    );
    it.add(
        "blocked", expectation::blocked,
        {make_endpoint(server_text, 23, {make_seen(make_icmp(gateway_text, 3, 13))}),
         make_endpoint(server_text, 24, {make_seen(make_icmp(gateway_text, 3, 13))})}
    );
    it.evaluate();
    EXPECT_EQ(it.row("service").sentence, "all 2 endpoints answer");
    EXPECT_EQ(it.row("path").sentence, "all 3 endpoints are let through: 1 open, 2 closed");
    EXPECT_EQ(it.row("blocked").sentence, "all 2 endpoints are shut, as they should be");
    for (const char* row : {"service", "path", "blocked"}) {
        EXPECT_EQ(it.row(row).advice, "");
    }
}

TEST(row_sentence, of_a_failing_row_names_the_first_failing_run_and_how_much_more_there_is)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, answered()), make_endpoint(server_text, 443, make_silence())}
    );
    it.evaluate();
    EXPECT_EQ(
        it.row("row").sentence, "tcp 443 to 54.215.171.160: no answer in 2 attempts of 3 s; port 80 of the "
                                "same address answers, so this "
                                "port is dropped on the way or at the destination"
    );
    it.add(
        "two", expectation::service,
        {make_endpoint(server_text, 80, answered()), make_endpoint(server_text, 443, {make_seen(refused{})}),
         make_endpoint(other_server_text, 443, make_silence())}
    );
    it.evaluate();
    EXPECT_TRUE(
        it.row("two").sentence.starts_with("2 of 3 endpoints fail; first: tcp 443 to 54.215.171.160: refused")
    ) << it.row("two").sentence;
}

TEST(row_sentence, names_the_address_of_a_name_and_the_vantage)
{
    auto one = make_named("a.example", server_text, 443, {make_seen(refused{})});
    EXPECT_TRUE(
        one_row(one).row("row").sentence.starts_with("tcp 443 to a.example (54.215.171.160): refused")
    );
    one.vantage = "voice";
    EXPECT_TRUE(
        one_row(one).row("row").sentence.starts_with("tcp 443 to a.example (54.215.171.160) via voice: ")
    );
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_named("a.example", server_text, 443, {make_seen(refused{})}),
         make_named("a.example", other_server_text, 443, {make_seen(refused{})})}
    );
    it.evaluate();
    EXPECT_TRUE(it.row("row").sentence.starts_with("tcp 443 to a.example (2 addresses): refused"));
}

TEST(row_sentence, of_an_undecided_row_names_what_is_undecided_and_not_what_passes)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, answered()),
         make_endpoint(server_text, 443, trouble(local_cause::no_memory))}
    );
    it.evaluate();
    EXPECT_EQ(
        it.row("row").sentence, "tcp 443 to 54.215.171.160: not measured: this machine is out of memory, or "
                                "its transmit queue is full"
    );
}

TEST(row_sentence, of_a_block_says_what_its_names_prove_and_what_is_left)
{
    auto it = make_scene();
    it.add("apns", expectation::path, {make_named("a.example", server_text, 5223, answered())});
    it.add("bare", expectation::path, {});
    for (auto& row : it.what.rows) {
        std::get<outbound_row>(row.what).blocks = {parse_block("17.0.0.0/8").value()};
    }
    it.evaluate();
    EXPECT_TRUE(has(it.row("apns").sentence, "1 endpoints of its names are let through"));
    EXPECT_TRUE(has(it.row("apns").sentence, "17.0.0.0/8"));
    EXPECT_TRUE(has(it.row("bare").sentence, "names no host to try"));
}

TEST(row_sentence, tells_not_checked_from_nothing_to_measure)
{
    auto it = make_scene();
    it.add("row", expectation::service, {});
    it.evaluate();
    EXPECT_EQ(it.row("row").sentence, "no endpoint was measured");
    it.site.rows[0].checked.reset();
    it.evaluate();
    EXPECT_EQ(it.row("row").sentence, "not checked yet");
}

TEST(row_sentence, of_idle_and_inbound_rows_says_that_they_are_not_measured)
{
    auto it = make_scene();
    it.what.rows = {
        make_plan_row("idle", idle_timer{.transport = transport::tcp, .hold = seconds{720}}),
        make_plan_row(
            "inbound",
            inbound{
                .sources = {make_address(server_text), make_address(other_server_text)}, .service = "the PBX"
            }
        ),
    };
    it.site.rows.resize(2);
    it.evaluate();
    EXPECT_TRUE(has(it.row("idle").sentence, "idle tcp mapping is held for 12 min"));
    EXPECT_TRUE(has(it.row("inbound").sentence, "54.215.171.160 and 54.219.138.108 can connect to the PBX"));
    EXPECT_TRUE(
        has(it.row("inbound").advice, "say under `inbound` in the configuration where the service is")
    );
    EXPECT_EQ(it.row("idle").advice, "");
}

// --- advice goes to whom the evidence names ---

TEST(advice, sends_to_whom_the_evidence_names_and_to_nobody_else)
{
    struct row {
        const char* about;
        std::vector<observation> seen;
        const char* says;
        const char* says_not;
    };
    auto own = make_icmp("10.77.1.5", 3, 13);
    own.sender_is_us = true;
    const std::vector<row> rows{
        {"own filter", trouble(local_cause::refused_here), "this machine's own packet filter",
         "site's firewall"},
        {"own reject rule", {make_seen(own)}, "this machine's own packet filter", "site's firewall"},
        {"gateway", {make_seen(make_icmp(gateway_text, 3, 13))}, "the box at 10.77.1.1", "own packet filter"},
        {"stranger", {make_seen(make_icmp(stranger_text, 3, 13))}, "the box at 81.2.69.1", "site's firewall"},
        {"destination",
         {make_seen(make_icmp(server_text, 3, 13))},
         "the destination itself refuses",
         "allow"},
        {"silence", make_silence(), "if it is allowed already, ask the vendor whether it is up",
         "the box at"},
        {"reset", {make_seen(refused{})}, "a firewall that refuses by RST looks the same", "allow"},
        {"cut", make_greeted(cut_off{.by_reset = true}, probe_kind::tls), "content inspection",
         "allow outbound"},
        {"inspection", make_greeted(make_untrusted("Evil"), probe_kind::tls), "TLS inspection", "DNS"},
        {"no route", trouble(local_cause::no_route), "mend this machine first", "firewall"},
    };
    for (const auto& [about, seen, says, says_not] : rows) {
        SCOPED_TRACE(about);
        const auto it = one_row(make_endpoint(server_text, 443, seen));
        EXPECT_TRUE(has(it.row("row").advice, says)) << it.row("row").advice;
        EXPECT_FALSE(has(it.row("row").advice, says_not)) << it.row("row").advice;
    }
}

TEST(advice, for_a_drop_beyond_the_site_does_not_send_to_its_firewall)
{
    auto one = make_endpoint(server_text, 443, {});
    one.without_probing = verdict{
        .kind = verdict_kind::blocked,
        .where =
            location{
                .at = {},
                .after = hop{.number = 3},
                .before = hop{.number = 4, .address = make_address(server_text)}
            },
        .sentence = "dropped",
        .left_site = true,
    };
    EXPECT_EQ(
        one_row(one).row("row").advice, "ask the vendor and the provider: tcp 443 to 54.215.171.160 leaves "
                                        "the site and ends between hop 3 (no address seen) and hop 4 "
                                        "(54.215.171.160)"
    );
    one.without_probing->left_site = false; // from the site's edge to the destination: anybody between
    EXPECT_EQ(
        one_row(one).row("row").advice, "allow outbound tcp 443 to 54.215.171.160 in the site's firewall; if "
                                        "it is allowed already, ask the provider, "
                                        "and the vendor whether it is up"
    );
}

TEST(advice, for_a_drop_at_the_sites_edge_goes_on_to_the_provider)
{
    auto one = make_endpoint(server_text, 443, {});
    one.without_probing = verdict{
        .kind = verdict_kind::blocked,
        .blame = blame::edge,
        .where = location{.at = {}, .after = hop{.number = 1}, .before = hop{.number = 2}},
        .sentence = "dropped",
    };
    EXPECT_EQ(
        one_row(one).row("row").advice, "allow outbound tcp 443 to 54.215.171.160 in the site's firewall; if "
                                        "it is allowed already, ask the provider to "
                                        "let it through"
    );
}

TEST(advice, for_names_goes_to_the_dns)
{
    auto forged = make_named("a.example", "10.0.0.1", 443, {});
    forged.without_probing =
        verdict{.kind = verdict_kind::intercepted, .stage = stage::resolve, .sentence = "forged"};
    EXPECT_TRUE(has(one_row(forged).row("row").advice, "have the site's DNS answer a.example"));
    auto unknown = make_named("a.example", "10.0.0.1", 443, {});
    unknown.without_probing =
        verdict{.kind = verdict_kind::unresolved, .stage = stage::resolve, .sentence = "gone"};
    EXPECT_TRUE(has(one_row(unknown).row("row").advice, "make a.example resolve on every DNS server"));
}

TEST(advice, for_a_port_that_should_be_shut_is_to_shut_it)
{
    const auto it = one_row(make_endpoint(server_text, 23, answered()), expectation::blocked);
    EXPECT_EQ(it.row("row").advice, "shut outbound tcp 23 to 54.215.171.160 in the site's firewall");
}

TEST(advice, is_none_where_nothing_can_be_done_yet)
{
    auto udp = make_endpoint(server_text, 4200, make_silence(transport::udp));
    udp.transport = transport::udp;
    EXPECT_EQ(one_row(udp, expectation::path).row("row").advice, "");
    EXPECT_EQ(
        one_row(make_endpoint(server_text, 443, trouble(local_cause::cancelled))).row("row").advice, ""
    );
    auto blank = make_scene();
    blank.add("row", expectation::service, {});
    blank.what.rows[0].not_configured = "ask the vendor";
    blank.evaluate();
    EXPECT_EQ(blank.row("row").advice, "");
}

// --- the site ---

TEST(site_sentence, counts_and_lists_the_rows)
{
    auto it = make_scene();
    it.add("one", expectation::service, {make_endpoint(server_text, 80, answered())});
    it.add("two", expectation::service, {make_endpoint(server_text, 443, answered())});
    it.evaluate();
    EXPECT_EQ(it.site.sentence, "All 2 requirements pass.");
    it.add("blank", expectation::service, {});
    it.what.rows[2].not_configured = "ask the vendor";
    it.add(
        "memory", expectation::service, {make_endpoint(server_text, 444, trouble(local_cause::no_memory))}
    );
    it.evaluate();
    EXPECT_EQ(
        it.site.sentence, "No requirement fails; 2 of 4 pass; unproven: memory; not configured: blank."
    );
    it.add("bad", expectation::service, {make_endpoint(server_text, 445, {make_seen(refused{})})});
    it.add("worse", expectation::service, {make_endpoint(server_text, 446, make_silence())});
    it.evaluate();
    EXPECT_EQ(it.site.sentence, "2 of 6 requirements fail: bad, worse.");
}

TEST(site_sentence, says_this_machines_own_trouble_once)
{
    auto it = make_scene();
    it.add(
        "one", expectation::service,
        {make_endpoint(server_text, 80, trouble(local_cause::no_route)),
         make_endpoint(server_text, 443, trouble(local_cause::no_route))}
    );
    auto name = make_named("a.example", "10.0.0.1", 443, {});
    name.without_probing = verdict{
        .kind = verdict_kind::unproven,
        .stage = stage::resolve,
        .blame = blame::host,
        .sentence = "not resolved"
    };
    it.add("two", expectation::service, {name});
    it.evaluate();
    EXPECT_EQ(it.site.sentence, "Nothing could be measured: this machine has no route to it.");
}

TEST(site_sentence, does_not_speak_of_this_machine_when_anything_else_was_seen)
{
    for (const auto& seen :
         {answered(), make_silence(), std::vector{make_seen(make_icmp(gateway_text, 3, 13))}}) {
        auto it = make_scene();
        it.add("one", expectation::service, {make_endpoint(server_text, 80, trouble(local_cause::no_route))});
        it.add("two", expectation::service, {make_endpoint(server_text, 443, seen)});
        it.evaluate();
        EXPECT_FALSE(has(it.site.sentence, "Nothing could be measured")) << it.site.sentence;
    }
}

TEST(site_sentence, says_that_nothing_answers_only_if_nothing_does)
{
    auto it = make_scene();
    it.add("one", expectation::service, {make_endpoint(server_text, 80, make_silence())});
    it.add("two", expectation::service, {make_endpoint(other_server_text, 443, make_silence())});
    it.evaluate();
    EXPECT_TRUE(it.site.sentence.starts_with("Nothing answers at all"));
    it.add("three", expectation::service, {make_endpoint(server_text, 81, {make_seen(refused{})})});
    it.evaluate();
    EXPECT_TRUE(it.site.sentence.starts_with("3 of 3 requirements fail"));
    auto unprobed = make_scene();
    unprobed.add("one", expectation::service, {make_endpoint(server_text, 80, {})});
    unprobed.evaluate();
    EXPECT_EQ(unprobed.site.sentence, "No requirement fails; 0 of 1 pass; unproven: one.");
}

// What the site says when a box answers every SYN with this ICMP error.
std::string told_of_all(const char* box, std::uint8_t code)
{
    auto it = make_scene();
    const auto seen = make_seen(make_icmp(box, 3, code));
    it.add("one", expectation::service, {make_endpoint(server_text, 80, {seen})});
    it.add("two", expectation::service, {make_endpoint(other_server_text, 443, {seen})});
    it.evaluate();
    return it.site.sentence;
}

TEST(site_sentence, says_that_the_way_out_is_down_only_if_the_sites_own_box_says_that_it_has_none)
{
    const std::string down = "The way out of this site is down: ";
    const auto told = told_of_all(gateway_text, 0);
    EXPECT_TRUE(told.starts_with(down)) << told;
    EXPECT_TRUE(has(told, gateway_text)) << told;
    EXPECT_FALSE(told_of_all(gateway_text, 13).starts_with(down)); // a rule
    EXPECT_FALSE(told_of_all(stranger_text, 0).starts_with(down)); // somebody beyond
    auto one = make_scene();
    one.add(
        "one", expectation::service,
        {make_endpoint(server_text, 80, {make_seen(make_icmp(gateway_text, 3, 0))})}
    );
    one.evaluate();
    EXPECT_FALSE(one.site.sentence.starts_with(down)); // it may be about that address
    one.add(
        "two", expectation::service,
        {make_endpoint(other_server_text, 80, {make_seen(make_icmp(gateway_text, 3, 0))})}
    );
    one.add("three", expectation::service, {make_endpoint(other_server_text, 443, {make_seen(refused{})})});
    one.evaluate();
    EXPECT_FALSE(one.site.sentence.starts_with(down)); // something gets through
}

TEST(advice, names_the_other_destinations_that_fail_alike)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 443, {make_seen(make_icmp(gateway_text, 3, 13))}),
         make_endpoint(other_server_text, 443, {make_seen(make_icmp(gateway_text, 3, 13))})}
    );
    it.evaluate();
    EXPECT_TRUE(has(it.row("row").advice, std::string{"; the same for "} + other_server_text))
        << it.row("row").advice;
    it.site.rows[0].endpoints.push_back(
        make_endpoint(other_server_text, 80, {make_seen(make_icmp(gateway_text, 3, 13))})
    );
    it.evaluate();
    EXPECT_TRUE(has(it.row("row").advice, "; the same for tcp 80,443 to ")) << it.row("row").advice;
    auto other = one_row(make_endpoint(server_text, 443, {make_seen(make_icmp(gateway_text, 3, 13))}));
    EXPECT_FALSE(has(other.row("row").advice, "the same for"));
}

TEST(advice, for_what_a_check_left_out_is_to_run_it)
{
    auto it = make_scene();
    it.add("row", expectation::service, {});
    it.site.rows[0].not_run = "left out";
    it.evaluate();
    EXPECT_EQ(it.row("row").advice, "run the check again without what left it out");
}

TEST(site_sentence, of_a_site_without_catalogues_says_what_to_do)
{
    site_state nothing;
    EXPECT_TRUE(has(site_sentence(plan{}, nothing), "name a catalogue"));
}

TEST(count_sentence, counts_rows_as_the_sites_own_sentence_does)
{
    using enum row_answer;
    EXPECT_EQ(count_sentence({{"a", pass}, {"b", fail}, {"c", not_needed}}), "1 of 2 requirements fail: b.");
    EXPECT_EQ(count_sentence({{"a", pass}, {"c", not_needed}}), "All 1 requirements pass.");
    EXPECT_EQ(count_sentence({{"a", unproven}}), "No requirement fails; 0 of 1 pass; unproven: a.");
}

TEST(row_advice, sends_one_to_the_provider_for_what_is_dropped_beyond_the_site)
{
    auto it = make_scene();
    it.add("row", expectation::service, {make_endpoint(server_text, 443, make_silence())});
    it.evaluate();
    auto& row = it.site.rows[0];
    ASSERT_TRUE(row.runs[0].fails);
    row.runs[0].judged.blame = blame::isp;
    row.runs[0].judged.where = location{
        .at = {},
        .after = hop{.number = 2, .address = make_address("100.64.0.1")},
        .before = hop{.number = 3, .address = make_address(stranger_text)}
    };
    EXPECT_EQ(
        row_advice(it.what.rows[0], row), "ask the provider to let tcp 443 to 54.215.171.160 through between "
                                          "hop 2 (100.64.0.1) and hop 3 (81.2.69.1)"
    );
}

TEST(row_advice, names_six_more_destinations_that_fail_alike_and_counts_the_others)
{
    auto it = make_scene();
    std::vector<endpoint_state> all;
    for (int i = 1; i <= 10; ++i) {
        all.push_back(make_endpoint("81.2.70." + std::to_string(i), 443, make_silence()));
    }
    it.add("row", expectation::service, all);
    it.evaluate();
    const auto advice = row_advice(it.what.rows[0], it.site.rows[0]);
    EXPECT_NE(
        advice.find(
            "; the same for 81.2.70.2, 81.2.70.3, 81.2.70.4, 81.2.70.5, 81.2.70.6, 81.2.70.7 and 3 more"
        ),
        std::string::npos
    ) << advice;
}

} // namespace
} // namespace reachd
