// SPDX-License-Identifier: Apache-2.0
// Whether somebody forges what comes to datagrams. Of a UDP reply, and of an ICMP error about a datagram, the
// kernel checks addresses and ports alone: who sends them to every port reaches the one that a probe waits
// at. He reaches that of a datagram as well that ended on its way, to which nothing can have come.
#include "order_book.hpp"

namespace reachd {
namespace {

void add_decoys(order_book& book, const member& one)
{
    const auto limit = book.all.decoy_limit(one.which);
    if (!limit || book.is_busy(one.which)) {
        return;
    }
    for (auto number = book.all.decoys_sent(one.which) + 1; number <= decoy_tries; ++number) {
        book.add(
            {.which = one.which,
             .hop_limit = limit,
             .payload = one.payload,
             .needs_icmp = true,
             .decoy = number}
        );
    }
}

} // namespace

void ask_about_forgers(order_book& book)
{
    for (const auto& one : book.groups) {
        if (one.transport != transport::udp) {
            continue;
        }
        for (const auto look : {first_look::connected, first_look::refused, first_look::rejected}) {
            for (const auto i : decoy_representatives(one, look)) {
                add_decoys(book, one.members[i]);
            }
        }
    }
}

} // namespace reachd
