// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_text.hpp"
#include "reachd/core/traffic.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;
using namespace std::chrono_literals;
using nlohmann::json;

const time_point origin{1h};
constexpr unsigned no_limit = 0;

endpoint tcp_to(std::uint16_t port)
{
    return {make_address(server_text), port, transport::tcp};
}

endpoint udp_to(std::uint16_t port)
{
    return {make_address(server_text), port, transport::udp};
}

observation sent(outcome what, unsigned packets, unsigned syns, std::string source = {})
{
    auto out = make_seen(std::move(what));
    out.packets = packets;
    out.syns = syns;
    out.source = std::move(source);
    return out;
}

observation datagram(outcome what)
{
    auto out = make_seen(std::move(what), probe_kind::udp_send);
    out.packets = 1;
    return out;
}

icmp_error time_exceeded()
{
    return {.type = 11, .sender = make_address(gateway_text)};
}

TEST(traffic, keeps_an_idle_stream_of_datagrams_as_long_as_linux_does)
{
    traffic all;
    auto seen = datagram(no_reply{});
    seen.packets = 2;
    seen.source = "10.77.1.2:41000";
    all.opened(origin);
    EXPECT_EQ(all.live(origin + 300s), 1U) << "open for as long as it is left alone";
    all.ended(udp_to(3478), seen, kept_stream, origin + 300s);
    EXPECT_EQ(all.counts().datagrams, 2U);
    EXPECT_EQ(all.live(origin + 419s), 1U);
    EXPECT_EQ(all.live(origin + 420s), 0U);
}

TEST(traffic, counts_every_attempt_of_an_endpoint_and_what_was_said_on_its_connection)
{
    traffic all;
    auto said = make_seen(acknowledged{}, probe_kind::tcp_confirm);
    said.packets = 3;
    all.opened(origin);
    all.ended(tcp_to(443), {sent(no_reply{3s}, 4, 4), sent(connected{}, 2, 1), said}, origin);
    EXPECT_EQ(all.counts().syns, 5U);
    EXPECT_EQ(all.counts().segments, 4U);
    all.opened(origin);
    all.ended(udp_to(4200), {datagram(no_reply{3s}), datagram(no_reply{3s})}, origin);
    EXPECT_EQ(all.counts().datagrams, 2U);
    EXPECT_EQ(all.counts().packets(), 11U);
    EXPECT_EQ(all.counts().inquiries, 0U);
}

TEST(traffic, tells_probes_of_the_inquiry_and_of_blocks_apart)
{
    traffic all;
    for (const auto why : {sent_for::inquiry, sent_for::inquiry, sent_for::block}) {
        all.opened(origin);
        all.ended(tcp_to(443), sent(time_exceeded(), 1, 1), why, origin);
    }
    all.ended(tcp_to(443), sent(not_measured{}, 0, 0), sent_for::inquiry, origin);
    EXPECT_EQ(all.counts().inquiries, 2U);
    EXPECT_EQ(all.counts().samples, 1U);
    EXPECT_EQ(all.counts().packets(), 3U);
}

struct kept_row {
    const char* name;
    endpoint to;
    observation seen;
    bool by_rst;
    duration kept;
};

TEST(traffic, an_entry_is_kept_as_long_as_linux_keeps_it)
{
    const kept_row table[] = {
        {"silence", tcp_to(443), sent(no_reply{3s}, 3, 3), false, 120s},
        {"an ICMP error", tcp_to(443), sent(time_exceeded(), 1, 1), true, 120s},
        {"a RST as the first answer", tcp_to(443), sent(refused{}, 1, 1), false, 0s},
        {"a connection ended by FIN", tcp_to(443), sent(connected{}, 2, 1), false, 120s},
        {"a connection ended by RST", tcp_to(443), sent(connected{}, 2, 1), true, 10s},
        {"a connection that the peer reset", tcp_to(443), sent(cut_off{.by_reset = true}, 2, 1), false, 10s},
        {"nothing was sent", tcp_to(443), sent(not_measured{}, 0, 0), false, 0s},
        {"a datagram", udp_to(4200), datagram(no_reply{3s}), false, 30s},
        {"a datagram that was answered", udp_to(4200), datagram(replied{}), false, 30s},
        {"a datagram that was not sent", udp_to(4200), sent(not_measured{}, 0, 0), false, 0s},
    };
    for (const auto& row : table) {
        EXPECT_EQ(entry_time(row.to, row.seen, row.by_rst), row.kept) << row.name;
    }
}

TEST(traffic, a_flow_is_live_while_it_is_open_and_for_the_time_of_its_entry)
{
    traffic all;
    all.opened(origin);
    EXPECT_EQ(all.live(origin + 1h), 1U);
    all.ended(tcp_to(443), {sent(no_reply{3s}, 3, 3)}, origin);
    EXPECT_EQ(all.live(origin + 119s), 1U);
    EXPECT_EQ(all.live(origin + 120s), 0U);
    EXPECT_EQ(all.counts().entries, 1U);
    EXPECT_EQ(all.counts().half_open, 1U);
    EXPECT_EQ(all.counts().most_at_once, 1U);
}

TEST(traffic, probes_of_one_flow_share_an_entry_that_the_last_of_them_renews)
{
    traffic all;
    for (int i = 0; i < 3; ++i) {
        const auto now = origin + i * 60s;
        all.opened(now);
        all.ended(tcp_to(443), sent(time_exceeded(), 1, 1, "10.77.1.2:50000"), sent_for::inquiry, now);
    }
    EXPECT_EQ(all.counts().entries, 1U);
    EXPECT_EQ(all.live(origin + 239s), 1U);
    EXPECT_EQ(all.live(origin + 240s), 0U);
    all.opened(origin);
    all.ended(tcp_to(444), sent(time_exceeded(), 1, 1, "10.77.1.2:50000"), sent_for::inquiry, origin);
    EXPECT_EQ(all.counts().entries, 2U) << "another port is another flow";
}

TEST(traffic, a_rst_that_a_probe_discards_frees_the_entry_where_rows_saw_one)
{
    auto discards = sent(no_reply{1s}, 1, 1);
    discards.min_ttl = 62;
    traffic all;
    all.ended(tcp_to(2001), {sent(refused{}, 1, 1)}, origin);
    all.ended(tcp_to(2001), discards, sent_for::inquiry, origin);
    EXPECT_EQ(all.live(origin), 0U);
    all.ended(tcp_to(2002), discards, sent_for::inquiry, origin);
    EXPECT_EQ(all.live(origin), 1U) << "nobody saw it refuse";
    all.ended(tcp_to(2001), {sent(no_reply{3s}, 1, 1)}, origin);
    all.ended(tcp_to(2001), discards, sent_for::inquiry, origin);
    EXPECT_EQ(all.live(origin), 3U) << "it does not refuse any more";
}

TEST(traffic, T24_is_full_at_its_limit_and_says_when_there_may_be_room)
{
    traffic all;
    for (int i = 0; i < 3; ++i) {
        all.opened(origin);
    }
    EXPECT_EQ(all.room(4, origin), 1U);
    EXPECT_EQ(all.full_until(4, origin), std::nullopt);
    EXPECT_EQ(all.full_until(no_limit, origin), std::nullopt);
    EXPECT_EQ(all.full_until(3, origin), origin + 200ms) << "open flows may end at any time";
    for (int i = 0; i < 3; ++i) {
        all.ended(udp_to(4200), {datagram(no_reply{3s})}, origin);
    }
    EXPECT_EQ(all.full_until(3, origin + 30s - 50ms), origin + 30s + 1ms);
    EXPECT_EQ(all.full_until(3, origin + 30s), std::nullopt);
    EXPECT_EQ(all.room(3, origin + 30s), 3U);
}

TEST(traffic, an_attempt_that_another_one_follows_holds_no_place_of_an_open_flow)
{
    traffic all;
    all.opened(origin);
    all.lost(udp_to(4200), origin);
    EXPECT_EQ(all.live(origin), 1U);
    EXPECT_EQ(all.live(origin + 30s), 0U);
    all.opened(origin + 30s);
    all.ended(udp_to(4200), {datagram(no_reply{3s}), datagram(no_reply{3s})}, origin + 30s);
    EXPECT_EQ(all.counts().datagrams, 2U);
    EXPECT_EQ(all.counts().entries, 2U);
}

TEST(traffic, dns_asks_for_two_records_of_each_server_and_again_where_one_is_silent)
{
    name_lookup lookup;
    lookup.system = {.server = "system", .status = dns_status::answered, .took = 20ms};
    lookup.servers = {
        {.server = "10.77.1.53", .status = dns_status::answered, .took = 20ms},
        {.server = "10.77.1.54", .status = dns_status::no_reply, .took = 3s},
        {.server = "10.77.1.55", .status = dns_status::not_asked},
    };
    EXPECT_EQ(dns_questions_of(lookup), 2U + 2U + 4U);
    traffic all;
    all.asked(lookup, origin);
    EXPECT_EQ(all.counts().dns_questions, 8U);
    EXPECT_EQ(all.live(origin), 3U);
    lookup.no_route_to_any_server = true;
    EXPECT_EQ(dns_questions_of(lookup), 0U);
}

TEST(traffic, a_new_engine_takes_over_what_was_left_and_not_what_was_open)
{
    traffic older;
    older.opened(origin);
    older.ended(tcp_to(443), {sent(no_reply{3s}, 3, 3)}, origin);
    older.opened(origin);
    traffic newer;
    newer.inherit(older);
    EXPECT_EQ(newer.live(origin), 1U);
    EXPECT_EQ(newer.counts(), older.counts());
}

TEST(traffic, is_told_in_one_sentence)
{
    const json report = {
        {"traffic",
         {{"packets", 1240U},
          {"duration_s", 61},
          {"left_out", 0U},
          {"nat_entries", {{"left", 310U}, {"at_once_at_most", 180U}}}}}
    };
    EXPECT_EQ(
        render_traffic(report, {}),
        "Sent 1,240 packets in 61 s; left 310 entries in NAT tables, at most 180 at once.\n"
    );
    EXPECT_EQ(render_traffic(json::object(), {}), "");
    EXPECT_EQ(grouped(7), "7");
    EXPECT_EQ(grouped(100), "100");
    EXPECT_EQ(grouped(1234567), "1,234,567");
}

} // namespace
} // namespace reachd
