// SPDX-License-Identifier: Apache-2.0
// path_worlds.hpp: networks for virtual_path.hpp, drawn from a seed or laid out by hand, and their plans.
//
// Use     make_world(seed, kind); or lay_path() and change the few things that the test is about.
// Shapes  A plan only holds what an operator could know: addresses, ports, expectations.
#pragma once

#include "sim/virtual_path.hpp"
#include "support/make.hpp"

namespace reachd::test {

struct world {
    std::uint64_t seed = 0;
    network net;
    scene plan; // its endpoints have not been probed
};

enum class weather : std::uint8_t {
    clear,    // every hop answers: everything can be proven
    hidden,   // hops that are mute, hops that do not count, sites that let no ICMP in
    parallel, // and ways that fork, of equal and unequal length
    lossy,    // and up to one in ten packets and answers is lost
};

world make_world(std::uint64_t seed, weather how);

struct lengths {
    unsigned site = 1;
    unsigned isp = 2;
    unsigned tail = 2; // of every server
};

// IPv4, boxes that all answer, and servers at server_text and other_server_text with TCP 443 and 8443 open,
// UDP 4200 silent, everything else refused; nothing is at fault. Hop n is box n on the way to the first.
world lay_path(const lengths& how);

std::string describe(const world& all);

} // namespace reachd::test
