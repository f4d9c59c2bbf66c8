// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/stun_client.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/hmac.hpp"
#include "reachd/net/probe_socket.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sys/socket.h>

namespace reachd {

namespace asio = boost::asio;
using udp = asio::ip::udp;

namespace {

constexpr milliseconds repeat_after{500}; // RFC 8489 section 6.2.1: the initial RTO
constexpr milliseconds look_every{20};    // at two sockets at once
constexpr std::size_t most_heard = 64;    // late answers that nobody waits for any more

error failure(std::string detail)
{
    return {errc::unavailable, stage::reply, std::move(detail)};
}

} // namespace

stun::transaction_id stun_client::send(std::optional<std::uint16_t> answer_to)
{
    // A pending ICMP error would make the sending itself fail.
    take_error(fd());
    drain_errors(fd(), family_);
    stun::transaction_id id;
    std::ranges::copy(random_bytes(id.size()), id.begin());
    const auto request = encode_binding(id, answer_to);
    if (::send(fd(), request.data(), request.size(), MSG_NOSIGNAL) > 0) {
        ++datagrams_;
    }
    return id;
}

std::size_t stun_client::listen()
{
    std::array<std::uint8_t, stun::max_stun_bytes> data;
    take_error(fd());
    while (true) {
        const auto size = ::recv(fd(), data.data(), data.size(), MSG_DONTWAIT);
        if (size < 0) {
            return heard_.size();
        }
        auto one = read_binding(byte_view{data}.first(static_cast<std::size_t>(size)));
        if (one) {
            heard_.push_back(std::move(*one));
        }
        if (heard_.size() > most_heard) {
            heard_.erase(heard_.begin());
        }
    }
}

std::optional<binding_answer> stun_client::take(const std::vector<stun::transaction_id>& of)
{
    listen();
    const auto found = std::ranges::find_if(heard_, [&](const binding_answer& one) {
        return std::ranges::find(of, one.transaction) != of.end();
    });
    if (found == heard_.end()) {
        return std::nullopt;
    }
    auto out = std::move(*found);
    heard_.erase(found);
    return out;
}

bool stun_client::turn_to(const socket_address& where)
{
    const auto to = udp_endpoint({where.address, where.port, transport::udp});
    return ::connect(fd(), to.data(), static_cast<socklen_t>(to.size())) == 0;
}

std::string stun_client::local_name() const
{
    return reachd::local_name(fd());
}

asio::awaitable<result<binding_answer>> stun_client::ask(time_point deadline)
{
    std::vector<stun::transaction_id> sent;
    auto again = steady::now();
    while (steady::now() < deadline) {
        if (steady::now() >= again) {
            sent.push_back(send());
            again = steady::now() + repeat_after;
        }
        const auto next = std::min(again, deadline);
        const auto [how, code] =
            co_await with_deadline(next, socket_.async_wait(udp::socket::wait_read, asio::deferred));
        if (how == ended::cancelled) {
            co_return std::unexpected(failure("cancelled"));
        }
        take_error(fd());
        if (const auto errors = drain_errors(fd(), family_); !errors.empty()) {
            co_return std::unexpected(failure(describe(outcome{errors.front()})));
        }
        auto one = take(sent);
        if (one && one->error) {
            co_return std::unexpected(
                failure(fmt::format("it answers with the STUN error {}", one->error->code))
            );
        }
        if (one) {
            co_return std::move(*one);
        }
    }
    co_return std::unexpected(
        failure("it does not answer: the port is blocked, nothing listens, or it is no STUN server")
    );
}

asio::awaitable<redirected>
redirect(stun_client& asker, stun_client& named, std::uint16_t port, time_point deadline)
{
    std::vector<stun::transaction_id> sent;
    auto again = steady::now();
    bool awake = true;
    while (awake && steady::now() < deadline) {
        if (steady::now() >= again) {
            sent.push_back(asker.send(port));
            again = steady::now() + repeat_after;
        }
        const auto when = steady::now() + look_every;
        awake = co_await sleep_until(when);
        const auto there = named.take(sent);
        if (there && !there->error) {
            co_return redirected::arrived;
        }
        if (const auto here = asker.take(sent)) {
            co_return here->error ? redirected::refused : redirected::came_back;
        }
    }
    co_return redirected::silent;
}

stun_pair::~stun_pair()
{
    if (at_end) {
        at_end(*this);
    }
}

asio::awaitable<result<calibration>> calibrate(stun_pair& flows, duration answer_time)
{
    auto seen = co_await flows.control.ask(steady::now() + answer_time);
    if (!seen) {
        co_return std::unexpected(seen.error());
    }
    const auto port = seen->mapped->port;
    const auto met = co_await redirect(flows.asker, flows.control, port, steady::now() + answer_time);
    co_return calibration{std::move(*seen), met};
}

} // namespace reachd
