// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/stun.hpp"

#include "byte_io.hpp"
#include "stun_parts.hpp"

#include <algorithm>
#include <limits>

namespace reachd::stun {

namespace {

constexpr std::size_t max_text_value = 763; // RFC 8489 section 14: 127 characters of UTF-8
constexpr std::uint16_t first_optional = 0x8000;

error malformed(std::string why)
{
    return {.code = errc::malformed, .stage = stage::reply, .detail = "STUN: " + std::move(why)};
}

// RFC 8489 section 5: the class sits in bits 4 and 8 of the type.
std::uint16_t type_word(message_class kind, std::uint16_t method)
{
    const unsigned low = method & 0x000fU;
    const unsigned middle = (method & 0x0070U) << 1U;
    const unsigned high = (method & 0x0f80U) << 2U;
    const auto c = static_cast<unsigned>(kind);
    return static_cast<std::uint16_t>(low | middle | high | ((c & 1U) << 4U) | ((c & 2U) << 7U));
}

std::optional<socket_address> read_address(byte_view value, bool xored, const transaction_id& id)
{
    byte_reader in{value};
    in.take<std::uint8_t>();
    const auto kind = in.take<std::uint8_t>();
    auto port = in.take<std::uint16_t>();
    const std::size_t size = kind == 1 ? 4 : kind == 2 ? 16 : 0;
    const auto raw = in.take_bytes(size);
    if (in.failed() || in.left() != 0 || size == 0) {
        return std::nullopt;
    }
    socket_address out;
    out.address.family = kind == 1 ? family::v4 : family::v6;
    std::ranges::copy(raw, out.address.bytes.begin());
    if (xored) {
        port = static_cast<std::uint16_t>(port ^ (magic_cookie >> 16U));
        xor_with_header(out.address, id);
    }
    out.port = port;
    return out;
}

template <class T>
void keep_first(std::optional<T>& kept, std::optional<T> fresh)
{
    if (!kept) {
        kept = std::move(fresh);
    }
}

struct attribute_view {
    std::uint16_t type = 0;
    byte_view value;
};

bool read_text(std::optional<std::string>& kept, byte_view value)
{
    keep_first(kept, std::optional{std::string{value.begin(), value.end()}});
    return value.size() <= max_text_value;
}

bool read_error(std::optional<error_reply>& kept, byte_view value)
{
    byte_reader in{value};
    in.take<std::uint16_t>();
    const auto hundreds = in.take<std::uint8_t>() & 7U;
    const auto rest = in.take<std::uint8_t>();
    if (in.failed() || hundreds < 3 || hundreds > 6 || rest > 99 || in.left() > max_text_value) {
        return false;
    }
    const auto reason = in.take_bytes(in.left());
    keep_first(
        kept, std::optional{error_reply{
                  .code = static_cast<std::uint16_t>(hundreds * 100 + rest),
                  .reason = {reason.begin(), reason.end()}
              }}
    );
    return true;
}

bool read_unknown(std::vector<std::uint16_t>& kept, byte_view value)
{
    byte_reader in{value};
    if (!kept.empty()) {
        return true;
    }
    while (in.left() >= 2) {
        kept.push_back(in.take<std::uint16_t>());
    }
    return in.left() == 0;
}

bool read_mapped(std::optional<socket_address>& kept, const attribute_view& from, const message& of)
{
    const bool xored = from.type == static_cast<std::uint16_t>(attribute::xor_mapped_address);
    const auto address = read_address(from.value, xored, of.transaction);
    keep_first(kept, address);
    return address.has_value();
}

// False when the value is not what its type promises.
bool read_attribute(decoded& into, const attribute_view& from)
{
    auto& out = into.message;
    switch (static_cast<attribute>(from.type)) {
    case attribute::mapped_address: return read_mapped(out.mapped, from, out);
    case attribute::xor_mapped_address: return read_mapped(out.xor_mapped, from, out);
    case attribute::response_origin: return read_mapped(out.response_origin, from, out);
    case attribute::other_address: return read_mapped(out.other_address, from, out);
    case attribute::username: return read_text(out.username, from.value);
    case attribute::realm: return read_text(out.realm, from.value);
    case attribute::nonce: return read_text(out.nonce, from.value);
    case attribute::software: return read_text(out.software, from.value);
    case attribute::error_code: return read_error(out.error, from.value);
    case attribute::unknown_attributes: return read_unknown(out.unknown_attributes, from.value);
    case attribute::change_request: {
        byte_reader in{from.value};
        const auto bits = in.take<std::uint32_t>();
        keep_first(
            out.change_request, std::optional{change{.address = (bits & 4U) != 0, .port = (bits & 2U) != 0}}
        );
        return !in.failed() && in.left() == 0;
    }
    case attribute::response_port: {
        // RFC 5780 says 2 bytes and padding; coturn's client sends a length of 4.
        byte_reader in{from.value};
        keep_first(out.response_port, std::optional{in.take<std::uint16_t>()});
        return !in.failed() && (in.left() == 0 || in.left() == 2);
    }
    case attribute::padding:
        keep_first(out.padding, std::optional{static_cast<std::uint16_t>(from.value.size())});
        return true;
    case attribute::message_integrity: into.has_integrity = true; return from.value.size() == sha1_bytes;
    case attribute::message_integrity_sha256:
        into.has_integrity_sha256 = true;
        return is_sha256_length(from.value.size());
    case attribute::fingerprint: return false; // only last, where decode() takes it off
    }
    if (from.type < first_optional) {
        into.not_understood.push_back(from.type);
    }
    return true;
}

// What follows an integrity attribute is not covered by it: only the other integrity may count (RFC 8489
// section 14.5).
bool counts(const decoded& so_far, std::uint16_t type)
{
    const bool sealed = so_far.has_integrity || so_far.has_integrity_sha256;
    return !sealed || (type == static_cast<std::uint16_t>(attribute::message_integrity_sha256) &&
                       !so_far.has_integrity_sha256);
}

result<void> read_attributes(decoded& into, byte_view body)
{
    byte_reader in{body};
    for (std::size_t count = 0; in.left() > 0; ++count) {
        const auto type = in.take<std::uint16_t>();
        const auto length = in.take<std::uint16_t>();
        const auto value = in.take_bytes(length);
        in.take_bytes(padding_of(length));
        if (in.failed() || count == max_stun_attributes) {
            return std::unexpected(
                malformed(in.failed() ? "an attribute is cut short" : "too many attributes")
            );
        }
        if (counts(into, type) && !read_attribute(into, {.type = type, .value = value})) {
            return std::unexpected(malformed("an attribute has a value of a wrong form"));
        }
    }
    return {};
}

// Takes a right FINGERPRINT off the end of the body; false when it is there and wrong.
bool take_fingerprint(decoded& into, byte_view bytes, byte_view& body)
{
    if (body.size() < fingerprint_bytes) {
        return true;
    }
    byte_reader in{body.last(fingerprint_bytes)};
    const bool there = in.take<std::uint16_t>() == static_cast<std::uint16_t>(attribute::fingerprint) &&
                       in.take<std::uint16_t>() == 4;
    if (!there) {
        return true;
    }
    into.has_fingerprint =
        in.take<std::uint32_t>() == fingerprint_of(bytes.first(bytes.size() - fingerprint_bytes));
    body = body.first(body.size() - fingerprint_bytes);
    return into.has_fingerprint;
}

} // namespace

bool looks_like_stun(byte_view bytes)
{
    byte_reader in{bytes};
    const auto type = in.take<std::uint16_t>();
    in.take<std::uint16_t>();
    const auto cookie = in.take<std::uint32_t>();
    return !in.failed() && (type & 0xc000U) == 0 && cookie == magic_cookie;
}

std::optional<std::size_t> announced_length(byte_view bytes)
{
    if (bytes.size() < header_bytes) {
        return std::nullopt;
    }
    return header_bytes + static_cast<std::size_t>((bytes[2] << 8U) | bytes[3]);
}

result<decoded> decode(byte_view bytes)
{
    const auto length = announced_length(bytes);
    if (!length || !looks_like_stun(bytes)) {
        return std::unexpected(malformed("no header with the magic cookie"));
    }
    if (*length != bytes.size() || bytes.size() % 4 != 0 || bytes.size() > max_stun_bytes) {
        return std::unexpected(malformed("the length is not that of the message"));
    }
    byte_reader in{bytes};
    const auto type = in.take<std::uint16_t>();
    in.take_bytes(6);
    decoded out;
    out.message.kind = static_cast<message_class>(((type >> 4U) & 1U) | ((type >> 7U) & 2U));
    out.message.method =
        static_cast<std::uint16_t>((type & 0x0fU) | ((type >> 1U) & 0x70U) | ((type >> 2U) & 0xf80U));
    std::ranges::copy(in.take_bytes(12), out.message.transaction.begin());
    auto body = bytes.subspan(header_bytes);
    if (!take_fingerprint(out, bytes, body)) {
        return std::unexpected(malformed("the fingerprint is wrong"));
    }
    if (auto read = read_attributes(out, body); !read) {
        return std::unexpected(read.error());
    }
    return out;
}

std::uint16_t header_type(const message& what)
{
    return type_word(what.kind, what.method);
}

} // namespace reachd::stun
