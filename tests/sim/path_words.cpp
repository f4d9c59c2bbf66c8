// SPDX-License-Identifier: Apache-2.0
// A world in words, for the failure of a test.
#include "sim/path_worlds.hpp"

#include <fmt/format.h>

namespace reachd::test {
namespace {

const char* to_string(side value)
{
    switch (value) {
    case side::host: return "host";
    case side::site: return "site";
    case side::isp: return "isp";
    case side::service: return "service";
    }
    return "?";
}

const char* to_string(manner value)
{
    switch (value) {
    case manner::answers: return "answers";
    case manner::refuses: return "refuses";
    case manner::silent: return "silent";
    case manner::drops: return "drops";
    case manner::rejects: return "rejects";
    }
    return "?";
}

std::string describe(const rule& what)
{
    return fmt::format(
        "{} (code {}) in {} for {} {} ports {}-{}", to_string(what.what), what.code,
        what.where == point::prerouting ? "prerouting" : "forward",
        what.about.destination ? reachd::to_text(*what.about.destination) : "all",
        what.about.kind ? reachd::to_string(*what.about.kind) : "any", what.about.ports.first,
        what.about.ports.last
    );
}

std::string describe(const std::vector<segment>& way)
{
    std::string text;
    for (const auto& one : way) {
        text += " [";
        for (const auto& row : one.rows) {
            text += &row == &one.rows.front() ? "" : " | ";
            text += fmt::format("{}", fmt::join(row, " "));
        }
        text += "]";
    }
    return text;
}

std::string describe(const server& what)
{
    auto text = fmt::format(
        "server {}: tail{}, detour {}{}{}, else tcp {}, udp {};", what.self, describe(what.tail), what.detour,
        what.dead ? ", dead" : "", what.missed ? " and missed" : "", to_string(what.tcp_else),
        to_string(what.udp_else)
    );
    manner last{};
    bool first = true;
    for (const auto& [port, how] : what.ports) {
        if (first || how != last) {
            text += fmt::format(" {}/{}.. {}", reachd::to_string(port.first), port.second, to_string(how));
        }
        last = how;
        first = false;
    }
    return text + "\n";
}

} // namespace

const char* to_string(deed value)
{
    switch (value) {
    case deed::drop: return "drop";
    case deed::reject: return "reject";
    case deed::reset: return "reset";
    case deed::proxy: return "proxy";
    case deed::syn_proxy: return "syn_proxy";
    case deed::spoof: return "spoof";
    case deed::hide_errors: return "hide_errors";
    }
    return "?";
}

std::string describe(const network& what)
{
    auto text = fmt::format(
        "loss {:.2f}, ECMP by {}, canaries reach box {} of the trunk{}\ntrunk{}\n", what.loss,
        what.spreads_flows ? "flow" : "destination", what.canary_hops,
        what.canary_code ? fmt::format(", rejected by code {}", *what.canary_code) : "", describe(what.trunk)
    );
    for (std::size_t i = 0; i < what.boxes.size(); ++i) {
        const auto& one = what.boxes[i];
        text += fmt::format(
            "{:3} {:7} {:18} ttl {}{}{}{}", i, to_string(one.where), reachd::to_text(one.address), one.first_ttl,
            one.tells ? "" : ", mute", one.decrements ? "" : ", bridge", one.limits_icmp ? ", limits ICMP" : ""
        );
        for (const auto& mine : one.rules) {
            text += "; " + describe(mine);
        }
        text += "\n";
    }
    for (const auto& one : what.servers) {
        text += describe(one);
    }
    return text;
}

std::string describe(const world& all)
{
    return fmt::format("REACHD_SIM_SEED={}\n{}", all.seed, describe(all.net));
}

} // namespace reachd::test
