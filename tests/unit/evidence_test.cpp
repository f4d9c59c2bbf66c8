// SPDX-License-Identifier: Apache-2.0
// Where answers come from, which silence proves something, and what counts as the same way.
#include "reachd/core/evidence.hpp"

#include "walked_site.hpp"

#include <algorithm>
#include <functional>

namespace reachd {
namespace {

using namespace test;

class evidence_test : public walked_site {
protected:
    static flow to(std::uint16_t port, transport how = transport::tcp)
    {
        return {"", make_target(server_text, port, how)};
    }
    static flow a_control() { return to(control_port, transport::udp); }
    // The control gets as far as the destination, whose ICMP error arrives with this TTL.
    void speaks_with(unsigned last, int received_ttl)
    {
        passed(a_control().target, last);
        auto icmp = make_icmp(server_text, 3, 3);
        icmp.received_ttl = received_ttl;
        see(a_control().target, last + 1, icmp);
    }
    void forget()
    {
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
    }
    evidence all() const { return {it.what, it.site}; }
    origin origin_of_it() const { return all().origin_of(to(443)); }
};

// --- where the destination itself speaks ---

TEST_F(evidence_test, the_destination_speaks_from_the_lowest_hop_limit_that_reaches_it)
{
    const auto target = a_control().target;
    see(target, 6, make_icmp(server_text, 3, 3));
    silent(target, 4, 2);
    silent(target, 3, 2);
    see(target, 5, make_icmp(server_text, 3, 3));
    see(target, 7, make_icmp(server_text, 3, 3));
    const auto evidence = all();
    const auto& facts = evidence.facts("", make_address(server_text));
    EXPECT_EQ(facts.spoke_at, 5U);
    EXPECT_EQ(facts.spoke_silent, 4U) << "the highest of those below";
}

TEST_F(evidence_test, the_destination_has_not_spoken_where_no_hop_limit_or_this_machine_was_the_reason)
{
    auto plain = make_seen(make_icmp(server_text, 3, 3));
    auto ours = make_icmp(server_text, 3, 1);
    ours.sender_is_us = true;
    it.site.traces[a_control()] = {plain};
    see(a_control().target, 3, ours);
    see(a_control().target, 3, make_icmp(server_text, 11, 0)); // a translator, in its name
    see(a_control().target, 3, make_icmp(stranger_text, 3, 3));
    see(make_target(server_text, 443), 3, make_icmp(server_text, 3, 3)); // no control flow
    EXPECT_EQ(all().facts("", make_address(server_text)).spoke_at, std::nullopt);
}

// --- where an answer comes from ---

TEST_F(evidence_test, an_answer_has_the_origin_that_the_other_flows_leave_it)
{
    struct row {
        const char* about;
        std::function<void()> seen;
        origin from;
    };
    const auto target = make_target(server_text, 443);
    const auto other = make_target(server_text, 80);
    const std::vector<row> rows{
        {"nothing answered", [&] { passed(target, 2); }, origin::unchecked},
        {"it was seen farther on than it was answered",
         [&] {
             answered(443, 2, connected{});
             see(target, 3, make_icmp(hops[2], 11, 0));
         },
         origin::inconclusive},
        {"a box at the first hop translates it",
         [&] {
             see(target, 1, make_icmp(server_text, 11, 0));
             see(target, 2, connected{});
         },
         origin::near},
        {"no control gets there",
         [&] {
             answered(443, distance, connected{});
             control(2, false);
         },
         origin::inconclusive},
        {"the destination speaks from there",
         [&] {
             answered(443, distance, connected{});
             control(3, true);
         },
         origin::consistent},
        {"another flow, of another way, goes past",
         [&] {
             see(target, 3, connected{});
             control(3, true);
         },
         origin::contradicted},
        {"the destination itself is silent from there",
         [&] {
             see(target, 2, connected{});
             silent(a_control().target, 2);
             see(a_control().target, 4, make_icmp(server_text, 3, 3));
         },
         origin::contradicted},
        {"another port is answered from farther away only",
         [&] {
             see(target, 2, connected{});
             silent(other, 2);
             see(other, 3, connected{});
         },
         origin::contradicted},
    };
    for (const auto& [about, seen, from] : rows) {
        SCOPED_TRACE(about);
        forget();
        seen();
        EXPECT_EQ(origin_of_it(), from);
    }
}

TEST_F(evidence_test, an_answer_from_near_that_has_come_as_far_as_the_destinations_is_in_disguise)
{
    struct row {
        const char* about;
        std::optional<unsigned> arrives;
        int icmp_arrives;
        origin from;
    };
    for (const auto& [about, arrives, icmp_arrives, from] :
         {row{"nobody knows with which TTL it arrives", std::nullopt, 60, origin::near},
          row{"with as many hops behind it", 60U, 60, origin::disguised},
          row{"with more", 58U, 60, origin::disguised}, row{"with fewer", 62U, 60, origin::near}}) {
        SCOPED_TRACE(about);
        forget();
        answered(443, 2, connected{});
        speaks_with(3, icmp_arrives);
        if (arrives) {
            arrives_with(make_target(server_text, 443), *arrives);
        }
        EXPECT_EQ(origin_of_it(), from);
    }
}

TEST_F(evidence_test, an_answer_from_near_may_come_as_far_as_another_ports_from_farther_away)
{
    for (const auto& [arrives, from] : {std::pair{60U, origin::disguised}, {50U, origin::near}}) {
        forget();
        answered(443, 2, connected{});
        arrives_with(make_target(server_text, 443), 60);
        answered(80, distance, connected{});
        arrives_with(make_target(server_text, 80), arrives);
        EXPECT_EQ(origin_of_it(), from) << arrives;
    }
}

TEST_F(evidence_test, an_answer_from_where_the_destination_speaks_is_outdone_if_it_arrives_with_fewer_hops)
{
    for (const auto& [arrives, from] : {std::pair{60U, origin::consistent}, {62U, origin::outdone}}) {
        forget();
        answered(443, distance, connected{});
        arrives_with(make_target(server_text, 443), arrives);
        speaks_with(distance - 1, 60);
        EXPECT_EQ(origin_of_it(), from) << arrives;
        const auto& one = judged(make_seen(connected{}));
        EXPECT_EQ(one.kind, from == origin::outdone ? verdict_kind::unproven : verdict_kind::open);
        EXPECT_EQ(
            one.sentence.find("servers at different distances behind one address") != std::string::npos,
            from == origin::outdone
        ) << one.sentence;
    }
}

TEST_F(evidence_test, the_ttl_of_an_answer_is_worth_a_probe_only_where_it_may_be_near)
{
    EXPECT_FALSE(all().wants_received_ttl(to(443))) << "nothing answered";
    answered(443, 2, connected{});
    EXPECT_FALSE(all().wants_received_ttl(to(443))) << "nobody gets farther";
    control(3, true);
    EXPECT_TRUE(all().wants_received_ttl(to(443)));
    see(make_target(server_text, 443, transport::udp), 2, replied{});
    EXPECT_FALSE(all().wants_received_ttl(to(443, transport::udp))) << "of datagrams it tells nothing";
}

// --- ways ---

TEST_F(evidence_test, flows_meet_at_a_hop_where_the_same_box_answered_both)
{
    const auto target = make_target(server_text, 443);
    const auto other = make_target(server_text, 80);
    EXPECT_TRUE(all().meets_same(to(443), to(80), 0)) << "this machine";
    see(target, 1, make_icmp(hops[0], 11, 0));
    EXPECT_FALSE(all().meets_same(to(443), to(80), 1)) << "the other was not seen there";
    EXPECT_FALSE(all().meets_same(to(80), to(443), 1));
    see(other, 1, make_icmp(hops[0], 11, 0));
    EXPECT_TRUE(all().meets_same(to(443), to(80), 1));
    see(target, 2, make_icmp(hops[1], 11, 0), true);
    see(other, 2, make_icmp("100.64.0.9", 11, 0), true);
    EXPECT_FALSE(all().meets_same(to(443), to(80), 2));
}

TEST_F(evidence_test, a_hop_rejects_where_rejections_of_any_flow_of_that_side_begin_there)
{
    const auto other = make_target(other_server_text, 80);
    EXPECT_FALSE(all().is_rejecting(to(443), 3));
    see(other, 3, make_icmp(stranger_text, 3, 13));
    EXPECT_FALSE(all().is_rejecting(to(443), 3)) << "it may have begun at the hop before";
    see(other, 2, make_icmp(hops[1], 11, 0));
    EXPECT_TRUE(all().is_rejecting(to(443), 3));
    EXPECT_FALSE(all().is_rejecting(to(443), 4));
    EXPECT_FALSE(all().is_rejecting({"voice", make_target(server_text, 443)}, 3));
    EXPECT_FALSE(all().is_rejecting({"", make_target(server6_text, 443)}, 3));
    see(other, 1, make_icmp(stranger_text, 3, 13));
    EXPECT_TRUE(all().is_rejecting(to(443), 1)) << "before the first there is none";
    see(other, 1, make_icmp(hops[0], 11, 0));
    EXPECT_FALSE(all().is_rejecting(to(443), 1)) << "it is rejected no more";
}

TEST_F(evidence_test, a_dns_servers_old_rejection_makes_no_hop_one_that_rejects)
{
    const auto server = make_target("203.0.113.53", 53, transport::udp);
    see(server, 2, make_icmp(hops[1], 11, 0));
    see(server, 3, make_icmp(stranger_text, 3, 13));
    EXPECT_TRUE(all().is_rejecting(to(443), 3));
    it.site.local.dns_servers = {make_address("203.0.113.53")};
    EXPECT_FALSE(all().is_rejecting(to(443), 3));
}

TEST_F(evidence_test, dns_servers_of_the_family_are_flows_that_the_firewall_lets_through)
{
    it.site.local.dns_servers = {make_address("10.77.1.53"), make_address("fd77::53")};
    const auto v4 = all().dns_flows("voice", family::v4);
    ASSERT_EQ(v4.size(), 1U);
    EXPECT_EQ(v4[0], (flow{"voice", make_target("10.77.1.53", 53, transport::udp)}));
    ASSERT_EQ(all().dns_flows("", family::v6).size(), 1U);
    EXPECT_EQ(all().dns_flows("", family::v6)[0].target.address, make_address("fd77::53"));
}

// --- hearing ---

TEST_F(evidence_test, a_hop_is_heard_by_what_it_answered_other_flows_of_that_side_since)
{
    const auto target = make_target(server_text, 443);
    const auto other = make_target(other_server_text, 80);
    see(other, 2, make_icmp(hops[1], 11, 0));
    EXPECT_EQ(all().heard_since(to(443), 2).times, 0U) << "it has not been silent for this flow";
    EXPECT_EQ(all().heard_since(to(443), 2).by, (flow{"", other}));
    see(target, 2, no_reply{seconds{1}});
    EXPECT_EQ(all().heard_since(to(443), 2).times, 0U) << "that was before";
    see(other, 2, make_icmp(hops[1], 11, 0));
    see(target, 2, make_icmp(hops[1], 11, 0)); // its own does not count
    auto elsewhere = make_seen(make_icmp(hops[1], 11, 0));
    elsewhere.hop_limit = 2;
    elsewhere.at = make_wall(seconds{9000});
    it.site.traces[flow{"voice", other}] = {elsewhere};
    it.site.traces[flow{"", make_target(server6_text, 80)}] = {elsewhere};
    EXPECT_EQ(all().heard_since(to(443), 2).times, 1U);
    EXPECT_FALSE(all().heard_since(to(443), 3).by);
}

TEST_F(evidence_test, the_better_witness_of_a_hop_is_a_flow_to_the_same_address)
{
    see(make_target("198.51.100.1", 80), 2, make_icmp(hops[1], 11, 0));
    see(make_target(server_text, 80), 2, make_icmp(hops[1], 11, 0));
    see(make_target("198.51.100.9", 80), 2, make_icmp(hops[1], 11, 0));
    EXPECT_EQ(all().heard_since(to(443), 2).by, to(80));
}

TEST_F(evidence_test, a_hop_that_answers_the_same_transport_is_not_heard_by_the_other)
{
    see(make_target(server_text, 443), 1, no_reply{seconds{1}});
    for (int i = 0; i < 3; ++i) {
        see(a_control().target, 1, make_icmp(hops[0], 11, 0));
    }
    EXPECT_EQ(all().heard_since(to(443), 1).times, 3U);
    see(make_target(server_text, 80), 1, make_icmp(hops[0], 11, 0));
    EXPECT_EQ(all().heard_since(to(443), 1).times, 1U) << "it may limit the one and not the other";
}

} // namespace
} // namespace reachd
