// SPDX-License-Identifier: Apache-2.0
// What a client of the HTTP server says: a target and a Host header, on a line each.
#include "reachd/core/http_text.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
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
    const auto host = end == std::string_view::npos ? std::string_view{} : input.substr(end + 1);
    if (!reachd::host_fault(host, {"status.example.net"}) && host.find("evil") != std::string_view::npos &&
        host.find("localhost") == std::string_view::npos) {
        std::abort();
    }
    return 0;
}
