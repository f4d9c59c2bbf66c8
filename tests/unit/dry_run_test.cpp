// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/dry_run.hpp"
#include "reachd/core/idle_ladder.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;
using nlohmann::json;

plan_row make_web(std::string_view ports = "80,443,5223")
{
    auto what = make_outbound(expectation::service, ports);
    what.addresses = {make_address(server_text)};
    what.names = {"vendor.example"};
    return make_plan_row("web", what);
}

idle_timer make_timer(transport protocol)
{
    return {.transport = protocol, .hold = seconds{720}, .over = {}};
}

plan make_one(plan_row row)
{
    auto what = make_plan_of({std::move(row)});
    what.config.limits = {
        .new_flows_per_s = 10,
        .new_flows_per_destination_per_s = 2,
        .in_flight = 100,
        .connect_timeout = std::chrono::milliseconds{3000},
        .attempts = 2,
    };
    return what;
}

TEST(dry_run, tells_every_destination_with_its_flows_and_what_is_said_to_it)
{
    const auto told = dry_run_of(make_one(make_web()), dry_run_ladders::measured);
    const auto& row = told["requirements"][0];
    EXPECT_EQ(row["transport"], "tcp");
    EXPECT_EQ(row["look_ups"], json({"vendor.example"}));
    EXPECT_EQ(row["targets"], json::parse(R"([
        {"destination": "54.215.171.160", "kind": "address", "endpoints": 3, "flows_at_most": 6,
         "unanswered_packets_at_most": 24, "greetings": [
             {"ports": "80", "greeting": "http_unverified"}, {"ports": "443", "greeting": "tls_unverified"},
             {"ports": "5223", "greeting": "none"}]},
        {"destination": "vendor.example", "kind": "name", "endpoints": 3, "flows_at_most": 6,
         "unanswered_packets_at_most": 24, "greetings": [{"ports": "80", "greeting": "http"},
         {"ports": "443", "greeting": "tls"}, {"ports": "5223", "greeting": "none"}]}])"));
    EXPECT_EQ(told["total"]["endpoints"], 6);
    EXPECT_EQ(told["total"]["flows_at_most"], 12);
    EXPECT_EQ(told["dns"]["look_ups"], 2); // NAT64 is looked for as well
    EXPECT_EQ(told["hop_probes"]["packets_each_at_most"], 32 * 3 * 3);
}

TEST(dry_run, tells_the_size_of_a_datagram_and_counts_one_packet_a_flow)
{
    auto row = make_web("4200-4208");
    std::get<outbound_row>(row.what).transport = transport::udp;
    const auto told = dry_run_of(make_one(row), dry_run_ladders::measured);
    EXPECT_EQ(told["requirements"][0]["payload_bytes"], 1);
    EXPECT_EQ(told["requirements"][0]["targets"][0]["unanswered_packets_at_most"], 18);
    EXPECT_EQ(
        dry_run_of(make_one(make_web()), dry_run_ladders::measured)["requirements"][0]["payload_bytes"],
        nullptr
    );
}

TEST(dry_run, counts_each_vantage_that_can_reach_the_address)
{
    auto what = make_one(make_web("443"));
    what.vantages = {{"wired", "eth0", std::nullopt}, {"six", "", make_address(server6_text)}};
    const auto told = dry_run_of(what, dry_run_ladders::measured);
    EXPECT_EQ(told["requirements"][0]["targets"][0]["endpoints"], 1); // an IPv4 address
    EXPECT_EQ(told["requirements"][0]["targets"][1]["endpoints"], 2); // a name may have both families
}

TEST(dry_run, says_why_nothing_is_sent_for_a_row)
{
    auto blank = make_web();
    blank.not_configured = "ask the vendor";
    const auto told = dry_run_of(
        make_plan_of(
            {blank, make_plan_row("idle", make_timer(transport::udp)), make_plan_row("in", inbound{})}
        ),
        dry_run_ladders::measured
    );
    const char* const reasons[] = {"ask the vendor", "by a reflector", "connect to the site"};
    for (std::size_t i = 0; i < std::size(reasons); ++i) {
        const auto why = told["requirements"][i]["not_sent"].get<std::string>();
        EXPECT_NE(why.find(reasons[i]), std::string::npos) << why;
        EXPECT_FALSE(told["requirements"][i].contains("targets"));
    }
    EXPECT_EQ(told["total"]["flows_at_most"], 0);
    EXPECT_EQ(told["duration"], json::parse(R"({"all_answer_s": 0, "nothing_answers_s": 0, "idle_s": 0})"));
}

TEST(dry_run, counts_the_flows_of_a_ladder_and_its_packets_in_the_sum)
{
    const auto tcp = make_timer(transport::tcp);
    const auto what = make_one(make_plan_row("idle", tcp));
    const auto told = dry_run_of(what, dry_run_ladders::measured);
    const auto rungs = first_rungs({.which = idle_class::tcp, .required = tcp.hold});
    EXPECT_EQ(told["requirements"][0]["ladders"][0]["flows"], rungs.size());
    EXPECT_GT(rungs.size(), 20U);
    EXPECT_EQ(told["requirements"][0]["ladders"][0]["class"], nullptr);
    EXPECT_EQ(told["total"]["idle_flows"], rungs.size());
    EXPECT_EQ(told["healthy"]["idle_packets"], rungs.size() * 5);
    EXPECT_EQ(told["healthy"]["packets_if_all_accept"], rungs.size() * 5);
    EXPECT_GE(told["duration"]["idle_s"], 900); // a quarter more than what is asked for
    EXPECT_NE(
        render_dry_run(told, {.columns = 2000}).find("idle flows besides, side by side"), std::string::npos
    );
}

TEST(dry_run, counts_both_classes_of_udp_where_there_is_a_reflector)
{
    auto what = make_one(make_plan_row("idle", make_timer(transport::udp)));
    what.config.reflectors = {{.host = "reflector.example", .port = 3478, .secret_file = "/k"}};
    const auto ladders = dry_run_of(what, dry_run_ladders::measured)["requirements"][0]["ladders"];
    ASSERT_EQ(ladders.size(), 2U);
    EXPECT_EQ(ladders[0]["class"], "single");
    EXPECT_EQ(ladders[1]["class"], "stream");
    EXPECT_EQ(ladders[0]["packets"], ladders[0]["flows"].get<int>() * 2);
}

TEST(dry_run, counts_what_a_stun_server_takes)
{
    auto what = make_one(make_plan_row("idle", make_timer(transport::udp)));
    what.config.reflectors = {{.host = "stun.example", .port = 3478, .secret_file = ""}};
    const auto ladders = dry_run_of(what, dry_run_ladders::measured)["requirements"][0]["ladders"];
    ASSERT_EQ(ladders.size(), 2U);
    EXPECT_EQ(ladders[0]["packets"], ladders[0]["flows"].get<int>() * 2);
    EXPECT_EQ(ladders[1]["packets"], ladders[1]["flows"].get<int>() * 3);
    auto tcp = make_one(make_plan_row("idle", make_timer(transport::tcp)));
    tcp.config.reflectors = what.config.reflectors;
    const auto over = dry_run_of(tcp, dry_run_ladders::measured)["requirements"][0]["ladders"];
    EXPECT_EQ(over[0]["packets"], over[0]["flows"].get<int>() * 5) << "TCP goes over the service";
}

TEST(dry_run, sends_no_idle_flow_where_the_check_leaves_ladders_out)
{
    const auto what = make_one(make_plan_row("idle", make_timer(transport::tcp)));
    const auto told = dry_run_of(what, dry_run_ladders::left_out);
    EXPECT_TRUE(told["requirements"][0]["not_sent"].is_string());
    EXPECT_EQ(told["total"]["idle_flows"], 0);
    EXPECT_EQ(told["healthy"]["packets_if_all_accept"], 0);
}

TEST(dry_run, takes_as_long_as_the_narrowest_limit_makes_it)
{
    struct {
        const char* what;
        unsigned per_s;
        unsigned per_destination;
        unsigned in_flight;
        int all_answer;
        int nothing_answers;
    } const cases[] = {
        // 200 endpoints, 100 to each of two destinations; 2 attempts of 3 s
        {"all flows together", 10, 0, 1000, 20, 46},
        {"one destination", 0, 2, 1000, 50, 106},
        {"places for silent ones", 0, 0, 10, 0, 126},
        {"nothing", 0, 0, 1000, 0, 9},
    };
    for (const auto& one : cases) {
        auto what = make_one(make_web("2001-2100"));
        what.config.limits.new_flows_per_s = one.per_s;
        what.config.limits.new_flows_per_destination_per_s = one.per_destination;
        what.config.limits.in_flight = one.in_flight;
        const auto told = dry_run_of(what, dry_run_ladders::measured)["duration"];
        EXPECT_EQ(told["all_answer_s"], one.all_answer) << one.what;
        EXPECT_EQ(told["nothing_answers_s"], one.nothing_answers) << one.what;
    }
}

TEST(dry_run, adds_up_two_rows_that_go_to_one_destination)
{
    auto other = make_web("2001-2100");
    other.id = "other";
    auto what = make_one(make_web("2101-2200"));
    what.rows.push_back(other);
    what.config.limits.new_flows_per_s = 0;
    EXPECT_EQ(
        dry_run_of(what, dry_run_ladders::measured)["duration"]["all_answer_s"], 100
    ); // 200 to each, 2 a second
}

TEST(dry_run, tells_what_a_healthy_site_takes_and_what_faults_may_add)
{
    auto what = make_one(make_web("443"));
    std::get<outbound_row>(what.rows[0].what).names.clear();
    auto told = dry_run_of(what, dry_run_ladders::measured);
    EXPECT_EQ(told["healthy"]["packets_if_all_accept"], 19 + 6 + 5); // 4.5 an address
    EXPECT_EQ(told["healthy"]["packets_if_ports_refuse"], 19 + 6 + 5) << "a service has to accept";
    EXPECT_EQ(told["unhealthy"]["packets_at_most"], 32 * 3 * 3);
    EXPECT_EQ(told["unhealthy"]["takes_s"], 9); // 288 packets, one a second at each of 32 hops

    auto& row = std::get<outbound_row>(what.rows[0].what);
    row.expect = expectation::path;
    row.ports = make_outbound(expectation::path, "2001-2100").ports;
    told = dry_run_of(what, dry_run_ladders::measured);
    EXPECT_EQ(told["healthy"]["packets_if_ports_refuse"], 100 * 4 + 5);
    EXPECT_EQ(told["healthy"]["packets_if_all_accept"], 100 * (19 + 5) + 5);
    EXPECT_EQ(told["unhealthy"]["packets_at_most"], 20000) << "the cap of the inquiry";

    row.transport = transport::udp;
    EXPECT_EQ(dry_run_of(what, dry_run_ladders::measured)["healthy"]["packets_if_all_accept"], 100 * 3 + 5);
}

TEST(dry_run, counts_the_samples_of_blocks_and_their_time)
{
    auto what = make_one(make_web("80,5223"));
    auto& row = std::get<outbound_row>(what.rows[0].what);
    row.blocks = {parse_block("17.0.0.0/8").value(), parse_block("192.0.2.0/28").value()};
    what.config.limits.icmp_per_hop_per_s = 1;
    what.config.limits.samples_per_block = 100; // rounded down to a power of two
    const auto told = dry_run_of(what, dry_run_ladders::measured);
    EXPECT_EQ(
        told["requirements"][0]["samples"],
        json::parse(R"([{"block": "17.0.0.0/8", "ports": 2, "samples_each": 64},
                        {"block": "192.0.2.0/28", "ports": 2, "samples_each": 16}])")
    );
    EXPECT_EQ(told["healthy"]["block_samples"], 160);
    EXPECT_EQ(told["healthy"]["sampling_s"], 80); // two hops
}

TEST(dry_run, is_told_in_words_that_name_everything_within_the_width)
{
    auto what = make_one(make_web());
    auto apns = make_web("80");
    apns.id = "apns";
    std::get<outbound_row>(apns.what).blocks = {parse_block("17.0.0.0/8").value()};
    what.rows.push_back(apns);
    what.rows.push_back(make_plan_row("in", inbound{}));
    const auto text = render_dry_run(dry_run_of(what, dry_run_ladders::measured), {.columns = 72});
    std::string flat;
    std::size_t widest = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        widest = std::max(widest, end - at);
        const auto first = std::min(text.find_first_not_of(' ', at), end);
        flat += text.substr(first, end - first) + ' ';
        at = end + 1;
    }
    EXPECT_LE(widest, 72U);
    for (const auto* part :
         {"Nothing was sent.", "cat/web: tcp 80,443,5223",
          "each address of vendor.example: 3 endpoints, at most 6 flows", "80: HTTP HEAD",
          "443: TLS handshake with the name (SNI)", "5223: no word",
          "17.0.0.0/8: 256 samples at each of 1 port", "cat/in: sends nothing:", "DNS: 3 look-ups",
          "Upper bound:", "10 new ones a second", "2 a second to one address"}) {
        EXPECT_NE(flat.find(part), std::string::npos) << part << "\n" << text;
    }
}

TEST(dry_run, tells_that_a_service_inside_is_tried_and_by_whom_from_outside)
{
    auto row = make_plan_row("api", inbound{.transport = transport::tcp, .sources = {}, .service = "API"});
    EXPECT_TRUE(
        dry_run_of(make_one(row), dry_run_ladders::measured)["requirements"][0]["not_sent"].is_string()
    );
    row.here = inbound_config{parse_socket_address("10.0.0.5:8443").value(), std::nullopt};
    auto what = make_one(row);
    const auto packets = [&] {
        const auto told = dry_run_of(what, dry_run_ladders::measured);
        return told["requirements"][0]["inbound"]["packets"].get<int>();
    };
    const auto text = [&] {
        return render_dry_run(dry_run_of(what, dry_run_ladders::measured), {.columns = 200});
    };
    const auto from_inside = packets();
    EXPECT_NE(
        text().find("cat/api: tcp, who can connect\n    10.0.0.5:8443 from inside, about "), std::string::npos
    ) << text();
    what.rows[0].here->published = parse_socket_address("203.0.113.9:443");
    EXPECT_EQ(packets(), from_inside); // there is nobody to try it
    what.config.reflectors.push_back({.host = "reflector.example", .secret_file = {}});
    EXPECT_GT(packets(), from_inside);
    EXPECT_NE(
        text().find("10.0.0.5:8443 from inside, and a reflector tries 203.0.113.9:443, about "),
        std::string::npos
    ) << text();
}

TEST(dry_run, says_of_datagrams_what_is_in_them_and_of_lifted_limits_that_there_are_none)
{
    auto udp = make_outbound(expectation::path, "3478");
    udp.transport = transport::udp;
    udp.addresses = {make_address(server_text)};
    udp.payload = "ping";
    auto what = make_one(make_plan_row("stun", udp));
    const auto text = [&] {
        return render_dry_run(dry_run_of(what, dry_run_ladders::measured), {.columns = 200});
    };
    EXPECT_NE(text().find("; 4 bytes of payload each\n"), std::string::npos) << text();
    std::get<outbound_row>(what.rows[0].what).payload.clear();
    EXPECT_NE(text().find("; 1 byte of payload each\n"), std::string::npos) << text();
    EXPECT_EQ(text().find("no limit"), std::string::npos) << text();
    what.config.limits.new_flows_per_s = 0;
    what.config.limits.new_flows_per_destination_per_s = 0;
    EXPECT_NE(text().find("no limit"), std::string::npos) << text();
}

} // namespace
} // namespace reachd
