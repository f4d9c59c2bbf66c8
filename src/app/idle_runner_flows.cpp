// SPDX-License-Identifier: Apache-2.0
// The single flows of a ladder, and those that tell which box it is.
#include "reachd/app/idle_runner.hpp"
#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/idle_datagrams.hpp"
#include "reachd/net/idle_mapping.hpp"
#include "reachd/net/reflector_speaker.hpp"
#include "reachd/net/tcp_facts.hpp"
#include "reachd/net/tcp_probe.hpp"

#include <algorithm>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

// More hops than this are not tried one by one.
constexpr unsigned most_routers = 16;

// Where nothing was traced: hop 1 is the gateway all the same, and keep-alives hear of no hop.
void begin_with_gateway(path& known, family protocol, const local_network& local, const path_config& config)
{
    const auto gateway = std::ranges::find(local.gateways, protocol, &ip_address::family);
    if (gateway == local.gateways.end()) {
        return;
    }
    known.hops.resize(1);
    known.hops.front().address = *gateway;
    if (!config.edge && belongs_to_site(*gateway, 1, local, config)) {
        known.edge = 1;
    }
}

} // namespace

asio::awaitable<idle_seen>
idle_runner::hold(std::shared_ptr<ladder> what, idle_rung rung, idle_refresh refresh)
{
    const auto inside = co_await gate_.enter_for_long(what->target.address);
    if (!inside) {
        co_return idle_seen{};
    }
    if (what->target.transport == transport::tcp) {
        co_return co_await hold_connection(what, rung, std::move(refresh));
    }
    if (what->reflector->stun) {
        co_return co_await hold_mapping(what, rung);
    }
    co_return co_await hold_datagrams(what, rung, std::move(refresh));
}

asio::awaitable<idle_seen>
idle_runner::hold_datagrams(std::shared_ptr<ladder> what, idle_rung rung, idle_refresh refresh)
{
    gate_.leave(); // an idle flow is no probe in flight, but it keeps its entry in NATs
    observation sent{.kind = probe_kind::udp_send, .what = no_reply{}};
    const duration kept = what->need.which == idle_class::udp_stream ? kept_stream : kept_datagram;
    const auto count = [this, what, kept, &sent] {
        state_.sent.ended(what->target, sent, kept, steady::now());
    };
    const at_exit count_it{count};
    datagram_idle_order order{
        .to = *what->reflector, .which = what->need.which, .hold = rung.hold, .turn = rung.turn
    };
    order.refresh = std::move(refresh);
    order.report = [this, what](std::uint64_t token) {
        return link_.report(*what->reflector, transport::udp, token);
    };
    auto seen = co_await leave_datagrams_alone(std::move(order), watch_);
    sent.packets = seen.packets;
    sent.source = seen.source;
    co_return seen;
}

asio::awaitable<idle_seen> idle_runner::hold_mapping(std::shared_ptr<ladder> what, idle_rung rung)
{
    gate_.leave(); // as above
    observation sent{.kind = probe_kind::udp_send, .what = no_reply{}};
    const duration kept = what->need.which == idle_class::udp_stream ? kept_stream : kept_datagram;
    const auto count = [this, what, kept, &sent] {
        state_.sent.ended(what->target, sent, kept, steady::now());
    };
    const at_exit count_it{count};
    mapping_idle_order order{
        .to = *what->reflector, .which = what->need.which, .hold = rung.hold, .turn = rung.turn
    };
    auto seen = co_await leave_mapping_alone(std::move(order), watch_);
    sent.packets = seen.flow.packets;
    sent.source = seen.flow.source;
    what->seen_as = seen.address ? seen.address : what->seen_as;
    co_return std::move(seen.flow);
}

asio::awaitable<idle_seen>
idle_runner::hold_connection(std::shared_ptr<ladder> what, idle_rung rung, idle_refresh refresh)
{
    const auto deadline = steady::now() + plan_->config.limits.connect_timeout;
    auto made = co_await tcp_connect(what->target, what->way, deadline);
    gate_.leave(); // an idle flow is no probe in flight, but it keeps its entry in NATs
    // Its entry is live until it ends, however it ends.
    std::vector<observation> sent{made.seen};
    const auto count = [this, what, &sent] { state_.sent.ended(what->target, sent, steady::now()); };
    const at_exit count_it{count};
    if (!made.socket) {
        idle_seen none;
        const auto why = describe(made.seen.what);
        none.readings.push_back(not_opened(rung.hold, rung.turn, why, steady::now()));
        co_return none;
    }
    idle_order order{.target = what->target, .hold = rung.hold, .turn = rung.turn};
    order.refresh = std::move(refresh);
    order.fresh_flow_works = [this, what] { return fresh_flow_works(what); };
    if (what->reflector) {
        const auto report = [this, what](std::uint64_t token) {
            return link_.report(*what->reflector, transport::tcp, token);
        };
        order.speaker = std::make_shared<reflector_speaker>(what->reflector->key, report);
    }
    auto seen = co_await leave_alone(std::move(*made.socket), std::move(order), watch_);
    sent.push_back({.kind = probe_kind::tcp_confirm, .what = acknowledged{}});
    sent.back().packets = seen.packets - std::min(seen.packets, sent.front().packets);
    co_return seen;
}

asio::awaitable<bool> idle_runner::fresh_flow_works(std::shared_ptr<ladder> what)
{
    const bool inside = co_await gate_.enter(what->target.address);
    if (!inside) {
        co_return false;
    }
    const auto deadline = steady::now() + plan_->config.limits.connect_timeout;
    auto made = co_await tcp_connect(what->target, what->way, deadline);
    gate_.leave();
    std::vector<observation> sent{made.seen};
    if (made.socket) {
        const auto in_all = segments_when_closed(made.socket->native_handle());
        sent.push_back({.kind = probe_kind::tcp_confirm, .what = acknowledged{}});
        sent.back().packets = in_all - std::min(in_all, made.seen.packets);
    }
    state_.sent.ended(what->target, sent, steady::now());
    co_return made.socket.has_value();
}

asio::awaitable<void> idle_runner::find_owner(std::shared_ptr<ladder> what)
{
    const auto routers = co_await link_.routers(*what->reflector);
    if (!routers || *routers > most_routers) {
        what->owner.sentence = "which box it is was not to be told: how far the reflector is, is not known";
        co_return;
    }
    const auto judged = judge_idle(what->need, what->readings);
    const auto trial = std::make_shared<const idle_trial>(
        owner_trial(judged.held, *judged.lost, *routers, what->need.which)
    );
    if (what->need.longest && trial->hold > *what->need.longest) {
        what->owner.sentence = not_looked_for(trial->hold, *what->need.longest);
        co_return;
    }
    what->ends = steady::now() + trial->hold;
    what->left = trial->flows.size();
    const auto farthest = std::ranges::max(trial->flows);
    for (const auto hops : trial->flows) {
        tasks_.spawn(
            "refreshed flow of " + plan_->rows[what->row].id,
            run_refreshed(what, hops, hops == farthest, trial)
        );
    }
    while (what->left > 0 && !closed_) {
        co_await pause();
    }
    auto known = make_path(
        state_.traces, what->reflector->vantage, what->target.address.family, state_.local, plan_->config.path
    );
    if (known.hops.empty()) {
        begin_with_gateway(known, what->target.address.family, state_.local, plan_->config.path);
    }
    const auto way = path_of_trial(what->refreshed, known, state_.local, plan_->config.path);
    what->owner = judge_owner(what->refreshed, way);
}

asio::awaitable<void> idle_runner::run_refreshed(
    std::shared_ptr<ladder> what, unsigned hops, bool all_the_way, std::shared_ptr<const idle_trial> trial
)
{
    const auto leave = [what] { --what->left; };
    const at_exit count_down{leave};
    idle_refresh refresh;
    if (hops > 0) {
        refresh.at = trial->refresh;
    }
    if (!all_the_way) {
        refresh.hops = hops;
    }
    const idle_rung rung{.hold = trial->hold};
    const auto seen = co_await hold(what, rung, refresh);
    refreshed_flow one{.hops = hops, .ended_at = all_the_way ? std::nullopt : seen.ended_at};
    for (const auto& reading : seen.readings) {
        one.grade = reading.grade;
    }
    what->refreshed.push_back(one);
}

} // namespace reachd
