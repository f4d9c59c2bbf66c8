// SPDX-License-Identifier: Apache-2.0
// The words of the reflector's wire, and its key file.
#include "reachd/core/reflector_wire.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace reachd::wire {

namespace {

constexpr std::size_t min_secret_bytes = 16; // 128 bits
constexpr std::size_t max_secret_bytes = 64; // one block of SHA-256: more is hashed first
constexpr std::size_t max_key_lines = 10000;

int base64_digit(char digit)
{
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto at = digits.find(digit);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

// RFC 4648 section 4, padding needed; nullopt for anything else.
std::optional<byte_vector> decode_base64(std::string_view text)
{
    if (text.empty() || text.size() % 4 != 0) {
        return std::nullopt;
    }
    const std::size_t filled = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    text.remove_suffix(filled);
    byte_vector out;
    unsigned bits = 0;
    unsigned count = 0;
    for (const char digit : text) {
        const int value = base64_digit(digit);
        if (value < 0) {
            return std::nullopt;
        }
        bits = (bits << 6U) | static_cast<unsigned>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.push_back(static_cast<std::uint8_t>(bits >> count));
        }
    }
    const bool clean = (bits & ((1U << count) - 1U)) == 0;
    return clean ? std::optional{std::move(out)} : std::nullopt;
}

bool is_key_id(std::string_view id)
{
    return !id.empty() && id.size() <= max_key_id_bytes && std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_' || c == '.';
    });
}

std::string_view trimmed(std::string_view line)
{
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) {
        return {};
    }
    return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

std::expected<key, std::string> parse_key(std::string_view line)
{
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
        return std::unexpected("a key is id:base64-secret; there is no ':'");
    }
    const auto id = line.substr(0, colon);
    if (!is_key_id(id)) {
        return std::unexpected("a key id is 1 to 16 letters, digits, '-', '_' and '.'");
    }
    auto secret = decode_base64(line.substr(colon + 1));
    if (!secret) {
        return std::unexpected("the secret is not base64 (RFC 4648 section 4, with '=')");
    }
    if (secret->size() < min_secret_bytes || secret->size() > max_secret_bytes) {
        return std::unexpected(
            fmt::format(
                "a secret has {} to {} bytes, this one {}", min_secret_bytes, max_secret_bytes, secret->size()
            )
        );
    }
    return key{.id = std::string{id}, .secret = std::move(*secret)};
}

} // namespace

parsed<std::vector<key>> parse_keys(std::string_view text, std::string_view file)
{
    std::vector<key> out;
    file_faults faults;
    unsigned number = 0;
    const auto fault = [&](std::string message) {
        faults.push_back({.file = std::string{file}, .line = number, .message = std::move(message)});
    };
    while (!text.empty() && number < max_key_lines) {
        ++number;
        const auto line = trimmed(text.substr(0, text.find('\n')));
        text.remove_prefix(
            std::min(
                text.size(), text.find('\n') == std::string_view::npos ? text.size() : text.find('\n') + 1
            )
        );
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        auto one = parse_key(line);
        if (!one) {
            fault(one.error());
        } else if (std::ranges::find(out, one->id, &key::id) != out.end()) {
            fault(fmt::format("the key id '{}' is there twice", one->id));
        } else {
            out.push_back(std::move(*one));
        }
    }
    if (!text.empty()) {
        fault(fmt::format("more than {} lines", max_key_lines));
    }
    if (out.empty() && faults.empty()) {
        number = 0;
        fault("no key in it; a key is id:base64-secret, one a line");
    }
    if (!faults.empty()) {
        return std::unexpected(std::move(faults));
    }
    return out;
}

const char* to_string(sending value)
{
    switch (value) {
    case sending::unknown: return "unknown";
    case sending::waiting: return "waiting";
    case sending::sent: return "sent";
    case sending::flow_ended: return "flow ended";
    case sending::failed: return "failed";
    }
    return "?";
}

const char* to_string(inbound_outcome value)
{
    switch (value) {
    case inbound_outcome::connected: return "connected";
    case inbound_outcome::refused: return "refused";
    case inbound_outcome::silent: return "silent";
    case inbound_outcome::icmp: return "icmp";
    case inbound_outcome::not_tried: return "not tried";
    }
    return "?";
}

const char* to_string(refusal value)
{
    switch (value) {
    case refusal::not_enabled: return "not enabled";
    case refusal::flow_busy: return "flow busy";
    case refusal::address_busy: return "address busy";
    case refusal::reflector_busy: return "reflector busy";
    case refusal::delay_too_long: return "delay too long";
    case refusal::key_busy: return "key busy";
    case refusal::wrong_transport: return "wrong transport";
    case refusal::senseless: return "senseless";
    case refusal::token_in_use: return "token in use";
    }
    return "?";
}

} // namespace reachd::wire
