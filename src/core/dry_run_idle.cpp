// SPDX-License-Identifier: Apache-2.0
#include "dry_run_idle.hpp"

#include "reachd/core/idle_result.hpp"

#include <algorithm>

namespace reachd {
namespace {

using nlohmann::json;

// Packets of one flow that is held, as counted in the lab (tests/system/traffic_test.py), 2026-11. Over a
// service: SYN, ACK, one keep-alive, FIN and the ACK of the other one.
constexpr std::size_t packets_over_service = 5;
// Over a reflector: besides, hello and answer_after, and what is acknowledged of their replies and of the
// answer.
constexpr std::size_t packets_over_reflector = 8;
constexpr std::size_t datagrams_over_reflector = 2; // hello and answer_after
// Over a STUN server: one or two requests, and that of the other flow.
constexpr std::size_t datagrams_of_single = 2;
constexpr std::size_t datagrams_of_stream = 3;

std::size_t packets_of_flow(const plan& what, idle_class which)
{
    const bool by_reflector = std::ranges::any_of(what.config.reflectors, [](const reflector_config& one) {
        return !one.secret_file.empty();
    });
    if (which == idle_class::tcp) {
        return by_reflector ? packets_over_reflector : packets_over_service;
    }
    return by_reflector                    ? datagrams_over_reflector
         : which == idle_class::udp_single ? datagrams_of_single
                                           : datagrams_of_stream;
}

std::string why_none(const plan& what, const idle_timer& timer, dry_run_ladders ladders)
{
    if (ladders == dry_run_ladders::left_out) {
        return "an idle timer needs a long wait, which this check leaves out";
    }
    if (timer.transport == transport::udp && what.config.reflectors.empty()) {
        return "an idle UDP mapping is settled by a reflector or a STUN server outside the site, and none is "
               "configured";
    }
    return {};
}

} // namespace

json idle_dry_run(const plan& what, const idle_timer& timer, dry_run_ladders ladders, idle_sums& all)
{
    if (const auto why = why_none(what, timer, ladders); !why.empty()) {
        return {{"not_sent", why}};
    }
    json out = json::array();
    for (const auto& need : idle_needs(timer, what.config.idle)) {
        const auto rungs = first_rungs(need);
        const auto packets = rungs.size() * packets_of_flow(what, need.which);
        const auto longest = std::chrono::ceil<seconds>(length_of(rungs));
        const auto* word = class_word(need.which);
        all.flows += rungs.size();
        all.packets += packets;
        all.longest = std::max(all.longest, longest);
        out.push_back({
            {"class", word ? json(word) : json(nullptr)},
            {"flows", rungs.size()},
            {"packets", packets},
            {"takes_s", longest.count()},
        });
    }
    return {{"transport", to_string(timer.transport)}, {"ladders", std::move(out)}};
}

} // namespace reachd
