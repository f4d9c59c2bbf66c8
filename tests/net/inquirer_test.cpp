// SPDX-License-Identifier: Apache-2.0
// The inquirer, the sampler of blocks and the engine that uses both, on a way of three hops.
#include "reachd/app/inquirer.hpp"

#include "hops.hpp"
#include "reachd/app/engine.hpp"
#include "reachd/net/tls_probe.hpp"

#include <thread>

namespace reachd {
namespace {

using namespace test;

constexpr std::uint16_t open_port = 8443;
constexpr milliseconds inquiry_limit{40000}; // three tries a second apart, one thing after the other

class located : public testing::Test {
protected:
    static void SetUpTestSuite()
    {
        way = std::make_unique<hops>();
        command("ip route add default via 10.91.1.1");
    }
    static void TearDownTestSuite() { way.reset(); }
    located()
    {
        site.config.limits = {
            .new_flows_per_s = 0,
            .new_flows_per_destination_per_s = 0,
            .connect_timeout = milliseconds{300},
            .attempts = 1,
            .samples_per_block = 4,
            .icmp_per_hop_per_s = 200,
        };
        site.config.path.edge = ip("10.91.1.1");
        site.catalogues.push_back({.id = "lab"});
        site.vantages.emplace_back();
    }
    void SetUp() override
    {
        if (!*way) {
            GTEST_SKIP() << "no namespaces here";
        }
    }
    void TearDown() override
    {
        for (const std::string where : {"r1", "r2", "srv"}) {
            hops::at(where, [] { return command("nft delete table inet rtest"); });
        }
    }
    static hop_order order_to(std::uint16_t port)
    {
        hop_order out;
        out.which = {"", tcp_at("10.91.3.2", port)};
        return out;
    }
    std::unique_ptr<server> serve()
    {
        const auto make = [&] { return std::make_unique<server>(io, "0.0.0.0", listen_only, open_port); };
        return hops::at("srv", make);
    }
    // As finish(), with the patience that a walk needs.
    void run(asio::awaitable<void> task)
    {
        running<void> all{io, std::move(task)};
        const auto limit = in(inquiry_limit);
        while (!all.done() && steady::now() < limit) {
            io.restart();
            io.run_one_until(limit);
        }
        ASSERT_TRUE(all.done());
        all.wait();
    }

    asio::io_context io;
    plan site;
    static std::unique_ptr<hops> way;
};

std::unique_ptr<hops> located::way;

// --- the inquirer by itself ---

// In the event loop, where cancel() belongs: outside it a task could end between the call and its signal.
asio::awaitable<std::size_t> end_all(inquirer* tested, task_group* tasks)
{
    tested->close();
    tasks->cancel();
    const auto left = co_await tasks->join(in(late));
    co_return left;
}

class inquirer_test : public located {
protected:
    void start()
    {
        tasks = std::make_unique<task_group>(io.get_executor(), task_group::failure_handler{});
        gate = std::make_unique<flow_gate>(io.get_executor(), site.config.limits, state.sent, 1);
        tested = std::make_unique<inquirer>(
            io.get_executor(), std::make_shared<const plan>(site), state, *tasks, *gate, 1,
            inquirer::handlers{.progressed = [](std::size_t, std::size_t) {}, .idle = [] {}}, self
        );
    }
    // The first hop gives an answer a second, and has just given one; the next order waits for its turn.
    hop_order start_with_a_busy_hop()
    {
        site.config.limits.icmp_per_hop_per_s = 1;
        start();
        auto order = order_to(open_port);
        order.hop_limit = 1;
        order.needs_icmp = true;
        EXPECT_TRUE(is<icmp_error>(finish(io, tested->ask(order))));
        return order;
    }
    ~inquirer_test() override
    {
        if (tested) {
            EXPECT_EQ(finish(io, end_all(tested.get(), tasks.get())), 0U);
        }
    }

    site_state state;
    std::unique_ptr<task_group> tasks;
    std::unique_ptr<flow_gate> gate;
    std::shared_ptr<self_watch> self; // before start(); else nobody looks
    std::unique_ptr<inquirer> tested;
};

TEST_F(inquirer_test, is_settled_at_once_when_nothing_is_asked_of_it)
{
    start();
    const auto begun = steady::now();
    std::set<ip_address> anybody{ip("10.91.3.2")};
    finish(io, tested->settled(anybody));
    EXPECT_LT(steady::now() - begun, slack);
    EXPECT_EQ(state.sent.counts().packets(), 0U);
    EXPECT_FALSE(tested->is_pending(anybody));
}

TEST_F(inquirer_test, answers_questions_in_the_turn_of_their_hop)
{
    site.config.limits.icmp_per_hop_per_s = 4;
    start();
    const auto peer = serve();
    const auto begun = steady::now();
    std::vector<std::unique_ptr<running<observation>>> asked;
    for (std::uint16_t port = 1; port <= 4; ++port) {
        auto order = order_to(port);
        order.hop_limit = 2;
        order.needs_icmp = true;
        asked.push_back(std::make_unique<running<observation>>(io, tested->ask(order)));
    }
    for (const auto& one : asked) {
        const auto seen = one->wait();
        ASSERT_TRUE(is<icmp_error>(seen));
        EXPECT_EQ(std::get<icmp_error>(seen.what).sender, ip("10.91.2.2"));
    }
    EXPECT_GE(steady::now() - begun, milliseconds{700}); // three intervals of a quarter of a second
    EXPECT_EQ(state.sent.counts().syns, 4U);
    EXPECT_EQ(state.sent.counts().half_open, 4U);
    EXPECT_TRUE(state.traces.empty()); // what is asked is not kept
}

TEST_F(inquirer_test, keeps_its_pauses_however_often_it_is_woken)
{
    const auto order = start_with_a_busy_hop();
    running<observation> waiting{io, tested->ask(order)}; // for the hop's next turn, a second later
    const auto before = tested->looks();
    const auto begun = steady::now();
    for (const auto limit = in(milliseconds{300}); steady::now() < limit;) {
        tested->wake();
        io.restart();
        io.run_for(milliseconds{1});
    }
    const auto pauses = static_cast<std::uint64_t>((steady::now() - begun) / milliseconds{25});
    EXPECT_LE(tested->looks() - before, pauses + 2);
    EXPECT_GE(tested->looks() - before, 1U);
    EXPECT_TRUE(is<icmp_error>(waiting.wait()));
}

TEST_F(inquirer_test, lets_go_of_whoever_waits_when_it_is_closed)
{
    const auto order = start_with_a_busy_hop();
    running<observation> waiting{io, tested->ask(order)};
    running<void> settling{io, tested->settled({ip("10.91.3.2")})};
    waiting.advance();
    const auto begun = steady::now();
    tested->close();
    EXPECT_TRUE(is_not_measured(waiting.wait(), local_cause::cancelled));
    settling.wait();
    EXPECT_LT(steady::now() - begun, slack);
}

TEST_F(inquirer_test, waits_for_a_descriptor_instead_of_knowing_nothing)
{
    if (!can_go_without_descriptors) {
        GTEST_SKIP() << "sanitizers need descriptors";
    }
    start();
    auto order = order_to(open_port);
    order.hop_limit = 1;
    no_descriptors_left none;
    running<observation> asked{io, tested->ask(order)};
    const auto limit = in(milliseconds{300});
    while (steady::now() < limit) {
        io.restart();
        io.run_one_until(limit);
    }
    EXPECT_FALSE(asked.done());
    none.lift();
    EXPECT_TRUE(is<icmp_error>(asked.wait()));
}

TEST_F(inquirer_test, believes_no_silence_in_which_this_process_stood_still)
{
    self = std::make_shared<self_watch>(io.get_executor(), self_watch::handlers{});
    running watching{io, self->run()};
    start();
    const auto peer = serve();
    auto discarded = order_to(open_port);
    discarded.min_ttl = 64; // the server's answer has crossed two routers
    running<observation> asked{io, tested->ask(discarded)};
    for (const auto sent = in(milliseconds{200}); steady::now() < sent;) {
        io.restart();
        io.run_one_until(sent);
    }
    std::this_thread::sleep_for(milliseconds{1000});
    const auto seen = asked.wait();
    ASSERT_TRUE(is_not_measured(seen, local_cause::other));
    EXPECT_EQ(std::get<not_measured>(seen.what), stalled_outcome());
    EXPECT_EQ(self->counts().voided, 1U);
    EXPECT_TRUE(is<no_reply>(finish(io, tested->ask(discarded)))); // the twin had its time
    self->close();
    watching.wait();
}

TEST_F(inquirer_test, waits_for_a_discarded_answer_no_longer_than_the_others_took)
{
    start();
    const auto peer = serve();
    auto far = order_to(open_port);
    far.min_ttl = 64; // the server's answer has crossed two routers
    const auto unknown = finish(io, tested->ask(far));
    ASSERT_TRUE(is<no_reply>(unknown));
    EXPECT_EQ(std::get<no_reply>(unknown.what).waited, milliseconds{1100});
    auto plain = order_to(open_port);
    EXPECT_TRUE(is<connected>(finish(io, tested->ask(plain))));
    const auto begun = steady::now();
    const auto known = finish(io, tested->ask(far));
    ASSERT_TRUE(is<no_reply>(known));
    EXPECT_LT(steady::now() - begun, milliseconds{800});
    EXPECT_EQ(std::get<no_reply>(known.what).waited, milliseconds{300});
    auto near = order_to(open_port);
    near.min_ttl = 62;
    EXPECT_TRUE(is<connected>(finish(io, tested->ask(near))));
}

// --- with the engine ---

class engine_located_test : public located {
protected:
    ~engine_located_test() override
    {
        if (tested) {
            EXPECT_EQ(finish(io, tested->stop(in(late))), 0U);
        }
    }
    // One round of one row, with all that the inquiry and the sampler want.
    const row_state& judge(const outbound_row& what)
    {
        site.rows.push_back({.catalogue = "lab", .id = "row", .what = what});
        engine_listener listener;
        listener.failed = [](const std::string& task, const std::string& why) {
            ADD_FAILURE() << task << ": " << why;
        };
        tested = std::make_unique<engine>(
            io.get_executor(), std::make_shared<const plan>(site), trust, listener, depth::located
        );
        run(tested->probe({0}));
        run(tested->finish_inquiry());
        tested->refresh();
        return tested->state().rows[0];
    }
    static outbound_row row_to(const std::string& ports)
    {
        return {.addresses = {ip("10.91.3.2")}, .ports = parse_ports(ports).value()};
    }
    static testing::AssertionResult
    is_between(const verdict& judged, const std::string& after, const std::string& before)
    {
        const auto& place = judged.where;
        const bool right = place && place->after && place->before && place->after->address == ip(after) &&
                           place->before->address == ip(before);
        return right ? testing::AssertionSuccess() : testing::AssertionFailure() << judged.sentence;
    }

    const authority known{"Known CA"};
    std::shared_ptr<asio::ssl::context> trust = make_trust(known.path()).value();
    std::unique_ptr<engine> tested;
};

TEST_F(engine_located_test, finds_the_box_that_drops)
{
    const auto peer = serve();
    if (!hops::rule("r1", "forward", "tcp dport 8444 drop")) {
        GTEST_SKIP() << "no packet filter here";
    }
    const auto& row = judge(row_to("8443-8444"));
    ASSERT_EQ(row.endpoints.size(), 2U);
    EXPECT_EQ(row.endpoints[0].judged.kind, verdict_kind::open);
    EXPECT_EQ(row.endpoints[0].judged.sentence.find("could not be checked"), std::string::npos);
    const auto& dropped = row.endpoints[1].judged;
    EXPECT_EQ(dropped.kind, verdict_kind::blocked);
    EXPECT_EQ(dropped.blame, blame::edge);
    EXPECT_TRUE(is_between(dropped, "10.91.1.1", "10.91.2.2"));
}

TEST_F(engine_located_test, blames_no_box_of_the_sites_for_what_the_server_drops)
{
    const auto peer = serve();
    if (!hops::rule("srv", "input", "tcp dport 8444 drop")) {
        GTEST_SKIP() << "no packet filter here";
    }
    const auto& row = judge(row_to("8443-8444"));
    const auto& dropped = row.endpoints[1].judged;
    EXPECT_EQ(dropped.kind, verdict_kind::blocked);
    EXPECT_EQ(dropped.blame, blame::unknown);
    EXPECT_TRUE(is_between(dropped, "10.91.2.2", "10.91.3.2"));
}

TEST_F(engine_located_test, tells_a_near_boxs_reset_from_the_servers)
{
    const auto peer = serve();
    if (!hops::rule("r1", "forward", "tcp dport 8444 reject with tcp reset")) {
        GTEST_SKIP() << "no packet filter here";
    }
    const auto& row = judge(row_to("8443-8445"));
    EXPECT_EQ(row.endpoints[1].judged.kind, verdict_kind::blocked);
    EXPECT_TRUE(is_between(row.endpoints[1].judged, "10.91.1.1", "10.91.2.2"));
    EXPECT_EQ(row.endpoints[2].judged.kind, verdict_kind::closed);
    EXPECT_EQ(row.endpoints[2].judged.blame, blame::service);
}

class block_sampler_test : public engine_located_test {
protected:
    const block_result& sampled()
    {
        auto what = row_to("8443");
        what.blocks = {parse_block("10.91.3.64/26").value()};
        const auto& row = judge(what);
        EXPECT_EQ(row.samples.size(), 1U);
        return row.samples.at(0);
    }
};

TEST_F(block_sampler_test, finds_a_clean_block_clean)
{
    const auto peer = serve();
    const auto& found = sampled();
    EXPECT_TRUE(found.is_clean()) << sentence(found);
    EXPECT_EQ(found.n(), 4U);
    EXPECT_EQ(found.edge.address, ip("10.91.2.2")); // where the probes end: past the edge
}

TEST_F(block_sampler_test, finds_the_part_that_a_box_rejects)
{
    const auto peer = serve();
    if (!hops::rule("r1", "forward", "ip daddr 10.91.3.96/27 reject with icmp admin-prohibited")) {
        GTEST_SKIP() << "no packet filter here";
    }
    const auto& found = sampled();
    ASSERT_EQ(found.holes.size(), 1U) << sentence(found);
    EXPECT_EQ(found.holes[0].where, parse_block("10.91.3.96/27").value());
    EXPECT_EQ(found.blocked, 2U);
    EXPECT_EQ(found.clean, 2U);
}

} // namespace
} // namespace reachd
