// SPDX-License-Identifier: Apache-2.0
// Where a silent flow was last seen, and when silence at a hop proves something.
#include "reachd/core/groups.hpp"
#include "reachd/core/inquiry.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

constexpr const char* hops[] = {gateway_text, "100.64.0.1", "203.0.113.2"};

class passage_test : public testing::Test {
protected:
    passage_test()
    {
        it.add("row", expectation::service, {make_endpoint(server_text, 443, make_silence())});
        it.what.config.path.edge = make_address(gateway_text);
    }
    void see(std::uint16_t port, unsigned limit, outcome what, transport how = transport::tcp)
    {
        auto one = make_seen(std::move(what));
        one.hop_limit = limit;
        one.at = make_wall(seconds{1000 + ++seen_});
        it.site.traces[flow{"", make_target(server_text, port, how)}].push_back(one);
    }
    void pass(std::uint16_t port, unsigned limit) { see(port, limit, make_icmp(hops[limit - 1], 11, 0)); }
    void miss(std::uint16_t port, unsigned limit) { see(port, limit, no_reply{seconds{1}}); }
    passage found() const
    {
        const evidence all{it.what, it.site};
        return passage_of(all, flow{"", make_target(server_text, 443)});
    }

    scene it = make_scene();
    int seen_ = 0;
};

TEST_F(passage_test, silence_at_a_hop_that_answers_others_meanwhile_is_a_drop)
{
    pass(443, 1);
    pass(80, 1);
    for (unsigned i = 0; i < hop_tries; ++i) {
        miss(443, 2);
        pass(80, 2);
    }
    EXPECT_EQ(found().kind, passage_kind::dropped);
    EXPECT_EQ(found().after, 1U);
    EXPECT_EQ(found().before, 2U);
}

TEST_F(passage_test, silence_at_a_hop_that_answered_others_before_alone_proves_nothing)
{
    pass(443, 1);
    pass(80, 1);
    for (unsigned i = 0; i < hop_tries; ++i) {
        pass(80, 2);
    }
    for (unsigned i = 0; i < hop_tries; ++i) {
        miss(443, 2);
    }
    EXPECT_EQ(found().kind, passage_kind::unheard);
}

TEST_F(passage_test, the_row_waits_for_what_the_hop_says_to_another_rows_flow)
{
    const auto see_other = [this](unsigned limit) {
        auto one = make_seen(make_icmp(hops[limit - 1], 11, 0));
        one.hop_limit = limit;
        one.at = make_wall(seconds{1000 + ++seen_});
        it.site.traces[flow{"", make_target(other_server_text, 443)}].push_back(one);
    };
    const auto waits = [this] {
        return next_orders(it.what, it.site, {}).deferred.contains(make_address(server_text));
    };
    it.add("other", expectation::service, {make_endpoint(other_server_text, 443, {make_seen(connected{})})});
    pass(443, 1);
    see_other(1);
    see_other(2);
    EXPECT_FALSE(waits());
    for (unsigned i = 0; i < hop_tries; ++i) {
        miss(443, 2);
    }
    EXPECT_EQ(found().kind, passage_kind::unheard);
    EXPECT_TRUE(waits());
    for (unsigned i = 0; i < hearings; ++i) {
        see_other(2);
    }
    EXPECT_EQ(found().kind, passage_kind::dropped);
    EXPECT_FALSE(waits());
}

TEST_F(passage_test, silence_at_a_hop_that_often_says_nothing_proves_nothing)
{
    pass(443, 1);
    pass(80, 1);
    for (unsigned i = 0; i < hop_tries; ++i) {
        miss(443, 2);
        pass(80, 2);
    }
    miss(80, 2); // one question in four: what loss may do
    EXPECT_EQ(found().kind, passage_kind::dropped);
    miss(80, 2); // two in five: it limits its ICMP
    EXPECT_EQ(found().kind, passage_kind::unheard);
    for (unsigned i = 0; i < hop_tries; ++i) {
        pass(80, 2);
    }
    EXPECT_EQ(found().kind, passage_kind::dropped);
}

} // namespace
} // namespace reachd
