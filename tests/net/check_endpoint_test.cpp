// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/check_endpoint.hpp"

#include "reachd/net/tls_probe.hpp"
#include "run.hpp"

#include <thread>

namespace reachd {
namespace {

using namespace test;

constexpr auto service_name = "service.test";

// What was seen, in one line: "1 connected, 1 cut_off, 2 connected".
std::string in_words(const std::vector<observation>& seen)
{
    std::string out;
    for (const auto& one : seen) {
        out += (out.empty() ? "" : ", ") + std::to_string(one.attempt) + " " + outcome_word(one.what);
    }
    return out;
}

conversation answering(const std::string& text)
{
    return [text](tcp::socket socket) { return answer(std::move(socket), text); };
}

asio::awaitable<void> note_request(tcp::socket socket, std::shared_ptr<std::string> heard)
{
    heard->resize(2048);
    heard->resize(co_await socket.async_read_some(asio::buffer(*heard), asio::use_awaitable));
    co_await asio::async_write(
        socket, asio::buffer("HTTP/1.1 204 No Content\r\n\r\n", 27), asio::use_awaitable
    );
}

asio::awaitable<void> reset_unasked(tcp::socket socket)
{
    socket.set_option(asio::socket_base::linger{true, 0});
    socket.close();
    co_return;
}

asio::awaitable<void>
count_datagrams(std::shared_ptr<udp::socket> socket, std::size_t* count, std::size_t answer_from)
{
    while (true) {
        std::array<char, 64> data;
        udp::endpoint from;
        co_await socket->async_receive_from(asio::buffer(data), from, asio::use_awaitable);
        if (++*count >= answer_from) {
            co_await socket->async_send_to(asio::buffer("yes", 3), from, asio::use_awaitable);
        }
    }
}

class check_endpoint_test : public testing::Test {
protected:
    endpoint_order order_to(const endpoint& target, greeting greet = greeting::none) const
    {
        return {
            .target = target, .name = service_name, .way = {}, .greet = greet, .attempts = 3, .timeout = soon
        };
    }
    std::string check(const endpoint_order& order)
    {
        seen = finish(io, check_endpoint(order, trust));
        return in_words(seen);
    }
    verdict judged(const endpoint& target) const { return judge(target, seen, {}); }

    asio::io_context io;
    const authority known{"Known CA"};
    std::shared_ptr<asio::ssl::context> trust = make_trust(known.path()).value();
    std::vector<observation> seen;
};

TEST_F(check_endpoint_test, asks_once_when_the_destination_says_something)
{
    const listener open{io, "127.0.0.1"};
    const closed_port closed{io, "127.0.0.1"};
    EXPECT_EQ(check(order_to(open.where())), "1 connected, 1 acknowledged");
    EXPECT_EQ(check(order_to(closed.where())), "1 refused");
    EXPECT_EQ(check(order_to(closed.where(), greeting::tls)), "1 refused");
}

TEST_F(check_endpoint_test, repeats_silence_as_often_as_asked_each_time_with_its_own_limit)
{
    listener silent{io, "127.0.0.1"};
    silent.fall_silent();
    const auto begun = steady::now();
    EXPECT_EQ(check(order_to(silent.where())), "1 no_reply, 2 no_reply, 3 no_reply");
    EXPECT_GE(steady::now() - begun, 3 * soon - milliseconds{10});
    EXPECT_LT(steady::now() - begun, 3 * soon + slack);
    EXPECT_EQ(judged(silent.where()).kind, verdict_kind::blocked);
    EXPECT_NE(judged(silent.where()).sentence.find("3 attempts"), std::string::npos);
}

TEST_F(check_endpoint_test, greets_on_the_connection_that_it_made)
{
    const auto identity = known.identity(service_name);
    const server tls{io, "127.0.0.1", [identity](tcp::socket socket) {
                         return greet_by_tls(std::move(socket), identity);
                     }};
    EXPECT_EQ(check(order_to(tls.where(), greeting::tls)), "1 connected, 1 tls");
    EXPECT_EQ(tls.accepted(), 1U);
    EXPECT_EQ(judged(tls.where()).kind, verdict_kind::open);
    const server http{io, "127.0.0.1", answering("HTTP/1.1 200 OK\r\n\r\n")};
    EXPECT_EQ(check(order_to(http.where(), greeting::http)), "1 connected, 1 http");
    EXPECT_EQ(check(order_to(http.where())), "1 connected, 1 acknowledged");
}

TEST_F(check_endpoint_test, does_not_repeat_a_certificate_that_is_not_trusted)
{
    const authority foreign{"Foreign CA"};
    const auto identity = foreign.identity(service_name);
    const server peer{io, "127.0.0.1", [identity](tcp::socket socket) {
                          return greet_by_tls(std::move(socket), identity);
                      }};
    EXPECT_EQ(check(order_to(peer.where(), greeting::tls)), "1 connected, 1 tls");
    EXPECT_EQ(judged(peer.where()).kind, verdict_kind::intercepted);
}

TEST_F(check_endpoint_test, repeats_a_greeting_that_was_lost_on_a_new_connection)
{
    for (const auto greet : {greeting::tls, greeting::http}) {
        const server mute{io, "127.0.0.1", listen_only};
        EXPECT_EQ(
            check(order_to(mute.where(), greet)),
            "1 connected, 1 no_reply, 2 connected, 2 no_reply, 3 connected, 3 no_reply"
        );
        EXPECT_EQ(judged(mute.where()).kind, verdict_kind::blocked);
        const server cutting{io, "127.0.0.1", reset};
        EXPECT_EQ(
            check(order_to(cutting.where(), greet)),
            "1 connected, 1 cut_off, 2 connected, 2 cut_off, 3 connected, 3 cut_off"
        );
        EXPECT_EQ(cutting.accepted(), 3U);
    }
}

TEST_F(check_endpoint_test, stops_repeating_when_an_answer_has_come)
{
    std::size_t connections = 0;
    const auto second_time = [&connections](tcp::socket socket) {
        return ++connections == 1 ? reset(std::move(socket))
                                  : answer(std::move(socket), "HTTP/1.1 200 OK\r\n\r\n");
    };
    const server peer{io, "127.0.0.1", second_time};
    EXPECT_EQ(check(order_to(peer.where(), greeting::http)), "1 connected, 1 cut_off, 2 connected, 2 http");
    EXPECT_EQ(judged(peer.where()).kind, verdict_kind::open);
}

TEST_F(check_endpoint_test, does_not_repeat_what_is_no_http)
{
    const server peer{io, "127.0.0.1", answering("SSH-2.0-OpenSSH_9.2\r\n\r\n")};
    EXPECT_EQ(check(order_to(peer.where(), greeting::http)), "1 connected, 1 http_garbled");
}

TEST_F(check_endpoint_test, counts_only_an_answer_where_the_path_alone_matters)
{
    const server redirecting{io, "127.0.0.1", answering("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n")};
    EXPECT_EQ(check(order_to(redirecting.where(), greeting::http_if_answered)), "1 connected, 1 http");
    const server mute{io, "127.0.0.1", listen_only};
    EXPECT_EQ(check(order_to(mute.where(), greeting::http_if_answered)), "1 connected, 1 acknowledged");
    EXPECT_EQ(judged(mute.where()).kind, verdict_kind::open);
    const server other{io, "127.0.0.1", answering("220 ftp ready\r\n\r\n")};
    EXPECT_EQ(check(order_to(other.where(), greeting::http_if_answered)), "1 connected, 1 acknowledged");
}

TEST_F(check_endpoint_test, sends_a_datagram_for_each_attempt_until_one_is_answered)
{
    const auto socket = std::make_shared<udp::socket>(io, udp_endpoint(udp_at("127.0.0.1", 0)));
    std::size_t received = 0;
    asio::co_spawn(io, count_datagrams(socket, &received, 2), asio::detached);
    const auto target = udp_at("127.0.0.1", socket->local_endpoint().port());
    EXPECT_EQ(check(order_to(target)), "1 no_reply, 2 replied");
    EXPECT_EQ(received, 2U);
    EXPECT_EQ(judged(target).kind, verdict_kind::open);
}

TEST_F(check_endpoint_test, holds_a_reply_against_what_the_row_expects)
{
    for (const std::string expected : {"", "ye", "yes", "yess", "no"}) {
        const auto socket = std::make_shared<udp::socket>(io, udp_endpoint(udp_at("127.0.0.1", 0)));
        std::size_t received = 0;
        asio::co_spawn(io, count_datagrams(socket, &received, 1), asio::detached);
        auto order = order_to(udp_at("127.0.0.1", socket->local_endpoint().port()));
        order.expect_reply = expected;
        EXPECT_EQ(check(order), "1 replied");
        const bool fits = std::string{"yes"}.starts_with(expected);
        EXPECT_EQ(std::get<replied>(seen.back().what).matches, fits) << expected;
        EXPECT_EQ(judged(order.target).kind, fits ? verdict_kind::open : verdict_kind::unproven);
        socket->close();
        io.poll();
    }
}

TEST_F(check_endpoint_test, sends_the_payload_of_the_row)
{
    udp::socket peer{io, udp_endpoint(udp_at("127.0.0.1", 0))};
    auto order = order_to(udp_at("127.0.0.1", peer.local_endpoint().port()));
    order.payload = "who?";
    running task{io, check_endpoint(order, trust)};
    task.advance();
    std::string data(16, '?');
    udp::endpoint from;
    data.resize(peer.receive_from(asio::buffer(data), from));
    EXPECT_EQ(data, "who?");
    peer.send_to(asio::buffer("me", 2), from);
    EXPECT_EQ(in_words(task.wait()), "1 replied");
}

TEST_F(check_endpoint_test, asks_a_closed_udp_port_once)
{
    const auto target = udp_at("127.0.0.1", 9);
    EXPECT_EQ(check(order_to(target)), "1 icmp");
    EXPECT_EQ(judged(target).kind, verdict_kind::closed);
}

TEST_F(check_endpoint_test, hands_the_vantage_to_every_kind_of_probe)
{
    const listener open{io, "127.0.0.1"};
    for (const auto& target : {open.where(), udp_at("127.0.0.1", 9)}) {
        auto order = order_to(target);
        order.way.source = ip("127.7.7.7");
        check(order);
        EXPECT_TRUE(seen.front().source.starts_with("127.7.7.7:")) << seen.front().source;
        order.way.source = ip("198.51.100.7");
        check(order);
        EXPECT_TRUE(is_not_measured(seen.front(), local_cause::no_address));
        EXPECT_EQ(seen.size(), 1U);
    }
}

TEST_F(check_endpoint_test, waits_a_little_for_descriptors_that_others_hold)
{
    if (!can_go_without_descriptors) {
        GTEST_SKIP() << "not under a sanitizer";
    }
    const listener open{io, "127.0.0.1"};
    io.poll();
    for (const auto& target : {open.where(), udp_at("127.0.0.1", 9)}) {
        no_descriptors_left limit;
        running task{io, check_endpoint(order_to(target), trust)};
        task.advance();
        EXPECT_FALSE(task.done());
        limit.lift();
        EXPECT_EQ(
            in_words(task.wait()),
            target.transport == transport::tcp ? "1 connected, 1 acknowledged" : "1 icmp"
        );
    }
}

// Nobody has a turn for longer than is harmless, counted from when the next look is due.
void stand_still()
{
    std::this_thread::sleep_for(self_look_interval + milliseconds{1000});
}

TEST_F(check_endpoint_test, asks_again_where_this_process_stood_still_during_a_silence)
{
    const server mute{io, "127.0.0.1", listen_only};
    auto order = order_to(mute.where(), greeting::tls);
    order.attempts = 1;
    const auto self = std::make_shared<self_watch>(io.get_executor(), self_watch::handlers{});
    running watching{io, self->run()};
    unsigned retries = 0;
    const before_retry retry = [&retries]() -> asio::awaitable<void> {
        ++retries;
        co_return;
    };
    running task{io, check_endpoint(order, trust, retry, self)};
    task.advance();
    stand_still();
    seen = task.wait();
    EXPECT_EQ(in_words(seen), "1 connected, 1 no_reply");
    EXPECT_EQ(judged(order.target).kind, verdict_kind::blocked);
    EXPECT_EQ(retries, 1U); // in its turn, as every packet
    EXPECT_EQ(self->counts().voided, 1U);
    EXPECT_EQ(seen.front().syns, 2U); // what was sent in vain was sent
    // A silence that had its time counts at once.
    seen = finish(io, check_endpoint(order, trust, retry, self));
    EXPECT_EQ(in_words(seen), "1 connected, 1 no_reply");
    EXPECT_EQ(self->counts().voided, 1U);
    self->close();
    watching.wait();
}

TEST_F(check_endpoint_test, blames_this_machine_where_it_stands_still_every_time)
{
    const server mute{io, "127.0.0.1", listen_only};
    auto order = order_to(mute.where(), greeting::tls);
    const auto self = std::make_shared<self_watch>(io.get_executor(), self_watch::handlers{});
    running watching{io, self->run()};
    running task{io, check_endpoint(order, trust, {}, self)};
    for (int i = 0; i < 20 && !task.done(); ++i) {
        task.advance();
        stand_still();
    }
    ASSERT_TRUE(task.done());
    seen = task.wait();
    EXPECT_EQ(in_words(seen), "1 connected, 1 not_measured");
    const auto found = judged(order.target);
    EXPECT_EQ(found.kind, verdict_kind::unproven);
    EXPECT_EQ(found.blame, blame::host);
    EXPECT_NE(found.sentence.find("stood still"), std::string::npos) << found.sentence;
    self->close();
    watching.wait();
}

TEST_F(check_endpoint_test, tells_want_of_descriptors_as_a_trouble_of_this_process)
{
    if (!can_go_without_descriptors) {
        GTEST_SKIP() << "not under a sanitizer";
    }
    std::string told;
    const auto self = std::make_shared<self_watch>(
        io.get_executor(), self_watch::handlers{
                               .looked = {},
                               .began = [&told](const self_finding& one) { told += to_string(one.what); },
                               .ended = {}
                           }
    );
    const listener open{io, "127.0.0.1"};
    io.poll();
    no_descriptors_left limit;
    running task{io, check_endpoint(order_to(open.where()), trust, {}, self)};
    task.advance();
    limit.lift();
    EXPECT_EQ(in_words(task.wait()), "1 connected, 1 acknowledged");
    EXPECT_EQ(told, "no_descriptors");
}

TEST_F(check_endpoint_test, says_cancelled_when_cancelled_during_an_attempt)
{
    listener silent{io, "127.0.0.1"};
    silent.fall_silent();
    const auto quiet = std::make_shared<udp::socket>(io, udp_endpoint(udp_at("127.0.0.1", 0)));
    const server mute{io, "127.0.0.1", listen_only};
    const endpoint_order orders[] = {
        order_to(silent.where()),
        order_to(udp_at("127.0.0.1", quiet->local_endpoint().port())),
        order_to(mute.where(), greeting::tls),
        order_to(mute.where(), greeting::http),
    };
    for (auto order : orders) {
        SCOPED_TRACE(to_text(order.target));
        order.timeout = late;
        running task{io, check_endpoint(order, trust)};
        task.advance();
        ASSERT_FALSE(task.done());
        task.cancel();
        const auto begun = steady::now();
        EXPECT_TRUE(is_not_measured(task.wait().back(), local_cause::cancelled));
        EXPECT_LT(steady::now(), begun + slack);
    }
}

// --- bare addresses, and what a handshake alone does not prove ---

TEST_F(check_endpoint_test, notes_a_certificate_of_a_bare_address_without_judging_it)
{
    const authority foreign{"Foreign CA"};
    for (const auto* issuer : {&known, &foreign}) {
        const auto identity = issuer->identity(service_name);
        const server peer{io, "127.0.0.1", [identity](tcp::socket socket) {
                              return greet_by_tls(std::move(socket), identity);
                          }};
        auto order = order_to(peer.where(), greeting::tls_unverified);
        order.name.clear();
        EXPECT_EQ(check(order), "1 connected, 1 tls");
        const auto& answer = std::get<tls_answer>(seen.back().what);
        EXPECT_TRUE(answer.anonymous);
        EXPECT_EQ(answer.problem.empty(), issuer == &known);
        EXPECT_EQ(answer.subject, service_name);
        EXPECT_EQ(judged(peer.where()).kind, verdict_kind::open);
    }
}

TEST_F(check_endpoint_test, asks_a_bare_address_by_its_own_host)
{
    for (const std::string address : {"127.0.0.1", "::1"}) {
        if (address == "::1" && !has_ipv6()) {
            continue;
        }
        const auto heard = std::make_shared<std::string>();
        const server peer{io, address, [heard](tcp::socket socket) {
                              return note_request(std::move(socket), heard);
                          }};
        auto order = order_to(peer.where(), greeting::http_unverified);
        order.name.clear();
        EXPECT_EQ(check(order), "1 connected, 1 http");
        const std::string host = address == "::1" ? "Host: [::1]\r\n" : "Host: 127.0.0.1\r\n";
        EXPECT_NE(heard->find(host), std::string::npos) << *heard;
    }
}

TEST_F(check_endpoint_test, is_content_that_the_peers_tcp_took_the_data_where_nobody_had_to_speak_it)
{
    const server mute{io, "127.0.0.1", listen_only};
    const server other{io, "127.0.0.1", answering("SSH-2.0-OpenSSH_9.2\r\n\r\n")};
    const server closing{io, "127.0.0.1", answering("")};
    const server cutting{io, "127.0.0.1", reset};
    for (const auto greet : {greeting::tls_unverified, greeting::http_unverified}) {
        for (const auto* peer : {&mute, &other, &closing, &cutting}) {
            EXPECT_EQ(check(order_to(peer->where(), greet)), "1 connected, 1 acknowledged");
            EXPECT_TRUE(std::get<acknowledged>(seen.back().what).data);
            EXPECT_EQ(judged(peer->where()).kind, verdict_kind::open);
        }
    }
}

TEST_F(check_endpoint_test, calls_it_blocked_when_the_handshake_passes_and_the_data_does_not)
{
    const server mute{io, "127.0.0.1", listen_only};
    const auto port = std::to_string(mute.where().port);
    const bool made =
        command("nft add table inet rtest") &&
        command("nft 'add chain inet rtest in { type filter hook input priority 0; }'") &&
        command("nft 'add rule inet rtest in tcp dport " + port + " tcp flags & psh == psh drop'");
    if (!made) {
        GTEST_SKIP() << "no packet filter here";
    }
    for (const auto greet :
         {greeting::tls_unverified, greeting::http_unverified, greeting::http_if_answered, greeting::none}) {
        auto order = order_to(mute.where(), greet);
        order.confirm = confirm_with::line_end;
        order.attempts = 2;
        EXPECT_EQ(check(order), "1 connected, 1 no_reply, 2 connected, 2 no_reply");
        EXPECT_EQ(judged(mute.where()).kind, verdict_kind::blocked);
        EXPECT_TRUE(judged(mute.where()).sentence.starts_with("connects, but then: "))
            << judged(mute.where()).sentence;
    }
    EXPECT_EQ(check(order_to(mute.where())), "1 connected, 1 acknowledged"); // a FIN alone passes
    command("nft delete table inet rtest");
}

TEST_F(check_endpoint_test, tries_again_when_nobody_confirms_the_connection)
{
    std::size_t connections = 0;
    const auto second_time = [&connections](tcp::socket socket) {
        return ++connections == 1 ? reset_unasked(std::move(socket)) : listen_only(std::move(socket));
    };
    const server peer{io, "127.0.0.1", second_time};
    EXPECT_EQ(check(order_to(peer.where())), "1 cut_off, 2 connected, 2 acknowledged");
}

} // namespace
} // namespace reachd
