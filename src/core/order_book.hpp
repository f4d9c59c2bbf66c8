// SPDX-License-Identifier: Apache-2.0
// order_book.hpp: the orders of one look at a site: what is wanted, less what is known or under way.
//
// Use     The three parts of the inquiry (inquiry_ways, inquiry_silence, inquiry_answers) ask it with
//         want(), which answers whether the question is settled; take() at the end.
// Limits  Lives for one look; the plan, the state and the orders under way outlive it.
#pragma once

#include "reachd/core/groups.hpp"
#include "reachd/core/inquiry.hpp"

#include <set>
#include <string>
#include <vector>

namespace reachd {

inline constexpr unsigned first_hops = 5; // the way out is walked this far at first, or until past the edge
inline constexpr unsigned last_hops = 12; // and this far while no hop past the edge is seen
inline constexpr unsigned walk_tries = 2;
inline constexpr unsigned search_tries = 1;  // while the distance of an answer is narrowed down
inline constexpr unsigned beyond_target = 2; // hops past an answer at which a control flow is looked for

enum class need : std::uint8_t {
    icmp,    // only a hop's ICMP error answers the question
    answer,  // an answer or its absence does
    silence, // silence is expected, as others like it were dropped before that hop
};

class order_book {
public:
    order_book(const plan& what, const site_state& site, const std::set<hop_order>& under_way)
        : all{what, site}, groups{make_groups(what, site)}, under_way_{under_way}
    {
    }

    void add(hop_order order);
    // Tries `which` with this hop limit until something is known there. True when it is.
    bool want(const flow& which, unsigned limit, unsigned tries, need what, const std::string& payload = {});
    // The same from the source port whose packet was last seen at `from`: a rule that chooses by source port,
    // or a parallel way, has let that one pass.
    bool want_as_at(
        unsigned from, const flow& which, unsigned limit, unsigned tries, need what,
        const std::string& payload = {}
    );
    bool want_min(const flow& which, unsigned min_ttl, unsigned tries = min_ttl_tries);
    // Orders of this scope are for what every row rests on.
    void share(bool on) { sharing_ = on; }
    // Something about this flow is wanted or under way, other than decoys. Looks through all orders.
    [[nodiscard]] bool is_busy(const flow& which) const;
    // What is asked about this flow depends on what comes of another one, which is busy.
    void defer(const flow& which) { deferred_.insert(which.target.address); }
    inquiry_orders take() { return {std::move(orders_), std::move(deferred_)}; }

    const evidence all;
    const std::vector<group> groups;

private:
    const std::set<hop_order>& under_way_;
    std::set<hop_order> ordered_;
    std::vector<hop_order> orders_;
    std::set<ip_address> deferred_;
    bool sharing_ = false;
};

// A flow to a port of that address at which nothing listens.
flow control_to(const group& one, std::uint16_t number);

// --- the parts of the inquiry ---

// The way out that all flows share.
void ask_about_ways_out(order_book& book);
// How far silent and rejected flows get, and how far others do.
void ask_about_silence(order_book& book);
// From how far answers come.
void ask_about_answers(order_book& book);
// Whether somebody forges what comes to datagrams.
void ask_about_forgers(order_book& book);

} // namespace reachd
