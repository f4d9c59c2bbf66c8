// SPDX-License-Identifier: Apache-2.0
// hop_pacer.hpp: which of the wanted hop-limited probes may be sent now, so that no router is asked for
// more ICMP errors than it gives.
//
// Use     choose() with everything that is wanted; probes that are not chosen are wanted again later.
// Shapes  One budget per hop: hops that all flows share by their number, those further on by address.
// Units   Polite: one probe a second a hop. Lifted: what a Linux router gives one client, six at once
//         and then one a second, less one; probes whose proof is an answer and not an ICMP error go unpaced
//         then, at moments when those that need the budget have just taken what there was.
// Source  net/ipv4/icmp.c icmpv4_xrlim_allow, XRLIM_BURST_FACTOR 6, icmp_ratelimit 1000 ms; measured.
#pragma once

#include "reachd/core/inquiry.hpp"
#include "reachd/core/time.hpp"

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace reachd {

class hop_pacer {
public:
    struct choice {
        std::vector<hop_order> now;
        std::optional<time_point> look_again; // when the next budget is there; nullopt: none is awaited
    };

    // `icmp_per_hop_per_s` of limits_config; 0 lifts it.
    explicit hop_pacer(unsigned icmp_per_hop_per_s);

    // `shared_hops`: up to which number the hops are those of all flows.
    choice choose(const std::vector<hop_order>& wanted, unsigned shared_hops, time_point now);

private:
    // Vantage, hop number, and the address where the hop is not a shared one.
    using key = std::tuple<std::string, family, unsigned, std::optional<ip_address>>;
    struct budget {
        double tokens = 0;
        time_point at{};
    };
    static key key_of(const hop_order& order, unsigned shared_hops);
    double refill(budget& one, time_point now) const;
    bool take(const key& hop, time_point now, choice& out);
    void drain(const key& hop, time_point now);

    bool lifted_;
    double per_second_;
    double burst_;
    std::map<key, budget> budgets_;
};

} // namespace reachd
