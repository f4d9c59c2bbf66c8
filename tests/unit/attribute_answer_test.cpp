// SPDX-License-Identifier: Apache-2.0
// Which verdicts traces change and which they leave alone; who is accused, and in which words.
#include "walked_site.hpp"

namespace reachd {
namespace {

using namespace test;

using attribution_answer = walked_site;
using attribution_silence = walked_site;
using attribution_of_host = walked_site;

constexpr const char* unchecked = "could not be checked";

bool says(const verdict& one, std::string_view what)
{
    return one.sentence.find(what) != std::string::npos;
}

observation rejected_here(std::uint8_t code, std::string_view sender = "10.77.1.5")
{
    auto icmp = make_icmp(sender, 3, code);
    icmp.sender_is_us = true;
    return make_seen(icmp);
}

// --- what traces say nothing of ---

TEST_F(attribution_answer, what_was_not_probed_stays_as_it_is_beside_what_was_walked)
{
    const auto target = make_target(server_text, 443);
    passed(target, 1);
    silent(target, 2);
    control(3, true);
    control(3, true);
    auto nowhere = make_named("a.example", server_text, 443, {});
    nowhere.address.reset();
    nowhere.without_probing = verdict{.kind = verdict_kind::unresolved, .sentence = "no such name"};
    auto forged = make_named("b.example", server_text, 443, {});
    forged.without_probing = verdict{.kind = verdict_kind::intercepted, .sentence = "a forged address"};
    const auto later = make_endpoint(server_text, 80, {});
    it.add("walked", expectation::path, {make_endpoint(server_text, 443, make_silence())});
    it.add("row", expectation::path, {nowhere, forged, later});
    it.evaluate();
    ASSERT_TRUE(it.judged("walked").where) << "the same address and port";
    EXPECT_EQ(it.judged("row", 0), *nowhere.without_probing);
    EXPECT_EQ(it.judged("row", 1), *forged.without_probing);
    EXPECT_EQ(it.judged("row", 2), judge_alone(later));
}

TEST_F(attribution_answer, a_verified_certificate_needs_no_distance)
{
    answered(443, 2, connected{});
    control(3, true);
    it.add(
        "proven", expectation::service,
        {make_named("a.example", server_text, 443, make_greeted(make_trusted(), probe_kind::tls))}
    );
    it.evaluate();
    EXPECT_EQ(it.judged("proven").kind, verdict_kind::open);
    EXPECT_TRUE(says(it.judged("proven"), "verified certificate")) << it.judged("proven").sentence;
}

TEST_F(attribution_answer, what_this_machine_refuses_in_another_row_is_its_own_and_not_the_answering_boxs)
{
    answered(443, 2, connected{});
    control(3, true);
    it.add("answered", expectation::path, {make_endpoint(server_text, 443, {make_seen(connected{})})});
    it.add(
        "refused", expectation::path,
        {make_endpoint(server_text, 443, {make_seen(make_unmeasured(local_cause::refused_here))})}
    );
    it.evaluate();
    EXPECT_EQ(it.judged("answered").kind, verdict_kind::intercepted);
    EXPECT_EQ(it.judged("refused").kind, verdict_kind::blocked);
    EXPECT_EQ(it.judged("refused").blame, blame::host);
}

TEST_F(attribution_answer, nobody_speaks_for_a_port_that_was_not_compared)
{
    answered(4000, 2, connected{});
    control(3, true);
    std::vector<endpoint_state> endpoints;
    for (std::uint16_t port = 4000; port < 4006; ++port) { // more than are walked each
        endpoints.push_back(make_endpoint(server_text, port, {make_seen(connected{})}));
    }
    it.add("row", expectation::path, endpoints);
    it.evaluate();
    EXPECT_EQ(it.judged("row", 0).kind, verdict_kind::intercepted);
    for (std::size_t i = 1; i < endpoints.size(); ++i) {
        EXPECT_EQ(it.judged("row", i).kind, verdict_kind::open) << 4000 + i;
        EXPECT_FALSE(it.judged("row", i).where) << 4000 + i;
    }
}

// --- answers from nearer than the destination ---

TEST_F(attribution_answer, from_near_is_somebody_elses_whatever_was_said_on_it)
{
    struct row {
        const char* about;
        std::vector<observation> seen;
        verdict_kind kind;
    };
    answered(443, 2, connected{});
    control(3, true);
    const std::vector<row> rows{
        {"a handshake", {make_seen(connected{})}, verdict_kind::intercepted},
        {"a certificate that nobody trusts", make_greeted(make_untrusted("Proxy CA"), probe_kind::tls),
         verdict_kind::intercepted},
        {"no TLS", make_greeted(tls_refused{"wrong version"}, probe_kind::tls), verdict_kind::intercepted},
        {"no HTTP", make_greeted(http_garbled{"SSH-2.0"}, probe_kind::http_head), verdict_kind::intercepted},
        {"reset when it spoke", make_greeted(cut_off{true}, probe_kind::tls), verdict_kind::intercepted},
        {"refused", {make_seen(refused{})}, verdict_kind::blocked},
    };
    for (const auto& [about, seen, kind] : rows) {
        SCOPED_TRACE(about);
        auto again = it;
        if (kind == verdict_kind::blocked) {
            again.site.traces[flow{"", make_target(server_text, 443)}].back().what = refused{};
        }
        again.add("row", expectation::path, {make_endpoint(server_text, 443, seen)});
        again.evaluate();
        const auto& one = again.judged("row");
        EXPECT_EQ(one.kind, kind) << one.sentence;
        ASSERT_TRUE(one.where && one.where->after && one.where->before) << one.sentence;
        EXPECT_EQ(one.where->after->number, 1U);
        EXPECT_EQ(one.where->before->number, 2U);
        EXPECT_EQ(one.blame, blame::edge);
        EXPECT_TRUE(
            one.sentence.starts_with(kind == verdict_kind::blocked ? "reset" : "answered in its name")
        ) << one.sentence;
    }
}

TEST_F(attribution_answer, is_said_to_come_from_near_by_what_shows_it)
{
    const auto seen = make_seen(connected{});
    {
        SCOPED_TRACE("another flow goes on");
        answered(443, 2, connected{});
        control(3, true);
        EXPECT_TRUE(says(judged(seen), "with only 2 hops allowed, and the destination is more than 3 away"));
    }
    {
        SCOPED_TRACE("another port is answered from farther away, past a hop that says nothing");
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
        answered(443, 2, connected{});
        const auto other = make_target(server_text, 80);
        passed(other, 1);
        silent(other, 2);
        see(other, 3, connected{});
        EXPECT_TRUE(says(judged(seen), "another port of this address is answered from farther away"))
            << it.judged("row").sentence;
    }
}

TEST_F(attribution_answer, that_is_a_connection_now_and_a_refusal_then_proves_nothing)
{
    struct row {
        const char* about;
        std::vector<observation> first;
        outcome walked;
        bool both;
    };
    const std::vector<row> rows{
        {"connects, was refused", {make_seen(connected{})}, refused{}, true},
        {"refused, was connected", {make_seen(refused{})}, connected{}, true},
        {"connects, and did", {make_seen(connected{})}, connected{}, false},
        {"refused, and was", {make_seen(refused{})}, refused{}, false},
        {"has spoken HTTP: more than a handshake",
         make_greeted(http_answer{.status = 200}, probe_kind::http_head), refused{}, false},
    };
    for (const auto& [about, first, walked, both] : rows) {
        SCOPED_TRACE(about);
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
        answered(443, distance, walked);
        const auto& one = judged(first);
        EXPECT_EQ(says(one, "connects at one time and is refused"), both) << one.sentence;
        EXPECT_EQ(one.kind == verdict_kind::unproven, both) << one.sentence;
    }
}

// --- one answer for everybody ---

TEST_F(attribution_answer, to_an_address_that_does_not_exist_accuses_unless_the_destination_is_proven)
{
    struct row {
        const char* about;
        bool canary_answers;
        std::optional<unsigned> canary_at;
        bool proven;
        bool accused;
    };
    const std::vector<row> rows{
        {"from where the canary's comes", true, 3U, false, true},
        {"the canary is silent", false, std::nullopt, false, false},
        {"nobody knows how far the canary's comes", true, std::nullopt, false, false},
        {"the canary's comes from nearer", true, 2U, false, false},
        {"the destination itself speaks from there", true, 3U, true, false},
    };
    for (const auto& [about, answers, canary_at, proven, accused] : rows) {
        SCOPED_TRACE(about);
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
        answered(443, 3, refused{});
        control(2, proven);
        const auto canary = canary_for(family::v4, 443);
        auto plain = make_seen(answers ? outcome{refused{}} : outcome{no_reply{seconds{1}}});
        it.site.traces[flow{"", canary}] = {plain};
        if (canary_at) {
            passed(canary, *canary_at - 1);
            see(canary, *canary_at, refused{});
        }
        const auto& one = judged(make_seen(refused{}));
        EXPECT_EQ(says(one, "an address that does not exist"), accused) << one.sentence;
        EXPECT_EQ(one.kind, accused ? verdict_kind::blocked : verdict_kind::closed) << one.sentence;
    }
}

TEST_F(attribution_answer, of_a_datagram_to_any_port_accuses_unless_it_went_another_way)
{
    for (const bool same_way : {true, false}) {
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
        const auto target = make_target(server_text, 5000, transport::udp);
        const auto any = make_target(server_text, control_port, transport::udp);
        for (const auto& one : {target, any}) {
            const bool elsewhere = one.port == control_port && !same_way;
            see(one, 1, make_icmp(hops[0], 11, 0), true);
            see(one, 2, make_icmp(elsewhere ? "100.64.0.9" : hops[1], 11, 0), true);
            see(one, 3, replied{.bytes = 4}, true);
        }
        auto one = make_endpoint(server_text, 5000, {make_seen(replied{.bytes = 4}, probe_kind::udp_send)});
        one.transport = transport::udp;
        it.add("row", expectation::path, {one});
        it.evaluate();
        const auto& found = it.judged("row");
        EXPECT_EQ(says(found, "a port at which nothing listens is answered alike"), same_way)
            << found.sentence;
        EXPECT_EQ(found.kind, same_way ? verdict_kind::intercepted : verdict_kind::open) << found.sentence;
    }
}

TEST_F(attribution_answer, where_no_hop_says_anything_a_refusal_beside_an_open_port_has_left_the_site)
{
    struct row {
        const char* about;
        std::optional<unsigned> open_at;
        verdict_kind kind;
    };
    for (const auto& [about, open_at, kind] :
         {row{"no other port", std::nullopt, verdict_kind::unproven},
          row{"another port is open, as far away", 3U, verdict_kind::closed},
          row{"another port is open, nearer", 2U, verdict_kind::unproven}}) {
        SCOPED_TRACE(about);
        it = make_scene();
        see(make_target(server_text, 443), 3, refused{});
        if (open_at) {
            see(make_target(server_text, 80), *open_at, connected{});
        }
        const auto& one = judged(make_seen(refused{}));
        EXPECT_EQ(one.kind, kind) << one.sentence;
        EXPECT_TRUE(says(one, unchecked)) << one.sentence;
    }
}

// --- silence ---

TEST_F(attribution_silence, before_the_first_hop_may_be_this_machines_own_filter_unless_it_was_waited_for)
{
    for (const auto waited : {milliseconds{1000}, milliseconds{3000}}) {
        it = make_scene();
        it.what.config.path.edge = make_address(gateway_text);
        const auto target = make_target(server_text, 443);
        const auto other = make_target(server_text, 80);
        for (unsigned i = 0; i < hop_tries; ++i) {
            see(target, 1, no_reply{seconds{1}});
            see(other, 1, make_icmp(hops[0], 11, 0));
        }
        const auto& one = judged(make_seen(no_reply{waited}));
        EXPECT_EQ(one.kind, verdict_kind::blocked);
        ASSERT_TRUE(one.where && one.where->after && one.where->before);
        EXPECT_EQ(one.where->after->number, 0U);
        EXPECT_EQ(one.where->before->number, 1U);
        EXPECT_EQ(one.blame, waited < seconds{2} ? blame::unknown : blame::site) << waited.count();
    }
}

TEST_F(attribution_silence, right_before_the_destination_is_the_sites_only_where_that_is_inside)
{
    struct row {
        const char* about;
        const char* edge; // the site's last box
        blame who;
    };
    for (const auto& [about, edge, who] :
         {row{"inside", hops[2], blame::site}, row{"outside", hops[0], blame::unknown}}) {
        SCOPED_TRACE(about);
        it = make_scene();
        it.what.config.path.edge = make_address(edge);
        passed(make_target(other_server_text, 443), 3);
        see(make_target(server_text, 80), 1, make_icmp(hops[0], 11, 0));
        see(make_target(server_text, 80), 2, connected{});
        passed(make_target(server_text, 443), 1);
        silent(make_target(server_text, 443), 2);
        const auto& one = judged(make_silence());
        ASSERT_TRUE(one.where && one.where->before) << one.sentence;
        EXPECT_EQ(one.where->before->address, make_address(server_text));
        EXPECT_EQ(one.blame, who) << one.sentence;
        EXPECT_TRUE(says(one, "the last router, or the destination's own packet filter")) << one.sentence;
        EXPECT_FALSE(one.left_site) << "the box that it passed is the site's own";
    }
}

TEST_F(attribution_silence, beyond_the_edge_says_that_it_left_the_site)
{
    it.what.config.path.edge = make_address(hops[0]);
    passed(make_target(other_server_text, 443), 3);
    passed(make_target(server_text, 80), 2);
    see(make_target(server_text, 80), 3, connected{});
    passed(make_target(server_text, 443), 2);
    silent(make_target(server_text, 443), 3);
    const auto& one = judged(make_silence());
    EXPECT_EQ(one.kind, verdict_kind::blocked) << one.sentence;
    EXPECT_EQ(one.blame, blame::unknown) << one.sentence;
    EXPECT_TRUE(one.left_site) << one.sentence;
}

TEST_F(attribution_silence, far_before_the_destination_accuses_none_of_the_boxes_between)
{
    const auto target = make_target(server_text, 443);
    const auto other = make_target(server_text, 80);
    it.what.config.path.edge = make_address(hops[0]);
    passed(other, 1);
    passed(target, 1);
    for (const unsigned limit : {2U, 3U}) {
        silent(other, limit); // the routers say nothing to anybody
        silent(target, limit);
    }
    see(other, 4, connected{});
    silent(target, 4);
    const auto& one = judged(make_silence());
    ASSERT_TRUE(one.where && one.where->after && one.where->before) << one.sentence;
    EXPECT_EQ(one.where->after->number, 1U);
    EXPECT_EQ(one.where->before->number, 4U);
    EXPECT_EQ(one.blame, blame::unknown) << one.sentence;
    EXPECT_TRUE(says(one, "one of the boxes between, or the destination's own packet filter"))
        << one.sentence;
    EXPECT_FALSE(says(one, "last router")) << one.sentence;
}

// --- what this machine itself says ---

TEST_F(attribution_of_host, a_next_hop_that_others_pass_is_not_blamed_for_one_address)
{
    passed(make_target(other_server_text, 443), 2);
    const auto& one = judged(rejected_here(1));
    EXPECT_EQ(one.kind, verdict_kind::unproven);
    EXPECT_EQ(one.blame, blame::unknown);
    EXPECT_TRUE(says(one, "while others can")) << one.sentence;
}

TEST_F(attribution_of_host, a_next_hop_that_nobody_is_seen_to_pass_is_blamed)
{
    silent(make_target(other_server_text, 443), 1);
    EXPECT_EQ(judged(rejected_here(1)).blame, blame::site) << "no hop at all";
    it = make_scene();
    see(make_target(other_server_text, 443), 2, make_icmp(hops[1], 11, 0));
    const auto& one = judged(rejected_here(1));
    EXPECT_EQ(one.blame, blame::site) << "nobody met the first hop";
    EXPECT_TRUE(says(one, "the next hop does not answer")) << one.sentence;
}

TEST_F(attribution_of_host, a_neighbour_that_does_not_answer_is_not_reached_through_the_gateway)
{
    passed(make_target(other_server_text, 443), 2);
    it.add("near", expectation::path, {make_endpoint(neighbour_text, 443, {rejected_here(1)})});
    it.evaluate();
    EXPECT_EQ(it.judged("near").blame, blame::site);
    EXPECT_TRUE(says(it.judged("near"), "the next hop does not answer")) << it.judged("near").sentence;
}

TEST_F(attribution_of_host, its_own_filter_is_its_own_whoever_passes)
{
    passed(make_target(other_server_text, 443), 2);
    const auto& rejected = judged(rejected_here(13));
    EXPECT_EQ(rejected.kind, verdict_kind::blocked);
    EXPECT_EQ(rejected.blame, blame::host);
    it.add(
        "unsent", expectation::path,
        {make_endpoint(server_text, 80, {make_seen(make_unmeasured(local_cause::no_memory))})}
    );
    it.evaluate();
    EXPECT_EQ(it.judged("unsent").blame, blame::host);
    EXPECT_TRUE(says(it.judged("unsent"), "out of memory"));
}

} // namespace
} // namespace reachd
