// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/check_endpoint.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/http_probe.hpp"
#include "reachd/net/tcp_facts.hpp"
#include "reachd/net/tcp_probe.hpp"
#include "reachd/net/tls_probe.hpp"
#include "reachd/net/udp_probe.hpp"

#include <algorithm>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

// Descriptors come back as other probes end: wait this often, this long, before giving up.
constexpr unsigned descriptor_waits = 20;
constexpr milliseconds descriptor_wait{100};
// A machine that never gives this process its time is an answer too.
constexpr unsigned voids_at_most = 3;

using watch_ptr = std::shared_ptr<self_watch>;

// Want of descriptors or memory is told, whether or not it lasts.
bool is_out_of_descriptors(const observation& seen, const watch_ptr& self)
{
    const auto* failure = std::get_if<not_measured>(&seen.what);
    if (failure && self) {
        self->failed(failure->cause);
    }
    return failure && failure->cause == local_cause::no_descriptors;
}

bool is_silence(const observation& seen)
{
    return std::holds_alternative<no_reply>(seen.what);
}

// The time limit that was meant, not the moments that a busy machine took from it: equal silences must
// read the same, or a run of ports falls to pieces.
void settle_wait(observation& seen, duration limit)
{
    if (auto* silence = std::get_if<no_reply>(&seen.what)) {
        silence->waited = limit;
    }
}

bool is_cut(const observation& seen)
{
    return std::holds_alternative<cut_off>(seen.what);
}

asio::awaitable<connect_result> connect_once(endpoint_order order, watch_ptr self)
{
    for (unsigned waits = 0;; ++waits) {
        auto result = co_await tcp_connect(order.target, order.way, steady::now() + order.timeout);
        if (!is_out_of_descriptors(result.seen, self) || waits == descriptor_waits) {
            co_return result;
        }
        co_await sleep_until(steady::now() + descriptor_wait);
    }
}

asio::awaitable<observation> send_once(endpoint_order order, watch_ptr self)
{
    for (unsigned waits = 0;; ++waits) {
        udp_options options{.flow = {}, .payload = order.payload, .expect_reply = order.expect_reply};
        const auto deadline = steady::now() + order.timeout;
        auto seen = co_await udp_exchange(order.target, order.way, std::move(options), deadline);
        if (!is_out_of_descriptors(seen, self) || waits == descriptor_waits) {
            co_return seen;
        }
        co_await sleep_until(steady::now() + descriptor_wait);
    }
}

bool is_answer(const observation& said)
{
    return std::holds_alternative<tls_answer>(said.what) || std::holds_alternative<http_answer>(said.what);
}

bool is_lost(const observation& said)
{
    return is_silence(said) || is_cut(said);
}

// What a failed greeting proves where nobody had to speak it: the peer's TCP took our data, or the data
// never came there, although the handshake did.
asio::awaitable<observation>
go_by_tcp(asio::ip::tcp::socket& socket, observation said, std::uint64_t before, time_point deadline)
{
    if (is_answer(said) || std::holds_alternative<not_measured>(said.what)) {
        co_return said;
    }
    const bool over = is_lost(said);
    const auto until = over ? steady::now() : deadline;
    const bool taken = co_await data_acknowledged(socket, before, until);
    if (taken) {
        said.what = acknowledged{.data = true};
    } else if (!over) {
        said.what = no_reply{}; // it spoke of its own accord and took nothing of ours
    }
    co_return said;
}

// A bare address in a URL (RFC 3986 section 3.2.2).
std::string host_of(const endpoint_order& order)
{
    const auto& address = order.target.address;
    if (!order.name.empty()) {
        return order.name;
    }
    return address.is_v4() ? to_text(address) : "[" + to_text(address) + "]";
}

asio::awaitable<observation>
greet(asio::ip::tcp::socket& socket, endpoint_order order, std::shared_ptr<asio::ssl::context> trust)
{
    const auto deadline = steady::now() + order.timeout;
    const auto facts = read_tcp_facts(socket.native_handle());
    const auto before = facts ? facts->bytes_acknowledged : 0;
    auto host = host_of(order);
    tls_peer peer{.name = order.name, .other_names = order.tls_names};
    switch (order.greet) {
    case greeting::none: co_return co_await tcp_confirm(socket, order.confirm, deadline);
    case greeting::tls: co_return co_await tls_greeting(socket, std::move(trust), std::move(peer), deadline);
    case greeting::tls_unverified: {
        tls_peer nobody;
        auto said = co_await tls_greeting(socket, std::move(trust), std::move(nobody), deadline);
        co_return co_await go_by_tcp(socket, std::move(said), before, deadline);
    }
    case greeting::http: co_return co_await http_head(socket, std::move(host), deadline);
    case greeting::http_unverified:
    case greeting::http_if_answered: {
        auto said = co_await http_head(socket, std::move(host), deadline);
        co_return co_await go_by_tcp(socket, std::move(said), before, deadline);
    }
    }
    co_return observation{};
}

// One attempt: the handshake, then what its answer needs.
asio::awaitable<std::vector<observation>>
try_tcp(endpoint_order order, std::shared_ptr<asio::ssl::context> trust, watch_ptr self)
{
    std::vector<observation> seen;
    auto made = co_await connect_once(order, std::move(self));
    seen.push_back(std::move(made.seen));
    if (is_lost(seen.back()) || !made.socket) {
        co_return seen;
    }
    auto said = co_await greet(*made.socket, order, std::move(trust));
    const auto in_all = segments_when_closed(made.socket->native_handle());
    said.packets = in_all - std::min(in_all, seen.back().packets);
    seen.push_back(std::move(said));
    co_return seen;
}

asio::awaitable<std::vector<observation>>
try_once(endpoint_order order, std::shared_ptr<asio::ssl::context> trust, watch_ptr self)
{
    if (order.target.transport == transport::tcp) {
        co_return co_await try_tcp(std::move(order), std::move(trust), std::move(self));
    }
    std::vector<observation> seen;
    auto said = co_await send_once(std::move(order), std::move(self));
    seen.push_back(std::move(said));
    co_return seen;
}

// An attempt that does not count has sent its packets all the same.
void carry_packets(const std::vector<observation>& from, observation& into)
{
    for (const auto& one : from) {
        into.packets += one.packets;
        into.syns += one.syns;
    }
}

} // namespace

way_out way_of(const plan& what, std::string_view vantage_name)
{
    const auto from = std::ranges::find(what.vantages, vantage_name, &vantage::name);
    return from == what.vantages.end() ? way_out{}
                                       : way_out{.interface = from->interface, .source = from->source};
}

endpoint_order order_for(const plan& what, const outbound_row& row, const endpoint_state& one)
{
    const auto& limits = what.config.limits;
    endpoint_order order{
        .target = {*one.address, one.port, one.transport},
        .name = one.name.ends_with('.') ? one.name.substr(0, one.name.size() - 1) : one.name,
        .way = way_of(what, one.vantage),
        .payload = row.payload,
        .expect_reply = row.expect_reply,
        .tls_names = row.tls_names,
        .attempts = limits.attempts,
        .timeout = limits.connect_timeout,
    };
    order.greet = greeting_for(row, one.name, one.port);
    order.confirm = row.expect == expectation::service ? confirm_with::line_end : confirm_with::fin;
    return order;
}

asio::awaitable<std::vector<observation>> check_endpoint(
    endpoint_order order, std::shared_ptr<asio::ssl::context> trust, before_retry retry,
    std::shared_ptr<self_watch> self
)
{
    std::vector<observation> all;
    std::vector<observation> voided;
    unsigned voids = 0;
    for (unsigned attempt = 1; attempt <= order.attempts;) {
        if (attempt + voids > 1 && retry) {
            co_await retry();
        }
        const auto begun = steady::now();
        auto seen = co_await try_once(order, trust, self);
        const bool is_void = is_lost(seen.back()) && self && self->cut_into(begun, order.timeout);
        if (is_void) {
            self->voided();
        }
        if (is_void && voids++ < voids_at_most) {
            voided.insert(voided.end(), seen.begin(), seen.end());
            continue;
        }
        if (is_void) {
            seen.back().what = stalled_outcome();
        }
        carry_packets(std::exchange(voided, {}), seen.front());
        for (auto& one : seen) {
            one.attempt = attempt;
            settle_wait(one, order.timeout);
            all.push_back(std::move(one));
        }
        if (!is_lost(all.back())) {
            break;
        }
        ++attempt;
    }
    co_return all;
}

} // namespace reachd
