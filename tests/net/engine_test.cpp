// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/engine.hpp"

#include "reachd/net/tls_probe.hpp"
#include "run.hpp"

#include <map>

namespace reachd {
namespace {

using namespace test;

// The port of a server at any address of 127.0.0.0/8, which notes when each connection was made.
class everywhere {
public:
    explicit everywhere(asio::io_context& io)
        : server_{io, "0.0.0.0", [this](tcp::socket socket) {
                      times.push_back(steady::now());
                      return listen_only(std::move(socket));
                  }}
    {
    }
    [[nodiscard]] std::uint16_t port() const { return server_.where().port; }
    // The most connections within any one span.
    [[nodiscard]] std::size_t most_within(duration span) const
    {
        std::size_t most = 0;
        for (auto from = times.begin(); from != times.end(); ++from) {
            const auto end = std::upper_bound(from, times.end(), *from + span);
            most = std::max(most, static_cast<std::size_t>(end - from));
        }
        return most;
    }

    std::vector<time_point> times;

private:
    server server_;
};

outbound_row row_to(const endpoint& where, expectation expect = expectation::service)
{
    return {
        .transport = where.transport,
        .addresses = {where.address},
        .ports = make_port_set({where.port}),
        .expect = expect,
    };
}

class engine_test : public testing::Test {
protected:
    engine_test()
    {
        auto& limits = site.config.limits;
        limits = {
            .new_flows_per_s = 0, .new_flows_per_destination_per_s = 0, .connect_timeout = soon, .attempts = 1
        };
        site.catalogues.push_back({.id = "lab"});
        site.vantages.emplace_back();
        listener_.round_finished = [this](std::size_t row) { finished.push_back(row); };
        listener_.row_changed = [this](const row_change& change) { changed.push_back(change.row); };
        listener_.progressed = [this](const progress& now) { last = now; };
        listener_.failed = [this](const std::string& task, const std::string& what) { failed[task] = what; };
    }
    ~engine_test() override
    {
        if (tested) {
            EXPECT_EQ(finish(io, tested->stop(in(late))), 0U);
        }
    }
    void add(const std::string& id, const outbound_row& what)
    {
        site.rows.push_back({.catalogue = "lab", .id = id, .what = what});
    }
    engine& start()
    {
        tested = std::make_unique<engine>(
            io.get_executor(), std::make_shared<const plan>(site), trust, listener_, depth::first_hand
        );
        return *tested;
    }
    // One round of each row.
    engine& probe_all()
    {
        auto& made = tested ? *tested : start();
        std::vector<std::size_t> rows;
        for (std::size_t i = 0; i < site.rows.size(); ++i) {
            rows.push_back(i);
        }
        finish(io, made.probe(rows));
        return made;
    }
    const row_state& row(std::size_t i) const { return tested->state().rows[i]; }
    verdict_kind kind(std::size_t i) const { return row(i).endpoints.at(0).judged.kind; }

    asio::io_context io;
    const authority known{"Known CA"};
    std::shared_ptr<asio::ssl::context> trust = make_trust(known.path()).value();
    plan site;
    engine_listener listener_;
    std::unique_ptr<engine> tested;
    std::vector<std::size_t> finished;
    std::vector<std::size_t> changed;
    std::map<std::string, std::string> failed;
    progress last;
};

TEST_F(engine_test, measures_a_whole_round_and_draws_the_right_verdicts)
{
    const listener open{io, "127.0.0.1"};
    const closed_port closed{io, "127.0.0.2"};
    listener silent{io, "127.0.0.3"};
    silent.fall_silent();
    add("open", row_to(open.where()));
    add("closed-path", row_to(closed.where(), expectation::path));
    add("closed-service", row_to(closed.where()));
    add("silent", row_to(silent.where()));
    add("udp-closed", row_to(udp_at("127.0.0.1", 9), expectation::path));
    add("open-not-blocked", row_to(open.where(), expectation::blocked));
    add("no-route", row_to(tcp_at("198.51.100.7", 443)));
    const auto& state = probe_all().state();
    const std::pair<verdict_kind, row_answer> expected[] = {
        {verdict_kind::open, row_answer::pass},         {verdict_kind::closed, row_answer::pass},
        {verdict_kind::closed, row_answer::fail},       {verdict_kind::blocked, row_answer::fail},
        {verdict_kind::closed, row_answer::pass},       {verdict_kind::open, row_answer::fail},
        {verdict_kind::unproven, row_answer::unproven},
    };
    for (std::size_t i = 0; i < site.rows.size(); ++i) {
        SCOPED_TRACE(site.rows[i].id);
        EXPECT_EQ(kind(i), expected[i].first);
        EXPECT_EQ(row(i).state, expected[i].second);
        EXPECT_TRUE(row(i).checked);
    }
    EXPECT_EQ(state.state, site_answer::not_ready);
    EXPECT_EQ(finished.size(), site.rows.size());
    EXPECT_EQ(last.done, last.known);
    EXPECT_EQ(last.known, site.rows.size());
    EXPECT_EQ(last.rows_done, last.rows);
    EXPECT_TRUE(failed.empty());
}

TEST_F(engine_test, tells_of_a_change_once)
{
    auto peer = std::make_unique<listener>(io, "127.0.0.1");
    add("row", row_to(peer->where()));
    probe_all();
    EXPECT_EQ(changed, std::vector<std::size_t>{0});
    probe_all();
    EXPECT_EQ(changed.size(), 1U);
    peer.reset();
    probe_all();
    EXPECT_EQ(changed.size(), 2U);
    EXPECT_EQ(row(0).state, row_answer::fail);
}

TEST_F(engine_test, greets_by_the_name_where_the_port_says_how)
{
    if (!set_name_servers("nameserver 127.0.0.53\n")) {
        GTEST_SKIP() << "resolv.conf is not ours to replace here";
    }
    const auto identity = known.identity("service.test");
    const auto tls = [identity](tcp::socket socket) { return greet_by_tls(std::move(socket), identity); };
    const auto http = [](tcp::socket socket) {
        return answer(std::move(socket), "HTTP/1.1 511 Portal\r\n\r\n");
    };
    const server secure{io, "127.0.0.80", tls, 443};
    const server plain{io, "127.0.0.80", http, 80};
    add("named", {.names = {"service.test"}, .ports = make_port_set({80, 443}), .private_answers = true});
    add("literal", {.addresses = {ip("127.0.0.80")}, .ports = make_port_set({80, 443})});
    probe_all();
    ASSERT_EQ(row(0).endpoints.size(), 2U);
    EXPECT_EQ(row(0).endpoints[0].judged.kind, verdict_kind::intercepted);
    EXPECT_TRUE(is<tls_answer>(row(0).endpoints[1].seen.back()));
    EXPECT_EQ(row(0).endpoints[1].judged.kind, verdict_kind::open);
    ASSERT_EQ(row(1).endpoints.size(), 2U);
    EXPECT_TRUE(is<http_answer>(row(1).endpoints[0].seen.back()));
    const auto& bare = row(1).endpoints[1];
    ASSERT_TRUE(is<tls_answer>(bare.seen.back()));
    EXPECT_TRUE(std::get<tls_answer>(bare.seen.back().what).anonymous);
    EXPECT_EQ(bare.judged.kind, verdict_kind::open);
}

TEST_F(engine_test, asks_a_connection_for_more_than_its_handshake)
{
    const listener open{io, "127.0.0.1"};
    add("service", row_to(open.where()));
    add("path", row_to(open.where(), expectation::path));
    add("blocked", row_to(open.where(), expectation::blocked));
    probe_all();
    for (std::size_t i = 0; i < 3; ++i) {
        ASSERT_EQ(row(i).endpoints[0].seen.size(), 2U);
        const auto& confirmed = row(i).endpoints[0].seen.back();
        EXPECT_EQ(confirmed.kind, probe_kind::tcp_confirm);
        ASSERT_TRUE(is<acknowledged>(confirmed));
        EXPECT_EQ(std::get<acknowledged>(confirmed.what).data, i == 0); // a line end for a service alone
    }
}

TEST_F(engine_test, probes_from_every_vantage)
{
    const listener open{io, "127.0.0.1"};
    add("row", row_to(open.where()));
    site.vantages = {
        {.name = "good", .source = ip("127.7.7.7")}, {.name = "bad", .source = ip("198.51.100.7")}
    };
    probe_all();
    ASSERT_EQ(row(0).endpoints.size(), 2U);
    EXPECT_TRUE(row(0).endpoints[0].seen.back().source.starts_with("127.7.7.7:"));
    EXPECT_TRUE(is_not_measured(row(0).endpoints[1].seen.back(), local_cause::no_address));
}

TEST_F(engine_test, ends_the_round_of_a_row_that_cannot_be_measured_at_once)
{
    site.rows.push_back({.catalogue = "lab", .id = "blank", .not_configured = "ask", .what = outbound_row{}});
    site.rows.push_back({.catalogue = "lab", .id = "timer", .what = idle_timer{}});
    probe_all();
    EXPECT_EQ(finished.size(), 2U);
    EXPECT_EQ(row(0).state, row_answer::not_configured);
    EXPECT_EQ(row(1).state, row_answer::unproven);
    EXPECT_FALSE(row(0).checked);
}

TEST_F(engine_test, begins_one_more_round_for_all_who_ask_while_one_is_under_way)
{
    listener silent{io, "127.0.0.1"};
    silent.fall_silent();
    add("row", row_to(silent.where()));
    auto& made = start();
    running first{io, made.probe({0})};
    running second{io, made.probe({0})};
    running third{io, made.probe({0})};
    first.wait();
    EXPECT_EQ(finished.size(), 1U);
    EXPECT_FALSE(second.done() || third.done());
    second.wait();
    third.wait();
    EXPECT_EQ(finished.size(), 2U);
}

TEST_F(engine_test, reports_a_task_that_throws_and_goes_on_with_the_others)
{
    const listener open{io, "127.0.0.1"};
    add("bad", row_to(open.where()));
    add("good", row_to(open.where()));
    listener_.round_finished = [](std::size_t row) {
        if (row == 0) {
            throw std::runtime_error{"thrown by a listener"};
        }
    };
    probe_all();
    io.poll();
    EXPECT_EQ(failed, (std::map<std::string, std::string>{{"bad", "thrown by a listener"}}));
    EXPECT_EQ(row(1).state, row_answer::pass);
}

TEST_F(engine_test, T24_keeps_to_the_rate_of_new_flows_in_all)
{
    everywhere peer{io};
    outbound_row what{.ports = make_port_set({peer.port()})};
    for (int i = 1; i <= 20; ++i) {
        what.addresses.push_back(ip("127.0.1." + std::to_string(i)));
    }
    add("row", what);
    site.config.limits.new_flows_per_s = 100;
    const auto begun = steady::now();
    probe_all();
    EXPECT_GE(steady::now() - begun, milliseconds{190});
    io.poll();
    EXPECT_EQ(peer.times.size(), 20U);
    EXPECT_LE(peer.most_within(milliseconds{100}), 13U); // 11 by the rate
}

TEST_F(engine_test, T24_keeps_to_the_rate_of_new_flows_to_one_destination)
{
    everywhere peer{io};
    for (const char* address : {"127.0.1.1", "127.0.1.2"}) {
        outbound_row what{.addresses = {ip(address)}, .ports = make_port_set({peer.port()})};
        site.vantages.clear();
        for (int i = 1; i <= 6; ++i) {
            site.vantages.push_back(
                {.name = std::to_string(i), .source = ip("127.0.2." + std::to_string(i))}
            );
        }
        add(address, what);
    }
    site.config.limits.new_flows_per_destination_per_s = 50; // 15 to 25 ms apart
    const auto begun = steady::now();
    probe_all();
    const auto took = steady::now() - begun;
    EXPECT_GE(took, 5 * milliseconds{15});
    EXPECT_LT(took, 9 * milliseconds{25} + slack); // the two destinations side by side
    io.poll();
    EXPECT_EQ(peer.times.size(), 12U);
    EXPECT_LE(peer.most_within(milliseconds{14}), 4U);
}

TEST_F(engine_test, T24_keeps_no_more_flows_open_at_once_than_allowed)
{
    const auto quiet = udp::socket{io, udp_endpoint(udp_at("127.0.0.1", 0))};
    outbound_row what = row_to(udp_at("127.0.0.1", quiet.local_endpoint().port()), expectation::path);
    for (int i = 1; i <= 6; ++i) {
        site.vantages.push_back({.name = std::to_string(i), .source = ip("127.0.2." + std::to_string(i))});
    }
    site.vantages.erase(site.vantages.begin());
    add("row", what);
    site.config.limits.in_flight = 2;
    site.config.limits.connect_timeout = milliseconds{20};
    const auto begun = steady::now();
    probe_all();
    EXPECT_GE(steady::now() - begun, milliseconds{55}); // three pairs
    EXPECT_LT(steady::now() - begun, milliseconds{60} + slack);
}

asio::awaitable<void> keep_probing(engine* tested)
{
    co_await tested->keep_probing();
}

TEST_F(engine_test, stops_in_the_middle_and_leaves_the_verdicts_of_before)
{
    listener peer{io, "127.0.0.1"};
    add("row", row_to(peer.where()));
    outbound_row many{.addresses = {ip("127.0.0.1")}, .ports = parse_ports("20001-20400").value()};
    add("many", many);
    site.config.limits.connect_timeout = late;
    site.config.limits.new_flows_per_s = 100;
    auto& made = start();
    finish(io, made.probe({0}));
    EXPECT_EQ(kind(0), verdict_kind::open);
    peer.fall_silent();
    running daemon{io, keep_probing(&made)};
    running asked{io, made.probe({0, 1})};
    io.restart();
    io.run_for(soon);
    ASSERT_FALSE(asked.done());
    const auto begun = steady::now();
    EXPECT_EQ(finish(io, made.stop(in(late))), 0U);
    asked.wait();
    daemon.wait();
    EXPECT_LT(steady::now(), begun + slack);
    made.refresh();
    EXPECT_EQ(kind(0), verdict_kind::open);
    EXPECT_FALSE(row(1).checked);
    EXPECT_TRUE(failed.empty());
}

TEST_F(engine_test, probes_at_once_what_it_knows_nothing_of_and_then_on_its_schedule)
{
    const listener open{io, "127.0.0.1"};
    add("first", row_to(open.where()));
    add("second", row_to(open.where()));
    site.config.schedule.interval = std::chrono::seconds{1};
    auto& made = start();
    running daemon{io, keep_probing(&made)};
    io.restart();
    io.run_for(soon);
    EXPECT_EQ(finished.size(), 2U);
    const auto limit = in(late);
    while (finished.size() < 4 && steady::now() < limit) {
        io.restart();
        io.run_one_until(limit);
    }
    EXPECT_EQ(finished.size(), 4U);
    finish(io, made.stop(in(late)));
    daemon.wait();
}

TEST_F(engine_test, takes_over_what_an_older_engine_knew_of_the_same_rows)
{
    const listener open{io, "127.0.0.1"};
    add("same", row_to(open.where()));
    const auto older = std::move((probe_all(), tested));
    finish(io, older->stop(in(late)));
    site.rows.insert(
        site.rows.begin(), plan_row{.catalogue = "lab", .id = "new", .what = row_to(open.where())}
    );
    start().inherit(*older);
    EXPECT_EQ(row(0).state, row_answer::unproven);
    EXPECT_EQ(row(1).state, row_answer::pass);
    EXPECT_EQ(kind(1), verdict_kind::open);
}

} // namespace
} // namespace reachd
