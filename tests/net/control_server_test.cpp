// SPDX-License-Identifier: Apache-2.0
// T01, T02 ... in the names: docs/SECURITY-TESTS.md.
#include "control_fixture.hpp"

#include <sys/resource.h>
#include <unistd.h>

namespace reachd::test {
namespace {

constexpr milliseconds soon{50};     // a limit that the test waits for
constexpr milliseconds a_while{200}; // long enough for what must not happen to happen

#ifdef __SANITIZE_ADDRESS__
constexpr bool under_sanitizer = true;
#else
constexpr bool under_sanitizer = false;
#endif

control_limits short_times()
{
    return {.line_time = soon, .idle_time = soon, .stall_time = soon, .accept_pause = milliseconds{10}};
}

std::string padded_request(std::size_t bytes)
{
    std::string line = R"({"jsonrpc":"2.0","id":1,"method":"version"})";
    line.append(bytes - line.size(), ' ');
    return line;
}

// ---- requests and answers

TEST(control_server, answers_a_request_with_its_id)
{
    running_server running;
    plain_client client{running.status()};
    client.say("{\"jsonrpc\":\"2.0\",\"id\":\"a-7\",\"method\":\"version\"}\n");
    EXPECT_EQ(client.hear(), (json{{"jsonrpc", "2.0"}, {"id", "a-7"}, {"result", {{"version", 1}}}}));
}

TEST(control_server, answers_requests_as_they_finish_and_not_as_they_came)
{
    running_server running;
    plain_client client{running.status()};
    client.ask("health", 1); // waits
    client.ask("version", 2);
    EXPECT_EQ(client.hear()["id"], 2);
    running.release();
    EXPECT_EQ(client.hear()["id"], 1);
}

TEST(control_server, lets_a_long_method_tell_its_progress_before_its_answer)
{
    running_server running;
    plain_client client{running.control()};
    client.ask("probe", 1);
    const auto progress = client.hear();
    EXPECT_EQ(progress["method"], "progress");
    EXPECT_EQ(progress["params"]["done"], 1);
    EXPECT_FALSE(progress.contains("id"));
    running.release();
    EXPECT_EQ(client.hear()["result"]["probed"], true);
}

TEST(control_server, answers_everything_after_a_half_close_and_then_closes)
{
    running_server running;
    plain_client client{running.status()};
    client.ask("health", 1);
    client.ask("version", 2);
    client.say_no_more();
    EXPECT_EQ(client.hear()["id"], 2);
    running.release();
    EXPECT_EQ(client.hear()["id"], 1);
    EXPECT_TRUE(client.ends());
}

TEST(control_server, takes_a_last_line_without_its_end)
{
    running_server running;
    plain_client client{running.status()};
    client.say(R"({"jsonrpc":"2.0","id":1,"method":"version"})");
    client.say_no_more();
    EXPECT_EQ(client.hear()["result"]["version"], 1);
    EXPECT_TRUE(client.ends());
}

TEST(control_server, ignores_carriage_returns_and_blank_lines)
{
    running_server running;
    plain_client client{running.status()};
    client.say("\n\r\n  \n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}\r\n\n");
    client.say_no_more();
    EXPECT_EQ(client.hear()["id"], 1);
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(running.counters().requests, 1U);
}

TEST(control_server, carries_out_a_notification_without_an_answer)
{
    running_server running;
    plain_client client{running.control()};
    client.say("{\"jsonrpc\":\"2.0\",\"method\":\"reload\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"relaod\"}\n");
    client.ask("version", 1);
    EXPECT_EQ(client.hear()["id"], 1);
    EXPECT_TRUE(running.becomes_true([&] { return running.server().counters().requests == 3; }));
    EXPECT_EQ(running.carried_out(), 2U);
    EXPECT_EQ(running.rejected(reasons::unknown_method), 1U);
}

TEST(control_server, carries_a_request_out_whose_client_has_gone)
{
    running_server running;
    {
        plain_client client{running.control()};
        client.ask("reload", 1);
    }
    EXPECT_TRUE(running.becomes_true([&] { return running.carried_out_here() == 1; }));
    EXPECT_TRUE(running.becomes_true([&] {
        return running.server().connections(access_level::change) == 0;
    }));
}

TEST(control_server, goes_on_with_a_connection_after_a_line_that_is_no_request)
{
    running_server running;
    plain_client client{running.status()};
    client.say("nonsense\n[1]\n{\"a\":1,\"a\":2}\n\"\xff\"\n" + std::string(60'000, '[') + "\n"); // T1
    client.ask("version", 1);
    for (const auto* reason : {"malformed", "batch_not_supported", "duplicate_key", "not_utf8", "too_deep"}) {
        EXPECT_EQ(reason_of(client.hear()), reason);
        EXPECT_EQ(running.counters().rejected[reason], 1U);
    }
    EXPECT_EQ(client.hear()["id"], 1);
}

TEST(control_server, answers_internal_when_a_handler_throws_and_goes_on)
{
    running_server running;
    plain_client client{running.status()};
    client.ask("config", 1);
    const auto answer = client.hear();
    EXPECT_EQ(reason_of(answer), "internal");
    EXPECT_EQ(answer["error"]["code"], -32603);
    EXPECT_EQ(running.failures(), std::vector<std::string>{"control method config"});
    client.ask("version", 2);
    EXPECT_EQ(client.hear()["id"], 2);
}

// ---- who may do what

TEST(control_server, T06_refuses_every_changing_method_on_the_status_socket_and_no_other)
{
    running_server running;
    running.report_bytes = 10;
    running.release();
    plain_client reader{running.status()};
    plain_client changer{running.control()};
    for (const auto& method : control_methods()) {
        const auto line = encode_request(1, method.name, json::object());
        reader.say(line);
        const auto refused = reason_of(reader.hear()) == "forbidden";
        EXPECT_EQ(refused, method.access == access_level::change) << method.name;
        changer.say(line);
        auto answer = changer.hear();
        while (!answer.is_null() && !answer.contains("id")) {
            answer = changer.hear();
        }
        EXPECT_NE(reason_of(answer), "forbidden") << method.name;
    }
}

TEST(control_server, T10_tells_who_asked_for_a_change_and_not_who_reads)
{
    running_server running;
    plain_client client{running.control()};
    client.ask("version", 1);
    client.ask("reload", 2);
    client.hear();
    client.hear();
    EXPECT_EQ(running.audited(), std::vector<std::string>{"reload by " + std::to_string(::getuid())});
}

// ---- limits

TEST(control_server, T02_refuses_a_line_over_the_limit_and_closes)
{
    running_server running{{.line_bytes = 20'000}};
    plain_client endless{running.status()};
    endless.say(std::string(20'001, ' '));
    EXPECT_EQ(reason_of(endless.hear()), "too_large");
    EXPECT_TRUE(endless.ends());
    plain_client whole{running.status()};
    whole.say(padded_request(20'001) + "\n");
    EXPECT_EQ(reason_of(whole.hear()), "too_large");
    EXPECT_TRUE(whole.ends());
    EXPECT_EQ(running.rejected(reasons::too_large), 2U);
}

TEST(control_server, takes_a_line_of_exactly_the_limit)
{
    running_server running{{.line_bytes = 20'000}};
    plain_client client{running.status()};
    client.say(padded_request(20'000) + "\n");
    EXPECT_EQ(client.hear()["id"], 1);
    client.say(padded_request(20'000) + "\n");
    EXPECT_EQ(client.hear()["id"], 1);
}

TEST(control_server, T03_refuses_a_line_that_does_not_end_in_time_while_others_are_served)
{
    auto limits = short_times();
    limits.idle_time = patience;
    running_server running{limits};
    plain_client slow{running.status()};
    plain_client other{running.status()};
    slow.say("{");
    other.ask("version", 1);
    EXPECT_EQ(other.hear()["id"], 1);
    EXPECT_EQ(reason_of(slow.hear()), "too_slow");
    EXPECT_TRUE(slow.ends());
    EXPECT_EQ(running.rejected(reasons::too_slow), 1U);
}

TEST(control_server, takes_a_line_that_comes_in_pieces_in_time)
{
    running_server running;
    plain_client client{running.status()};
    client.say("{\"jsonrpc\":\"2.0\",\"id\":1,");
    EXPECT_TRUE(client.silent(soon));
    client.say("\"method\":\"version\"}\n");
    EXPECT_EQ(client.hear()["id"], 1);
}

TEST(control_server, closes_an_idle_connection_without_a_word)
{
    auto limits = short_times();
    limits.line_time = patience;
    limits.idle_time = a_while; // time for a busy machine to ask
    running_server running{limits};
    plain_client client{running.status()};
    client.ask("version", 1);
    EXPECT_EQ(client.hear()["id"], 1);
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(running.counters().idle, 1U);
}

TEST(control_server, keeps_a_connection_that_is_silent_for_a_reason)
{
    auto limits = short_times();
    limits.idle_time = a_while;
    running_server running{limits};
    plain_client subscriber{running.status()};
    subscriber.ask("subscribe", 1);
    plain_client waiting{running.status()};
    waiting.ask("health", 1);
    EXPECT_EQ(subscriber.hear()["id"], 1);
    EXPECT_TRUE(subscriber.silent(2 * a_while + soon));
    running.release();
    EXPECT_EQ(waiting.hear()["id"], 1);
    running.publish({{"still", "here"}});
    EXPECT_EQ(subscriber.hear()["params"]["still"], "here");
}

TEST(control_server, T05_refuses_a_connection_over_the_limit_and_still_serves_the_other_socket)
{
    running_server running{{.connections = 2}};
    std::list<plain_client> taken;
    for (int i = 0; i < 2; ++i) {
        taken.emplace_back(running.control()).ask("version", i);
        EXPECT_EQ(taken.back().hear()["id"], i);
    }
    plain_client refused{running.control()};
    EXPECT_EQ(reason_of(refused.hear()), "too_many_connections");
    EXPECT_TRUE(refused.ends());
    plain_client reader{running.status()};
    reader.ask("version", 1);
    EXPECT_EQ(reader.hear()["id"], 1);
    EXPECT_EQ(running.rejected(reasons::too_many_connections), 1U);
}

TEST(control_server, gives_the_place_of_a_client_that_left_to_the_next)
{
    running_server running{{.connections = 1}};
    for (int i = 0; i < 5; ++i) {
        plain_client client{running.control()};
        client.ask("version", i);
        client.say_no_more();
        EXPECT_EQ(client.hear()["id"], i);
        EXPECT_TRUE(client.ends());
        EXPECT_TRUE(running.becomes_true([&] {
            return running.server().connections(access_level::change) == 0;
        }));
    }
}

TEST(control_server, T05_survives_a_flood_of_connections)
{
    running_server running;
    for (int i = 0; i < 1000; ++i) {
        plain_client{running.control()};
    }
    plain_client client{running.status()};
    client.ask("version", 1);
    EXPECT_EQ(client.hear()["id"], 1);
}

TEST(control_server, T05_pauses_when_there_is_no_descriptor_left_and_accepts_once_there_is)
{
    // UBSan asks with a pipe whether memory can be read, and takes its failure for a broken object.
    if (under_sanitizer) {
        GTEST_SKIP() << "the sanitizer needs descriptors itself";
    }
    running_server running{short_times()};
    plain_client waits;
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    auto none = before;
    {
        const unique_fd lowest_free{::dup(waits.fd())};
        none.rlim_cur = static_cast<rlim_t>(lowest_free.get());
    }
    ::setrlimit(RLIMIT_NOFILE, &none);
    waits.connect(running.control());
    EXPECT_TRUE(waits.connected());
    EXPECT_TRUE(running.becomes_true([&] { return running.server().counters().accept_failures >= 2; }));
    EXPECT_LT(running.counters().accept_failures, 1000U); // it pauses
    ::setrlimit(RLIMIT_NOFILE, &before);
    waits.ask("version", 1);
    EXPECT_EQ(waits.hear()["id"], 1);
}

// ---- slow readers

TEST(control_server, T05_makes_dear_answers_in_turn_and_others_meanwhile)
{
    running_server running;
    running.report_bytes = 900 * 1024; // takes milliseconds to encode
    std::vector<std::unique_ptr<plain_client>> clients;
    for (int i = 0; i < 16; ++i) {
        clients.push_back(std::make_unique<plain_client>(running.status()));
        clients.back()->ask("report", i);
    }
    ASSERT_TRUE(running.becomes_true([&] { return running.server().counters().requests == 16; }));
    plain_client other{running.status()};
    other.ask("version", 1);
    EXPECT_EQ(other.hear()["result"]["version"], 1);
    EXPECT_LT(running.carried_out(), 12U) << "all sixteen were made at a stretch";
    plain_client control{running.control()};
    control.ask("report", 1);
    EXPECT_TRUE(control.hear().contains("result")) << "the other socket has a line of its own";
    EXPECT_LT(running.carried_out(), 18U);
    clients.erase(clients.begin() + 3, clients.begin() + 8); // who goes leaves the line
    for (std::size_t i = 0; i < clients.size(); ++i) {
        EXPECT_TRUE(clients[i]->hear().contains("result")) << i;
    }
}

TEST(control_server, delivers_an_answer_that_is_larger_than_the_queue_whole)
{
    running_server running{{.unsent_bytes = 1000}};
    plain_client client{running.status()};
    client.ask("report", 1);
    EXPECT_EQ(client.hear()["result"]["text"].get_ref<const std::string&>().size(), running.report_bytes);
}

TEST(control_server, does_not_pile_up_answers_that_nobody_reads)
{
    constexpr int asked = 10;
    running_server running{{.unsent_bytes = 100'000, .stall_time = patience}};
    running.report_bytes = 600'000; // more than the kernel takes
    plain_client client{running.status()};
    for (int i = 0; i < asked; ++i) {
        client.ask("report", i);
    }
    EXPECT_TRUE(running.becomes_true([&] { return running.server().counters().requests >= 1; }));
    std::this_thread::sleep_for(a_while);
    EXPECT_LE(running.carried_out(), 2U);
    for (int i = 0; i < asked; ++i) {
        EXPECT_EQ(client.hear()["id"], i);
    }
}

TEST(control_server, does_not_pile_up_answers_that_had_to_be_waited_for)
{
    constexpr int asked = 10;
    running_server running{{.unsent_bytes = 100'000, .stall_time = patience}};
    running.report_bytes = 600'000;
    plain_client client{running.status()};
    for (int i = 0; i < asked; ++i) {
        client.ask("history", i); // none is answered while the others are taken
    }
    EXPECT_TRUE(running.becomes_true([&] { return running.server().counters().requests == asked; }));
    running.release();
    std::this_thread::sleep_for(a_while);
    EXPECT_LE(running.carried_out(), 2U);
    for (int i = 0; i < asked; ++i) {
        EXPECT_EQ(client.hear()["id"], i);
    }
}

TEST(control_server, closes_a_client_that_takes_nothing_of_a_full_queue)
{
    auto limits = short_times();
    limits.idle_time = patience;
    running_server running{limits};
    plain_client client{running.status()};
    client.ask("report", 1);
    EXPECT_TRUE(running.becomes_true([&] { return running.server().counters().stalled == 1; }));
    EXPECT_TRUE(running.becomes_true([&] { return running.server().connections(access_level::read) == 0; }));
}

TEST(control_server, keeps_a_client_that_takes_a_full_queue_slowly)
{
    auto limits = short_times();
    limits.idle_time = patience;
    limits.stall_time = milliseconds{1000};
    running_server running{limits};
    running.report_bytes = 1'500'000;
    plain_client client{running.status()};
    client.ask("report", 1);
    std::vector<char> chunk(100'000);
    std::size_t taken = 0;
    while (taken < running.report_bytes) {
        std::this_thread::sleep_for(milliseconds{20});
        const auto size = ::recv(client.fd(), chunk.data(), chunk.size(), 0);
        ASSERT_GT(size, 0);
        taken += static_cast<std::size_t>(size);
    }
    EXPECT_EQ(running.counters().stalled, 0U);
}

TEST(control_server, T04_closes_a_client_that_takes_an_answer_too_slowly_to_end)
{
    auto limits = short_times();
    limits.idle_time = patience;
    limits.stall_time = patience;
    limits.answer_time = milliseconds{500};
    running_server running{limits};
    running.report_bytes = 3'000'000;
    plain_client client{running.status()};
    client.ask("report", 1);
    std::vector<char> chunk(5'000); // at this pace it would take 12 s
    std::size_t taken = 0;
    ssize_t size = 1;
    while (size > 0 && taken < running.report_bytes) {
        std::this_thread::sleep_for(milliseconds{20});
        size = ::recv(client.fd(), chunk.data(), chunk.size(), 0);
        taken += size > 0 ? static_cast<std::size_t>(size) : 0;
    }
    EXPECT_LT(taken, running.report_bytes);
    EXPECT_EQ(running.counters().stalled, 1U);
}

TEST(control_server, T04_makes_no_further_large_answer_while_too_much_waits_to_be_taken)
{
    auto limits = short_times();
    limits.idle_time = patience;
    limits.stall_time = patience;
    limits.all_unsent_bytes = 2'000'000;
    running_server running{limits};
    running.report_bytes = 3'000'000;
    std::optional<plain_client> deaf{running.status()};
    deaf->ask("report", 1);
    const auto limit = steady::now() + patience;
    while (running.carried_out() == 0 && steady::now() < limit) {
        std::this_thread::sleep_for(milliseconds{5});
    }
    ASSERT_EQ(running.carried_out(), 1U);
    plain_client other{running.status()};
    other.ask("report", 2);
    EXPECT_EQ(reason_of(other.hear()), "busy");
    other.ask("version", 3);
    EXPECT_EQ(other.hear()["id"], 3) << "small ones are answered";
    plain_client changing{running.control()};
    changing.ask("report", 4);
    EXPECT_EQ(changing.hear()["id"], 4) << "the other socket has its own account";
    deaf.reset();
    EXPECT_TRUE(running.becomes_true([&] { return running.server().connections(access_level::read) == 1; }));
    other.ask("report", 5);
    EXPECT_TRUE(other.hear().contains("result")) << "what goes with its client is given back";
}

TEST(control_server, outlives_a_client_that_goes_in_the_middle_of_an_answer)
{
    running_server running;
    {
        plain_client client{running.status()};
        client.ask("report", 1);
        EXPECT_TRUE(running.becomes_true([&] { return running.server().counters().requests == 1; }));
    }
    EXPECT_TRUE(running.becomes_true([&] { return running.server().connections(access_level::read) == 0; }));
    plain_client next{running.status()};
    next.ask("version", 1);
    EXPECT_EQ(next.hear()["id"], 1);
}

// ---- the end

TEST(control_server, answers_what_is_under_way_when_it_is_stopped_and_removes_its_sockets)
{
    running_server running;
    plain_client client{running.status()};
    plain_client idle{running.control()};
    client.ask("health", 1);
    EXPECT_TRUE(running.becomes_true([&] { return running.server().counters().requests == 1; }));
    EXPECT_EQ(running.stop(), 0U);
    EXPECT_EQ(reason_of(client.hear()), "shutting_down");
    EXPECT_TRUE(client.ends());
    EXPECT_TRUE(idle.ends());
    EXPECT_FALSE(std::filesystem::exists(running.control()));
    EXPECT_FALSE(std::filesystem::exists(running.status()));
}

// As at a restart of the service: somebody has connected to the old daemon and not said anything yet.
TEST(control_server, answers_who_has_connected_and_speaks_only_while_it_is_being_stopped)
{
    running_server running;
    plain_client client{running.status()};
    EXPECT_TRUE(running.becomes_true([&] { return running.server().connections(access_level::read) == 1; }));
    auto stopping = std::async(std::launch::async, [&running] { return running.stop(); });
    const auto deadline = steady::now() + patience;
    while (plain_client{running.control()}.connected() && steady::now() < deadline) {
    }
    client.ask("version", 1);
    EXPECT_EQ(client.hear()["id"], 1);
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(stopping.get(), 0U);
}

TEST(control_server, is_not_kept_from_stopping_by_a_client_that_does_not_read)
{
    running_server running;
    plain_client client{running.status()};
    client.ask("report", 1);
    EXPECT_TRUE(running.becomes_true([&] { return running.carried_out_here() == 1; }));
    const auto begun = steady::now();
    EXPECT_EQ(running.stop(milliseconds{400}), 0U);
    EXPECT_LT(steady::now() - begun, patience);
}

} // namespace
} // namespace reachd::test
