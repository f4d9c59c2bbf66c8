// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/flap_guard.hpp"

#include <algorithm>
#include <utility>

namespace reachd {

bool flap_guard::take(bucket& from, time_point now)
{
    if (from.tokens == burst) {
        from.since = now;
    }
    const auto formed = (now - from.since) / refill;
    if (formed > 0) {
        from.tokens = static_cast<unsigned>(std::min<std::int64_t>(burst, from.tokens + formed));
        from.since = from.tokens == burst ? now : from.since + formed * refill;
    }
    if (from.tokens == 0) {
        return false;
    }
    --from.tokens;
    return true;
}

flap_guard::permit flap_guard::change(const std::string& key, time_point now)
{
    auto& own = buckets_.try_emplace(key).first->second;
    if (!take(own, now)) {
        ++own.left_out;
        return {};
    }
    return {.now = true, .left_out = std::exchange(own.left_out, 0U)};
}

flap_guard::permit flap_guard::settle(const std::string& key, time_point now)
{
    const auto known = buckets_.find(key);
    if (known == buckets_.end() || known->second.left_out == 0 || !take(known->second, now)) {
        return {};
    }
    return {.now = true, .left_out = std::exchange(known->second.left_out, 0U) - 1};
}

void flap_guard::forget()
{
    std::erase_if(buckets_, [](const auto& entry) { return entry.second.left_out == 0; });
}

} // namespace reachd
