// SPDX-License-Identifier: Apache-2.0
// evidence.hpp: all traces of a site put together: what is known of each flow, address and path.
//
// Use     One evidence for one look at a site_state, which must outlive it.
// Shapes  "Near" is an answer made by a box that the packets of other flows to the same address have
//         been seen to pass: it is not the destination's.
// Errors  none: what was not seen is unchecked or inconclusive.
// Source  docs/VERDICTS.md, "Who answered, and from where"; Linux 6.18 in namespaces.
#pragma once

#include "reachd/core/path.hpp"
#include "reachd/core/site_state.hpp"

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace reachd {

// Where an answer came from.
enum class origin : std::uint8_t {
    unchecked,    // nothing was measured about it
    near,         // from a box on the way: forged or proxied
    outdone,      // from as far as others, and arriving with fewer hops behind it
    disguised,    // from nearer than others, and arriving with no fewer hops behind it
    consistent,   // from the distance at which the destination itself speaks on another flow
    contradicted, // another flow gets past that distance, and nothing proves that they share their way
    inconclusive, // no control flow gets that far
};

// What all flows to one address from one vantage show together.
struct address_facts {
    std::vector<flow> flows;
    std::map<unsigned, ip_address> transit; // any flow's, by hop limit
    std::optional<unsigned> spoke_at;       // lowest hop limit at which the address itself sent an ICMP error
    std::optional<unsigned> spoke_silent;   // the highest lower one at which the same flow got nothing
    std::optional<int> icmp_received_ttl;   // of that error
    [[nodiscard]] unsigned farthest() const { return transit.empty() ? 0 : transit.rbegin()->first; }
};

class evidence {
public:
    evidence(const plan& what, const site_state& site);

    [[nodiscard]] const flow_view& view(const flow& which) const;
    [[nodiscard]] const address_facts& facts(const std::string& vantage, const ip_address& address) const;
    [[nodiscard]] const path& way(const std::string& vantage, family protocol) const;
    // Whether two flows to one address met different boxes at the same hop: routers choose between parallel
    // ways by the source port as well (ECMP). Then only what a flow showed from one source port counts.
    [[nodiscard]] bool forks(const std::string& vantage, family protocol) const;

    // Datagrams of this flow that were meant to end on their way, and how many hops they had.
    [[nodiscard]] unsigned decoys_sent(const flow& which) const;
    [[nodiscard]] std::optional<unsigned> decoy_limit(const flow& which) const;
    // Whether one of them was answered or rejected although it had ended: somebody forges what comes to it.
    [[nodiscard]] bool is_forged(const flow& which) const;

    // The highest hop limit at which another flow to the same address was still on its way.
    [[nodiscard]] unsigned farthest_other(const flow& which) const;
    // Where the box that `which` met at that hop (0: this machine) sends other flows to the same address,
    // counted in hops of `which`. Parallel paths (ECMP) do not confuse it: it is the same box. nullopt:
    // none of them was seen to pass that box and go on.
    struct next_hop {
        unsigned number = 0;
        std::optional<ip_address> address; // nullopt: it answered nobody, yet others came past it
    };
    [[nodiscard]] std::optional<next_hop> onward(const flow& which, unsigned number) const;
    // Flows that met the same box there, got nothing from the next hop and yet came past it: where the
    // last of them was seen again. Silence of `which` before that proves nothing. Without an address it
    // was the destination that answered.
    [[nodiscard]] std::optional<next_hop> after_mute(const flow& which, unsigned number) const;
    // Whether a flow to the same address was seen at that box and farther on.
    [[nodiscard]] bool goes_past(const flow& which, const ip_address& box) const;
    // Whether all other flows were seen on their way without that box: they took other ways.
    [[nodiscard]] bool is_apart(const flow& which, unsigned number) const;
    // Whether both were seen at the same box at that hop.
    [[nodiscard]] bool meets_same(const flow& one, const flow& other, unsigned number) const;
    // The hop of the site at which its address is translated to another; nullopt where none is.
    [[nodiscard]] std::optional<unsigned> translated_at(const flow& which) const;
    [[nodiscard]] origin origin_of(const flow& which) const;
    // Whether another TCP flow to the same address is answered otherwise from the same distance: the last
    // router may be one of the two who answer.
    [[nodiscard]] bool has_rival(const flow& which) const;
    // True when only the received TTL of its answers can tell whether they are near.
    [[nodiscard]] bool wants_received_ttl(const flow& which) const;

    // How often the hop with this number answered other flows since `which` first got nothing from it, and
    // one of those flows.
    struct listening {
        unsigned times = 0;
        unsigned missed = 0; // how often it said nothing to flows that it answers at other times
        std::optional<flow> by;
    };
    [[nodiscard]] listening heard_since(const flow& which, unsigned hop_limit) const;
    // Whether silence of that hop proves nothing of a flow of this transport: routers may report one
    // transport and not the other. It does once the hop has answered another flow of the same transport, or
    // while no flow of that transport was seen any farther; not for datagrams farther than just past the
    // edge.
    [[nodiscard]] bool is_mute_for(const flow& which, unsigned hop_limit) const;
    // Whether that hop has said "time exceeded" to another flow of the same transport.
    [[nodiscard]] bool is_heard_alike(const flow& which, unsigned hop_limit) const;
    // Whether that hop is where a box rejects other flows, to whatever address.
    [[nodiscard]] bool is_rejecting(const flow& which, unsigned hop_limit) const;
    // The same of flows to the same address alone, without those that nobody but reachd sends.
    [[nodiscard]] bool is_rejecting_of_address(const flow& which, unsigned hop_limit) const;
    // This machine's DNS servers, as UDP flows from that vantage: the firewall lets them through.
    [[nodiscard]] std::vector<flow> dns_flows(const std::string& vantage, family protocol) const;

    // The hop with this number on the way to an address: as its own flows met it, else as most did.
    [[nodiscard]] hop hop_at(const flow& which, unsigned number) const;
    // The number of a box that sent something about `which`.
    [[nodiscard]] std::optional<unsigned> number_of(const flow& which, const ip_address& box) const;

private:
    // The last hop at which `other` met the box that `which` met at that hop.
    [[nodiscard]] std::optional<unsigned>
    where_met(const flow& which, unsigned number, const flow& other) const;
    // Whether `other`, of the same side of the site, is rejected from that hop on.
    [[nodiscard]] bool
    is_turned_back(const flow& which, const flow& other, const flow_view& seen, unsigned hop_limit) const;
    using place = std::pair<std::string, ip_address>;
    [[nodiscard]] origin find_origin(const flow& which) const;
    [[nodiscard]] origin near_or_disguised(const flow& which) const;
    [[nodiscard]] bool are_alike(const flow& which, const flow& other, unsigned hop_limit) const;

    std::map<flow, flow_view> views_;
    std::map<flow, decoy_view> decoys_;      // of those that had any
    mutable std::map<flow, origin> origins_; // asked for again and again for each member of a range
    std::map<place, address_facts> addresses_;
    std::map<std::pair<std::string, family>, path> paths_;
    std::set<std::pair<std::string, family>> forks_;
    std::vector<ip_address> dns_servers_;
};

} // namespace reachd
