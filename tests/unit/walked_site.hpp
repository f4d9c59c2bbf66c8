// SPDX-License-Identifier: Apache-2.0
// walked_site.hpp: a site whose edge is hop 1, and what probes with few hops allowed have shown of it.
#pragma once

#include "reachd/core/inquiry.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <utility>

namespace reachd::test {

// The boxes on the way to the server, which is four hops away.
inline constexpr const char* hops[] = {gateway_text, "100.64.0.1", "203.0.113.2", "203.0.113.6"};
inline constexpr unsigned distance = 4;

class walked_site : public testing::Test {
protected:
    walked_site() { it.what.config.path.edge = make_address(gateway_text); }

    observation& see(const endpoint& target, unsigned limit, outcome what, bool keeps_port = false)
    {
        auto one = make_seen(std::move(what));
        one.hop_limit = limit;
        one.keeps_port = keeps_port;
        one.at = make_wall(seconds{1000 + ++seen_});
        auto& all = it.site.traces[flow{"", target}];
        all.push_back(one);
        return all.back();
    }
    // Its packets are seen at the hops up to `last`.
    void passed(const endpoint& target, unsigned last)
    {
        for (unsigned limit = 1; limit <= last; ++limit) {
            see(target, limit, make_icmp(hops[limit - 1], 11, 0));
        }
    }
    void silent(const endpoint& target, unsigned limit, unsigned tries = hop_tries)
    {
        for (unsigned i = 0; i < tries; ++i) {
            see(target, limit, no_reply{seconds{1}});
        }
    }
    // Its packets are seen at the hops before `at`, and answered from there on.
    void answered(std::uint16_t port, unsigned at, const outcome& what)
    {
        passed(make_target(server_text, port), at - 1);
        see(make_target(server_text, port), at, what);
    }
    // A datagram to a port at which nothing listens gets as far as `last`, and is answered after it or not.
    void control(unsigned last, bool spoke)
    {
        const auto target = make_target(server_text, control_port, transport::udp);
        passed(target, last);
        for (unsigned i = 0; i < hop_tries; ++i) {
            see(target, last + 1,
                spoke ? outcome{make_icmp(server_text, 3, 3)} : outcome{no_reply{seconds{1}}});
        }
    }
    // What an answer's TTL is at most: it arrives with this one, and not with one more.
    void arrives_with(const endpoint& target, unsigned ttl)
    {
        auto& all = it.site.traces[flow{"", target}];
        all.push_back(make_seen(connected{}));
        all.back().min_ttl = ttl;
        for (unsigned i = 0; i < sure_min_ttl_tries; ++i) {
            all.push_back(make_seen(no_reply{seconds{1}}));
            all.back().min_ttl = ttl + 1;
        }
    }
    const verdict& judged(std::vector<observation> first, expectation expect = expectation::path)
    {
        it.add("row", expect, {make_endpoint(server_text, 443, std::move(first))});
        it.evaluate();
        return it.judged("row");
    }
    const verdict& judged(observation first, expectation expect = expectation::path)
    {
        return judged(std::vector{std::move(first)}, expect);
    }

    scene it = make_scene();
    int seen_ = 0;
};

} // namespace reachd::test
