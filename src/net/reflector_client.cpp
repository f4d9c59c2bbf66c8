// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/reflector_client.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/hmac.hpp"
#include "reachd/net/probe_socket.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <fmt/format.h>
#include <sys/socket.h>

namespace reachd {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using udp = asio::ip::udp;

namespace {

constexpr milliseconds repeat_after{500}; // docs/WIRE.md, "Order of events"
constexpr std::size_t most_unread = 8192;

error failure(std::string detail)
{
    return {errc::unavailable, stage::reply, std::move(detail)};
}

error no_answer()
{
    return failure("it does not answer: the port is blocked, nothing listens, or it has another key");
}

// Everything that waits at a connected UDP socket, oldest first.
std::vector<byte_vector> take_datagrams(int fd)
{
    std::vector<byte_vector> out;
    byte_vector data(wire::max_message_bytes + 1);
    while (true) {
        const auto size = ::recv(fd, data.data(), data.size(), MSG_DONTWAIT);
        if (size < 0) {
            return out;
        }
        out.emplace_back(data.begin(), data.begin() + size);
    }
}

} // namespace

reflector_client::reflector_client(wire::key key)
    : id_{std::move(key.id)}, signer_{.secret = std::move(key.secret), .hmac_sha256 = hmac_sha256}
{
}

reflector_client::question reflector_client::make(const wire::request_body& what) const
{
    wire::request one{.nonce = random_number(), .key_id = id_, .body = what};
    if (!std::holds_alternative<wire::hello>(what)) {
        one.cookie = cookie_;
    }
    return {wire::encode_request(one, signer_), one.nonce};
}

std::optional<wire::reply> reflector_client::read(byte_view message) const
{
    if (!wire::mac_holds(message, signer_)) {
        return std::nullopt;
    }
    auto reply = wire::decode_reply(message);
    return reply ? std::optional{std::move(*reply)} : std::nullopt;
}

std::optional<wire::reply_body> reflector_client::reply_in(byte_view message, std::uint64_t nonce) const
{
    auto reply = read(message);
    if (!reply || reply->nonce != nonce || std::holds_alternative<wire::answer>(reply->body)) {
        return std::nullopt;
    }
    return std::move(reply->body);
}

bool reflector_client::is_answer(byte_view message, std::uint64_t token) const
{
    const auto reply = read(message);
    const auto* answer = reply ? std::get_if<wire::answer>(&reply->body) : nullptr;
    return answer && answer->token == token;
}

bool reflector_client::read_stream(tcp::socket& flow)
{
    std::array<std::uint8_t, 2048> data;
    while (unread_.size() < most_unread) {
        const auto size = ::recv(flow.native_handle(), data.data(), data.size(), MSG_DONTWAIT);
        if (size <= 0) {
            return size < 0 && errno == EAGAIN;
        }
        unread_.insert(unread_.end(), data.begin(), data.begin() + size);
    }
    return true;
}

std::optional<byte_vector> reflector_client::next_message()
{
    const auto size = wire::announced_length(unread_);
    if (!size || *size == 0 || unread_.size() < *size) {
        return std::nullopt;
    }
    const auto end = unread_.begin() + static_cast<std::ptrdiff_t>(*size);
    byte_vector out{unread_.begin(), end};
    unread_.erase(unread_.begin(), end);
    return out;
}

bool reflector_client::take_answer(tcp::socket& flow, std::uint64_t token)
{
    read_stream(flow);
    while (const auto message = next_message()) {
        if (is_answer(*message, token)) {
            return true;
        }
    }
    return false;
}

asio::awaitable<result<wire::reply_body>>
reflector_client::ask(tcp::socket& flow, wire::request_body what, time_point deadline)
{
    const auto sent = make(what);
    const auto [wrote, write_code, bytes] =
        co_await with_deadline(deadline, asio::async_write(flow, asio::buffer(sent.bytes), asio::deferred));
    if (wrote != ended::completed || write_code) {
        co_return std::unexpected(wrote == ended::cancelled ? failure("cancelled") : no_answer());
    }
    while (true) {
        const bool open = read_stream(flow);
        while (const auto message = next_message()) {
            if (auto reply = reply_in(*message, sent.nonce)) {
                co_return std::move(*reply);
            }
        }
        if (!open) {
            co_return std::unexpected(failure("it closed the connection: it may have another key"));
        }
        const auto [how, code] =
            co_await with_deadline(deadline, flow.async_wait(tcp::socket::wait_read, asio::deferred));
        if (how != ended::completed) {
            co_return std::unexpected(how == ended::cancelled ? failure("cancelled") : no_answer());
        }
    }
}

asio::awaitable<result<wire::reply_body>>
reflector_client::ask(udp::socket& flow, wire::request_body what, time_point deadline)
{
    const int fd = flow.native_handle();
    const auto protocol = flow.local_endpoint().address().is_v4() ? family::v4 : family::v6;
    std::vector<std::uint64_t> nonces; // of each sending: a late reply to the first is one as well
    auto again = steady::now();
    while (true) {
        if (steady::now() >= again) {
            drain_errors(fd, protocol); // or the sending itself would fail
            take_error(fd);
            const auto sent = make(what);
            if (::send(fd, sent.bytes.data(), sent.bytes.size(), MSG_NOSIGNAL) > 0) {
                ++datagrams_;
            }
            nonces.push_back(sent.nonce);
            again = steady::now() + repeat_after;
        }
        const auto next = std::min(again, deadline);
        const auto [how, code] =
            co_await with_deadline(next, flow.async_wait(udp::socket::wait_read, asio::deferred));
        if (how == ended::cancelled) {
            co_return std::unexpected(failure("cancelled"));
        }
        take_error(fd);
        if (const auto errors = drain_errors(fd, protocol); !errors.empty()) {
            co_return std::unexpected(failure(describe(outcome{errors.front()})));
        }
        for (const auto& message : take_datagrams(fd)) {
            for (const auto nonce : nonces) {
                if (auto reply = reply_in(message, nonce)) {
                    co_return std::move(*reply);
                }
            }
        }
        if (steady::now() >= deadline) {
            co_return std::unexpected(no_answer());
        }
    }
}

template <class Socket>
asio::awaitable<result<void>> reflector_client::greet_on(Socket& flow, time_point deadline)
{
    const wire::request_body hello{wire::hello{}};
    auto reply = co_await ask(flow, hello, deadline);
    if (!reply) {
        co_return std::unexpected(reply.error());
    }
    const auto* given = std::get_if<wire::cookie>(&*reply);
    if (!given) {
        co_return std::unexpected(failure("it gives no cookie"));
    }
    cookie_ = given->value;
    co_return result<void>{};
}

asio::awaitable<result<void>> reflector_client::greet(tcp::socket& flow, time_point deadline)
{
    co_return co_await greet_on(flow, deadline);
}

asio::awaitable<result<void>> reflector_client::greet(udp::socket& flow, time_point deadline)
{
    co_return co_await greet_on(flow, deadline);
}

asio::awaitable<result<udp::socket>> open_datagram_flow(reflector_access to)
{
    const auto executor = co_await asio::this_coro::executor;
    const endpoint target{to.where.address, to.where.port, transport::udp};
    udp::socket socket{executor};
    const flow_options plain;
    if (auto failed = open_probe_socket(socket, target, to.way, plain)) {
        co_return std::unexpected(failure(describe(*failed)));
    }
    const auto where = udp_endpoint(target);
    if (::connect(socket.native_handle(), where.data(), static_cast<socklen_t>(where.size())) != 0) {
        co_return std::unexpected(failure(describe(outcome{local_failure(errno, {})})));
    }
    co_return std::move(socket);
}

} // namespace reachd
