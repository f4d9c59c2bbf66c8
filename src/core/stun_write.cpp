// SPDX-License-Identifier: Apache-2.0
#include "byte_io.hpp"
#include "stun_parts.hpp"

#include <array>

namespace reachd::stun {

namespace {

constexpr std::uint32_t fingerprint_xor = 0x5354554e; // RFC 8489 section 14.7
constexpr std::size_t length_at = 2;                  // of the header's length

constexpr std::array<std::uint32_t, 256> crc_table()
{
    std::array<std::uint32_t, 256> out{};
    for (std::uint32_t i = 0; i < out.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value >> 1U) ^ ((value & 1U) != 0 ? 0xedb88320U : 0U); // ITU V.42
        }
        out[i] = value;
    }
    return out;
}

class encoder {
public:
    explicit encoder(const message& what) : what_{&what}
    {
        out_.put(header_type(what));
        out_.put(std::uint16_t{0});
        out_.put(magic_cookie);
        out_.put_bytes(what.transaction);
    }
    void put(attribute type, byte_view value)
    {
        out_.put(static_cast<std::uint16_t>(type));
        out_.put(static_cast<std::uint16_t>(value.size()));
        out_.put_bytes(value);
        out_.put_zeros(padding_of(value.size()));
        out_.set_u16(length_at, out_.size() - header_bytes);
    }
    void put(attribute type, const std::optional<std::string>& text)
    {
        if (text) {
            put(type, byte_vector(text->begin(), text->end()));
        }
    }
    void put(attribute type, std::optional<socket_address> where)
    {
        if (!where) {
            return;
        }
        if (type == attribute::xor_mapped_address) {
            where->port = static_cast<std::uint16_t>(where->port ^ (magic_cookie >> 16U));
            xor_with_header(where->address, what_->transaction);
        }
        byte_writer value;
        value.put(std::uint8_t{0});
        value.put(static_cast<std::uint8_t>(where->address.is_v4() ? 1 : 2));
        value.put(where->port);
        value.put_bytes(byte_view{where->address.bytes}.first(where->address.is_v4() ? 4 : 16));
        put(type, value.bytes());
    }
    // An integrity attribute covers everything before it, with a length that already holds it.
    void seal(attribute type, std::size_t size, byte_view key, const hmac_function& hmac)
    {
        out_.set_u16(length_at, out_.size() - header_bytes + 4 + size);
        put(type, hmac(key, out_.bytes()));
    }
    void put_fingerprint()
    {
        out_.set_u16(length_at, out_.size() - header_bytes + fingerprint_bytes);
        byte_writer value;
        value.put(fingerprint_of(out_.bytes()));
        put(attribute::fingerprint, value.bytes());
    }
    byte_vector take() { return out_.take(); }

private:
    const message* what_;
    byte_writer out_;
};

void put_error(encoder& out, const error_reply& what)
{
    byte_writer value;
    value.put(std::uint16_t{0});
    value.put(static_cast<std::uint8_t>(what.code / 100));
    value.put(static_cast<std::uint8_t>(what.code % 100));
    value.put_text(what.reason);
    out.put(attribute::error_code, value.bytes());
}

void put_numbers(encoder& out, const message& what)
{
    byte_writer value;
    if (what.change_request) {
        value.put(
            static_cast<std::uint32_t>(
                (what.change_request->address ? 4U : 0U) | (what.change_request->port ? 2U : 0U)
            )
        );
        out.put(attribute::change_request, value.take());
    }
    if (what.response_port) {
        byte_writer port;
        port.put(*what.response_port);
        out.put(attribute::response_port, port.bytes());
    }
    if (what.error) {
        put_error(out, *what.error);
    }
    if (!what.unknown_attributes.empty()) {
        byte_writer types;
        for (const auto type : what.unknown_attributes) {
            types.put(type);
        }
        out.put(attribute::unknown_attributes, types.bytes());
    }
    if (what.padding) {
        out.put(attribute::padding, byte_vector(*what.padding));
    }
}

} // namespace

std::uint32_t fingerprint_of(byte_view before)
{
    static constexpr auto table = crc_table();
    std::uint32_t crc = 0xffffffffU;
    for (const auto byte : before) {
        crc = table[(crc ^ byte) & 0xffU] ^ (crc >> 8U);
    }
    return (crc ^ 0xffffffffU) ^ fingerprint_xor;
}

void xor_with_header(ip_address& address, const transaction_id& id)
{
    const std::size_t size = address.is_v4() ? 4 : 16;
    for (std::size_t i = 0; i < size; ++i) {
        const auto mask = i < 4 ? static_cast<std::uint8_t>(magic_cookie >> (24U - 8U * i)) : id[i - 4];
        address.bytes[i] = static_cast<std::uint8_t>(address.bytes[i] ^ mask);
    }
}

byte_vector encode(const message& what, const seals& with)
{
    encoder out{what};
    out.put(attribute::software, what.software);
    out.put(attribute::username, what.username);
    out.put(attribute::realm, what.realm);
    out.put(attribute::nonce, what.nonce);
    out.put(attribute::xor_mapped_address, what.xor_mapped);
    out.put(attribute::mapped_address, what.mapped);
    out.put(attribute::response_origin, what.response_origin);
    out.put(attribute::other_address, what.other_address);
    put_numbers(out, what);
    if (with.hmac_sha1) {
        out.seal(attribute::message_integrity, sha1_bytes, with.key, with.hmac_sha1);
    }
    if (with.hmac_sha256) {
        out.seal(attribute::message_integrity_sha256, sha256_bytes, with.key, with.hmac_sha256);
    }
    if (with.fingerprint) {
        out.put_fingerprint();
    }
    return out.take();
}

bool integrity_holds(byte_view bytes, integrity which, byte_view key, const hmac_function& hmac)
{
    if (!decode(bytes)) {
        return false;
    }
    const auto wanted = static_cast<std::uint16_t>(
        which == integrity::sha1 ? attribute::message_integrity : attribute::message_integrity_sha256
    );
    byte_reader in{bytes.subspan(header_bytes)};
    while (in.left() > 0) {
        const auto at = bytes.size() - in.left();
        const auto type = in.take<std::uint16_t>();
        const auto length = in.take<std::uint16_t>();
        const auto value = in.take_bytes(length);
        in.take_bytes(padding_of(length));
        if (type != wanted) {
            continue;
        }
        byte_writer covered;
        covered.put_bytes(bytes.first(at));
        covered.set_u16(length_at, at + 4 + length - header_bytes);
        const auto digest = hmac(key, covered.bytes());
        return digest.size() >= length && equal_in_constant_time(byte_view{digest}.first(length), value);
    }
    return false;
}

} // namespace reachd::stun
