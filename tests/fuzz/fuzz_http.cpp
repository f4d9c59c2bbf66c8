// SPDX-License-Identifier: Apache-2.0
// What a client of the HTTP server says: a target and a Host header, on a line each.
#include "reachd/core/http_text.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    const auto end = input.find('\n');
    const auto target = reachd::parse_target(input.substr(0, end));
    if (target) {
        for (const char byte : target->path) {
            if (static_cast<unsigned char>(byte) < 0x20) {
                std::abort(); // a control character would end a header line
            }
        }
    }
    std::string host{end == std::string_view::npos ? std::string_view{} : input.substr(end + 1)};
    const bool taken = !reachd::host_fault(host, {"status.example.net"});
    for (char& byte : host) {
        byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    }
    if (taken && host.find("evil") != std::string::npos && host.find("localhost") == std::string::npos) {
        std::abort();
    }
    return 0;
}
