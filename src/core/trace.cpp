// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/trace.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace reachd {
namespace {

const icmp_error* icmp_of(const outcome& what)
{
    return std::get_if<icmp_error>(&what);
}

// Fragmentation needed (3/4) tells of a size, not of a refusal.
bool is_unreachable(const icmp_error& seen)
{
    return seen.family == family::v4 ? seen.type == 3 && seen.code != 4 : seen.type == 1;
}

// "10.77.1.2:41002" and "[fd77::2]:41002".
std::optional<ip_address> address_of(const std::string& source)
{
    const auto colon = source.rfind(':');
    if (colon == std::string::npos) {
        return std::nullopt;
    }
    const bool bracketed = source.starts_with('[');
    return parse_address(bracketed ? source.substr(1, colon - 2) : source.substr(0, colon));
}

} // namespace

std::uint16_t source_port_of(const observation& seen)
{
    std::uint16_t port = 0;
    const auto* end = seen.source.data() + seen.source.size();
    std::from_chars(seen.source.data() + seen.source.rfind(':') + 1, end, port);
    return port;
}

namespace {

void add_hop_limited(flow_view& view, const endpoint& target, unsigned limit, const observation& seen)
{
    const auto& what = seen.what;
    if (is_in_transit(what) && icmp_of(what)->sender == target.address) {
        view.translated.insert(limit);
    } else if (is_in_transit(what)) {
        view.transit[limit] = icmp_of(what)->sender;
        view.transit_ports[limit] = source_port_of(seen);
        view.heard[limit].push_back(seen.at);
    } else if (is_answer(what, target.address)) {
        view.answered.insert(limit);
    } else if (is_rejection(what, target.address)) {
        view.rejected[limit] = icmp_of(what)->sender;
    } else if (is_silence(what)) {
        ++view.silent[limit];
        view.silent_unpaced[limit] += seen.unpaced ? 1U : 0U;
        view.silent_since.try_emplace(limit, seen.at);
    } else {
        view.unmeasured.insert(limit);
    }
}

} // namespace

bool is_control(const endpoint& target)
{
    return target.transport == transport::udp && target.port >= control_port &&
           target.port < control_port + control_ports;
}

bool is_in_transit(const outcome& what)
{
    const auto* seen = icmp_of(what);
    return seen && seen->type == (seen->family == family::v4 ? 11 : 3) && seen->code == 0 &&
           !seen->sender_is_us;
}

bool is_rejection(const outcome& what, const ip_address& target)
{
    const auto* seen = icmp_of(what);
    return seen && is_unreachable(*seen) && seen->sender != target && !seen->sender_is_us;
}

bool is_answer(const outcome& what, const ip_address& target)
{
    if (const auto* seen = icmp_of(what)) {
        return is_unreachable(*seen) && seen->sender == target;
    }
    return !std::holds_alternative<no_reply>(what) && !std::holds_alternative<not_measured>(what);
}

bool is_silence(const outcome& what)
{
    return std::holds_alternative<no_reply>(what);
}

unsigned flow_view::farthest() const
{
    return transit.empty() ? 0 : transit.rbegin()->first;
}

std::optional<unsigned> flow_view::answered_at() const
{
    return answered.empty() ? std::nullopt : std::optional{*answered.begin()};
}

bool flow_view::is_silent_at(unsigned hop_limit, unsigned tries) const
{
    const auto found = silent.find(hop_limit);
    return found != silent.end() && found->second >= tries && !transit.contains(hop_limit) &&
           !answered.contains(hop_limit) && !rejected.contains(hop_limit) && !translated.contains(hop_limit);
}

bool flow_view::is_settled(unsigned hop_limit, unsigned tries) const
{
    return transit.contains(hop_limit) || answered.contains(hop_limit) || rejected.contains(hop_limit) ||
           unmeasured.contains(hop_limit) || translated.contains(hop_limit) || is_silent_at(hop_limit, tries);
}

unsigned flow_view::received_low() const
{
    return min_answered.empty() ? 0 : *min_answered.rbegin();
}

unsigned flow_view::received_high() const
{
    unsigned high = 255;
    for (const auto& [limit, tries] : min_silent) {
        if (tries >= min_ttl_tries && limit > received_low()) {
            high = std::min(high, limit - 1);
        }
    }
    return high;
}

std::optional<unsigned> flow_view::received_ttl() const
{
    const auto low = received_low();
    return low > 0 && low == received_high() ? std::optional{low} : std::nullopt;
}

std::optional<unsigned> flow_view::sure_received_ttl() const
{
    const auto received = received_ttl();
    if (!received || *received == 255) {
        return received;
    }
    const auto above = min_silent.find(*received + 1);
    return above != min_silent.end() && above->second >= sure_min_ttl_tries ? received : std::nullopt;
}

flow_view view_of(const endpoint& target, const std::vector<observation>& seen)
{
    flow_view view;
    for (const auto& one : seen) {
        if (one.decoy) {
            continue;
        }
        if (const auto* icmp = icmp_of(one.what); icmp && icmp->sender == target.address) {
            view.icmp_received_ttl = icmp->received_ttl;
        }
        if (!one.source.empty()) {
            view.source = address_of(one.source);
        }
        const bool answers = is_answer(one.what, target.address);
        view.was_connected = view.was_connected || std::holds_alternative<connected>(one.what) ||
                             std::holds_alternative<replied>(one.what);
        view.was_refused = view.was_refused || std::holds_alternative<refused>(one.what);
        if (one.on_link) {
            view.link_answers += answers ? 1U : 0U;
            view.link_silences += is_silence(one.what) ? 1U : 0U;
            view.link_failures += std::holds_alternative<not_measured>(one.what) ? 1U : 0U;
        } else if (one.min_ttl) {
            if (answers && !icmp_of(one.what)) { // of an ICMP error it limits the TTL of what that quotes
                view.min_answered.insert(*one.min_ttl);
            } else if (is_silence(one.what)) {
                ++view.min_silent[*one.min_ttl];
            } else {
                view.unmeasured.insert(*one.min_ttl + most_hops);
            }
        } else if (one.hop_limit) {
            add_hop_limited(view, target, *one.hop_limit, one);
        } else {
            view.plain_answers += answers ? 1U : 0U;
            view.plain_others += answers ? 0U : 1U;
        }
    }
    return view;
}

decoy_view decoys_of(const std::vector<observation>& seen)
{
    decoy_view out;
    for (const auto& one : seen) {
        out.tries += one.decoy ? 1U : 0U;
        out.forged = out.forged || one.forged;
    }
    return out;
}

unsigned hops_back(unsigned received_ttl)
{
    for (const unsigned initial : {32U, 64U, 128U, 255U}) {
        if (received_ttl <= initial) {
            return initial - received_ttl;
        }
    }
    return 0;
}

} // namespace reachd
