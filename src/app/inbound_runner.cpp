// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/inbound_runner.hpp"

#include "reachd/app/check_endpoint.hpp"
#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/service_sockets.hpp"
#include "reachd/net/tcp_facts.hpp"
#include "reachd/net/tcp_probe.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <random>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr seconds look_every{1};       // at this machine's sockets
constexpr milliseconds ask_time{2500}; // as reflector_link's
// Of the reflector: three SYNs (RFC 6298 section 2: after 0, 1 and 3 s), and at most what docs/WIRE.md
// allows.
constexpr milliseconds knock_wait{4500};
constexpr milliseconds turn_wait{100}; // for another row's connection

error failure(std::string detail)
{
    return {errc::unavailable, stage::reply, std::move(detail)};
}

std::uint64_t make_token()
{
    std::random_device source;
    const auto token = (std::uint64_t{source()} << 32) | source();
    return std::max<std::uint64_t>(token, 1); // 0 is none
}

error refused_because(const reflector_access& by, const wire::refused& why)
{
    if (why.reason == wire::refusal::not_enabled) {
        return failure(
            fmt::format("reflector {} does not connect back: its operator has not allowed it", by.host)
        );
    }
    return failure(fmt::format("reflector {} refuses to connect back: {}", by.host, to_string(why.reason)));
}

} // namespace

inbound_runner::inbound_runner(
    std::shared_ptr<const plan> what, site_state& state, flow_gate& gate, resolver& names,
    std::function<void()> changed
)
    : plan_{what},
      state_{state},
      gate_{gate},
      changed_{std::move(changed)},
      link_{std::move(what), state, gate, names}
{
}

bool inbound_runner::can_measure(std::size_t row) const
{
    const auto* what = std::get_if<inbound>(&plan_->rows[row].what);
    return what && what->transport == transport::tcp && plan_->rows[row].here;
}

void inbound_runner::close()
{
    closed_ = true;
}

asio::awaitable<std::vector<observation>> inbound_runner::probe_inside(socket_address service)
{
    endpoint_order order;
    order.target = {service.address, service.port, transport::tcp};
    order.attempts = plan_->config.limits.attempts;
    order.timeout = plan_->config.limits.connect_timeout;
    bool inside = co_await gate_.enter(service.address);
    if (!inside) {
        co_return std::vector<observation>{};
    }
    const auto free = [this, &inside] {
        if (inside) {
            gate_.leave();
        }
    };
    const at_exit free_place{free};
    const before_retry retry = [this, &inside, target = order.target] {
        state_.sent.lost(target, steady::now());
        return gate_.enter_again(target.address, &inside);
    };
    const auto target = order.target;
    auto seen = co_await check_endpoint(std::move(order), nullptr, retry);
    state_.sent.ended(target, seen, steady::now());
    co_return seen;
}

// One flow, so that the address that we are seen from is the one that is tried.
asio::awaitable<result<inbound_knock>>
inbound_runner::ask_for_one(reflector_access to, socket_address published)
{
    const endpoint target{to.where.address, to.where.port, transport::tcp};
    const auto deadline = steady::now() + plan_->config.limits.connect_timeout;
    auto made = co_await tcp_connect(target, to.way, deadline);
    std::vector<observation> sent{made.seen};
    const auto count = [this, &made, &sent, target] {
        if (made.socket) {
            const auto in_all = segments_when_closed(made.socket->native_handle());
            sent.push_back({.kind = probe_kind::tcp_confirm, .what = acknowledged{}});
            sent.back().packets = in_all - std::min(in_all, made.seen.packets);
        }
        state_.sent.ended(target, sent, steady::now());
    };
    const at_exit count_at_end{count};
    if (!made.socket) {
        co_return std::unexpected(
            failure("no connection to reflector " + to.host + ": " + describe(made.seen.what))
        );
    }
    reflector_client client{to.key};
    const auto greeted = co_await client.greet(*made.socket, steady::now() + ask_time);
    if (!greeted) {
        co_return std::unexpected(failure("reflector " + to.host + ": " + greeted.error().detail));
    }
    const wire::request_body where{wire::observe{}};
    const auto seen = co_await client.ask(*made.socket, where, steady::now() + ask_time);
    const auto* observed = seen ? std::get_if<wire::observed>(&*seen) : nullptr;
    if (!observed) {
        co_return std::unexpected(
            failure("reflector " + to.host + " does not say where it sees this machine")
        );
    }
    if (observed->source.address != published.address) {
        co_return std::unexpected(failure(
            fmt::format(
                "reflector {} sees this machine as {} and connects back to that address alone, not to {}",
                to.host, to_text(observed->source.address), to_text(published.address)
            )
        ));
    }
    const wire::request_body what{wire::connect_back{
        .token = make_token(),
        .transport = transport::tcp,
        .port = published.port,
        .wait_ms = static_cast<std::uint32_t>(knock_wait.count()),
    }};
    const auto reply = co_await client.ask(*made.socket, what, steady::now() + knock_wait + ask_time);
    if (!reply) {
        co_return std::unexpected(failure("reflector " + to.host + ": " + reply.error().detail));
    }
    if (const auto* no = std::get_if<wire::refused>(&*reply)) {
        co_return std::unexpected(refused_because(to, *no));
    }
    const auto* met = std::get_if<wire::connected_back>(&*reply);
    if (!met || met->outcome == wire::inbound_outcome::not_tried) {
        co_return std::unexpected(failure("reflector " + to.host + " could not try it"));
    }
    inbound_knock out{.by = to.host, .from = to.where.address, .to = published, .waited = knock_wait};
    out.seen = *met;
    out.at = wall_now();
    co_return out;
}

asio::awaitable<result<inbound_knock>> inbound_runner::knock(std::size_t row)
{
    const auto& what = plan_->rows[row];
    if (!what.here->published) {
        co_return std::unexpected(
            failure("the configuration does not say at which public address and port it is")
        );
    }
    if (plan_->config.reflectors.empty()) {
        co_return std::unexpected(failure("no reflector is configured"));
    }
    const auto found = co_await link_.find(transport::tcp);
    if (!found) {
        co_return std::unexpected(found.error());
    }
    if (auto why = why_no_stranger(std::get<inbound>(what.what), found->where.address); !why.empty()) {
        co_return std::unexpected(failure("reflector " + found->host + ": " + why));
    }
    while (knocking_ && !closed_) { // one at a time: an arrival is told by the reflector's address
        co_await sleep_until(steady::now() + turn_wait);
    }
    knocking_ = found->where.address;
    arrived_ = false;
    const auto end = [this] { knocking_.reset(); };
    const at_exit knocked{end};
    const bool inside = co_await gate_.enter(found->where.address);
    if (!inside) {
        co_return std::unexpected(failure("the check was stopped"));
    }
    const auto leave = [this] { gate_.leave(); };
    const at_exit free_place{leave};
    auto out = co_await ask_for_one(*found, *what.here->published);
    if (out) {
        look(row); // the connection may only have ended now
        out->arrived = arrived_;
    }
    co_return out;
}

asio::awaitable<void> inbound_runner::measure(std::size_t row, inbound_depth how_far)
{
    auto& seen = state_.rows[row].inbound;
    const auto service = plan_->rows[row].here->service;
    look(row);
    auto inside = co_await probe_inside(service);
    if (closed_) {
        co_return;
    }
    seen.inside = std::move(inside);
    if (how_far == inbound_depth::inside) {
        co_return;
    }
    auto knocked = co_await knock(row);
    if (closed_) {
        co_return;
    }
    seen.no_knock = knocked ? std::string{} : knocked.error().detail;
    if (knocked) {
        seen.knock = std::move(*knocked);
    }
}

bool inbound_runner::look(std::size_t row)
{
    auto& seen = state_.rows[row].inbound;
    const auto& what = std::get<inbound>(plan_->rows[row].what);
    const auto found = read_service_sockets(plan_->rows[row].here->service);
    if (!found) {
        const bool news = seen.no_watch != found.error().detail;
        seen.no_watch = found.error().detail;
        return news;
    }
    bool news = found->listens != seen.listens_here || !seen.no_watch.empty();
    seen.listens_here = found->listens;
    seen.no_watch.clear();
    for (const auto& peer : found->peers) {
        arrived_ = arrived_ || peer == knocking_;
        news = note_visit(what, seen, peer, wall_now()) || news;
    }
    return news;
}

asio::awaitable<void> inbound_runner::watch()
{
    std::vector<std::size_t> rows;
    for (std::size_t row = 0; row < plan_->rows.size(); ++row) {
        if (can_measure(row)) {
            rows.push_back(row);
        }
    }
    while (!rows.empty() && !closed_) {
        bool news = false;
        for (const auto row : rows) {
            news = look(row) || news;
        }
        if (news) {
            changed_();
        }
        const bool awake = co_await sleep_until(steady::now() + look_every);
        if (!awake) {
            co_return;
        }
    }
}

} // namespace reachd
