// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/redact.hpp"

#include "reachd/core/address.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

constexpr std::string_view secret_words[] = {
    "secret", "key", "pass", "token", "psk", "credential", "community", "auth", "pin",
};
constexpr std::string_view left_out = "(left out)";

bool speaks_of_a_secret(std::string_view key)
{
    std::string small;
    for (const char byte : key) {
        small += byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    }
    for (const auto word : secret_words) {
        if (small.contains(word)) {
            return true;
        }
    }
    return false;
}

bool may_be_in_an_address(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F') ||
           byte == '.' || byte == ':';
}

// The address at the beginning of a word such as "10.77.1.2:40088" or "fd77:1::2."; its length, or 0.
std::size_t address_length(std::string_view word)
{
    for (auto length = word.size(); length > 1; --length) {
        if (parse_address(word.substr(0, length))) {
            return length;
        }
    }
    return 0;
}

} // namespace

nlohmann::json without_secrets(const nlohmann::json& value)
{
    auto out = value;
    if (out.is_object()) {
        for (auto& [key, member] : out.items()) {
            member = speaks_of_a_secret(key) ? nlohmann::json(left_out) : without_secrets(member);
        }
    } else if (out.is_array()) {
        for (auto& member : out) {
            member = without_secrets(member);
        }
    }
    return out;
}

// One word of hexadecimal digits, dots and colons: "10.77.1.2:40088", or the end of "src:10.77.1.2".
std::string address_mask::masked(std::string_view word)
{
    std::string out;
    for (std::size_t at = 0; at < word.size();) {
        const auto rest = word.substr(at);
        const auto length = address_length(rest);
        const auto address = length > 0 ? parse_address(rest.substr(0, length)) : std::nullopt;
        if (address && is_special_purpose(*address)) {
            const auto [found, added] =
                names_.try_emplace(to_text(*address), fmt::format("site-address-{}", names_.size() + 1));
            out += found->second;
            at += length;
        } else if (address) { // a public one stays, and what is part of it is no address of its own
            out += rest.substr(0, length);
            at += length;
        } else {
            // An address begins after a colon that does not belong to it, or not at all.
            const auto colon = rest.find(':');
            const auto taken = colon == std::string_view::npos ? rest.size() : colon + 1;
            out += rest.substr(0, taken);
            at += taken;
        }
    }
    return out;
}

std::string address_mask::apply(std::string_view text)
{
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto begin = at;
        while (at < text.size() && may_be_in_an_address(text[at])) {
            ++at;
        }
        if (at == begin) {
            out += text[at++];
        } else {
            out += masked(text.substr(begin, at - begin));
        }
    }
    return out;
}

} // namespace reachd
