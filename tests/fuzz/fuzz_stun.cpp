// SPDX-License-Identifier: Apache-2.0
// Any bytes are refused as STUN, or become a message that can be written and reads the same.
#include "reachd/core/stun.hpp"
#include "support.hpp"

#include <cstdlib>

namespace {

// A digest that is only as long as it must be: what is tested is the bounds.
reachd::byte_vector digest(reachd::byte_view, reachd::byte_view data)
{
    return reachd::byte_vector(32, static_cast<std::uint8_t>(data.size()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace reachd;
    using fuzz::require;
    const byte_view bytes{data, size};
    const auto got = stun::decode(bytes);
    const bool sealed = stun::integrity_holds(bytes, stun::integrity::sha1, {}, digest) ||
                        stun::integrity_holds(bytes, stun::integrity::sha256, {}, digest);
    require(got.has_value() || !sealed);
    require(!got || stun::looks_like_stun(bytes));
    if (got) {
        require(
            stun::announced_length(bytes) == size && got->not_understood.size() <= stun::max_stun_attributes
        );
        const auto again = stun::decode(stun::encode(got->message, {.fingerprint = true}));
        require(again && again->message == got->message && again->has_fingerprint);
    }
    return 0;
}
