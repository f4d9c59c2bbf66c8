// SPDX-License-Identifier: Apache-2.0
// run.hpp: runs coroutines under a hard limit, and the peers that they talk to.
//
// Use     finish(io, coroutine) for its result; running<T> where the test acts in the middle.
// Shapes  Peers live in the same io_context as the coroutine under test: one thread, no races. The whole
//         process sits in a network namespace of its own (net_main.cpp).
// Errors  A coroutine that outlives the hard limit is an exception, which fails the test.
#pragma once

#include "reachd/core/observation.hpp"
#include "reachd/core/verdict.hpp"
#include "reachd/net/socket_options.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <sys/resource.h>
#include <type_traits>
#include <unistd.h>

namespace reachd::test {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;

inline constexpr milliseconds hard_limit{5000}; // for any one coroutine under test
inline constexpr milliseconds soon{50};         // a deadline that silence runs into
inline constexpr milliseconds late{3000};       // a deadline that nothing should run into
inline constexpr milliseconds slack{500};       // what a busy machine may add to any of them

inline time_point in(milliseconds span)
{
    return steady::now() + span;
}

// A coroutine under test that has been started.
template <class T>
class running {
public:
    using value_type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

    running(asio::io_context& io, asio::awaitable<T> task) : io_{io}
    {
        const auto on_end = [state = state_](std::exception_ptr failure, auto... value) {
            state->done = true;
            state->failure = failure;
            if constexpr (sizeof...(value) != 0) {
                state->value = value_type(std::move(value)...);
            }
        };
        asio::co_spawn(io, std::move(task), asio::bind_cancellation_slot(state_->signal.slot(), on_end));
    }

    void cancel() { state_->signal.emit(asio::cancellation_type::terminal); }
    [[nodiscard]] bool done() const { return state_->done; }

    // Runs what is ready now, without waiting for anything.
    void advance()
    {
        io_.restart();
        io_.poll();
    }

    value_type wait()
    {
        const auto limit = in(hard_limit);
        while (!state_->done) {
            io_.restart();
            if (io_.run_one_until(limit) == 0) {
                throw std::runtime_error{"the coroutine does not end"};
            }
        }
        if (state_->failure) {
            std::rethrow_exception(state_->failure);
        }
        return std::move(state_->value);
    }

private:
    struct shared {
        asio::cancellation_signal signal;
        bool done = false;
        std::exception_ptr failure;
        value_type value{};
    };
    asio::io_context& io_;
    std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

template <class T>
auto finish(asio::io_context& io, asio::awaitable<T> task)
{
    return running<T>{io, std::move(task)}.wait();
}

// --- what a test says about an outcome ---

inline ip_address ip(const std::string& text)
{
    return parse_address(text).value();
}

inline endpoint tcp_at(const std::string& address, std::uint16_t port)
{
    return {ip(address), port, transport::tcp};
}

inline endpoint udp_at(const std::string& address, std::uint16_t port)
{
    return {ip(address), port, transport::udp};
}

template <class Outcome>
testing::AssertionResult is(const observation& seen)
{
    return std::holds_alternative<Outcome>(seen.what) ? testing::AssertionSuccess()
                                                      : testing::AssertionFailure() << describe(seen.what);
}

inline testing::AssertionResult is_not_measured(const observation& seen, local_cause cause)
{
    const auto* failure = std::get_if<not_measured>(&seen.what);
    if (failure && failure->cause == cause) {
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure()
        << describe(seen.what) << (failure ? std::string{" ("} + to_string(failure->cause) + ")" : "");
}

inline verdict judge_alone(const endpoint& target, const observation& seen)
{
    return judge(target, {&seen, 1}, {});
}

// --- the namespace ---

// Replaces resolv.conf for this process; false where it is not ours to replace.
bool set_name_servers(const std::string& resolv_conf);

// Runs a program of iproute2 or nftables; false where there is none or it refuses.
inline bool command(const std::string& line)
{
    return std::system((line + " >/dev/null 2>&1").c_str()) == 0;
}

inline bool has_ipv6()
{
    return std::filesystem::exists("/proc/sys/net/ipv6");
}

// The sanitizers open pipes to look at memory and call everything broken where they cannot.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool can_go_without_descriptors = false;
#else
inline constexpr bool can_go_without_descriptors = true;
#endif

// Leaves the process no further descriptor until the end of the scope.
class no_descriptors_left {
public:
    no_descriptors_left()
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int lowest_free = ::dup(0);
        ::close(lowest_free);
        auto now = before_;
        now.rlim_cur = static_cast<rlim_t>(lowest_free);
        ::setrlimit(RLIMIT_NOFILE, &now);
    }
    no_descriptors_left(const no_descriptors_left&) = delete;
    no_descriptors_left& operator=(const no_descriptors_left&) = delete;
    ~no_descriptors_left() { lift(); }
    void lift() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

// --- peers ---

inline endpoint from_asio(const tcp::endpoint& where)
{
    return {reachd::from_asio(where.address()), where.port(), transport::tcp};
}

// The port is taken and nothing listens: a SYN is answered by a RST.
class closed_port {
public:
    closed_port(asio::io_context& io, const std::string& address)
        : holder_{io, tcp_endpoint(tcp_at(address, 0)).protocol()}
    {
        holder_.bind(tcp_endpoint(tcp_at(address, 0)));
    }
    [[nodiscard]] endpoint where() const { return from_asio(holder_.local_endpoint()); }

private:
    tcp::socket holder_;
};

// The kernel completes handshakes for it; with its one place filled it drops every further SYN.
class listener {
public:
    listener(asio::io_context& io, const std::string& address, std::uint16_t port = 0)
        : acceptor_{io}, filler_{io}
    {
        const auto at = tcp_endpoint(tcp_at(address, port));
        acceptor_.open(at.protocol());
        acceptor_.set_option(tcp::acceptor::reuse_address{true});
        acceptor_.bind(at);
        acceptor_.listen();
    }
    void fall_silent()
    {
        const auto own = acceptor_.local_endpoint();
        acceptor_.listen(0);
        filler_.open(own.protocol());
        filler_.non_blocking(true);
        // Asio's own connect() would wait where an earlier connection has filled the place already.
        ::connect(filler_.native_handle(), own.data(), static_cast<socklen_t>(own.size()));
    }
    [[nodiscard]] endpoint where() const { return from_asio(acceptor_.local_endpoint()); }
    tcp::acceptor& acceptor() { return acceptor_; }

private:
    tcp::acceptor acceptor_;
    tcp::socket filler_;
};

// What a peer does on each connection that it accepts.
using conversation = std::function<asio::awaitable<void>(tcp::socket)>;

class server {
public:
    server(asio::io_context& io, const std::string& address, conversation talk, std::uint16_t port = 0)
        : listener_{std::make_shared<listener>(io, address, port)}
    {
        asio::co_spawn(io, serve(listener_, accepted_, std::move(talk)), asio::detached);
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() { listener_->acceptor().close(); }

    [[nodiscard]] endpoint where() const { return listener_->where(); }
    [[nodiscard]] std::size_t accepted() const { return *accepted_; }

private:
    static asio::awaitable<void>
    serve(std::shared_ptr<listener> from, std::shared_ptr<std::size_t> accepted, conversation talk)
    {
        const auto executor = co_await asio::this_coro::executor;
        while (true) {
            auto socket = co_await from->acceptor().async_accept(asio::use_awaitable);
            ++*accepted;
            asio::co_spawn(executor, talk(std::move(socket)), asio::detached);
        }
    }

    std::shared_ptr<listener> listener_;
    std::shared_ptr<std::size_t> accepted_ = std::make_shared<std::size_t>();
};

inline asio::awaitable<void> listen_only(tcp::socket socket)
{
    std::array<char, 512> data;
    while (true) {
        co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
    }
}

// Says `text` once the other side has spoken, and closes; with nothing to say it only closes.
inline asio::awaitable<void> answer(tcp::socket socket, std::string text)
{
    std::array<char, 2048> data;
    co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
}

inline asio::awaitable<void> answer_by_bytes(tcp::socket socket, std::string text)
{
    socket.set_option(tcp::no_delay{true});
    for (const char& byte : text) {
        co_await asio::async_write(socket, asio::buffer(&byte, 1), asio::use_awaitable);
    }
}

inline asio::awaitable<void> repeat(tcp::socket socket, std::string text)
{
    while (true) {
        co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
    }
}

inline asio::awaitable<void> reset(tcp::socket socket)
{
    std::array<char, 512> data;
    co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
    socket.set_option(asio::socket_base::linger{true, 0});
    socket.close();
}

inline asio::awaitable<void> greet_by_tls(tcp::socket socket, std::shared_ptr<asio::ssl::context> identity)
{
    asio::ssl::stream<tcp::socket> stream{std::move(socket), *identity};
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
    std::array<char, 512> data;
    co_await stream.async_read_some(asio::buffer(data), asio::use_awaitable);
}

// --- certificates ---

// A certificate authority that lives as long as the test, with its file for make_trust().
class authority {
public:
    explicit authority(const std::string& name, const std::string& organisation = {})
        : key_{EVP_EC_gen("P-256"), EVP_PKEY_free}, organisation_{organisation}
    {
        certificate_ = sign(name, name, key_.get(), "critical,CA:TRUE", {}, {-1, 1});
        path_ = testing::TempDir() + "reachd-net-test-ca-XXXXXX";
        ::close(::mkstemp(path_.data()));
        FILE* file = std::fopen(path_.c_str(), "w");
        PEM_write_X509(file, certificate_.get());
        std::fclose(file);
        name_ = name;
    }
    authority(const authority&) = delete;
    authority& operator=(const authority&) = delete;
    ~authority() { std::filesystem::remove(path_); }
    struct days {
        int from; // relative to now
        int to;
    };
    // A server's side of TLS under this name.
    [[nodiscard]] std::shared_ptr<asio::ssl::context>
    identity(const std::string& name, days valid = {-1, 1}) const
    {
        const key_ptr key{EVP_EC_gen("P-256"), EVP_PKEY_free};
        const auto leaf = sign(name, name_, key.get(), "CA:FALSE", "DNS:" + name, valid);
        auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
        SSL_CTX_use_certificate(context->native_handle(), leaf.get());
        SSL_CTX_use_PrivateKey(context->native_handle(), key.get());
        return context;
    }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
    using certificate_ptr = std::unique_ptr<X509, decltype(&X509_free)>;

    static void add_extension(X509* to, int kind, const std::string& value)
    {
        X509V3_CTX context;
        X509V3_set_ctx(&context, to, to, nullptr, nullptr, 0);
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
        X509_add_ext(to, extension, -1);
        X509_EXTENSION_free(extension);
    }

    certificate_ptr sign(
        const std::string& subject, const std::string& issuer, EVP_PKEY* key, const std::string& constraints,
        const std::string& names, days valid
    ) const
    {
        static long serial = 0;
        certificate_ptr out{X509_new(), X509_free};
        X509_set_version(out.get(), X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(out.get()), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(out.get()), 86400L * valid.from);
        X509_gmtime_adj(X509_getm_notAfter(out.get()), 86400L * valid.to);
        X509_set_pubkey(out.get(), key);
        for (auto& [name, text] :
             {std::pair{X509_get_subject_name(out.get()), subject},
              std::pair{X509_get_issuer_name(out.get()), issuer}}) {
            X509_NAME_add_entry_by_txt(
                name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0
            );
        }
        for (auto* name : {X509_get_subject_name(out.get()), X509_get_issuer_name(out.get())}) {
            if (!organisation_.empty()) {
                const auto* text = reinterpret_cast<const unsigned char*>(organisation_.c_str());
                X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, text, -1, -1, 0);
            }
        }
        add_extension(out.get(), NID_basic_constraints, constraints);
        if (!names.empty()) {
            add_extension(out.get(), NID_subject_alt_name, names);
        }
        X509_sign(out.get(), key_.get(), EVP_sha256());
        return out;
    }

    key_ptr key_;
    certificate_ptr certificate_{nullptr, X509_free};
    std::string organisation_;
    std::string name_;
    std::string path_;
};

} // namespace reachd::test
