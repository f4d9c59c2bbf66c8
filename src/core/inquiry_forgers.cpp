// SPDX-License-Identifier: Apache-2.0
// Whether somebody forges what comes to datagrams. Of a UDP reply, and of an ICMP error about a datagram, the
// kernel checks addresses and ports alone: who sends them to every port reaches the one that a probe waits at.
// He reaches that of a datagram as well that ended on its way, to which nothing can have come.
#include "order_book.hpp"

#include <algorithm>

namespace reachd {
namespace {

bool is_forgeable(const member& one)
{
    return one.look == first_look::connected || one.look == first_look::refused ||
           one.look == first_look::rejected;
}

} // namespace

void ask_about_forgers(order_book& book)
{
    for (const auto& one : book.groups) {
        if (one.transport != transport::udp) {
            continue;
        }
        for (const auto& each : one.members) {
            const auto limit = book.all.decoy_limit(each.which);
            if (!is_forgeable(each) || !limit || book.is_busy(each.which)) {
                continue;
            }
            for (auto number = book.all.decoys_sent(each.which) + 1; number <= decoy_tries; ++number) {
                book.add(
                    {.which = each.which,
                     .hop_limit = limit,
                     .payload = each.payload,
                     .needs_icmp = true,
                     .decoy = number}
                );
            }
        }
    }
}

} // namespace reachd
