// SPDX-License-Identifier: Apache-2.0
// peer.hpp: a client of a desk in virtual time: it asks, and says what came back.
#pragma once

#include "reachd/net/hmac.hpp"
#include "reachd/reflector/desk.hpp"

#include <gtest/gtest.h>
#include <optional>

namespace reachd::reflector::test {

inline socket_address at(std::string_view text)
{
    return parse_socket_address(text).value();
}

inline const wire::key our_key{.id = "site-7", .secret = byte_vector(32, 7)};
inline const wire::key other_key{.id = "site-8", .secret = byte_vector(32, 8)};

inline wire::signer signer_of(const wire::key& key)
{
    return {.secret = key.secret, .hmac_sha256 = hmac_sha256};
}

inline config usual()
{
    config out;
    out.listen = {at("192.0.2.1:3478")};
    return out;
}

// A desk with two keys, and its clock.
struct world {
    explicit world(const config& what = usual(), const std::vector<wire::key>& keys = {our_key, other_key})
        : own{what, {{.local = what.listen.at(0), .siblings = {}}}, now}
    {
        own.replace_keys(keys);
    }
    void wait(duration span) { now += span; }

    time_point now = time_point{} + std::chrono::hours{1000};
    desk own;
};

class peer {
public:
    peer(world& in, std::string_view where, const wire::key& key = our_key, transport over = transport::udp)
        : world_{&in}, key_{key}
    {
        on_.transport = over;
        on_.peer = at(where);
        on_.local = at("192.0.2.1:3478");
        on_.connection = over == transport::tcp ? on_.peer.port : 0;
    }

    handled send(byte_view bytes) { return world_->own.handle({.on = on_, .bytes = bytes}, world_->now); }

    byte_vector make(const wire::request_body& body, std::size_t length = wire::min_request_bytes)
    {
        return wire::encode_request(
            {.nonce = nonce++, .key_id = key_.id, .cookie = cookie, .body = body, .length = length},
            signer_of(key_)
        );
    }
    handled ask(const wire::request_body& body) { return send(make(body)); }
    // The reply of this type, or nullopt for anything else, silence among it.
    template <class Reply>
    std::optional<Reply> get(const wire::request_body& body)
    {
        const auto bytes = ask(body).reply;
        const auto got = wire::decode_reply(bytes);
        if (!got || !wire::mac_holds(bytes, signer_of(key_)) || !std::holds_alternative<Reply>(got->body)) {
            return std::nullopt;
        }
        return std::get<Reply>(got->body);
    }
    bool hello()
    {
        const auto got = get<wire::cookie>(wire::hello{});
        cookie = got ? got->value : wire::cookie_bytes{};
        return got.has_value();
    }
    std::optional<wire::refusal> refused(const wire::request_body& body)
    {
        const auto got = get<wire::refused>(body);
        return got ? std::optional{got->reason} : std::nullopt;
    }

    wire::cookie_bytes cookie{};
    std::uint64_t nonce = 1;
    [[nodiscard]] const flow& on() const { return on_; }

private:
    world* world_;
    wire::key key_;
    flow on_;
};

} // namespace reachd::reflector::test
