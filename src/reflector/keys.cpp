// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/keys.hpp"

#include "reachd/reflector/cookie.hpp"

namespace reachd::reflector {

nonce_memory::answer nonce_memory::use(std::uint64_t nonce, std::size_t most, time_point now)
{
    constexpr auto turn = cookie_life + seconds{2}; // what a cookie may be old, and its rounding
    if (now - turned_ >= turn) {
        before_.clear();
        if (now - turned_ < 2 * turn) {
            before_.swap(recent_);
        }
        recent_.clear();
        turned_ = now;
    }
    if (recent_.contains(nonce) || before_.contains(nonce)) {
        return answer::used;
    }
    if (recent_.size() >= most) {
        return answer::full;
    }
    recent_.insert(nonce);
    return answer::fresh;
}

void key_ring::replace(const std::vector<wire::key>& keys)
{
    std::unordered_map<std::string, std::shared_ptr<key_state>> fresh;
    for (const auto& one : keys) {
        const auto old = find(one.id);
        if (old && old->key == one) {
            fresh.emplace(one.id, old);
            continue;
        }
        auto state = std::make_shared<key_state>();
        state->key = one;
        fresh.emplace(one.id, std::move(state));
    }
    keys_ = std::move(fresh);
}

std::shared_ptr<key_state> key_ring::find(const std::string& id) const
{
    const auto found = keys_.find(id);
    return found == keys_.end() ? nullptr : found->second;
}

} // namespace reachd::reflector
