// SPDX-License-Identifier: Apache-2.0
// Whole sites in virtual time: whatever is wrong with them, the answers keep the laws.
#include "sim/virtual_site.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace reachd::test {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds interval{300};
constexpr duration slack = 30s; // a round: two attempts of 3 s, and the pacer's queue

// No limit hides behind the laws here; pacing_sim_test.cpp is about limits.
limits_config make_limits()
{
    limits_config limits;
    limits.new_flows_per_s = 0;
    limits.new_flows_per_destination_per_s = 0;
    return limits;
}

std::size_t below(std::mt19937_64& random, std::size_t limit)
{
    return std::uniform_int_distribution<std::size_t>{0, limit - 1}(random);
}

void inject_everywhere(virtual_site& site, fault what)
{
    for (std::size_t row = 0; row < site.rows(); ++row) {
        site.inject(row, 0, what);
    }
}

// A random fault on a random row, on all of its ports or on one.
void inject_any(virtual_site& site, std::mt19937_64& random)
{
    const auto row = below(random, site.rows());
    const auto what = static_cast<fault>(1 + below(random, fault_count - 1));
    if (what == fault::forged_alike) { // a resolver that forges does so for every name
        inject_everywhere(site, what);
        return;
    }
    const auto& out = std::get<outbound_row>(site.what().rows[row].what);
    const auto ports = out.ports.ports();
    const bool one_port = !is_of_names(what) && below(random, 2) == 0;
    site.inject(row, one_port ? ports[below(random, ports.size())] : std::uint16_t{0}, what);
}

void expect_sound(const virtual_daemon& daemon, std::size_t row)
{
    for (const auto& about : daemon.faults_of(row)) {
        ADD_FAILURE() << about;
    }
}

void expect_sound(const virtual_site& site, const virtual_daemon& daemon)
{
    bool all_pass = true;
    for (std::size_t row = 0; row < site.rows(); ++row) {
        expect_sound(daemon, row);
        all_pass = all_pass && daemon.state().rows[row].state == row_answer::pass;
    }
    EXPECT_EQ(daemon.state().state == site_answer::ready, all_pass);
}

TEST(site_sim, without_faults_is_ready)
{
    const virtual_site site;
    virtual_daemon daemon{site, interval, make_limits(), 1};
    daemon.check_once();
    for (std::size_t row = 0; row < site.rows(); ++row) {
        EXPECT_EQ(daemon.state().rows[row].state, row_answer::pass) << daemon.state().rows[row].sentence;
    }
    EXPECT_EQ(daemon.state().state, site_answer::ready);
    expect_sound(site, daemon);
}

TEST(site_sim, shows_every_fault_on_every_row_it_touches_and_no_other)
{
    for (int i = 1; i < fault_count; ++i) {
        const auto what = static_cast<fault>(i);
        for (std::size_t row = 0; row < virtual_site{}.rows(); ++row) {
            virtual_site site;
            if (what == fault::forged_alike) {
                inject_everywhere(site, what);
            } else {
                site.inject(row, 0, what);
            }
            SCOPED_TRACE(std::string{to_string(what)} + " on " + site.what().rows[row].id);
            virtual_daemon daemon{site, interval, make_limits(), 1};
            daemon.check_once();
            expect_sound(site, daemon);
            for (std::size_t other = 0; other < site.rows(); ++other) {
                const auto& out = std::get<outbound_row>(site.what().rows[other].what);
                const bool touched = std::ranges::any_of(out.ports.ports(), [&](std::uint16_t port) {
                    return !site.may_pass(other, port, site.at(other, port));
                });
                EXPECT_EQ(daemon.state().rows[other].state != row_answer::pass, touched)
                    << site.what().rows[other].id << ": " << daemon.state().rows[other].sentence;
            }
        }
    }
}

TEST(site_sim, tells_proven_faults_from_what_cannot_be_decided)
{
    const std::set undecided{
        fault::expired, fault::no_route, fault::next_hop_silent, fault::no_memory, fault::no_dns_route
    };
    for (int i = 1; i < fault_count; ++i) {
        const auto what = static_cast<fault>(i);
        SCOPED_TRACE(to_string(what));
        virtual_site site;
        inject_everywhere(site, what);
        virtual_daemon daemon{site, interval, make_limits(), 1};
        daemon.check_once();
        const auto& web = daemon.state().rows[1]; // a name, ports 80 and 443, service expected
        EXPECT_EQ(web.state, undecided.contains(what) ? row_answer::unproven : row_answer::fail)
            << web.sentence;
        EXPECT_EQ(web.advice.empty(), undecided.contains(what) && culprit_of(what) != blame::host)
            << web.advice;
    }
}

TEST(site_sim, blames_the_gateway_only_while_the_routing_table_names_it)
{
    virtual_site site;
    inject_everywhere(site, fault::rejected_by_gateway);
    virtual_daemon daemon{site, interval, make_limits(), 1};
    daemon.check_once();
    auto state = daemon.state();
    EXPECT_EQ(state.rows[0].endpoints[0].judged.blame, blame::site);
    state.local = {}; // the same observations, nothing known of the network
    evaluate(site.what(), state, make_wall(5000s));
    EXPECT_EQ(state.rows[0].endpoints[0].judged.blame, blame::unknown);
    EXPECT_TRUE(state.rows[0].endpoints[0].judged.where);
}

TEST(site_sim, keeps_the_laws_under_any_mixture_of_faults)
{
    constexpr int cases = 2000;
    const auto first = seed_from_environment(20260000);
    for (int i = 0; i < cases && !testing::Test::HasFailure(); ++i) {
        const auto seed = first + static_cast<std::uint64_t>(i);
        SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
        std::mt19937_64 random{seed};
        virtual_site site;
        for (std::size_t left = below(random, 6); left > 0; --left) {
            inject_any(site, random);
        }
        virtual_daemon daemon{site, interval, make_limits(), seed};
        daemon.check_once();
        expect_sound(site, daemon);
    }
}

TEST(site_sim, keeps_the_laws_when_faults_come_and_go_between_two_checks)
{
    constexpr int cases = 300;
    const auto first = seed_from_environment(20270000);
    for (int i = 0; i < cases && !testing::Test::HasFailure(); ++i) {
        const auto seed = first + static_cast<std::uint64_t>(i);
        SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
        std::mt19937_64 random{seed};
        virtual_site site;
        virtual_daemon daemon{site, interval, make_limits(), seed};
        for (int check = 0; check < 3; ++check) {
            site.heal();
            inject_any(site, random);
            daemon.check_once();
            expect_sound(site, daemon);
        }
        site.heal();
        daemon.check_once();
        EXPECT_EQ(daemon.state().state, site_answer::ready);
    }
}

// --- days of a daemon's life ---

// Phases of trouble and of quiet, one after the other.
class life {
public:
    explicit life(std::uint64_t seed) : random_{seed}, daemon_{site_, interval, make_limits(), seed} {}

    void quiet()
    {
        site_.heal();
        const auto healed = daemon_.now();
        std::map<std::size_t, time_point> recovered;
        run_for(interval * 10, [&](std::size_t row) {
            if (daemon_.state().rows[row].state == row_answer::pass) {
                recovered.try_emplace(row, daemon_.now());
            }
        });
        for (std::size_t row = 0; row < site_.rows(); ++row) {
            ASSERT_TRUE(recovered.contains(row)) << site_.what().rows[row].id << " did not recover";
            const auto took = recovered[row] - healed;
            EXPECT_LE(took, interval * 8 * 11 / 10 + slack) << site_.what().rows[row].id;
            longest_recovery_ = std::max(longest_recovery_, took);
        }
        EXPECT_EQ(daemon_.state().state, site_answer::ready);
    }

    void trouble()
    {
        for (std::size_t left = 1 + below(random_, 3); left > 0; --left) {
            inject_local();
        }
        run_for(interval * 11 / 10 + slack, {});
        for (std::size_t row = 0; row < site_.rows(); ++row) { // all passed before: each was probed since
            const auto& out = std::get<outbound_row>(site_.what().rows[row].what);
            for (const auto port : out.ports.ports()) {
                if (!site_.may_pass(row, port, site_.at(row, port))) {
                    EXPECT_NE(daemon_.state().rows[row].state, row_answer::pass)
                        << "unnoticed on port " << port;
                }
            }
        }
        run_for(interval * static_cast<int>(10 + below(random_, 40)), {});
    }

    [[nodiscard]] duration longest_recovery() const { return longest_recovery_; }
    [[nodiscard]] duration lived() const { return daemon_.now() - time_point{1h}; }

private:
    // All but a resolver that forges for everyone: that is only told once three names were asked.
    void inject_local()
    {
        const auto before = site_;
        do {
            site_ = before;
            inject_any(site_, random_);
        } while (site_.at(1, 0) == fault::forged_alike);
    }

    void run_for(duration span, const std::function<void(std::size_t)>& ended)
    {
        daemon_.run_until(daemon_.now() + span, [&](std::size_t row) {
            expect_sound(daemon_, row);
            if (ended) {
                ended(row);
            }
        });
    }

    std::mt19937_64 random_;
    virtual_site site_;
    virtual_daemon daemon_;
    duration longest_recovery_{};
};

TEST(site_sim, over_days_notices_every_fault_and_every_recovery_in_time)
{
    const auto seed = seed_from_environment(20280000);
    SCOPED_TRACE("REACHD_SEED=" + std::to_string(seed));
    life one{seed};
    for (int phase = 0; phase < 25 && !testing::Test::HasFailure(); ++phase) {
        one.quiet();
        one.trouble();
    }
    EXPECT_GT(one.lived(), 48h);
    EXPECT_GT(one.longest_recovery(), interval * 4); // rows that fail for long do back off
}

} // namespace
} // namespace reachd::test
