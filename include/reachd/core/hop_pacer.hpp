// SPDX-License-Identifier: Apache-2.0
// hop_pacer.hpp: which of the wanted hop-limited probes may be sent now, so that no router is asked for
// more ICMP errors than it gives.
//
// Use     choose() with everything that is wanted; probes that are not chosen are wanted again later.
// Shapes  One budget per hop: hops that all flows share by their number, those further on by address.
// Units   Polite: one probe a second a hop, or as many as said, five at once at most. Lifted: what a Linux
//         router gives one client, six at once and then one a second, less one; probes whose proof is an
//         answer and not an ICMP error go unpaced then, at moments when those that need the budget have just
//         taken what there was.
// Source  net/ipv4/icmp.c icmpv4_xrlim_allow, XRLIM_BURST_FACTOR 6, icmp_ratelimit 1000 ms; measured.
#pragma once

#include "reachd/core/inquiry.hpp"
#include "reachd/core/pacer.hpp"
#include "reachd/core/time.hpp"

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace reachd {

// A site's whole inquiry stays far below this; it bounds what a broken network can make us send in a time.
inline constexpr std::size_t inquiry_probes_at_most = 20000;
inline constexpr seconds inquiry_allowance_time{600};

class hop_pacer {
public:
    struct choice {
        std::vector<hop_order> now;
        std::optional<time_point> look_again; // when the next budget is there; nullopt: none is awaited
    };

    // `icmp_per_hop_per_s` of limits_config; 0 lifts it.
    explicit hop_pacer(unsigned icmp_per_hop_per_s);

    // What is left for flows with a hop limit.
    struct allowance {
        std::size_t room; // entries of NATs (core/traffic.hpp)
        pacer& flows;     // whose rates they keep to, and are counted in
    };
    // `shared_hops`: up to which number the hops are those of all flows.
    choice choose(const std::vector<hop_order>& wanted, unsigned shared_hops, allowance left, time_point now);
    // What an older one has asked of the hops counts as this one's.
    void inherit(const hop_pacer& older);
    // Hops with a budget of their own; those that nobody asks any more are forgotten past some thousand.
    [[nodiscard]] std::size_t known() const { return budgets_.size(); }

private:
    // Vantage, hop number, and the address where the hop is not a shared one.
    using key = std::tuple<std::string, family, unsigned, std::optional<ip_address>>;
    struct budget {
        double tokens = 0;
        time_point at{};
    };
    static key key_of(const hop_order& order, unsigned shared_hops);
    double share_of(const endpoint& target);
    double refill(budget& one, time_point now) const;
    bool take(const key& hop, time_point now, choice& out);
    void forget_resting(time_point now);
    void drain(const key& hop, time_point now);

    bool lifted_;
    double per_second_;
    double burst_;
    std::map<key, budget> budgets_;
    std::set<endpoint> met_; // destinations that were sent something: the rest is repeats
};

} // namespace reachd
