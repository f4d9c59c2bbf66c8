// SPDX-License-Identifier: Apache-2.0
// path_trial.hpp: measures a world as the engine does, then judges the judge by the truth.
//
// Use     run(), then faults(): one text for each verdict that breaks a law; empty when they are kept.
// Shapes  No false green: open and closed are the destination's own word; permitted left the site and was
//         not seen to be dropped behind it. No false blame: the box at fault is on the side that is blamed
//         and within the place that is named.
// Limits  Virtual time: one probe a second and hop limit, as the engine paces them.
#pragma once

#include "sim/path_worlds.hpp"

#include <set>
#include <string>
#include <vector>

namespace reachd::test {

struct tally {
    std::size_t endpoints = 0;
    std::size_t orders = 0;
    std::size_t spoken_for = 0; // wrong verdicts that an endpoint has from its neighbours
    std::size_t innocent = 0;   // nobody keeps anything from it
    std::size_t green = 0;      // of those
    std::size_t locatable = 0;  // somebody on the way does, and other flows come past that box
    std::size_t located = 0;    // of those
    void add(const tally& other);
};

class path_trial {
public:
    explicit path_trial(world all);

    void run();
    [[nodiscard]] std::vector<std::string> faults();
    [[nodiscard]] tally count();

    [[nodiscard]] const scene& seen() const { return all_.plan; }
    [[nodiscard]] const verdict& judged(std::string_view row, std::size_t endpoint = 0) const
    {
        return all_.plan.judged(row, endpoint);
    }
    // The world, and what was seen of one flow.
    [[nodiscard]] std::string story(const endpoint& target) const;
    // Useful verdicts that are missing, one line each.
    [[nodiscard]] std::vector<std::string> gaps();

private:
    struct truth {
        std::map<std::size_t, std::vector<std::size_t>> culprits; // and the way on which it was met
        std::optional<std::size_t> first_hand;                    // who spoke last to the first probe
        std::vector<std::size_t> way;                             // of that probe
        std::set<std::size_t> impostors;                          // who answered in the server's name
        std::set<std::size_t> tellers;                            // who sent an ICMP error about it
        bool left_site = false;
        bool met_server = false; // whose own answer was heard, on one of the ways
    };
    void probe_all();
    void inquire();
    void carry_out(const std::set<hop_order>& orders);
    void note(const endpoint& target, const fate& of);
    [[nodiscard]] bool is_server(const endpoint& target, std::optional<std::size_t> place) const;
    [[nodiscard]] bool
    comes_past(const endpoint& control, std::size_t culprit, const std::vector<std::size_t>& way);
    [[nodiscard]] bool is_shown(
        const endpoint& target, std::size_t culprit, const std::vector<std::size_t>& way, bool by_others
    );
    bool is_shown_alike(const endpoint& target, std::size_t culprit, const std::vector<std::size_t>& way);
    [[nodiscard]] bool is_nearer(const endpoint& target, std::size_t impostor);
    [[nodiscard]] bool may_blame(const verdict& judged, const truth& real) const;
    [[nodiscard]] bool includes(const location& where, const truth& real) const;
    [[nodiscard]] bool is_said_down(const endpoint& target, const location& where) const;
    [[nodiscard]] bool is_spoken_for(const endpoint_state& one) const;
    [[nodiscard]] std::string fault_of(const endpoint& target, const verdict& judged);
    [[nodiscard]] bool is_locatable(const endpoint& target, const truth& real);

    world all_;
    virtual_path path_;
    virtual_path quiet_; // the same without loss and limits, to ask what could be seen
    std::map<endpoint, truth> truths_;
    std::map<endpoint, std::set<std::size_t>> heard_; // where on its way answers to a walk come from
    std::vector<endpoint> targets_;                   // of the plan
    time_point now_{std::chrono::hours{1}};
    std::size_t orders_ = 0;
    std::size_t spoken_for_ = 0;
    std::string trouble_; // with the orders themselves
};

} // namespace reachd::test
