// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/reflector_wire.hpp"

#include "reflector_bodies.hpp"

#include <algorithm>

namespace reachd::wire {

namespace {

error malformed(std::string why)
{
    return {.code = errc::malformed, .stage = stage::reply, .detail = "reflector message: " + std::move(why)};
}

void put_header(byte_writer& out, kind type, std::uint64_t nonce)
{
    out.put(first_byte);
    out.put(version);
    out.put(static_cast<std::uint8_t>(type));
    out.put(std::uint8_t{0});
    out.put(std::uint32_t{0}); // the length comes with finish()
    out.put(nonce);
}

// Fills up to `length`, sets it, and signs.
byte_vector finish(byte_writer& out, std::size_t length, const signer& with)
{
    const auto whole = std::clamp(length, out.size() + mac_bytes, max_message_bytes);
    out.put_zeros(whole - mac_bytes - out.size());
    out.set_u16(4, whole);
    if (with.secret.empty() || !with.hmac_sha256) {
        out.put_zeros(mac_bytes);
    } else {
        const auto digest = with.hmac_sha256(with.secret, out.bytes());
        out.put_bytes(byte_view{digest}.first(mac_bytes));
    }
    return out.take();
}

// Header of a message whose length fits its bytes; what is left are body, padding and MAC.
result<byte_reader> open(byte_view bytes, kind& type, std::uint64_t& nonce)
{
    if (announced_length(bytes) != bytes.size() || bytes.empty()) {
        return std::unexpected(malformed("the length is not that of the message"));
    }
    byte_reader in{bytes.first(bytes.size() - mac_bytes)};
    in.take_bytes(2);
    type = static_cast<kind>(in.take<std::uint8_t>());
    in.take_bytes(5);
    nonce = in.take<std::uint64_t>();
    return in;
}

} // namespace

std::uint8_t type_of(const request_body& body)
{
    return static_cast<std::uint8_t>(kind_of(body));
}

byte_vector encode_request(const request& what, const signer& with)
{
    byte_writer out;
    put_header(out, kind_of(what.body), what.nonce);
    const auto id = std::string_view{what.key_id}.substr(0, max_key_id_bytes);
    out.put_text(id);
    out.put_zeros(max_key_id_bytes - id.size());
    out.put_bytes(what.cookie);
    put_body(out, what.body);
    return finish(out, std::max(what.length, min_request_bytes), with);
}

result<request> decode_request(byte_view bytes)
{
    if (bytes.size() < min_request_bytes) {
        return std::unexpected(malformed("shorter than a request is"));
    }
    request out;
    auto type = kind::hello;
    auto in = open(bytes, type, out.nonce);
    if (!in) {
        return std::unexpected(in.error());
    }
    out.length = bytes.size();
    const auto id = in->take_bytes(max_key_id_bytes);
    const auto end = std::ranges::find(id, std::uint8_t{0});
    out.key_id.assign(id.begin(), end);
    bool valid = std::all_of(end, id.end(), [](std::uint8_t byte) { return byte == 0; });
    std::ranges::copy(in->take_bytes(out.cookie.size()), out.cookie.begin());
    auto body = take_request_body(type, *in, valid);
    if (!body || !valid || in->failed()) {
        return std::unexpected(malformed(body ? "a field has a value that it cannot have" : "no request"));
    }
    out.body = std::move(*body);
    return out;
}

byte_vector encode_reply(const reply& what, const signer& with)
{
    byte_writer out;
    put_header(out, kind_of(what.body), what.nonce);
    put_body(out, what.body);
    return finish(out, what.length, with);
}

result<reply> decode_reply(byte_view bytes)
{
    reply out;
    auto type = kind::hello;
    auto in = open(bytes, type, out.nonce);
    if (!in) {
        return std::unexpected(in.error());
    }
    out.length = bytes.size();
    bool valid = true;
    auto body = take_reply_body(type, *in, valid);
    if (!body || !valid || in->failed()) {
        return std::unexpected(malformed(body ? "a field has a value that it cannot have" : "no reply"));
    }
    out.body = std::move(*body);
    return out;
}

bool mac_holds(byte_view bytes, const signer& with)
{
    if (bytes.size() < header_bytes + mac_bytes || with.secret.empty() || !with.hmac_sha256) {
        return false;
    }
    const auto digest = with.hmac_sha256(with.secret, bytes.first(bytes.size() - mac_bytes));
    return digest.size() >= mac_bytes &&
           equal_in_constant_time(byte_view{digest}.first(mac_bytes), bytes.last(mac_bytes));
}

std::optional<std::size_t> announced_length(byte_view bytes)
{
    if (!bytes.empty() && bytes[0] != first_byte) {
        return 0;
    }
    if (bytes.size() < 6) {
        return std::nullopt;
    }
    const auto length = static_cast<std::size_t>((bytes[4] << 8U) | bytes[5]);
    const bool possible =
        bytes[1] == version && length >= header_bytes + mac_bytes && length <= max_message_bytes;
    return possible ? length : 0;
}

} // namespace reachd::wire
