// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/inquiry.hpp"
#include "reachd/core/trace_keeping.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;

const wall_time start = make_wall(seconds{10000});

class trace_keeping : public testing::Test {
protected:
    trace_keeping()
    {
        row_ = &it.add(
            "row", expectation::path,
            {make_endpoint(server_text, 443, {make_seen(connected{})}),
             make_endpoint(server_text, 80, make_silence())}
        );
        for (const auto port : {std::uint16_t{443}, std::uint16_t{80}}) {
            note({"", make_target(server_text, port)}, start);
        }
        note(control(), start);
    }
    static flow control() { return {"", make_target(server_text, control_port, transport::udp)}; }
    void note(const flow& which, wall_time at)
    {
        auto one = make_seen(make_icmp(gateway_text, 11, 0));
        one.hop_limit = 1;
        one.at = at;
        it.site.traces[which].push_back(one);
    }
    bool knows(const flow& which) const { return it.site.traces.contains(which); }
    endpoint_state& endpoint(std::size_t i) { return row_->endpoints[i]; }

    scene it = make_scene();
    row_state* row_ = nullptr;
};

TEST_F(trace_keeping, traces_of_an_endpoint_that_looks_as_before_are_kept)
{
    EXPECT_FALSE(take_in(it.site, endpoint(0), {make_seen(connected{})}));
    EXPECT_TRUE(knows({"", make_target(server_text, 443)}));
}

TEST_F(trace_keeping, traces_of_an_endpoint_that_looks_otherwise_now_are_forgotten_with_the_control)
{
    EXPECT_TRUE(take_in(it.site, endpoint(0), make_silence()));
    EXPECT_FALSE(knows({"", make_target(server_text, 443)}));
    EXPECT_FALSE(knows(control())) << "how far others get is looked at anew as well";
    EXPECT_TRUE(knows({"", make_target(server_text, 80)})) << "the neighbour did not change";
}

TEST_F(trace_keeping, who_connects_as_before_and_says_something_else_may_be_somebody_else)
{
    const auto says = [&](auto what) {
        return take_in(it.site, endpoint(0), {make_seen(connected{}), make_seen(what)});
    };
    EXPECT_TRUE(says(tls_answer{.issuer = "One CA"}));
    note({"", make_target(server_text, 443)}, start);
    EXPECT_FALSE(says(tls_answer{.issuer = "One CA", .not_after = "2027-01-01T00:00:00Z"}))
        << "a renewed certificate";
    EXPECT_TRUE(knows({"", make_target(server_text, 443)}));
    EXPECT_TRUE(says(tls_answer{.issuer = "Inspection CA"}));
    EXPECT_FALSE(knows({"", make_target(server_text, 443)}));
    EXPECT_TRUE(says(acknowledged{})) << "no TLS any more";
    EXPECT_FALSE(says(acknowledged{}));
    EXPECT_TRUE(says(http_answer{.status = 200, .server = "site"}));
    EXPECT_FALSE(says(http_answer{.status = 200, .server = "site"}));
    EXPECT_TRUE(says(http_answer{.status = 302, .server = "site"}));
    EXPECT_TRUE(says(http_answer{.status = 302, .server = "portal"}));
}

TEST_F(trace_keeping, ten_minutes_later_everything_about_the_address_is_looked_at_anew)
{
    forget_old_traces(it.site, *row_, start + trace_age);
    EXPECT_EQ(it.site.traces.size(), 3U);
    forget_old_traces(it.site, *row_, start + trace_age + seconds{1});
    EXPECT_TRUE(it.site.traces.empty());
}

TEST_F(trace_keeping, a_silent_udp_port_is_looked_at_anew_each_round)
{
    auto silent = make_endpoint(server_text, 4200, make_silence(transport::udp));
    silent.transport = transport::udp;
    auto& other = it.add("udp", expectation::path, {silent});
    const flow which{"", make_target(server_text, 4200, transport::udp)};
    note(which, start);
    forget_old_traces(it.site, other, start + seconds{1});
    EXPECT_FALSE(knows(which));
    EXPECT_TRUE(knows(control()));
}

TEST_F(trace_keeping, a_silence_that_goes_on_is_no_change)
{
    EXPECT_FALSE(take_in(it.site, endpoint(1), make_silence()));
    EXPECT_TRUE(knows({"", make_target(server_text, 80)}));
}

TEST_F(trace_keeping, the_first_look_at_an_endpoint_forgets_nothing)
{
    endpoint(1).seen.clear();
    EXPECT_TRUE(take_in(it.site, endpoint(1), make_silence()));
    EXPECT_TRUE(knows({"", make_target(server_text, 80)})) << "it was walked for another row";
    EXPECT_TRUE(knows(control()));
}

TEST_F(trace_keeping, an_old_control_ends_what_is_known_of_its_address_there_and_of_no_other)
{
    const auto now = start + trace_age + seconds{1};
    const flow young{"", make_target(server_text, 443)};
    const flow elsewhere{"voice", make_target(server_text, 443)};
    const flow neighbour{"", make_target(other_server_text, 443)};
    it.site.traces.erase(young);
    for (const auto& which : {young, elsewhere, neighbour}) {
        note(which, now - seconds{1});
    }
    forget_old_traces(it.site, *row_, now);
    EXPECT_FALSE(knows(young)) << "how far others get decides about it";
    EXPECT_FALSE(knows(control()));
    EXPECT_TRUE(knows(elsewhere));
    EXPECT_TRUE(knows(neighbour));
}

TEST_F(trace_keeping, old_traces_are_forgotten_where_there_is_no_control_too)
{
    it.site.traces.erase(control());
    forget_old_traces(it.site, *row_, start + trace_age);
    EXPECT_EQ(it.site.traces.size(), 2U);
    forget_old_traces(it.site, *row_, start + trace_age + seconds{1});
    EXPECT_TRUE(it.site.traces.empty());
}

TEST_F(trace_keeping, a_row_forgets_nothing_of_endpoints_that_it_has_not_walked)
{
    auto nameless = make_named("a.example", server_text, 443, {});
    nameless.address.reset();
    auto& other =
        it.add("other", expectation::path, {nameless, make_endpoint(server_text, 22, make_silence())});
    forget_old_traces(it.site, other, start + trace_age + seconds{1});
    EXPECT_EQ(it.site.traces.size(), 3U);
}

TEST_F(trace_keeping, an_address_that_cannot_exist_is_asked_again_after_ten_minutes)
{
    it.site.traces.clear();
    const flow old{"", canary_for(family::v4, 443)};
    const flow young{"", canary_for(family::v6, 443)};
    const flow never{"", canary_for(family::v4, 80)};
    note(old, start);
    note(young, start + seconds{2});
    it.site.traces[never]; // asked, and nothing seen yet
    forget_old_traces(it.site, *row_, start + trace_age + seconds{1});
    EXPECT_FALSE(knows(old));
    EXPECT_TRUE(knows(young));
    EXPECT_TRUE(knows(never));
}

TEST_F(trace_keeping, old_traces_of_addresses_that_no_row_has_any_more_are_forgotten)
{
    const flow gone{"", make_target(other_server_text, 443)};
    const flow elsewhere{"lan2", make_target(server_text, 443)};
    const flow resolver{"", make_target("192.0.2.53", 53, transport::udp)};
    it.site.local.dns_servers = {resolver.target.address};
    note(gone, start);
    note(elsewhere, start);
    note(resolver, start);
    forget_gone(it.site, start + trace_age - seconds{1});
    EXPECT_TRUE(knows(gone)) << "it may come back with the next answer of DNS";
    forget_gone(it.site, start + trace_age + seconds{1});
    EXPECT_FALSE(knows(gone));
    EXPECT_TRUE(knows(resolver)) << "how far its questions get is asked of it";
    EXPECT_FALSE(knows(elsewhere)) << "no row asks for it from there";
    EXPECT_TRUE(knows({"", make_target(server_text, 443)}));
    EXPECT_TRUE(knows(control()));
}

} // namespace
} // namespace reachd
