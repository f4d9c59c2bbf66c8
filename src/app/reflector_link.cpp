// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/reflector_link.hpp"

#include "reachd/net/tcp_facts.hpp"
#include "reachd/net/tcp_probe.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr milliseconds ask_time{2500};
constexpr std::size_t most_key_bytes = 65536;

} // namespace

result<wire::key> read_reflector_key(const std::string& file)
{
    std::error_code code;
    if (const auto kind = std::filesystem::status(file, code).type();
        kind != std::filesystem::file_type::regular && kind != std::filesystem::file_type::not_found &&
        !code) {
        return std::unexpected(
            error{
                errc::unreadable, stage::configure,
                fmt::format("the key file {}: it is not a regular file", file)
            }
        );
    }
    std::ifstream stream{file, std::ios::binary};
    if (!stream) {
        return std::unexpected(
            error{
                errc::unreadable, stage::configure,
                fmt::format("the key file {}: {}", file, std::strerror(errno))
            }
        );
    }
    std::string text(most_key_bytes, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    auto keys = wire::parse_keys(text, file);
    if (!keys) {
        return std::unexpected(error{errc::invalid, stage::configure, to_text(keys.error().front())});
    }
    return std::move(keys->front());
}

reflector_link::reflector_link(
    std::shared_ptr<const plan> what, site_state& state, flow_gate& gate, resolver& names
)
    : plan_{std::move(what)}, state_{state}, gate_{gate}, resolver_{names}
{
}

// From the first vantage that can.
std::optional<reflector_access>
reflector_link::access_to(const reflector_config& which, const ip_address& address) const
{
    for (const auto& from : plan_->vantages) {
        if (!from.source || from.source->family == address.family) {
            return reflector_access{
                .host = which.host,
                .where = {address, which.port},
                .vantage = from.name,
                .way = {.interface = from.interface, .source = from.source},
                .key = {},
            };
        }
    }
    return std::nullopt;
}

asio::awaitable<std::vector<ip_address>> reflector_link::addresses_of(std::string host)
{
    std::vector<ip_address> out;
    if (const auto literal = parse_address(host)) {
        out.push_back(*literal);
        co_return out;
    }
    const auto now = steady::now();
    const auto found = co_await resolver_.look_up(
        std::move(host), now + resolver::usual_wait, now + resolver::usual_system_wait
    );
    state_.sent.asked(found, steady::now());
    for (const auto& one : found.system.addresses) {
        out.push_back(one.address);
    }
    co_return out;
}

asio::awaitable<result<wire::reply_body>>
reflector_link::ask_by_datagrams(reflector_access to, wire::request_body what)
{
    const endpoint target{to.where.address, to.where.port, transport::udp};
    auto socket = co_await open_datagram_flow(to);
    if (!socket) {
        state_.sent.dropped();
        co_return std::unexpected(socket.error());
    }
    reflector_client client{to.key};
    result<wire::reply_body> out = std::unexpected(error{});
    auto greeted = co_await client.greet(*socket, steady::now() + ask_time);
    if (greeted) {
        out = co_await client.ask(*socket, what, steady::now() + ask_time);
    } else {
        out = std::unexpected(greeted.error());
    }
    std::vector<observation> sent{{.kind = probe_kind::udp_send, .what = no_reply{}}};
    sent.back().source = local_name(socket->native_handle());
    sent.back().packets = client.datagrams();
    state_.sent.ended(target, sent, steady::now());
    co_return out;
}

asio::awaitable<result<wire::reply_body>>
reflector_link::ask_by_stream(reflector_access to, wire::request_body what)
{
    const endpoint target{to.where.address, to.where.port, transport::tcp};
    const auto deadline = steady::now() + plan_->config.limits.connect_timeout;
    auto made = co_await tcp_connect(target, to.way, deadline);
    std::vector<observation> sent{made.seen};
    result<wire::reply_body> out = std::unexpected(
        error{errc::unavailable, stage::connect, "no connection: " + describe(made.seen.what)}
    );
    if (made.socket) {
        reflector_client client{to.key};
        auto greeted = co_await client.greet(*made.socket, steady::now() + ask_time);
        if (greeted) {
            out = co_await client.ask(*made.socket, what, steady::now() + ask_time);
        } else {
            out = std::unexpected(greeted.error());
        }
        const auto in_all = segments_when_closed(made.socket->native_handle());
        sent.push_back({.kind = probe_kind::tcp_confirm, .what = acknowledged{}});
        sent.back().packets = in_all - std::min(in_all, made.seen.packets);
    }
    state_.sent.ended(target, sent, steady::now());
    co_return out;
}

asio::awaitable<result<wire::reply_body>>
reflector_link::ask_once(reflector_access to, transport over, wire::request_body what)
{
    const bool inside = co_await gate_.enter(to.where.address);
    if (!inside) {
        co_return std::unexpected(error{errc::unavailable, stage::connect, "the check was stopped"});
    }
    result<wire::reply_body> out = std::unexpected(error{});
    if (over == transport::udp) {
        out = co_await ask_by_datagrams(std::move(to), what);
    } else {
        out = co_await ask_by_stream(std::move(to), what);
    }
    gate_.leave();
    co_return out;
}

asio::awaitable<result<reflector_access>> reflector_link::try_one(reflector_config which, transport over)
{
    auto key = read_reflector_key(which.secret_file);
    if (!key) {
        co_return std::unexpected(key.error());
    }
    const auto addresses = co_await addresses_of(which.host);
    std::string why = "its name has no address";
    for (const auto& address : addresses) {
        auto to = access_to(which, address);
        if (!to) {
            why = "no vantage has an address of its family";
            continue;
        }
        to->key = *key;
        for (unsigned i = 0; i < plan_->config.limits.attempts; ++i) {
            const wire::request_body what{wire::observe{}};
            const auto reply = co_await ask_once(*to, over, what);
            if (reply && std::holds_alternative<wire::observed>(*reply)) {
                co_return *to;
            }
            why = reply ? "it says something else" : reply.error().detail;
        }
    }
    co_return std::unexpected(error{errc::unavailable, stage::reply, std::move(why)});
}

asio::awaitable<result<reflector_access>> reflector_link::find(transport over)
{
    std::string why;
    for (const auto& one : plan_->config.reflectors) {
        const bool ours = !one.secret_file.empty();
        result<reflector_access> found = std::unexpected(error{});
        if (ours) {
            found = co_await try_one(one, over);
        } else {
            found = co_await try_stun(one, over);
        }
        if (found) {
            co_return found;
        }
        why += fmt::format(
            "{}{} {} ({} {}): {}", why.empty() ? "" : "; ", ours ? "reflector" : "STUN server", one.host,
            to_string(over), one.port, found.error().detail
        );
    }
    co_return std::unexpected(error{errc::unavailable, stage::reply, std::move(why)});
}

asio::awaitable<std::optional<unsigned>> reflector_link::routers(reflector_access to)
{
    const wire::request_body what{wire::observe{}};
    auto reply = co_await ask_once(std::move(to), transport::udp, what);
    const auto* seen = reply ? std::get_if<wire::observed>(&*reply) : nullptr;
    if (!seen || seen->hops_left == 0) {
        co_return std::nullopt;
    }
    // What systems start with; ours is one of them (ip_default_ttl).
    for (const unsigned start : {64U, 128U, 255U}) {
        if (seen->hops_left <= start) {
            co_return start - seen->hops_left;
        }
    }
    co_return std::nullopt;
}

asio::awaitable<std::optional<wire::reported>>
reflector_link::report(reflector_access to, transport over, std::uint64_t token)
{
    const wire::request_body what{wire::report{.token = token}};
    auto reply = co_await ask_once(std::move(to), over, what);
    const auto* told = reply ? std::get_if<wire::reported>(&*reply) : nullptr;
    co_return told ? std::optional{*told} : std::nullopt;
}

} // namespace reachd
