// SPDX-License-Identifier: Apache-2.0
// Somebody else's STUN server in a reflector's place.
#include "reachd/app/reflector_link.hpp"

#include <array>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr milliseconds answer_time{2500};

error failure(std::string why)
{
    return {.code = errc::unavailable, .stage = stage::reply, .detail = std::move(why)};
}

endpoint target_of(const socket_address& where)
{
    return {where.address, where.port, transport::udp};
}

} // namespace

void reflector_link::count(const endpoint& to, std::string source, unsigned packets, duration kept)
{
    observation sent{.kind = probe_kind::udp_send, .what = no_reply{}};
    sent.source = std::move(source);
    sent.packets = packets;
    state_.sent.ended(to, sent, kept, steady::now());
}

asio::awaitable<result<reflector_link::staying_client>> reflector_link::open_stun(reflector_access to)
{
    auto inside = co_await gate_.enter_for_long(to.where.address);
    if (!inside) {
        co_return std::unexpected(failure("the check was stopped"));
    }
    auto socket = co_await open_datagram_flow(to);
    gate_.leave(); // it keeps its entry in NATs, and is no probe in flight
    if (!socket) {
        state_.sent.dropped();
        co_return std::unexpected(socket.error());
    }
    auto stay = std::make_shared<flow_gate::long_stay>(std::move(*inside));
    co_return staying_client{stun_client{std::move(*socket)}, std::move(stay)};
}

asio::awaitable<std::shared_ptr<stun_pair>> reflector_link::open_pair(reflector_access to, std::string* why)
{
    auto asker = co_await open_stun(to);
    if (!asker) {
        *why = asker.error().detail;
        co_return nullptr;
    }
    auto control = co_await open_stun(to);
    if (!control) {
        *why = control.error().detail;
        count(target_of(to.where), asker->client.local_name(), 0, {});
        co_return nullptr;
    }
    auto out = std::make_shared<stun_pair>(std::move(asker->client), std::move(control->client));
    const std::array stays{asker->stay, control->stay};
    out->at_end = [this, where = target_of(to.where), stays](stun_pair& pair) {
        count(where, pair.asker.local_name(), pair.asker.datagrams(), kept_datagram);
        count(where, pair.control.local_name(), pair.control.datagrams(), kept_stream);
    };
    co_return out;
}

asio::awaitable<std::optional<socket_address>>
reflector_link::ask_other(socket_address where, std::shared_ptr<stun_pair> flows)
{
    const bool inside = co_await gate_.enter(where.address);
    if (!inside) {
        co_return std::nullopt;
    }
    const auto before = flows->control.datagrams();
    std::optional<socket_address> out;
    if (flows->control.turn_to(where)) {
        auto seen = co_await flows->control.ask(steady::now() + answer_time);
        out = seen ? seen->mapped : std::nullopt;
    }
    gate_.leave();
    count(
        target_of(where), flows->control.local_name(), flows->control.forget_datagrams_after(before),
        kept_datagram
    );
    co_return out;
}

asio::awaitable<nat_mapping>
reflector_link::find_mapping(reflector_access to, std::shared_ptr<stun_pair> flows, binding_answer seen)
{
    mapping_views views{.local = {}, .first = *seen.mapped, .other_host = {}, .other_both = {}};
    views.local = parse_socket_address(flows->control.local_name()).value_or(socket_address{});
    if (seen.other && may_ask_other(to.where, *seen.other)) {
        const socket_address host{seen.other->address, to.where.port};
        views.other_host = co_await ask_other(host, flows);
        if (views.other_host && views.other_host != views.first) {
            views.other_both = co_await ask_other(*seen.other, flows);
        }
        if (!flows->control.turn_to(to.where)) {
            co_return nat_mapping::unknown;
        }
    }
    co_return judge_mapping(views);
}

asio::awaitable<result<reflector_access>> reflector_link::try_stun_at(reflector_access to)
{
    std::string why;
    to.stun = co_await open_pair(to, &why);
    if (!to.stun) {
        co_return std::unexpected(failure(why));
    }
    auto now = co_await calibrate(*to.stun, answer_time);
    if (!now) {
        co_return std::unexpected(now.error());
    }
    to.stun->view.address = now->seen.mapped->address;
    to.stun->view.mapping = co_await find_mapping(to, to.stun, now->seen);
    if (now->what != redirected::arrived) {
        co_return std::unexpected(failure(
            std::string{why_unproven(now->what)} + ", so the method is unproven there; " +
            to_sentence(to.stun->view)
        ));
    }
    co_return to;
}

asio::awaitable<result<reflector_access>> reflector_link::try_stun(reflector_config which, transport over)
{
    if (over != transport::udp) {
        co_return std::unexpected(failure("a STUN server (no secret_file) does not speak first over TCP"));
    }
    const auto addresses = co_await addresses_of(which.host);
    std::string why = "its name has no address";
    for (const auto& address : addresses) {
        auto to = access_to(which, address);
        if (!to) {
            why = "no vantage has an address of its family";
            continue;
        }
        auto found = co_await try_stun_at(*to);
        if (found) {
            co_return found;
        }
        why = found.error().detail;
    }
    co_return std::unexpected(failure(std::move(why)));
}

} // namespace reachd
