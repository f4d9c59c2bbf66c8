// SPDX-License-Identifier: Apache-2.0
// keys.hpp: the keys in force, and what each of them has in use (anti-abuse rules 3, 4 and 7).
//
// Lifetime A key that a reload took away lives on for the appointments that were made with it.
// Limits   Nonces are remembered for one to two cookie lives, nonces_per_key of them in each.
#pragma once

#include "reachd/core/reflector_wire.hpp"
#include "reachd/core/time.hpp"

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace reachd::reflector {

// Remembers for at least a cookie's life which nonces were used: with a fresh cookie needed, none can come
// again.
class nonce_memory {
public:
    enum class answer : std::uint8_t {
        fresh,
        used,
        full, // too many in this minute
    };
    answer use(std::uint64_t nonce, std::size_t most, time_point now);

private:
    time_point turned_{};
    std::unordered_set<std::uint64_t> recent_;
    std::unordered_set<std::uint64_t> before_;
};

struct key_state {
    wire::key key;
    nonce_memory nonces;
    std::uint32_t appointments = 0; // waiting
};

class key_ring {
public:
    // Keeps the state of a key whose id and secret stay.
    void replace(const std::vector<wire::key>& keys);
    [[nodiscard]] std::shared_ptr<key_state> find(const std::string& id) const;
    [[nodiscard]] std::size_t size() const { return keys_.size(); }

private:
    std::unordered_map<std::string, std::shared_ptr<key_state>> keys_;
};

} // namespace reachd::reflector
