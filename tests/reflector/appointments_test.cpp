// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/appointments.hpp"

#include "peer.hpp"

#include <random>

namespace reachd::reflector {
namespace {

using namespace test;
using wire::sending;

class appointments_test : public testing::Test {
protected:
    static limits wide()
    {
        limits out;
        out.appointments = out.appointments_per_key = out.appointments_per_address = 1000;
        return out;
    }
    flow udp(std::uint16_t port) const { return {.socket = 0, .peer = {at("198.51.100.7:1").address, port}}; }
    flow tcp(std::uint64_t number) const
    {
        return {.transport = transport::tcp, .connection = number, .peer = at("198.51.100.7:9")};
    }
    auto make(const flow& on, std::uint64_t token, std::uint32_t ms)
    {
        return all.make(on, owner, {.token = token, .delay_ms = ms}, 5, now);
    }
    void keep()
    {
        while (const auto due = all.take_due(now)) {
            order.push_back(due->body.token);
            all.sent(due->record, sending::sent, now);
        }
    }
    wire::reported report(std::uint64_t token) { return all.report(*owner, token, now); }

    time_point now = time_point{} + std::chrono::hours{1000};
    std::shared_ptr<key_state> owner = std::make_shared<key_state>();
    appointments all{wide(), 1};
    std::vector<std::uint64_t> order;
};

TEST_F(appointments_test, are_kept_in_the_order_of_their_times_however_they_were_made)
{
    std::mt19937 random{20261121}; // NOLINT: the same every time
    std::vector<std::uint32_t> delays(900);
    for (std::size_t i = 0; i < delays.size(); ++i) {
        delays[i] = static_cast<std::uint32_t>(i + 1);
    }
    std::shuffle(delays.begin(), delays.end(), random);
    for (const auto ms : delays) {
        ASSERT_TRUE(make(udp(static_cast<std::uint16_t>(ms)), ms, ms));
    }
    EXPECT_EQ(all.next_due(), now + milliseconds{1});
    for (int i = 0; i < 1000; ++i) {
        now += milliseconds{1};
        keep();
        ASSERT_TRUE(!all.next_due() || *all.next_due() > now);
    }
    ASSERT_EQ(order.size(), 900U);
    EXPECT_TRUE(std::ranges::is_sorted(order));
    EXPECT_EQ(owner->appointments, 0U);
}

TEST_F(appointments_test, a_report_tells_how_late_it_was_and_how_long_ago)
{
    ASSERT_TRUE(make(udp(1), 7, 1000));
    now += milliseconds{1250};
    keep();
    now += seconds{3};
    const auto got = report(7);
    EXPECT_EQ(got.state, sending::sent);
    EXPECT_EQ(got.late_us, 250000U);
    EXPECT_EQ(got.sent_ago_us, 3000000U);
    EXPECT_EQ(got.events, 0);
}

TEST_F(appointments_test, an_event_before_the_answer_is_not_one_after_it)
{
    ASSERT_TRUE(make(udp(1), 7, 1000));
    all.note(udp(1), {.bits = wire::event_icmp}, now);
    all.seen_later(*owner, 7, udp(2).peer, now);
    now += seconds{1};
    keep();
    EXPECT_EQ(report(7).events, 0);
    now += milliseconds{30};
    const flow_event icmp{
        .bits = wire::event_icmp, .icmp_type = 3, .icmp_code = 3, .icmp_from = at("100.64.0.2:1")
    };
    all.note(udp(1), icmp, now);
    all.note(udp(2), icmp, now); // of another flow
    now += milliseconds{30};
    all.seen_later(*owner, 7, udp(2).peer, now);
    const auto got = report(7);
    EXPECT_EQ(got.events, wire::event_icmp | wire::event_later);
    EXPECT_EQ(got.event_after_us, 30000U) << "of the first";
    EXPECT_EQ(got.later_port, 2);
    EXPECT_EQ(got.icmp_from, at("100.64.0.2:1"));
}

TEST_F(appointments_test, a_connection_that_ends_frees_its_place_and_is_not_answered)
{
    ASSERT_TRUE(make(tcp(1), 7, 1000));
    all.ended(tcp(1), now);
    EXPECT_EQ(all.waiting(), 0U);
    EXPECT_EQ(report(7).state, sending::flow_ended);
    now += seconds{2};
    keep();
    EXPECT_TRUE(order.empty());
    ASSERT_TRUE(make(tcp(2), 8, 0));
    keep();
    all.ended(tcp(2), now);
    EXPECT_EQ(report(8).state, sending::sent) << "an end after the answer changes nothing of it";
}

TEST_F(
    appointments_test,
    a_connection_that_is_ended_from_outside_before_its_time_is_reported_as_such_when_it_is_due
)
{
    ASSERT_TRUE(make(tcp(1), 7, 3'000'000)); // 50 minutes
    ASSERT_TRUE(make(tcp(2), 8, 3'000'000));
    now += seconds{350};
    all.note(tcp(1), {.bits = wire::event_later}, now); // no end
    all.note(tcp(1), {.bits = wire::event_reset}, now);
    all.ended(tcp(1), now);
    all.ended(tcp(2), now); // by ourselves
    for (const auto wait : {seconds{0}, seconds{2650}}) {
        now += wait;
        keep();
        EXPECT_EQ(report(7).state, sending::flow_ended);
        EXPECT_EQ(report(7).events, wire::event_reset);
        EXPECT_EQ(report(8).state, sending::flow_ended);
        EXPECT_EQ(report(8).events, 0);
    }
    now += wide().report_kept;
    ASSERT_TRUE(make(tcp(3), 9, 0));
    keep();
    EXPECT_EQ(report(7).state, sending::unknown);
}

TEST_F(appointments_test, reports_are_forgotten_after_their_time)
{
    ASSERT_TRUE(make(udp(1), 7, 0));
    keep();
    now += wide().report_kept - seconds{1};
    ASSERT_TRUE(make(udp(2), 8, 100000));
    EXPECT_EQ(report(7).state, sending::sent);
    now += seconds{2};
    ASSERT_TRUE(make(udp(3), 9, 100000));
    EXPECT_EQ(report(7).state, sending::unknown);
    EXPECT_EQ(all.records(), 2U);
}

TEST_F(appointments_test, records_stay_bounded_when_connections_come_and_go)
{
    for (std::uint64_t i = 1; i <= 50000; ++i) {
        ASSERT_TRUE(make(tcp(i), i, 3600000)) << i;
        all.ended(tcp(i), now);
    }
    EXPECT_LE(all.records(), 1001U);
    EXPECT_EQ(all.waiting(), 0U);
    EXPECT_LE(all.queued(), 2048U) << "of the heap";
}

TEST_F(appointments_test, refuse_what_makes_no_sense)
{
    const auto reason = [](const auto& got) { return got ? wire::refusal{} : got.error().reason; };
    EXPECT_EQ(reason(make(udp(1), 0, 1)), wire::refusal::senseless);
    EXPECT_EQ(
        reason(all.make(udp(1), owner, {.token = 1, .how = wire::answer_kind::keepalive}, 1, now)),
        wire::refusal::wrong_transport
    );
    ASSERT_TRUE(make(udp(1), 7, 1000));
    EXPECT_EQ(reason(make(udp(2), 7, 1000)), wire::refusal::token_in_use);
}

} // namespace
} // namespace reachd::reflector
