// SPDX-License-Identifier: Apache-2.0
// The small forms: addresses, blocks, ports, times, payloads, and the rounds of samples that the history
// keeps. What is read prints to text that reads as the same.
#include "reachd/core/address.hpp"
#include "reachd/core/block_result.hpp"
#include "reachd/core/catalogue.hpp"
#include "reachd/core/config.hpp"
#include "reachd/core/payload.hpp"
#include "reachd/core/socket_address.hpp"
#include "reachd/core/time_text.hpp"
#include "support.hpp"

#include <cstdint>
#include <string_view>

namespace {

using namespace reachd;
using fuzz::require;

template <class Parse>
void reads_again(std::string_view text, Parse parse)
{
    if (const auto first = parse(text)) {
        const auto again = parse(to_text(*first));
        require(again && *again == *first);
    }
}

void check_times(std::string_view text)
{
    if (const auto when = parse_time(text)) {
        require(parse_time(to_text(*when)) == when);
    }
    static_cast<void>(parse_when(text, wall_time{}, local_time{}));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    reads_again(text, parse_address);
    reads_again(text, parse_block);
    reads_again(text, parse_ports);
    reads_again(text, parse_socket_address);
    check_times(text);
    static_cast<void>(parse_destination(text));
    static_cast<void>(parse_listen_address(text));
    static_cast<void>(parse_listen_path(text));
    const auto payload = parse_payload(text);
    require(payload ? payload->size() <= max_payload_bytes : !payload.error().empty());
    const auto kept = parse_block_result(text, "fuzz");
    require(kept.has_value() || !kept.error().empty());
    return 0;
}
