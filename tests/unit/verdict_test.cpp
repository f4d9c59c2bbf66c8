// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/site_state.hpp"
#include "reachd/core/verdict.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;

verdict judge_tcp(std::vector<observation> seen)
{
    return judge(make_target(server_text), seen, make_local());
}

verdict judge_tcp(outcome what)
{
    return judge_tcp(std::vector{make_seen(std::move(what))});
}

verdict judge_udp(outcome what)
{
    const std::vector seen{make_seen(std::move(what), probe_kind::udp_send)};
    return judge(make_target(server_text, 4200, transport::udp), seen, make_local());
}

bool says(const verdict& judged, std::string_view part)
{
    return judged.sentence.find(part) != std::string::npos;
}

std::optional<ip_address> box_of(const verdict& judged)
{
    return judged.where && judged.where->at ? judged.where->at->address : std::nullopt;
}

TEST(verdict, of_no_observation_is_unproven)
{
    const auto judged = judge_tcp(std::vector<observation>{});
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.blame, blame::unknown);
    EXPECT_FALSE(judged.where);
}

TEST(verdict, of_an_answer_is_open)
{
    EXPECT_EQ(judge_tcp(connected{}).kind, verdict_kind::open);
    EXPECT_EQ(judge_tcp(connected{}).stage, stage::connect);
    const auto reply = judge_udp(replied{52});
    EXPECT_EQ(reply.kind, verdict_kind::open);
    EXPECT_EQ(reply.stage, stage::reply);
    EXPECT_TRUE(says(reply, "52 bytes"));
    const auto other = judge_udp(replied{52, false});
    EXPECT_EQ(other.kind, verdict_kind::unproven);
    EXPECT_TRUE(says(other, "something answers, but not as the row expects"));
}

// --- ICMP errors: who says it decides ---

TEST(icmp, port_unreachable_from_the_destination_is_closed_and_the_services_own_word)
{
    const auto judged = judge_udp(make_icmp(server_text, 3, 3));
    EXPECT_EQ(judged.kind, verdict_kind::closed);
    EXPECT_EQ(judged.blame, blame::service);
    EXPECT_FALSE(judged.where);
    const std::vector seen{make_seen(make_icmp(server6_text, 1, 4), probe_kind::udp_send)};
    const auto judged6 = judge(make_target(server6_text, 4200, transport::udp), seen, make_local());
    EXPECT_EQ(judged6.kind, verdict_kind::closed);
    EXPECT_EQ(judged6.blame, blame::service);
}

TEST(icmp, port_unreachable_from_anyone_else_is_blocked_there_and_not_the_services_word)
{
    for (const char* sender : {gateway_text, stranger_text}) {
        SCOPED_TRACE(sender);
        const auto judged = judge_udp(make_icmp(sender, 3, 3));
        EXPECT_EQ(judged.kind, verdict_kind::blocked);
        EXPECT_NE(judged.blame, blame::service);
        EXPECT_EQ(box_of(judged), make_address(sender));
    }
}

TEST(icmp, each_protocols_port_unreachable_means_nothing_in_the_other)
{
    EXPECT_NE(judge_udp(make_icmp(server_text, 1, 4)).kind, verdict_kind::closed);
    const std::vector seen{make_seen(make_icmp(server6_text, 3, 3), probe_kind::udp_send)};
    EXPECT_NE(
        judge(make_target(server6_text, 4200, transport::udp), seen, make_local()).kind, verdict_kind::closed
    );
}

TEST(icmp, prohibition_blames_only_whom_the_sender_address_names)
{
    struct row {
        const char* about;
        const char* sender;
        blame expected;
    };
    for (const auto& [about, sender, expected] : {
             row{"our gateway", gateway_text, blame::site},
             row{"a neighbour on our link", neighbour_text, blame::site},
             row{"a stranger", stranger_text, blame::unknown},
             row{"a private address off our link", "10.99.0.1", blame::unknown},
         }) {
        for (const int code : {9, 10, 13}) {
            SCOPED_TRACE(std::string{about} + ", code " + std::to_string(code));
            const auto judged = judge_tcp(make_icmp(sender, 3, static_cast<std::uint8_t>(code)));
            EXPECT_EQ(judged.kind, verdict_kind::blocked);
            EXPECT_EQ(judged.stage, stage::connect);
            EXPECT_EQ(judged.blame, expected);
            EXPECT_EQ(box_of(judged), make_address(sender));
            EXPECT_TRUE(says(judged, sender));
        }
    }
}

TEST(icmp, prohibition_by_the_destination_itself_is_its_refusal_and_shows_that_the_way_is_free)
{
    for (const int code : {1, 9, 10, 13}) {
        SCOPED_TRACE(code);
        const auto judged = judge_tcp(make_icmp(server_text, 3, static_cast<std::uint8_t>(code)));
        EXPECT_EQ(judged.kind, verdict_kind::closed);
        EXPECT_EQ(judged.blame, blame::service);
        EXPECT_FALSE(judged.where);
        EXPECT_EQ(weigh(expectation::path, judged), endpoint_answer::pass);
        EXPECT_EQ(weigh(expectation::blocked, judged), endpoint_answer::fail);
    }
}

TEST(icmp, gateway_off_our_links_is_still_our_gateway)
{
    const local_network far{.gateways = {make_address(stranger_text)}, .on_link = {}};
    const std::vector seen{make_seen(make_icmp(stranger_text, 3, 13))};
    EXPECT_EQ(judge(make_target(server_text), seen, far).blame, blame::site);
    EXPECT_EQ(judge(make_target(server_text), seen, local_network{}).blame, blame::unknown);
}

TEST(icmp, our_own_host_unreachable_means_that_the_next_hop_is_silent_and_proves_nothing_of_the_path)
{
    auto icmp = make_icmp("10.77.1.5", 3, 1);
    icmp.sender_is_us = true;
    const auto judged = judge_tcp(icmp);
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.stage, stage::route);
    EXPECT_FALSE(judged.where);
    EXPECT_TRUE(says(judged, "next hop does not answer"));

    auto icmp6 = make_icmp("fd00::5", 1, 3);
    icmp6.sender_is_us = true;
    const std::vector seen{make_seen(icmp6)};
    EXPECT_EQ(judge(make_target(server6_text), seen, make_local()).kind, verdict_kind::unproven);
}

TEST(icmp, the_same_host_unreachable_from_the_gateway_is_no_silent_next_hop)
{
    const auto judged = judge_tcp(make_icmp(gateway_text, 3, 1));
    EXPECT_EQ(judged.kind, verdict_kind::blocked);
    EXPECT_EQ(judged.stage, stage::connect);
    EXPECT_EQ(box_of(judged), make_address(gateway_text));
}

TEST(icmp, our_own_rejection_blames_this_machines_filter)
{
    auto icmp = make_icmp("10.77.1.5", 3, 3);
    icmp.sender_is_us = true;
    const auto judged = judge_tcp(icmp);
    EXPECT_EQ(judged.kind, verdict_kind::blocked);
    EXPECT_EQ(judged.stage, stage::route);
    EXPECT_EQ(judged.blame, blame::host);
    EXPECT_FALSE(judged.where);
}

TEST(icmp, same_rejection_from_a_neighbour_does_not_blame_this_machine)
{
    const auto judged = judge_tcp(make_icmp("10.77.1.5", 3, 3));
    EXPECT_EQ(judged.blame, blame::site);
    EXPECT_EQ(judged.stage, stage::connect);
}

TEST(icmp, closed_port_of_this_very_machine_is_closed_and_no_filter)
{
    auto icmp = make_icmp("10.77.1.5", 3, 3);
    icmp.sender_is_us = true;
    const std::vector seen{make_seen(icmp, probe_kind::udp_send)};
    const auto judged = judge(make_target("10.77.1.5", 9, transport::udp), seen, make_local());
    EXPECT_EQ(judged.kind, verdict_kind::closed);
    EXPECT_EQ(judged.blame, blame::service);
    icmp.code = 1; // no next hop is silent on the way to ourselves
    EXPECT_EQ(
        judge(make_target("10.77.1.5"), std::vector{make_seen(icmp)}, make_local()).kind, verdict_kind::closed
    );
}

TEST(icmp, time_exceeded_is_a_loop_and_not_a_rejection)
{
    const auto loop = judge_tcp(make_icmp(stranger_text, 11, 0));
    EXPECT_EQ(loop.kind, verdict_kind::blocked);
    EXPECT_TRUE(says(loop, "routing loop"));
    EXPECT_FALSE(says(judge_tcp(make_icmp(stranger_text, 3, 13)), "routing loop"));
    const std::vector seen{make_seen(make_icmp("2600::1", 3, 0))};
    EXPECT_TRUE(says(judge(make_target(server6_text), seen, make_local()), "routing loop"));
}

// --- silence and refusal name nobody ---

TEST(silence, of_tcp_is_blocked_by_nobody_in_particular)
{
    const auto judged = judge_tcp(make_silence());
    EXPECT_EQ(judged.kind, verdict_kind::blocked);
    EXPECT_EQ(judged.stage, stage::connect);
    EXPECT_EQ(judged.blame, blame::unknown);
    EXPECT_FALSE(judged.where);
    EXPECT_EQ(judged.sentence, "no answer in 2 attempts of 3 s");
    EXPECT_EQ(judge_tcp(no_reply{seconds{3}}).sentence, "no answer in 3 s");
}

TEST(silence, of_udp_proves_nothing)
{
    const auto judged = judge_udp(no_reply{seconds{3}});
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.stage, stage::reply);
    EXPECT_EQ(judged.blame, blame::unknown);
    EXPECT_FALSE(judged.where);
}

TEST(silence, after_the_connection_is_told_apart_from_silence_before_it)
{
    const auto tls = judge_tcp(make_greeted(no_reply{seconds{3}}, probe_kind::tls));
    EXPECT_EQ(tls.kind, verdict_kind::blocked);
    EXPECT_EQ(tls.stage, stage::handshake);
    EXPECT_EQ(tls.blame, blame::unknown);
    EXPECT_TRUE(says(tls, "connects, but then"));
    for (const auto kind : {probe_kind::http_head, probe_kind::tcp_confirm}) {
        const auto other = judge_tcp(make_greeted(no_reply{seconds{3}}, kind));
        EXPECT_EQ(other.kind, verdict_kind::blocked);
        EXPECT_EQ(other.stage, stage::reply);
        EXPECT_EQ(other.sentence, "connects, but then: no reply in 3 s");
    }
}

TEST(verdict, of_a_connection_that_the_peer_confirmed_is_open)
{
    for (const bool data : {true, false}) {
        const auto judged = judge_tcp(make_greeted(acknowledged{data}, probe_kind::tcp_confirm));
        EXPECT_EQ(judged.kind, verdict_kind::open);
        EXPECT_EQ(says(judged, "takes data"), data);
    }
}

TEST(refusal, is_closed_and_blames_nobody_as_any_box_can_send_a_reset)
{
    const auto judged = judge_tcp(refused{});
    EXPECT_EQ(judged.kind, verdict_kind::closed);
    EXPECT_EQ(judged.blame, blame::unknown);
    EXPECT_FALSE(judged.where);
    EXPECT_TRUE(says(judged, "firewall"));
}

TEST(cut, after_the_connection_is_blocked_at_the_step_it_happened_and_blames_nobody)
{
    for (const bool by_reset : {true, false}) {
        const auto tls = judge_tcp(make_greeted(cut_off{by_reset}, probe_kind::tls));
        EXPECT_EQ(tls.kind, verdict_kind::blocked);
        EXPECT_EQ(tls.stage, stage::handshake);
        EXPECT_EQ(tls.blame, blame::unknown);
        EXPECT_TRUE(says(tls, by_reset ? "reset" : "closed"));
        EXPECT_EQ(judge_tcp(make_greeted(cut_off{by_reset}, probe_kind::http_head)).stage, stage::reply);
        EXPECT_EQ(judge_tcp(make_greeted(cut_off{by_reset}, probe_kind::tcp_confirm)).stage, stage::reply);
    }
}

TEST(verdict, is_that_of_the_last_exchange)
{
    auto seen = make_silence();
    seen.push_back(make_seen(connected{}));
    EXPECT_EQ(judge_tcp(seen).kind, verdict_kind::open);
    seen.push_back(make_seen(make_untrusted("Evil"), probe_kind::tls));
    EXPECT_EQ(judge_tcp(seen).kind, verdict_kind::intercepted);
}

// --- TLS ---

TEST(tls, verified_certificate_is_open_and_names_the_issuer)
{
    const auto judged = judge_tcp(make_greeted(make_trusted(), probe_kind::tls));
    EXPECT_EQ(judged.kind, verdict_kind::open);
    EXPECT_EQ(judged.stage, stage::handshake);
    EXPECT_TRUE(says(judged, "Public CA"));
}

TEST(tls, untrusted_issuer_is_interception_naming_the_issuer)
{
    const auto judged = judge_tcp(make_greeted(make_untrusted("Corp Inspection CA"), probe_kind::tls));
    EXPECT_EQ(judged.kind, verdict_kind::intercepted);
    EXPECT_EQ(judged.stage, stage::handshake);
    EXPECT_EQ(judged.blame, blame::unknown);
    EXPECT_TRUE(says(judged, "Corp Inspection CA"));
}

TEST(tls, certificate_for_another_name_is_interception_naming_that_name)
{
    auto tls = make_untrusted("Public CA");
    tls.problem = "hostname mismatch";
    tls.wrong_name = true;
    tls.subject = "portal.hotel.example";
    const auto judged = judge_tcp(make_greeted(tls, probe_kind::tls));
    EXPECT_EQ(judged.kind, verdict_kind::intercepted);
    EXPECT_TRUE(says(judged, "portal.hotel.example"));
}

TEST(tls, expired_certificate_is_unproven_as_this_machines_clock_may_be_wrong)
{
    auto tls = make_untrusted("Public CA");
    tls.problem = "certificate has expired";
    tls.expired = true;
    const auto judged = judge_tcp(make_greeted(tls, probe_kind::tls));
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.blame, blame::unknown);
    EXPECT_TRUE(says(judged, "2030-01-01"));
    EXPECT_TRUE(says(judged, "clock"));
}

TEST(tls, certificate_of_a_bare_address_is_told_and_not_judged)
{
    auto tls = make_untrusted("Corp Inspection CA");
    tls.anonymous = true;
    const auto judged = judge_tcp(make_greeted(tls, probe_kind::tls));
    EXPECT_EQ(judged.kind, verdict_kind::open);
    EXPECT_EQ(
        judged.sentence, "answers with TLS; certificate issued by Corp Inspection CA (no name to verify)"
    );
    const auto shown = to_json(make_seen(tls, probe_kind::tls));
    EXPECT_EQ(shown["tls"]["verified"], false);
    EXPECT_EQ(shown["tls"]["anonymous"], true);
    EXPECT_FALSE(to_json(make_seen(make_trusted(), probe_kind::tls))["tls"].contains("anonymous"));
}

TEST(tls, failed_handshake_is_unproven)
{
    const auto judged = judge_tcp(make_greeted(tls_refused{"unknown protocol"}, probe_kind::tls));
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.stage, stage::handshake);
}

// --- HTTP ---

TEST(http, any_answer_is_open_but_the_status_of_a_portal)
{
    for (const unsigned status : {200U, 204U, 301U, 403U, 404U, 500U, 510U}) {
        SCOPED_TRACE(status);
        const auto judged = judge_tcp(make_greeted(http_answer{.status = status}, probe_kind::http_head));
        EXPECT_EQ(judged.kind, verdict_kind::open);
        EXPECT_EQ(judged.stage, stage::reply);
    }
    const auto portal = judge_tcp(make_greeted(http_answer{.status = 511}, probe_kind::http_head));
    EXPECT_EQ(portal.kind, verdict_kind::intercepted);
    EXPECT_EQ(portal.blame, blame::unknown);
}

TEST(http, answer_that_is_not_http_is_unproven)
{
    const auto judged = judge_tcp(make_greeted(http_garbled{"SSH-2.0"}, probe_kind::http_head));
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.stage, stage::reply);
}

// --- what this machine itself could not do ---

TEST(local_trouble, is_unproven_and_this_machines_own)
{
    for (const auto cause :
         {local_cause::no_route, local_cause::no_address, local_cause::link_down, local_cause::no_descriptors,
          local_cause::no_memory, local_cause::no_local_port, local_cause::other}) {
        SCOPED_TRACE(to_string(cause));
        const auto judged = judge_tcp(make_unmeasured(cause));
        EXPECT_EQ(judged.kind, verdict_kind::unproven);
        EXPECT_EQ(judged.stage, stage::route);
        EXPECT_EQ(judged.blame, blame::host);
        EXPECT_FALSE(judged.sentence.empty());
    }
}

TEST(local_trouble, own_packet_filter_is_a_proven_block_by_this_machine)
{
    const auto judged = judge_tcp(make_unmeasured(local_cause::refused_here));
    EXPECT_EQ(judged.kind, verdict_kind::blocked);
    EXPECT_EQ(judged.blame, blame::host);
}

TEST(local_trouble, stopped_check_blames_nobody)
{
    const auto judged = judge_tcp(make_unmeasured(local_cause::cancelled));
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_EQ(judged.blame, blame::unknown);
}

TEST(round_trip, is_that_of_the_first_answer_whoever_gave_it)
{
    auto seen = make_silence();
    EXPECT_FALSE(round_trip(seen));
    EXPECT_FALSE(round_trip(std::vector{make_seen(make_icmp(gateway_text, 3, 13))}));
    seen.push_back(make_seen(connected{}));
    seen.push_back(make_seen(make_trusted(), probe_kind::tls));
    seen[2].took = milliseconds{40};
    seen[3].took = milliseconds{90};
    EXPECT_EQ(round_trip(seen), milliseconds{40});
    EXPECT_EQ(round_trip(std::vector{make_seen(refused{})}), milliseconds{21});
    EXPECT_EQ(round_trip(std::vector{make_seen(replied{1}, probe_kind::udp_send)}), milliseconds{21});
}

TEST(location, is_told_as_a_box_or_as_the_hops_on_both_sides)
{
    const hop first{.number = 1, .address = make_address(gateway_text)};
    const hop second{.number = 2, .address = std::nullopt};
    const hop uncounted{.number = std::nullopt, .address = make_address(stranger_text)};
    EXPECT_EQ(describe(location{.at = uncounted, .after = {}, .before = {}}), "at 81.2.69.1");
    EXPECT_EQ(
        describe(location{.at = {}, .after = first, .before = second}),
        "between hop 1 (10.77.1.1) and hop 2 (no address seen)"
    );
    EXPECT_EQ(describe(location{.at = {}, .after = first, .before = {}}), "after hop 1 (10.77.1.1)");
    EXPECT_EQ(describe(location{}), "");
    EXPECT_EQ(
        to_json(location{.at = uncounted, .after = {}, .before = {}}),
        nlohmann::json::parse(R"({"at": {"hop": null, "address": "81.2.69.1"}})")
    );
    EXPECT_EQ(to_json(location{.at = {}, .after = first, .before = second}), nlohmann::json::parse(R"({
        "after": {"hop": 1, "address": "10.77.1.1"}, "before": {"hop": 2, "address": null}})"));
}

TEST(verdict_words, are_stable)
{
    using enum verdict_kind;
    const std::vector kinds{open, closed, permitted, blocked, intercepted, unresolved, unproven};
    const std::vector<std::string> words{"open",        "closed",     "permitted", "blocked",
                                         "intercepted", "unresolved", "unproven"};
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        EXPECT_EQ(to_string(kinds[i]), words[i]);
    }
    const std::vector blames{blame::host, blame::site,    blame::edge,
                             blame::isp,  blame::service, blame::unknown};
    const std::vector<std::string> names{"host", "site", "edge", "isp", "service", "unknown"};
    for (std::size_t i = 0; i < blames.size(); ++i) {
        EXPECT_EQ(to_string(blames[i]), names[i]);
    }
}

} // namespace
} // namespace reachd
