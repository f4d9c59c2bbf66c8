// SPDX-License-Identifier: Apache-2.0
#include "attribution_parts.hpp"

#include <algorithm>

namespace reachd {
namespace {

constexpr std::uint8_t host_unreachable_v4 = 1;
constexpr std::uint8_t address_unreachable_v6 = 3;

} // namespace

const endpoint_state* endpoint_of(const site_state& site, const flow& which)
{
    for (const auto& row : site.rows) {
        for (const auto& one : row.endpoints) {
            if (one.address == which.target.address && one.port == which.target.port &&
                one.transport == which.target.transport && one.vantage == which.vantage &&
                !one.seen.empty()) {
                return &one;
            }
        }
    }
    return nullptr;
}

// Silence at first, as routers limit their ICMP: a later try was rejected aloud.
verdict rejection_judge::judge_late(const flow& which, const ip_address& by) const
{
    const auto found = site_.traces.find(which);
    std::vector<observation> rejections;
    for (const auto& seen : found->second) {
        if (is_rejection(seen.what, which.target.address) && std::get<icmp_error>(seen.what).sender == by) {
            rejections.push_back(seen);
        }
    }
    return judge(which.target, rejections, site_.local);
}

// Only the last router says "host unreachable" of a host that is down: the others would not know.
bool rejection_judge::may_be_down(const flow& which, const icmp_error& seen, unsigned number) const
{
    const bool unreachable = seen.family == family::v4
                               ? seen.type == 3 && seen.code == host_unreachable_v4
                               : seen.type == 1 && seen.code == address_unreachable_v6;
    if (!unreachable) {
        return false;
    }
    const auto& known = all_.facts(which.vantage, which.target.address);
    const bool others_get_there = known.spoke_at || all_.goes_past(which, seen.sender) ||
                                  std::ranges::any_of(known.flows, [&](const flow& other) {
                                      const auto at = all_.view(other).answered_at();
                                      return at && *at > number + 1; // else by that router, or before it
                                  });
    return !others_get_there;
}

void rejection_judge::locate(verdict& judged, const flow& which) const
{
    if (judged.kind != verdict_kind::blocked || !judged.where || !judged.where->at ||
        !judged.where->at->address) {
        return;
    }
    auto& box = *judged.where->at;
    const auto number = number_of_box(which, *box.address);
    if (!number) {
        return;
    }
    box.number = number;
    const auto& way = all_.way(which.vantage, which.target.address.family);
    if (judged.blame == blame::site || way.edge == 0) {
        return;
    }
    const auto seen = last_word_of(*box.address, which);
    const bool inside =
        *number <= way.edge ||
        (!what_.config.path.edge && belongs_to_site(*box.address, *number, site_.local, what_.config.path));
    judged.blame = inside                                     ? blame::site
                 : seen && may_be_down(which, *seen, *number) ? blame::unknown
                                                              : blame::isp;
}

std::optional<icmp_error> rejection_judge::last_word_of(const ip_address& box, const flow& which) const
{
    const auto* one = endpoint_of(site_, which);
    const auto* icmp = one ? std::get_if<icmp_error>(&one->seen.back().what) : nullptr;
    if (icmp && icmp->sender == box) {
        return *icmp;
    }
    const auto found = site_.traces.find(which); // rejected only when it was tried again
    if (found == site_.traces.end()) {
        return std::nullopt;
    }
    for (const auto& seen : found->second) {
        if (is_rejection(seen.what, which.target.address) && std::get<icmp_error>(seen.what).sender == box) {
            return std::get<icmp_error>(seen.what);
        }
    }
    return std::nullopt;
}

std::optional<unsigned> rejection_judge::number_of_box(const flow& which, const ip_address& box) const
{
    if (const auto number = all_.number_of(which, box)) {
        return number;
    }
    if (std::ranges::find(site_.local.gateways, box) != site_.local.gateways.end()) {
        return 1;
    }
    // It never said "time exceeded"; its rejections begin at its own number, or one hop later when it
    // looks at the hop limit first.
    for (const auto& [limit, sender] : all_.view(which).rejected) {
        if (sender == box && (limit == 1 || all_.view(which).transit.contains(limit - 1))) {
            return limit;
        }
    }
    return std::nullopt;
}

} // namespace reachd
