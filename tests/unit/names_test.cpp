// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/names.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;

constexpr const char* vendor = "vendor.example";

name_verdict judge_public(const name_lookup& lookup)
{
    return judge_name(lookup, false);
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

TEST(name, that_all_servers_answer_alike_has_its_addresses_and_no_finding)
{
    const auto judged = judge_public(make_lookup(vendor, {server_text, server6_text}));
    ASSERT_EQ(judged.addresses.size(), 2U);
    EXPECT_EQ(judged.addresses[0].address, make_address(server_text));
    EXPECT_EQ(judged.addresses[1].address, make_address(server6_text));
    EXPECT_EQ(judged.addresses[0].servers, (std::vector<std::string>{"system", "10.77.1.53"}));
    EXPECT_FALSE(judged.addresses[0].without_probing);
    EXPECT_FALSE(judged.unusable);
    EXPECT_TRUE(judged.findings.empty());
}

TEST(name, answered_in_another_order_is_no_finding)
{
    auto lookup = make_lookup(vendor, {server_text, other_server_text});
    lookup.servers.push_back(make_answer("9.9.9.9", {other_server_text, server_text}));
    const auto judged = judge_public(lookup);
    EXPECT_TRUE(judged.findings.empty());
    EXPECT_EQ(judged.addresses.size(), 2U);
}

TEST(name, without_address_is_unresolved_naming_what_each_server_said)
{
    struct row {
        dns_status status;
        const char* text;
    };
    for (const auto& [status, text] : {
             row{dns_status::no_such_name, "NXDOMAIN"},
             row{dns_status::no_address, "no address"},
             row{dns_status::server_failure, "SERVFAIL"},
             row{dns_status::query_refused, "REFUSED"},
             row{dns_status::no_reply, "no reply"},
             row{dns_status::not_reachable, "cannot be reached"},
             row{dns_status::failed, "failed"},
         }) {
        SCOPED_TRACE(to_string(status));
        auto lookup = make_failed_lookup(vendor, status);
        lookup.servers.push_back(make_dns_failure("9.9.9.9", dns_status::no_reply));
        const auto judged = judge_public(lookup);
        ASSERT_TRUE(judged.unusable);
        EXPECT_TRUE(judged.addresses.empty());
        EXPECT_EQ(judged.unusable->kind, verdict_kind::unresolved);
        EXPECT_EQ(judged.unusable->stage, stage::resolve);
        EXPECT_EQ(judged.unusable->blame, blame::unknown);
        EXPECT_TRUE(has(judged.unusable->sentence, std::string{"10.77.1.53: "}));
        EXPECT_TRUE(has(judged.unusable->sentence, text)) << judged.unusable->sentence;
        EXPECT_TRUE(has(judged.unusable->sentence, "9.9.9.9: no reply"));
    }
}

TEST(name, that_only_the_system_was_asked_for_says_what_the_system_said)
{
    auto lookup = make_failed_lookup(vendor, dns_status::no_such_name);
    lookup.servers.clear();
    EXPECT_TRUE(has(judge_public(lookup).unusable->sentence, "NXDOMAIN"));
    lookup.system.status = dns_status::failed;
    lookup.system.detail = "Temporary failure in name resolution";
    EXPECT_TRUE(has(judge_public(lookup).unusable->sentence, "Temporary failure in name resolution"));
}

TEST(name, without_a_route_to_any_server_is_unproven_and_this_machines_own)
{
    auto lookup = make_failed_lookup(vendor, dns_status::not_reachable);
    lookup.no_route_to_any_server = true;
    const auto judged = judge_public(lookup);
    ASSERT_TRUE(judged.unusable);
    EXPECT_EQ(judged.unusable->kind, verdict_kind::unproven);
    EXPECT_EQ(judged.unusable->stage, stage::resolve);
    EXPECT_EQ(judged.unusable->blame, blame::host);
}

TEST(name, whose_servers_are_silent_does_not_blame_this_machine)
{
    const auto judged = judge_public(make_failed_lookup(vendor, dns_status::not_reachable));
    EXPECT_EQ(judged.unusable->kind, verdict_kind::unresolved);
    EXPECT_EQ(judged.unusable->blame, blame::unknown);
}

TEST(name, known_without_any_server_is_used_even_without_a_route_to_one)
{
    auto lookup = make_lookup(vendor, {server_text}); // an entry of the hosts file
    lookup.servers.clear();
    lookup.no_route_to_any_server = true;
    const auto judged = judge_public(lookup);
    EXPECT_FALSE(judged.unusable);
    EXPECT_EQ(judged.addresses.size(), 1U);
}

TEST(name, answered_with_private_space_is_forged_and_names_the_servers_that_say_so)
{
    for (const char* text :
         {"10.77.1.80", "192.168.1.1", "127.0.0.1", "0.0.0.0", "100.64.0.1", "fd00::1", "::1"}) {
        SCOPED_TRACE(text);
        const auto judged = judge_public(make_lookup(vendor, {text}));
        ASSERT_EQ(judged.addresses.size(), 1U);
        const auto& forged = judged.addresses[0].without_probing;
        ASSERT_TRUE(forged);
        EXPECT_EQ(forged->kind, verdict_kind::intercepted);
        EXPECT_EQ(forged->stage, stage::resolve);
        EXPECT_EQ(forged->blame, blame::unknown);
        EXPECT_TRUE(has(forged->sentence, "system and 10.77.1.53"));
        EXPECT_TRUE(has(forged->sentence, text));
    }
}

TEST(name, answered_with_private_space_is_genuine_where_the_row_allows_it)
{
    const auto judged = judge_name(make_lookup(vendor, {"10.77.1.80"}), true);
    ASSERT_EQ(judged.addresses.size(), 1U);
    EXPECT_FALSE(judged.addresses[0].without_probing);
}

TEST(name, of_which_one_server_lies_keeps_the_genuine_address_and_accuses_only_the_liar)
{
    auto lookup = make_lookup(vendor, {server_text});
    lookup.servers.push_back(make_answer("10.77.1.54", {"10.77.1.80"}));
    const auto judged = judge_public(lookup);
    ASSERT_EQ(judged.addresses.size(), 2U);
    EXPECT_FALSE(judged.addresses[0].without_probing);
    ASSERT_TRUE(judged.addresses[1].without_probing);
    EXPECT_TRUE(has(judged.addresses[1].without_probing->sentence, "10.77.1.54"));
    EXPECT_FALSE(has(judged.addresses[1].without_probing->sentence, "10.77.1.53"));
}

TEST(name, on_which_servers_differ_has_a_finding_that_names_both_and_all_addresses)
{
    auto lookup = make_lookup(vendor, {server_text});
    lookup.servers.push_back(make_answer("9.9.9.9", {other_server_text}));
    const auto judged = judge_public(lookup);
    EXPECT_EQ(judged.addresses.size(), 2U);
    EXPECT_EQ(judged.addresses[1].servers, (std::vector<std::string>{"9.9.9.9"}));
    ASSERT_EQ(judged.findings.size(), 1U);
    EXPECT_EQ(
        judged.findings[0],
        "vendor.example: DNS servers differ: 10.77.1.53 says 54.215.171.160, 9.9.9.9 says 54.219.138.108"
    );
}

TEST(name, T23_with_thousands_of_addresses_is_probed_at_a_few_and_told_in_a_short_sentence)
{
    const auto naming = [](const char* server, int count) {
        auto out = make_answer(server, {});
        for (int i = count; i > 0; --i) {
            const auto text = fmt::format("54.215.{}.{}", (i - 1) / 250, (i - 1) % 250);
            out.addresses.push_back({.address = *parse_address(text)});
        }
        out.status = dns_status::answered;
        return out;
    };
    auto lookup = make_lookup(vendor, {});
    lookup.system = naming("getaddrinfo", 4000);
    lookup.servers = {naming("10.77.1.53", 4000), naming("9.9.9.9", 1000)};
    const auto judged = judge_public(lookup);
    EXPECT_EQ(judged.addresses.size(), 64U);
    EXPECT_EQ(to_text(judged.addresses.back().address), "54.215.0.63") << "always the same ones";
    ASSERT_EQ(judged.findings.size(), 2U);
    EXPECT_TRUE(has(judged.findings[0], "more than 64 addresses")) << judged.findings[0];
    EXPECT_TRUE(has(judged.findings[1], "and 3984 more")) << judged.findings[1];
    EXPECT_LT(judged.findings[1].size(), 1000U);
    lookup.system = naming("getaddrinfo", 64);
    lookup.servers.clear();
    EXPECT_EQ(judge_public(lookup).addresses.size(), 64U);
    EXPECT_TRUE(judge_public(lookup).findings.empty());
}

TEST(name, that_one_server_fails_on_names_this_server_only)
{
    auto lookup = make_lookup(vendor, {server_text});
    lookup.servers.insert(lookup.servers.begin(), make_dns_failure("9.9.9.9", dns_status::server_failure));
    const auto judged = judge_public(lookup);
    EXPECT_TRUE(judged.findings.empty());
    ASSERT_EQ(judged.failing_servers.size(), 1U);
    EXPECT_EQ(judged.failing_servers[0].first, "9.9.9.9");
    EXPECT_EQ(judged.failing_servers[0].second, "server failure (SERVFAIL)");
    EXPECT_FALSE(judged.unusable);
}

TEST(name, that_applications_do_not_get_is_unresolved_though_a_server_answers)
{
    auto lookup = make_lookup(vendor, {server_text});
    lookup.system = make_dns_failure("system", dns_status::no_such_name);
    const auto judged = judge_public(lookup);
    ASSERT_TRUE(judged.unusable);
    EXPECT_EQ(judged.unusable->kind, verdict_kind::unresolved);
    EXPECT_TRUE(has(judged.unusable->sentence, "does not resolve for applications"));
    EXPECT_TRUE(has(judged.unusable->sentence, "10.77.1.53 answers"));
    EXPECT_EQ(judged.addresses.size(), 1U);
}

TEST(unrelated, is_told_by_the_last_two_labels)
{
    struct row {
        const char* one;
        const char* other;
        bool unrelated;
    };
    for (const auto& [one, other, unrelated] : {
             row{"a.apple.com", "b.apple.com", false},
             row{"apple.com", "www.apple.com", false},
             row{"apple.com.", "apple.com", false},
             row{"apple.com", "google.com", true},
             row{"apple.com", "apple.org", true},
             row{"pineapple.com", "apple.com", true},
             row{"localhost", "localhost", false},
             row{"localhost", "apple.com", true},
             row{"", "apple.com", true},
             row{".com", "com", true},
         }) {
        SCOPED_TRACE(std::string{one} + " and " + other);
        EXPECT_EQ(are_unrelated(one, other), unrelated);
        EXPECT_EQ(are_unrelated(other, one), unrelated);
    }
}

TEST(lookup_json, lists_the_system_first_and_every_server_with_its_words)
{
    auto lookup = make_lookup(vendor, {server_text});
    lookup.system.addresses[0].ttl.reset();
    lookup.servers.push_back(make_dns_failure("9.9.9.9", dns_status::no_reply));
    EXPECT_EQ(
        to_json(lookup), nlohmann::json::parse(R"({
        "name": "vendor.example", "at": "1970-01-01T00:16:40.000Z", "answers": [
          {"server": "system", "status": "answered", "text": "54.215.171.160", "took_us": 0,
           "addresses": [{"address": "54.215.171.160"}]},
          {"server": "10.77.1.53", "status": "answered", "text": "54.215.171.160", "took_us": 0,
           "addresses": [{"address": "54.215.171.160", "ttl_s": 60}]},
          {"server": "9.9.9.9", "status": "no_reply", "text": "no reply", "took_us": 0, "addresses": []}]})")
    );
}

TEST(dns_status, has_one_word_each)
{
    using enum dns_status;
    const std::vector values{answered,      no_such_name, no_address,    server_failure,
                             query_refused, no_reply,     not_reachable, failed};
    const std::vector<std::string> words{
        "answered",      "no_such_name", "no_address",    "server_failure",
        "query_refused", "no_reply",     "not_reachable", "failed",
    };
    for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(to_string(values[i]), words[i]);
    }
}

} // namespace
} // namespace reachd
