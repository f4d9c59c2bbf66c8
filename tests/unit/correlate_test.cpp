// SPDX-License-Identifier: Apache-2.0
// What the neighbours of an endpoint add: explained silence, captive portals, forged names.
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

bool says(const verdict& judged, std::string_view part)
{
    return judged.sentence.find(part) != std::string::npos;
}

std::vector<observation> redirected(std::string location)
{
    return make_greeted(make_redirect(std::move(location)), probe_kind::http_head);
}

std::vector<observation> answered()
{
    return {make_seen(connected{})};
}

// --- silence ---

TEST(silence, beside_an_answering_port_is_told_as_this_port_only)
{
    for (const auto& answer : {outcome{connected{}}, outcome{refused{}}}) {
        SCOPED_TRACE(outcome_word(answer));
        auto it = make_scene();
        it.add(
            "row", expectation::service,
            {make_endpoint(server_text, 80, {make_seen(answer)}),
             make_endpoint(server_text, 443, make_silence())}
        );
        it.evaluate();
        const auto& silent = it.judged("row", 1);
        EXPECT_EQ(silent.kind, verdict_kind::blocked);
        EXPECT_EQ(silent.blame, blame::unknown);
        EXPECT_FALSE(silent.where);
        EXPECT_TRUE(says(silent, "port 80 of the same address answers"));
        EXPECT_FALSE(says(it.judged("row", 0), "same address"));
    }
}

TEST(silence, of_a_whole_address_while_others_answer_may_be_a_dead_host_and_blames_nobody)
{
    auto it = make_scene();
    it.add("here", expectation::service, {make_endpoint(server_text, 443, make_silence())});
    it.add("there", expectation::service, {make_endpoint(other_server_text, 443, answered())});
    it.evaluate();
    EXPECT_TRUE(says(it.judged("here"), "nothing at this address answers while others do"));
    EXPECT_EQ(it.judged("here").blame, blame::unknown);
    EXPECT_FALSE(it.judged("here").where);
}

TEST(silence, of_everything_is_said_to_be_everything)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 443, make_silence()),
         make_endpoint(other_server_text, 443, make_silence())}
    );
    it.evaluate();
    EXPECT_TRUE(says(it.judged("row", 0), "nothing answers from here at all"));
    EXPECT_TRUE(says(it.judged("row", 1), "nothing answers from here at all"));
}

TEST(silence, is_not_explained_by_a_rejection_as_that_is_no_answer_of_the_address)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, {make_seen(make_icmp(gateway_text, 3, 13))}),
         make_endpoint(server_text, 443, make_silence())}
    );
    it.evaluate();
    EXPECT_FALSE(says(it.judged("row", 1), "port 80"));
    EXPECT_TRUE(says(it.judged("row", 1), "nothing answers from here at all"));
}

TEST(silence, of_udp_and_after_a_connection_is_left_as_it_is)
{
    auto it = make_scene();
    auto udp = make_endpoint(server_text, 4200, make_silence(transport::udp));
    udp.transport = transport::udp;
    it.add("udp", expectation::path, {udp});
    it.add(
        "tls", expectation::service,
        {make_named("a.example", other_server_text, 443, make_greeted(no_reply{seconds{3}}, probe_kind::tls))}
    );
    it.evaluate();
    EXPECT_FALSE(says(it.judged("udp"), "nothing answers"));
    EXPECT_FALSE(says(it.judged("tls"), "port 443"));
}

// --- captive portals ---

TEST(redirect, to_a_foreign_host_seen_once_is_unproven_and_names_the_host)
{
    for (const char* location :
         {"http://login.portal.test/hotel", "HTTP://LOGIN.PORTAL.TEST:8080/",
          "https://user:pw@login.portal.test?x=1", "http://login.portal.test#top"}) {
        SCOPED_TRACE(location);
        const auto judged = judge_alone(make_named("a.example", server_text, 80, redirected(location)));
        EXPECT_EQ(judged.kind, verdict_kind::unproven);
        EXPECT_EQ(judged.stage, stage::reply);
        EXPECT_EQ(judged.blame, blame::unknown);
        EXPECT_TRUE(says(judged, "login.portal.test"));
        EXPECT_FALSE(says(judged, "8080"));
    }
}

TEST(redirect, of_a_bare_address_may_lead_to_its_own_name_and_is_no_portal_by_itself)
{
    const auto away = redirected("http://login.portal.test/");
    EXPECT_EQ(judge_alone(make_named("", server_text, 80, away)).kind, verdict_kind::open);
    EXPECT_EQ(
        judge_alone(make_named("", server_text, 80, redirected("http://10.1.2.3/"))).kind,
        verdict_kind::intercepted
    );
}

TEST(redirect, to_the_names_own_domain_or_to_a_path_is_open)
{
    for (const char* location :
         {"https://a.vendor.test/", "https://www.vendor.test/", "https://VENDOR.test:443/x", "/login",
          "index.html", ""}) {
        SCOPED_TRACE(location);
        EXPECT_EQ(
            judge_alone(make_named("a.vendor.test", server_text, 80, redirected(location))).kind,
            verdict_kind::open
        );
    }
}

TEST(redirect, counts_only_with_a_redirecting_status)
{
    for (const unsigned status : {200U, 299U, 400U, 503U}) {
        SCOPED_TRACE(status);
        auto answer = make_redirect("http://login.portal.test/");
        answer.status = status;
        const auto one =
            make_named("a.example", server_text, 80, make_greeted(answer, probe_kind::http_head));
        EXPECT_EQ(judge_alone(one).kind, verdict_kind::open);
    }
    for (const unsigned status : {300U, 301U, 307U, 399U}) {
        SCOPED_TRACE(status);
        auto answer = make_redirect("http://login.portal.test/");
        answer.status = status;
        const auto one =
            make_named("a.example", server_text, 80, make_greeted(answer, probe_kind::http_head));
        EXPECT_EQ(judge_alone(one).kind, verdict_kind::unproven);
    }
}

TEST(redirect, alike_for_names_of_different_owners_is_a_captive_portal)
{
    auto it = make_scene();
    it.add(
        "one", expectation::service,
        {make_named("a.one.test", server_text, 80, redirected("http://login.portal.test/?from=one"))}
    );
    it.add(
        "two", expectation::service,
        {make_named("b.two.test", other_server_text, 80, redirected("http://login.portal.test/?from=two"))}
    );
    it.evaluate();
    for (const char* row : {"one", "two"}) {
        SCOPED_TRACE(row);
        EXPECT_EQ(it.judged(row).kind, verdict_kind::intercepted);
        EXPECT_EQ(it.judged(row).blame, blame::unknown);
        EXPECT_TRUE(says(it.judged(row), "captive portal"));
        EXPECT_EQ(it.row(row).state, row_answer::fail);
    }
}

TEST(redirect, alike_for_names_of_one_owner_is_no_proof_of_a_portal)
{
    auto it = make_scene();
    it.add(
        "one", expectation::service,
        {make_named("a.vendor.test", server_text, 80, redirected("http://cdn.other.test/")),
         make_named("b.vendor.test", other_server_text, 80, redirected("http://cdn.other.test/"))}
    );
    it.evaluate();
    EXPECT_EQ(it.judged("one", 0).kind, verdict_kind::unproven);
    EXPECT_EQ(it.judged("one", 1).kind, verdict_kind::unproven);
}

TEST(redirect, of_different_owners_to_different_hosts_is_no_proof_of_a_portal)
{
    auto it = make_scene();
    it.add(
        "one", expectation::service,
        {make_named("a.one.test", server_text, 80, redirected("http://home.three.test/"))}
    );
    it.add(
        "two", expectation::service,
        {make_named("b.two.test", other_server_text, 80, redirected("http://home.four.test/"))}
    );
    it.evaluate();
    EXPECT_EQ(it.judged("one").kind, verdict_kind::unproven);
    EXPECT_EQ(it.judged("two").kind, verdict_kind::unproven);
}

TEST(redirect, into_private_space_is_a_captive_portal_by_itself)
{
    const auto inside =
        judge_alone(make_named("a.example", server_text, 80, redirected("http://10.1.0.1:8000/")));
    EXPECT_EQ(inside.kind, verdict_kind::intercepted);
    EXPECT_TRUE(says(inside, "10.1.0.1"));
    const auto outside =
        judge_alone(make_named("a.example", server_text, 80, redirected("http://81.2.69.1:8000/")));
    EXPECT_EQ(outside.kind, verdict_kind::unproven);
}

// --- forged names ---

scene one_address_for(std::vector<std::string> names, std::string_view address = server_text)
{
    auto it = make_scene();
    for (const auto& name : names) {
        it.add(name, expectation::service, {make_named(name, address, 443, answered())});
    }
    it.evaluate();
    return it;
}

TEST(forged_names, are_three_names_of_different_owners_at_one_address)
{
    const auto it = one_address_for({"a.one.test", "b.two.test", "c.three.test"});
    for (const char* name : {"a.one.test", "b.two.test", "c.three.test"}) {
        SCOPED_TRACE(name);
        EXPECT_EQ(it.judged(name).kind, verdict_kind::intercepted);
        EXPECT_EQ(it.judged(name).stage, stage::resolve);
        EXPECT_EQ(it.judged(name).blame, blame::unknown);
        EXPECT_TRUE(says(it.judged(name), "3 names of different owners"));
        EXPECT_TRUE(says(it.judged(name), server_text));
    }
}

TEST(forged_names, are_not_two_owners_at_one_address)
{
    const auto it = one_address_for({"a.one.test", "b.two.test"});
    EXPECT_EQ(it.judged("a.one.test").kind, verdict_kind::open);
}

TEST(forged_names, are_not_many_names_of_one_owner_at_one_address)
{
    const auto it = one_address_for({"a.one.test", "b.one.test", "c.one.test", "d.one.test", "e.two.test"});
    EXPECT_EQ(it.judged("c.one.test").kind, verdict_kind::open);
}

TEST(forged_names, do_not_count_literals_and_spare_other_addresses)
{
    auto it = make_scene();
    it.add("one", expectation::service, {make_named("a.one.test", server_text, 443, answered())});
    it.add("two", expectation::service, {make_named("b.two.test", server_text, 443, answered())});
    it.add("literal", expectation::service, {make_endpoint(server_text, 443, answered())});
    it.evaluate();
    EXPECT_EQ(it.judged("one").kind, verdict_kind::open);
    it.add(
        "three", expectation::service,
        {make_named("c.three.test", server_text, 443, answered()),
         make_named("c.three.test", other_server_text, 443, answered())}
    );
    it.evaluate();
    EXPECT_EQ(it.judged("one").kind, verdict_kind::intercepted);
    EXPECT_EQ(it.judged("literal").kind, verdict_kind::open);
    EXPECT_EQ(it.judged("three", 1).kind, verdict_kind::open);
}

TEST(forged_names, in_private_space_keep_the_sentence_that_names_the_servers)
{
    auto it = make_scene();
    for (const char* name : {"a.one.test", "b.two.test", "c.three.test"}) {
        auto one = make_named(name, "10.77.1.80", 443, {});
        one.without_probing = verdict{
            .kind = verdict_kind::intercepted,
            .stage = stage::resolve,
            .sentence = "forged name: 10.77.1.53 answers 10.77.1.80",
        };
        it.add(name, expectation::service, {one});
    }
    it.evaluate();
    EXPECT_EQ(it.judged("a.one.test").sentence, "forged name: 10.77.1.53 answers 10.77.1.80");
}

TEST(correlation, does_not_depend_on_the_order_of_rows)
{
    std::vector<endpoint_state> all{
        make_endpoint(server_text, 443, make_silence()),
        make_endpoint(server_text, 80, answered()),
        make_named("a.one.test", other_server_text, 80, redirected("http://login.portal.test/")),
        make_named("b.two.test", other_server_text, 80, redirected("http://login.portal.test/")),
        make_named("c.three.test", other_server_text, 443, make_greeted(make_trusted(), probe_kind::tls)),
    };
    const auto judged_in_order = [&](const std::vector<std::size_t>& order) {
        auto it = make_scene();
        for (const auto i : order) {
            it.add(std::to_string(i), expectation::service, {all[i]});
        }
        it.evaluate();
        std::vector<verdict> out;
        for (std::size_t i = 0; i < all.size(); ++i) {
            out.push_back(it.judged(std::to_string(i)));
        }
        return out;
    };
    EXPECT_EQ(judged_in_order({0, 1, 2, 3, 4}), judged_in_order({4, 3, 2, 1, 0}));
    EXPECT_EQ(judged_in_order({0, 1, 2, 3, 4}), judged_in_order({2, 0, 4, 1, 3}));
}

} // namespace
} // namespace reachd
