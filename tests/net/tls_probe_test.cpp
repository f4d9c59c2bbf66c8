// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/tls_probe.hpp"

#include "reachd/net/tcp_probe.hpp"
#include "run.hpp"

#include <boost/asio/as_tuple.hpp>

namespace reachd {
namespace {

using namespace test;

constexpr auto service_name = "api.service.example";

asio::awaitable<observation> connect_and_greet(
    endpoint where, std::shared_ptr<asio::ssl::context> trust, std::string name, milliseconds limit
)
{
    const way_out way; // GCC 12 destroys a temporary of a co_await expression twice
    auto made = co_await tcp_connect(where, way, in(late));
    tls_peer peer{.name = name, .other_names = {"also.example"}};
    auto seen = co_await tls_greeting(made.socket.value(), trust, std::move(peer), in(limit));
    co_return seen;
}

conversation as(std::shared_ptr<asio::ssl::context> identity)
{
    return [identity](tcp::socket socket) { return greet_by_tls(std::move(socket), identity); };
}

conversation answering(const std::string& text)
{
    return [text](tcp::socket socket) { return answer(std::move(socket), text); };
}

// As greet_by_tls(), for a handshake that is meant to fail.
asio::awaitable<void> refuse_by_tls(tcp::socket socket, std::shared_ptr<asio::ssl::context> identity)
{
    asio::ssl::stream<tcp::socket> stream{std::move(socket), *identity};
    const auto token = asio::as_tuple(asio::use_awaitable);
    co_await stream.async_handshake(asio::ssl::stream_base::server, token);
    std::array<char, 512> data;
    co_await stream.next_layer().async_read_some(asio::buffer(data), token);
}

// Answers the first record with the beginning of one of its own, and no more.
asio::awaitable<void> stop_in_the_middle(tcp::socket socket)
{
    const std::string start_of_handshake{"\x16\x03\x03\x00\x7a\x02\x00", 7};
    std::array<char, 2048> data;
    co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer(start_of_handshake), asio::use_awaitable);
    co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
}

class tls_greeting_test : public testing::Test {
protected:
    observation
    greet(const conversation& talk, const std::string& name = service_name, milliseconds limit = late)
    {
        const server peer{io, "127.0.0.1", talk};
        auto seen = finish(io, connect_and_greet(peer.where(), trust, name, limit));
        EXPECT_EQ(seen.kind, probe_kind::tls);
        judged = judge_alone(peer.where(), seen);
        return seen;
    }
    tls_answer answer_of(const conversation& talk, const std::string& name = service_name)
    {
        const auto seen = greet(talk, name);
        EXPECT_TRUE(is<tls_answer>(seen));
        const auto* answer = std::get_if<tls_answer>(&seen.what);
        return answer ? *answer : tls_answer{};
    }

    asio::io_context io;
    const authority known{"Known CA"};
    const authority foreign{"Foreign CA"};
    std::shared_ptr<asio::ssl::context> trust = make_trust(known.path()).value();
    verdict judged;
};

TEST_F(tls_greeting_test, verifies_chain_and_name_and_notes_what_it_saw)
{
    const auto answer = answer_of(as(known.identity(service_name)));
    EXPECT_EQ(answer.problem, "");
    EXPECT_FALSE(answer.expired || answer.wrong_name);
    EXPECT_EQ(answer.issuer, "Known CA");
    EXPECT_EQ(answer.subject, service_name);
    EXPECT_TRUE(answer.protocol.starts_with("TLSv1.")) << answer.protocol;
    EXPECT_EQ(answer.not_after.size(), std::string{"2026-11-21T14:05:00Z"}.size()) << answer.not_after;
    EXPECT_EQ(judged.kind, verdict_kind::open);
}

TEST_F(tls_greeting_test, accepts_a_wildcard_for_the_name)
{
    EXPECT_EQ(answer_of(as(known.identity("*.service.example"))).problem, "");
}

TEST_F(tls_greeting_test, sends_the_name_in_the_handshake)
{
    std::string asked_for;
    const auto note_name = [](SSL* handle, int*, void* into) {
        const char* name = SSL_get_servername(handle, TLSEXT_NAMETYPE_host_name);
        *static_cast<std::string*>(into) = name ? name : "";
        return SSL_TLSEXT_ERR_OK;
    };
    const auto identity = known.identity(service_name);
    // The macros SSL_CTX_set_tlsext_servername_callback() and _arg() have old-style casts.
    using callback = void (*)();
    using servername_callback = int (*)(SSL*, int*, void*);
    SSL_CTX_callback_ctrl(
        identity->native_handle(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
        reinterpret_cast<callback>(servername_callback{note_name})
    );
    SSL_CTX_ctrl(identity->native_handle(), SSL_CTRL_SET_TLSEXT_SERVERNAME_ARG, 0, &asked_for);
    answer_of(as(identity));
    EXPECT_EQ(asked_for, service_name);
}

TEST_F(tls_greeting_test, names_the_issuer_that_is_not_trusted_and_calls_it_intercepted)
{
    const auto answer = answer_of(as(foreign.identity(service_name)));
    EXPECT_NE(answer.problem, "");
    EXPECT_FALSE(answer.expired || answer.wrong_name);
    EXPECT_EQ(answer.issuer, "Foreign CA");
    EXPECT_EQ(judged.kind, verdict_kind::intercepted);
    EXPECT_NE(judged.sentence.find("Foreign CA"), std::string::npos) << judged.sentence;
}

TEST_F(tls_greeting_test, tells_a_wrong_name_of_a_trusted_chain)
{
    const auto answer = answer_of(as(known.identity("other.example")));
    EXPECT_TRUE(answer.wrong_name);
    EXPECT_FALSE(answer.expired);
    EXPECT_EQ(judged.kind, verdict_kind::intercepted);
    EXPECT_NE(judged.sentence.find("other.example"), std::string::npos) << judged.sentence;
}

TEST_F(tls_greeting_test, accepts_another_name_that_the_row_allows)
{
    EXPECT_EQ(answer_of(as(known.identity("also.example"))).problem, "");
}

TEST_F(tls_greeting_test, tells_a_chain_whose_only_fault_is_that_its_root_is_not_here)
{
    const authority vendors{"Vendor Root CA", "Vendor Inc."};
    const auto answer = answer_of(as(vendors.identity(service_name)));
    ASSERT_TRUE(answer.missing_root);
    EXPECT_EQ(*answer.missing_root, (root_claim{"Vendor Root CA", "Vendor Inc."}));
    EXPECT_EQ(judged.kind, verdict_kind::intercepted); // whether it may be private is for the row to say
}

TEST_F(tls_greeting_test, misses_no_root_where_anything_else_is_wrong)
{
    EXPECT_FALSE(answer_of(as(foreign.identity("other.example"))).missing_root) << "another name";
    EXPECT_FALSE(answer_of(as(foreign.identity(service_name, {-2, -1}))).missing_root) << "out of date";
    EXPECT_FALSE(answer_of(as(known.identity(service_name))).missing_root) << "verified";
    const authority impostor{"Known CA"}; // writes the name of a root that is here
    const auto answer = answer_of(as(impostor.identity(service_name)));
    EXPECT_NE(answer.problem, "");
    EXPECT_FALSE(answer.missing_root);
}

TEST_F(tls_greeting_test, trusts_the_roots_of_additional_files)
{
    const authority vendors{"Vendor Root CA", "Vendor Inc."};
    EXPECT_FALSE(holds_root_of(*trust, "Vendor Inc."));
    EXPECT_TRUE(add_trust(*trust, {vendors.path()}).empty());
    EXPECT_TRUE(holds_root_of(*trust, "Vendor Inc.") && holds_root_of(*trust, "Vendor Root CA"));
    EXPECT_EQ(answer_of(as(vendors.identity(service_name))).problem, "");
    EXPECT_EQ(answer_of(as(known.identity(service_name))).problem, "");
    EXPECT_NE(answer_of(as(foreign.identity(service_name))).problem, "");
}

TEST_F(tls_greeting_test, names_each_additional_file_that_cannot_be_used_and_keeps_the_others)
{
    const authority vendors{"Vendor Root CA", "Vendor Inc."};
    const auto said = add_trust(*trust, {"/nowhere.pem", vendors.path(), "/"});
    ASSERT_EQ(said.size(), 2U);
    EXPECT_NE(said[0].find("tls.extra_ca_files /nowhere.pem: No such file"), std::string::npos) << said[0];
    EXPECT_TRUE(holds_root_of(*trust, "Vendor Inc."));
}

// Before TLS 1.3 a server that wants a certificate of ours ends the handshake when it gets none.
TEST_F(tls_greeting_test, believes_a_server_that_proved_itself_and_then_wanted_a_certificate_of_ours)
{
    const auto strict = [](const authority& by) {
        auto identity = by.identity(service_name);
        identity->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
        SSL_CTX_ctrl(identity->native_handle(), SSL_CTRL_SET_MAX_PROTO_VERSION, TLS1_2_VERSION, nullptr);
        return [identity](tcp::socket socket) -> asio::awaitable<void> {
            return refuse_by_tls(std::move(socket), identity);
        };
    };
    const auto answer = answer_of(strict(known));
    EXPECT_EQ(answer.problem, "");
    EXPECT_TRUE(answer.ended_by_peer);
    EXPECT_EQ(judged.kind, verdict_kind::open);
    EXPECT_NE(judged.sentence.find("asks for a client's own certificate"), std::string::npos);
    EXPECT_NE(answer_of(strict(foreign)).problem, "");
    EXPECT_EQ(judged.kind, verdict_kind::intercepted);
}

TEST_F(tls_greeting_test, does_not_call_a_certificate_of_another_time_intercepted)
{
    for (const authority::days valid : {authority::days{-2, -1}, authority::days{1, 2}}) {
        const auto answer = answer_of(as(known.identity(service_name, valid)));
        EXPECT_TRUE(answer.expired) << valid.from;
        EXPECT_FALSE(answer.wrong_name);
        EXPECT_EQ(judged.kind, verdict_kind::unproven);
    }
}

TEST_F(tls_greeting_test, names_the_graver_of_two_faults)
{
    const auto name_and_date = answer_of(as(known.identity("other.example", {-2, -1})));
    EXPECT_TRUE(name_and_date.wrong_name);
    EXPECT_FALSE(name_and_date.expired);
    const auto issuer_and_date = answer_of(as(foreign.identity(service_name, {-2, -1})));
    EXPECT_FALSE(issuer_and_date.expired);
    EXPECT_EQ(judged.kind, verdict_kind::intercepted);
    const auto issuer_and_name = answer_of(as(foreign.identity("other.example")));
    EXPECT_FALSE(issuer_and_name.wrong_name);
}

TEST_F(tls_greeting_test, T23_says_no_reply_to_a_peer_that_never_answers)
{
    for (const auto& talk : {conversation{listen_only}, conversation{stop_in_the_middle}}) {
        const auto seen = greet(talk, service_name, soon);
        EXPECT_TRUE(is<no_reply>(seen));
        EXPECT_GE(seen.took, soon - milliseconds{10});
        EXPECT_LT(seen.took, soon + slack);
        EXPECT_EQ(judged.kind, verdict_kind::blocked);
        EXPECT_EQ(judged.stage, stage::handshake);
    }
}

TEST_F(tls_greeting_test, tells_a_reset_from_a_close)
{
    const auto by_reset = greet(reset);
    ASSERT_TRUE(is<cut_off>(by_reset));
    EXPECT_TRUE(std::get<cut_off>(by_reset.what).by_reset);
    const auto by_close = greet(answering(""));
    ASSERT_TRUE(is<cut_off>(by_close));
    EXPECT_FALSE(std::get<cut_off>(by_close.what).by_reset);
}

TEST_F(tls_greeting_test, T23_says_refused_by_tls_to_a_peer_that_speaks_something_else)
{
    const auto seen = greet(answering("SSH-2.0-OpenSSH_9.2\r\n"));
    ASSERT_TRUE(is<tls_refused>(seen));
    EXPECT_NE(std::get<tls_refused>(seen.what).detail, "");
    EXPECT_EQ(judged.kind, verdict_kind::unproven);
    EXPECT_TRUE(is<tls_refused>(greet(answering("HTTP/1.1 400 Bad Request\r\n\r\n"))));
}

TEST_F(tls_greeting_test, says_refused_by_tls_to_an_alert)
{
    const std::string handshake_failure{"\x15\x03\x03\x00\x02\x02\x28", 7};
    EXPECT_TRUE(is<tls_refused>(greet(answering(handshake_failure))));
}

TEST_F(tls_greeting_test, says_cancelled_when_cancelled)
{
    const server peer{io, "127.0.0.1", listen_only};
    running task{io, connect_and_greet(peer.where(), trust, service_name, late)};
    task.advance();
    ASSERT_FALSE(task.done());
    task.cancel();
    const auto begun = steady::now();
    EXPECT_TRUE(is_not_measured(task.wait(), local_cause::cancelled));
    EXPECT_LT(steady::now(), begun + slack);
}

TEST(make_trust, says_which_file_is_missing_or_holds_no_certificate)
{
    const authority some{"Some CA"};
    const auto empty = some.path() + ".empty";
    std::ofstream{empty} << "not a certificate\n";
    for (const auto& path : {some.path() + ".missing", empty, std::string{"/"}}) {
        const auto trust = make_trust(path);
        ASSERT_FALSE(trust) << path;
        EXPECT_EQ(trust.error().code, errc::unreadable);
        EXPECT_NE(trust.error().detail.find(path), std::string::npos) << trust.error().detail;
    }
    std::filesystem::remove(empty);
    EXPECT_TRUE(make_trust(some.path()));
}

TEST(make_trust, trusts_the_systems_store_when_no_file_is_named)
{
    const authority some{"System CA"};
    ::setenv("SSL_CERT_FILE", some.path().c_str(), 1);
    const auto trust = make_trust("");
    ::unsetenv("SSL_CERT_FILE");
    ASSERT_TRUE(trust);
    asio::io_context io;
    const server peer{io, "127.0.0.1", as(some.identity(service_name))};
    const auto seen = finish(io, connect_and_greet(peer.where(), *trust, service_name, late));
    ASSERT_TRUE(is<tls_answer>(seen));
    EXPECT_EQ(std::get<tls_answer>(seen.what).problem, "");
}

} // namespace
} // namespace reachd
