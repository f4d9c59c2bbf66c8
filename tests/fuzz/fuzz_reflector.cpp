// SPDX-License-Identifier: Apache-2.0
// Any bytes are refused as a message of the reflector, or become one that can be written and reads the same;
// the same bytes as a key file are faults with lines or keys.
#include "reachd/core/reflector_wire.hpp"
#include "support.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace reachd;
    using fuzz::require;
    const byte_view bytes{data, size};
    const auto request = wire::decode_request(bytes);
    const auto reply = wire::decode_reply(bytes);
    require(!request || !reply);
    if (request) {
        require(wire::announced_length(bytes) == size && size >= wire::min_request_bytes);
        const auto again = wire::decode_request(wire::encode_request(*request, {}));
        require(again && *again == *request);
    }
    if (reply) {
        const auto again = wire::decode_reply(wire::encode_reply(*reply, {}));
        require(again && *again == *reply);
    }
    const auto keys = wire::parse_keys({reinterpret_cast<const char*>(data), size}, "keys");
    require(keys ? !keys->empty() : !keys.error().empty());
    return 0;
}
