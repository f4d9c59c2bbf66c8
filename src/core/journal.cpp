// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/journal.hpp"

#include <cstdint>

namespace reachd {
namespace {

constexpr std::size_t longest_name = 64;
constexpr unsigned bits_in_byte = 8;

} // namespace

std::string to_journal_name(std::string_view key)
{
    std::string out;
    for (const char c : key.substr(0, longest_name)) {
        const bool lower = c >= 'a' && c <= 'z';
        const bool fits = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out += lower ? static_cast<char>(c - 'a' + 'A') : (fits ? c : '_');
    }
    // A leading underscore is for what journald itself knows; a digit is not allowed.
    const auto first = out.find_first_not_of("_0123456789");
    return first == std::string::npos ? "FIELD" : out.substr(first);
}

std::string to_journal_datagram(const journal_fields& fields)
{
    std::string out;
    for (const auto& [name, value] : fields) {
        out += name;
        if (value.find('\n') == std::string::npos) {
            out += '=';
        } else {
            out += '\n';
            for (unsigned i = 0; i < sizeof(std::uint64_t); ++i) {
                out += static_cast<char>(
                    (static_cast<std::uint64_t>(value.size()) >> (i * bits_in_byte)) & 0xFFU
                );
            }
        }
        out += value;
        out += '\n';
    }
    return out;
}

} // namespace reachd
