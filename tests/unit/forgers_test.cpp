// SPDX-License-Identifier: Apache-2.0
// Decoys: datagrams that are to end on their way, so that what comes to them gives a forger away.
#include "reachd/core/evidence.hpp"
#include "reachd/core/trace_keeping.hpp"
#include "walked_site.hpp"

#include <algorithm>

namespace reachd {
namespace {

using namespace test;

class forgers : public walked_site {
protected:
    const endpoint data = make_target(server_text, 4200, transport::udp);

    void datagram(std::vector<observation> first, expectation expect = expectation::service)
    {
        auto one = make_endpoint(server_text, 4200, std::move(first));
        one.transport = transport::udp;
        it.add("row", expect, {one});
        it.evaluate();
    }
    void datagram(outcome first, expectation expect = expectation::service)
    {
        datagram(std::vector{make_seen(std::move(first), probe_kind::udp_send)}, expect);
    }
    // What came to a decoy with so many hops.
    void decoy(unsigned limit, outcome what, bool forged = false)
    {
        auto& one = see(data, limit, std::move(what));
        one.decoy = true;
        one.forged = forged;
        it.evaluate();
    }
    outcome ended_at(unsigned limit) const { return make_icmp(hops[limit - 1], 11, 0); }
    // Decoys among what would be asked next.
    std::vector<hop_order> decoys(const std::set<hop_order>& under_way = {}) const
    {
        auto out = next_orders(it.what, it.site, under_way).now;
        std::erase_if(out, [](const hop_order& one) { return one.decoy == 0; });
        return out;
    }
    // Everything that next_orders() asks about the flow is answered, as by a way on which nobody forges.
    void settle()
    {
        for (int i = 0; i < 200; ++i) {
            auto orders = next_orders(it.what, it.site, {}).now;
            std::erase_if(orders, [](const hop_order& one) { return one.decoy > 0; });
            if (orders.empty()) {
                return;
            }
            for (const auto& one : orders) {
                answer(one);
            }
        }
        FAIL() << "asks for ever";
    }
    const verdict& now() const { return it.judged("row"); }

private:
    void answer(const hop_order& order)
    {
        const auto limit = order.hop_limit.value_or(64);
        const bool is_data = order.which.target == data;
        auto seen = make_seen(
            limit < distance ? ended_at(limit)
            : is_data        ? outcome{replied{.bytes = 5}}
                             : outcome{make_icmp(server_text, 3, 3)}
        );
        seen.hop_limit = order.hop_limit;
        seen.min_ttl = order.min_ttl;
        seen.on_link = order.on_link;
        it.site.traces[order.which].push_back(seen);
    }
};

TEST_F(forgers, are_looked_for_where_a_datagram_was_answered_as_far_as_it_is_seen_and_no_farther)
{
    datagram(replied{.bytes = 5});
    EXPECT_TRUE(decoys().empty()) << "how far it is seen is not known yet";
    settle();
    const auto orders = decoys();
    ASSERT_EQ(orders.size(), decoy_tries);
    for (const auto& one : orders) {
        EXPECT_EQ(one.which, (flow{"", data}));
        EXPECT_EQ(one.hop_limit, distance - 1);
        EXPECT_TRUE(one.needs_icmp) << "where the hop says nothing, nothing is proven";
        EXPECT_FALSE(one.keeps_port) << "only a port that nobody has seen yet has heard nothing before";
    }
    EXPECT_EQ(decoys({orders.front()}), std::vector{orders.back()}) << "beside the one under way";
    decoy(3, ended_at(3));
    EXPECT_EQ(decoys().size(), 1U);
    decoy(3, no_reply{seconds{3}});
    EXPECT_TRUE(decoys().empty());
    EXPECT_EQ(now().kind, verdict_kind::open);
}

TEST_F(forgers, are_not_looked_for_where_nothing_came_or_the_answer_was_over_tcp)
{
    datagram(make_silence(transport::udp), expectation::path);
    passed(data, 3);
    control(3, true);
    answered(443, distance, connected{});
    it.add("web", expectation::path, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.evaluate();
    EXPECT_TRUE(decoys().empty());
}

TEST_F(forgers, T23_make_an_answer_unproven_and_its_twin_leaves_it)
{
    datagram(replied{.bytes = 5});
    settle();
    decoy(3, ended_at(3));
    EXPECT_EQ(now().kind, verdict_kind::open) << "nothing came to it";
    decoy(3, ended_at(3), true);
    EXPECT_EQ(now().kind, verdict_kind::unproven);
    EXPECT_EQ(now().blame, blame::unknown);
    EXPECT_FALSE(now().where);
    EXPECT_NE(now().sentence.find("somebody forges answers"), std::string::npos) << now().sentence;
}

TEST_F(forgers, are_not_found_by_an_answer_to_a_decoy_that_may_have_taken_a_shorter_way)
{
    datagram(replied{.bytes = 5});
    settle();
    decoy(3, replied{.bytes = 4}); // nobody said that it had ended
    EXPECT_EQ(now().kind, verdict_kind::open);
    decoy(3, ended_at(3), true);
    EXPECT_EQ(now().kind, verdict_kind::unproven) << "that very datagram had ended";
}

TEST_F(forgers, have_no_box_accused_where_it_was_answered_with_the_hops_that_it_ended_with)
{
    datagram(replied{.bytes = 5});
    passed(data, 3);
    see(data, 4, replied{.bytes = 4});
    control(3, true);
    it.evaluate();
    EXPECT_EQ(now().kind, verdict_kind::open);
    see(data, 2, replied{.bytes = 4});
    it.evaluate();
    EXPECT_FALSE(now().where) << now().sentence;
    EXPECT_NE(now().sentence.find("could not be checked"), std::string::npos) << now().sentence;
}

TEST_F(forgers, are_looked_for_at_the_first_and_the_last_of_ports_that_look_alike_and_speak_for_all)
{
    std::vector<endpoint_state> all;
    for (std::uint16_t port = 4200; port <= 4208; ++port) {
        auto one = make_endpoint(
            server_text, port, {make_seen(make_icmp(gateway_text, 3, 13), probe_kind::udp_send)}
        );
        one.transport = transport::udp;
        all.push_back(one);
    }
    it.add("row", expectation::path, all);
    passed(data, 2);
    passed(make_target(server_text, 4208, transport::udp), 2);
    it.evaluate();
    std::set<std::uint16_t> asked;
    for (int i = 0; i < 50 && asked.size() < 2; ++i) {
        for (const auto& one : next_orders(it.what, it.site, {}).now) {
            if (one.decoy > 0) {
                asked.insert(one.which.target.port);
            } else {
                see(one.which.target, *one.hop_limit,
                    make_icmp(gateway_text, *one.hop_limit > 1 ? 3 : 11, *one.hop_limit > 1 ? 13 : 0));
            }
        }
    }
    EXPECT_EQ(asked, (std::set<std::uint16_t>{4200, 4208}));
    EXPECT_EQ(it.judged("row", 4).kind, verdict_kind::blocked);
    decoy(2, ended_at(2), true);
    EXPECT_EQ(it.judged("row", 4).kind, verdict_kind::unproven) << "4204, by what came to 4200";
}

TEST_F(forgers, are_not_what_this_machine_itself_is_blamed_for)
{
    datagram(make_unmeasured(local_cause::link_down));
    decoy(3, ended_at(3), true);
    EXPECT_EQ(now().blame, blame::host) << now().sentence;
}

TEST_F(forgers, T23_of_refusals_and_rejections_accuse_no_box)
{
    for (const auto* sender : {server_text, stranger_text}) {
        SCOPED_TRACE(sender);
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
        datagram(make_icmp(sender, 3, sender == server_text ? 3 : 13), expectation::path);
        passed(data, 2);
        it.evaluate();
        EXPECT_EQ(now().kind, sender == server_text ? verdict_kind::closed : verdict_kind::blocked);
        decoy(2, ended_at(2), true);
        EXPECT_EQ(now().kind, verdict_kind::unproven);
        EXPECT_EQ(now().blame, blame::unknown);
    }
}

TEST_F(forgers, T23_of_time_exceeded_prove_no_passage_and_take_no_silence_away)
{
    datagram(make_silence(transport::udp), expectation::path);
    passed(data, 3);
    silent(data, 4);
    control(3, true);
    it.evaluate();
    ASSERT_EQ(now().kind, verdict_kind::permitted);
    decoy(3, ended_at(3), true); // from when something was answered still
    EXPECT_EQ(now().kind, verdict_kind::unproven);

    it = make_scene();
    it.what.config.path.edge = make_address(gateway_text);
    datagram(make_silence(transport::udp), expectation::path);
    passed(data, 1);
    silent(data, 2);
    silent(data, 3);
    control(3, true);
    control(3, true);
    decoy(1, ended_at(1), true);
    EXPECT_EQ(now().kind, verdict_kind::blocked) << "nobody can forge that nothing comes";
}

TEST_F(forgers, stay_known_while_what_comes_changes_at_their_will_but_not_for_ever)
{
    datagram(replied{.bytes = 5});
    settle();
    decoy(3, ended_at(3), true);
    auto& row = it.site.rows[0];
    const auto known = [&] { return evidence{it.what, it.site}.is_forged({"", data}); };
    EXPECT_TRUE(take_in(it.site, row.endpoints[0], make_silence(transport::udp)));
    EXPECT_TRUE(known());
    EXPECT_EQ((it.site.traces.at({"", data}).size()), 1U) << "what else was found out is about another state";
    const auto since = it.site.traces.at({"", data}).front().at;
    forget_old_traces(it.site, row, since + seconds{60});
    EXPECT_TRUE(known());
    auto old = make_seen(make_icmp(gateway_text, 11, 0)); // of a neighbour at this address
    old.hop_limit = 1;
    old.at = since - trace_age;
    it.site.traces[flow{"", make_target(server_text, control_port, transport::udp)}].assign(1, old);
    forget_old_traces(it.site, row, since + seconds{60});
    EXPECT_TRUE(known()) << "with that of the address it is not forgotten";
    forget_old_traces(it.site, row, since + trace_age + seconds{1});
    EXPECT_FALSE(known());
}

} // namespace
} // namespace reachd
