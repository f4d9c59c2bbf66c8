// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/observation.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>

namespace reachd {
namespace {

using namespace test;

// One of each alternative.
std::vector<outcome> one_of_each()
{
    return {
        connected{},
        refused{},
        make_icmp(gateway_text, 3, 13),
        no_reply{seconds{3}},
        replied{52},
        cut_off{.by_reset = true},
        acknowledged{.data = true},
        make_trusted(),
        tls_refused{"wrong version number"},
        make_redirect("https://vendor.example/"),
        http_garbled{"SSH-2.0"},
        make_unmeasured(local_cause::no_route),
    };
}

std::set<std::string> keys_of(const nlohmann::json& value)
{
    std::set<std::string> keys;
    for (const auto& [key, ignored] : value.items()) {
        keys.insert(key);
    }
    return keys;
}

TEST(outcome, has_one_word_for_each_thing_that_can_happen)
{
    const std::vector<std::string> expected{
        "connected",    "refused", "icmp",        "no_reply", "replied",      "cut_off",
        "acknowledged", "tls",     "tls_refused", "http",     "http_garbled", "not_measured",
    };
    ASSERT_EQ(one_of_each().size(), std::variant_size_v<outcome>);
    std::vector<std::string> words;
    for (const auto& one : one_of_each()) {
        words.emplace_back(outcome_word(one));
    }
    EXPECT_EQ(words, expected);
}

TEST(outcome, is_described_so_that_a_person_can_tell_what_was_seen)
{
    auto ours = make_icmp(gateway_text, 3, 1);
    ours.sender_is_us = true;
    struct row {
        outcome what;
        const char* text;
    };
    const std::vector<row> rows{
        {connected{}, "connected"},
        {refused{}, "refused (RST)"},
        {make_icmp(gateway_text, 3, 13),
         "ICMP communication administratively prohibited (3/13) from 10.77.1.1"},
        {ours, "ICMP host unreachable (3/1) from 10.77.1.1 (this machine itself)"},
        {make_icmp("fe80::1", 1, 1), "ICMPv6 administratively prohibited (1/1) from fe80::1"},
        {no_reply{seconds{3}}, "no reply in 3 s"},
        {replied{52}, "reply of 52 bytes"},
        {cut_off{.by_reset = true}, "connection reset before the answer"},
        {cut_off{.by_reset = false}, "connection closed before the answer"},
        {acknowledged{.data = true}, "the peer acknowledged data"},
        {acknowledged{}, "the peer acknowledged the end of the connection"},
        {make_trusted(), "TLSv1.3 for vendor.example, issued by Public CA"},
        {make_untrusted("Evil"),
         "certificate for vendor.example, issued by Evil: self-signed certificate in certificate chain"},
        {tls_refused{"no protocols available"}, "TLS handshake failed: no protocols available"},
        {http_answer{.status = 200}, "HTTP status 200"},
        {make_redirect("https://vendor.example/"), "HTTP status 302 to https://vendor.example/"},
        {http_garbled{"SSH-2.0"}, "not an HTTP answer: SSH-2.0"},
        {make_unmeasured(local_cause::no_route), "could not be measured: the reason"},
    };
    for (const auto& [what, text] : rows) {
        EXPECT_EQ(describe(what), text);
    }
}

TEST(icmp_name, knows_the_codes_of_both_protocols_and_does_not_mix_them)
{
    struct row {
        family protocol;
        int type;
        int code;
        const char* name;
    };
    for (const auto& [protocol, type, code, name] : {
             row{family::v4, 3, 0, "network unreachable"},
             row{family::v4, 3, 1, "host unreachable"},
             row{family::v4, 3, 2, "protocol unreachable"},
             row{family::v4, 3, 3, "port unreachable"},
             row{family::v4, 3, 4, "fragmentation needed"},
             row{family::v4, 3, 5, "source route failed"},
             row{family::v4, 3, 6, "network unknown"},
             row{family::v4, 3, 7, "host unknown"},
             row{family::v4, 3, 8, "unreachable"}, // obsolete
             row{family::v4, 3, 11, "network unreachable for this service"},
             row{family::v4, 3, 12, "host unreachable for this service"},
             row{family::v4, 3, 9, "network administratively prohibited"},
             row{family::v4, 3, 10, "host administratively prohibited"},
             row{family::v4, 3, 13, "communication administratively prohibited"},
             row{family::v4, 3, 200, "unreachable"},
             row{family::v4, 11, 0, "time to live exceeded"},
             row{family::v4, 11, 1, "fragment reassembly time exceeded"},
             row{family::v4, 12, 0, "parameter problem"},
             row{family::v4, 1, 4, "error"},
             row{family::v6, 1, 0, "no route to destination"},
             row{family::v6, 1, 1, "administratively prohibited"},
             row{family::v6, 1, 2, "beyond scope of source address"},
             row{family::v6, 1, 7, "unreachable"},
             row{family::v6, 3, 1, "fragment reassembly time exceeded"},
             row{family::v6, 1, 3, "address unreachable"},
             row{family::v6, 1, 4, "port unreachable"},
             row{family::v6, 1, 5, "source address failed policy"},
             row{family::v6, 1, 6, "reject route"},
             row{family::v6, 3, 0, "hop limit exceeded"},
             row{family::v6, 4, 1, "parameter problem"},
             row{family::v6, 11, 0, "error"},
         }) {
        SCOPED_TRACE(name);
        EXPECT_EQ(
            icmp_name(protocol, static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(code)), name
        );
    }
}

TEST(observation_json, tells_how_far_a_probe_could_go_and_what_was_let_in_only_where_that_was_limited)
{
    auto one = make_seen(no_reply{});
    for (const char* key : {"hop_limit", "min_ttl", "on_link"}) {
        EXPECT_FALSE(to_json(one).contains(key)) << key;
    }
    one.hop_limit = 3;
    one.min_ttl = 61;
    one.on_link = true;
    EXPECT_EQ(to_json(one)["hop_limit"], 3);
    EXPECT_EQ(to_json(one)["min_ttl"], 61);
    EXPECT_EQ(to_json(one)["on_link"], true);
}

TEST(observation_json, carries_the_same_members_whatever_was_seen)
{
    const std::set<std::string> common{"probe", "attempt", "at", "took_us", "outcome", "text"};
    for (const auto& what : one_of_each()) {
        SCOPED_TRACE(outcome_word(what));
        const auto json = to_json(make_seen(what));
        for (const auto& key : common) {
            EXPECT_TRUE(json.contains(key)) << key;
        }
        EXPECT_EQ(json["outcome"], outcome_word(what));
        EXPECT_EQ(json["text"], describe(what));
        EXPECT_EQ(json["took_us"], 21000);
        EXPECT_EQ(json["at"], "1970-01-01T00:16:40.000Z");
        EXPECT_FALSE(json.contains("source"));
    }
}

TEST(observation_json, says_what_only_this_outcome_has)
{
    auto icmp = make_icmp(gateway_text, 3, 13);
    icmp.received_ttl = 64;
    icmp.sender_is_us = true;
    const nlohmann::json expected_icmp = {
        {"type", 3}, {"code", 13}, {"sender", gateway_text}, {"received_ttl", 64}, {"sender_is_us", true}
    };
    EXPECT_EQ(to_json(make_seen(icmp))["icmp"], expected_icmp);
    EXPECT_EQ(
        keys_of(to_json(make_seen(make_icmp(gateway_text, 3, 13)))["icmp"]),
        (std::set<std::string>{"type", "code", "sender"})
    );
    EXPECT_EQ(to_json(make_seen(replied{52}))["bytes"], 52);
    EXPECT_EQ(to_json(make_seen(cut_off{.by_reset = true}))["by"], "reset");
    EXPECT_EQ(to_json(make_seen(cut_off{.by_reset = false}))["by"], "close");
    const auto unmeasured = to_json(make_seen(make_unmeasured(local_cause::no_memory)));
    EXPECT_EQ(unmeasured["cause"], "no_memory");
    EXPECT_EQ(unmeasured["errno"], 1);
    EXPECT_EQ(
        to_json(make_seen(make_redirect("https://a/")))["http"],
        (nlohmann::json{{"status", 302}, {"location", "https://a/"}, {"server", "httpd"}})
    );
}

TEST(observation_json, calls_a_certificate_verified_only_without_a_problem)
{
    const auto trusted = to_json(make_seen(make_trusted(), probe_kind::tls))["tls"];
    EXPECT_EQ(
        keys_of(trusted),
        (std::set<std::string>{"protocol", "subject", "issuer", "not_after", "verified", "problem"})
    );
    EXPECT_EQ(trusted["verified"], true);
    const auto untrusted = to_json(make_seen(make_untrusted("Evil"), probe_kind::tls))["tls"];
    EXPECT_EQ(untrusted["verified"], false);
    EXPECT_EQ(untrusted["issuer"], "Evil");
}

TEST(observation_json, names_the_probe_its_attempt_and_its_source)
{
    auto seen = make_seen(http_answer{.status = 200}, probe_kind::http_head);
    seen.attempt = 2;
    seen.source = "10.77.1.5:40000";
    const auto json = to_json(seen);
    EXPECT_EQ(json["probe"], "http_head");
    EXPECT_EQ(json["attempt"], 2);
    EXPECT_EQ(json["source"], "10.77.1.5:40000");
    EXPECT_STREQ(to_string(probe_kind::tcp_connect), "tcp_connect");
    EXPECT_STREQ(to_string(probe_kind::tcp_confirm), "tcp_confirm");
    EXPECT_STREQ(to_string(probe_kind::udp_send), "udp_send");
    EXPECT_STREQ(to_string(probe_kind::tls), "tls");
}

TEST(local_cause, has_one_word_each)
{
    struct row {
        local_cause value;
        const char* text;
    };
    for (const auto& [value, text] : {
             row{local_cause::no_route, "no_route"},
             row{local_cause::no_address, "no_address"},
             row{local_cause::link_down, "link_down"},
             row{local_cause::refused_here, "refused_here"},
             row{local_cause::no_descriptors, "no_descriptors"},
             row{local_cause::no_memory, "no_memory"},
             row{local_cause::no_local_port, "no_local_port"},
             row{local_cause::cancelled, "cancelled"},
             row{local_cause::other, "other"},
         }) {
        EXPECT_STREQ(to_string(value), text);
    }
}

} // namespace
} // namespace reachd
