// SPDX-License-Identifier: Apache-2.0
#include "sim/path_trial.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_orders = 5000;
constexpr std::size_t orders_per_endpoint = 60;
constexpr std::size_t orders_besides = 300; // controls, canaries
constexpr std::size_t window = 16;          // of orders at once, where they are carried out piece by piece

network make_quiet(network what)
{
    what.loss = 0;
    for (auto& one : what.boxes) {
        one.limits_icmp = false;
    }
    return what;
}

endpoint target_of(const endpoint_state& one)
{
    return {*one.address, one.port, one.transport};
}

std::size_t position_of(const std::vector<std::size_t>& way, std::size_t place)
{
    return static_cast<std::size_t>(std::ranges::find(way, place) - way.begin());
}

bool is_faked(const outcome& what)
{
    return std::holds_alternative<connected>(what) || std::holds_alternative<refused>(what) ||
           std::holds_alternative<replied>(what);
}

// Where on the way a hop of a report stands: by its address, else by its number.
std::optional<std::size_t>
position_of(const hop& one, const std::vector<std::size_t>& way, const network& net)
{
    if (one.address) {
        for (std::size_t i = 0; i < way.size(); ++i) {
            if (net.boxes[way[i]].address == *one.address) {
                return i;
            }
        }
    }
    if (!one.number) {
        return std::nullopt;
    }
    unsigned number = 0;
    for (std::size_t i = 0; i < way.size(); ++i) {
        number += i > 0 && net.boxes[way[i]].decrements ? 1U : 0U;
        if (number == *one.number) {
            return i;
        }
    }
    return way.size();
}

bool is_between(
    const location& where, std::size_t culprit, const std::vector<std::size_t>& way, const network& net
)
{
    const auto spot = position_of(way, culprit);
    // With ECMP the report may name a box of another row; that says nothing about this one.
    const auto holds = [&](const std::optional<hop>& one, auto compare) {
        const auto place = one ? position_of(*one, way, net) : std::nullopt;
        return !place || compare(*place, spot);
    };
    return holds(where.at, std::equal_to<>{}) && holds(where.after, std::less_equal<>{}) &&
           holds(where.before, std::greater_equal<>{}) && (where.at || where.after || where.before);
}

bool straddles_edge(std::size_t culprit, const std::vector<std::size_t>& way, const network& net)
{
    std::size_t last = 0;
    std::size_t next = way.size();
    for (std::size_t i = 1; i < way.size(); ++i) {
        const auto& one = net.boxes[way[i]];
        if (!one.decrements) {
            continue;
        }
        if (one.where == side::site) {
            last = i;
        } else {
            next = std::min(next, i);
        }
    }
    const auto spot = position_of(way, culprit);
    return last <= spot && spot <= next;
}

} // namespace

void tally::add(const tally& other)
{
    endpoints += other.endpoints;
    orders += other.orders;
    spoken_for += other.spoken_for;
    innocent += other.innocent;
    green += other.green;
    locatable += other.locatable;
    located += other.located;
}

path_trial::path_trial(world all)
    : all_{std::move(all)}, path_{all_.net, all_.seed}, quiet_{make_quiet(all_.net), all_.seed}
{
    for (const auto& row : all_.plan.site.rows) {
        for (const auto& one : row.endpoints) {
            targets_.push_back(target_of(one));
        }
    }
}

void path_trial::run()
{
    probe_all();
    all_.plan.evaluate();
    inquire();
    all_.plan.evaluate();
}

void path_trial::note(const endpoint& target, const fate& of)
{
    auto& real = truths_[target];
    if (of.culprit) {
        real.culprits.try_emplace(*of.culprit, of.way);
    }
    if (of.speaker && is_faked(of.what) && !is_server(target, of.speaker)) {
        real.impostors.insert(*of.speaker);
    }
    real.met_server = real.met_server || is_server(target, of.speaker);
    if (of.speaker && std::holds_alternative<icmp_error>(of.what)) {
        real.tellers.insert(*of.speaker);
    }
    real.left_site = real.left_site || of.left_site;
}

void path_trial::probe_all()
{
    for (auto& row : all_.plan.site.rows) {
        for (auto& one : row.endpoints) {
            for (auto& [seen, of] : path_.probe(target_of(one), now_)) {
                note(target_of(one), of);
                truths_[target_of(one)].first_hand = of.speaker;
                truths_[target_of(one)].way = of.way;
                one.seen.push_back(seen);
            }
        }
        row.checked = make_wall(1000s);
    }
    now_ += 6s;
}

void path_trial::carry_out(const std::set<hop_order>& orders)
{
    std::map<std::optional<unsigned>, time_point> next; // by hop limit
    std::vector<std::pair<time_point, hop_order>> queue;
    for (const auto& order : orders) {
        auto& when = next.try_emplace(order.hop_limit, now_).first->second;
        queue.emplace_back(when, order);
        when += 1s;
    }
    std::ranges::stable_sort(queue, {}, [](const auto& one) { return one.first; });
    for (const auto& [when, order] : queue) {
        auto [seen, of] = path_.observe(order, when);
        note(order.which.target, of);
        all_.plan.site.traces[order.which].push_back(std::move(seen));
        now_ = when + 1s;
    }
    orders_ += orders.size();
}

void path_trial::inquire()
{
    const bool piecewise = all_.seed % 4 == 0;
    const auto bound = std::min(most_orders, orders_per_endpoint * targets_.size() + orders_besides);
    std::set<hop_order> waiting;
    while (orders_ <= bound) {
        for (const auto& order : next_orders(all_.plan.what, all_.plan.site, waiting).now) {
            if (!waiting.insert(order).second) {
                trouble_ = "ordered again while under way: " + to_text(order.which.target);
            }
        }
        if (waiting.empty()) {
            return;
        }
        std::set<hop_order> now;
        while (!waiting.empty() && (!piecewise || now.size() < window)) {
            now.insert(waiting.extract(waiting.begin()));
        }
        carry_out(now);
    }
    trouble_ = fmt::format("more than {} orders", bound);
}

bool path_trial::is_server(const endpoint& target, std::optional<std::size_t> place) const
{
    const auto* to = path_.server_at(target.address);
    return to && place == to->self;
}

// Whether a walk of `control` meets the box before the culprit on `way`, and then one behind the culprit.
bool path_trial::comes_past(const endpoint& control, std::size_t culprit, const std::vector<std::size_t>& way)
{
    const auto own = quiet_.way_to(control, walk_flow);
    const auto [heard, is_new] = heard_.try_emplace(control);
    for (unsigned limit = 1; is_new && limit <= own.size(); ++limit) {
        const auto of = quiet_.send({.target = control, .hop_limit = limit, .min_ttl = {}}, now_);
        if (of.speaker && !of.culprit) {
            heard->second.insert(position_of(own, *of.speaker));
        }
    }
    auto before = position_of(way, culprit);
    while (before > 0 && (way[before] == culprit || !all_.net.boxes[way[before]].decrements)) {
        --before;
    }
    const auto shared = position_of(own, way[before]);
    const auto spot = position_of(own, culprit);
    return spot < own.size() && (before == 0 || heard->second.contains(shared)) &&
           heard->second.upper_bound(spot) != heard->second.end();
}

bool path_trial::is_shown(
    const endpoint& target, std::size_t culprit, const std::vector<std::size_t>& way, bool by_others
)
{
    const endpoint traced{target.address, control_port, transport::udp};
    return comes_past(traced, culprit, way) || std::ranges::any_of(targets_, [&](const endpoint& other) {
               return other != target && (by_others || other.address == target.address) &&
                      comes_past(other, culprit, way);
           });
}

// The same by flows that routers report as they would this one: datagrams may well go unreported past the
// edge.
bool path_trial::is_shown_alike(
    const endpoint& target, std::size_t culprit, const std::vector<std::size_t>& way
)
{
    if (target.transport == transport::tcp) {
        return is_shown(target, culprit, way, false);
    }
    const endpoint traced{target.address, control_port, transport::udp};
    return comes_past(traced, culprit, way) || std::ranges::any_of(targets_, [&](const endpoint& other) {
               return other != target && other.transport == transport::udp &&
                      other.address == target.address && comes_past(other, culprit, way);
           });
}

// Whether the impostor's answer comes with fewer hops allowed than the way to the server has: the last
// router, as it forwards, is as far away as the server.
bool path_trial::is_nearer(const endpoint& target, std::size_t impostor)
{
    const auto way = quiet_.way_to(target, walk_flow);
    const auto hops = std::ranges::count_if(way, [&](std::size_t place) {
        return place != 0 && all_.net.boxes[place].decrements;
    });
    for (unsigned limit = 1; limit < static_cast<unsigned>(hops); ++limit) {
        const auto of = quiet_.send({.target = target, .hop_limit = limit, .min_ttl = {}}, now_);
        if (of.speaker == impostor && is_faked(of.what)) {
            return true;
        }
    }
    return false;
}

bool path_trial::may_blame(const verdict& judged, const truth& real) const
{
    return judged.blame == blame::unknown || std::ranges::any_of(real.culprits, [&](const auto& one) {
               const auto where = all_.net.boxes[one.first].where;
               switch (judged.blame) {
               case blame::host: return where == side::host;
               case blame::site: return where == side::site;
               case blame::edge: return straddles_edge(one.first, one.second, all_.net);
               case blame::isp: return where == side::isp;
               case blame::service: return where == side::service;
               case blame::unknown: return true;
               }
               return false;
           });
}

bool path_trial::includes(const location& where, const truth& real) const
{
    const auto spoke = [&](std::size_t place) {
        return where.at && where.at->address == all_.net.boxes[place].address;
    };
    if (std::ranges::any_of(real.tellers, spoke)) {
        return true; // it rejects, or says of a host that it is down
    }
    return std::ranges::any_of(real.culprits, [&](const auto& one) {
        return is_between(where, one.first, one.second, all_.net);
    });
}

// The last router says of a host that it is down, of one port perhaps: the others are told by it.
bool path_trial::is_said_down(const endpoint& target, const location& where) const
{
    const auto* to = path_.server_at(target.address);
    if (!to || !to->missed || !where.at || to->tail.empty()) {
        return false;
    }
    return std::ranges::any_of(to->tail.back().rows, [&](const auto& row) {
        return !row.empty() && where.at->address == all_.net.boxes[row.back()].address;
    });
}

// A silent port between two others that are alike takes their verdict (docs/VERDICTS.md).
bool path_trial::is_spoken_for(const endpoint_state& one) const
{
    return std::holds_alternative<no_reply>(one.seen.back().what) &&
           !all_.plan.site.traces.contains({one.vantage, target_of(one)});
}

// The law that is broken; "" when none is.
std::string path_trial::fault_of(const endpoint& target, const verdict& judged)
{
    const auto& real = truths_[target];
    switch (judged.kind) {
    case verdict_kind::open:
    case verdict_kind::closed:
        if (!is_server(target, real.first_hand) && !real.met_server && real.first_hand &&
            is_shown(target, *real.first_hand, real.way, false) && is_nearer(target, *real.first_hand)) {
            return "FALSE GREEN: that was not the destination, and a control shows it";
        }
        return "";
    case verdict_kind::permitted:
        if (!real.left_site) {
            return "FALSE GREEN: nothing left the site";
        }
        for (const auto& [culprit, way] : real.culprits) {
            if (!is_server(target, culprit) && is_shown_alike(target, culprit, way)) {
                return fmt::format("FALSE GREEN: box {} drops it, and a control shows it", culprit);
            }
        }
        return "";
    case verdict_kind::intercepted:
        if (real.impostors.empty()) {
            return "FALSE BLAME: nobody answers in its name";
        }
        break;
    case verdict_kind::blocked:
    case verdict_kind::unresolved:
    case verdict_kind::unproven: break;
    }
    if (!may_blame(judged, real)) {
        return "FALSE BLAME: the wrong side";
    }
    const bool names = judged.kind == verdict_kind::blocked || judged.kind == verdict_kind::intercepted;
    const bool wrong =
        names && judged.where && !includes(*judged.where, real) && !is_said_down(target, *judged.where);
    return wrong ? "FALSE BLAME: the wrong place" : "";
}

std::string path_trial::story(const endpoint& target) const
{
    std::string text = describe(all_);
    const auto tell = [&](const observation& seen) {
        text += fmt::format(
            "  {}{}{}: {}\n", seen.hop_limit ? fmt::format("ttl {}", *seen.hop_limit) : "plain",
            seen.min_ttl ? fmt::format(" min {}", *seen.min_ttl) : "", seen.on_link ? " on link" : "",
            describe(seen.what)
        );
    };
    for (const auto& row : all_.plan.site.rows) {
        for (const auto& one : row.endpoints) {
            if (target_of(one) == target) {
                std::ranges::for_each(one.seen, tell);
            }
        }
    }
    for (const auto& [which, seen] : all_.plan.site.traces) {
        const bool about = which.target == target || std::ranges::any_of(seen, [](const observation& one) {
                               return one.hop_limit.has_value();
                           });
        if (about && (which.target.address == target.address || !path_.server_at(which.target.address))) {
            text += to_text(which.target) + ":\n";
            std::ranges::for_each(seen, tell);
        }
    }
    return text;
}

std::vector<std::string> path_trial::faults()
{
    std::vector<std::string> out;
    if (!trouble_.empty()) {
        out.push_back(describe(all_) + trouble_);
    }
    std::set<std::string> told; // once for equal ones
    for (const auto& row : all_.plan.site.rows) {
        for (const auto& one : row.endpoints) {
            const auto target = target_of(one);
            const auto fault = fault_of(target, one.judged);
            if (!fault.empty() && is_spoken_for(one)) {
                ++spoken_for_;
                continue;
            }
            if (fault.empty() || !told.insert(fault + to_text(target.address)).second) {
                continue;
            }
            std::string culprits;
            for (const auto& [culprit, way] : truths_[target].culprits) {
                culprits += fmt::format(" {} on {}", culprit, fmt::join(way, " "));
            }
            out.push_back(
                fmt::format(
                    "{}\n{}{}\n  is {}, blame {}, {}: {}\n  at fault:{}", fault, story(target),
                    to_text(target), to_string(one.judged.kind), to_string(one.judged.blame),
                    one.judged.where ? describe(*one.judged.where) : "nowhere", one.judged.sentence, culprits
                )
            );
        }
    }
    return out;
}

// A rejecting box names itself; all others are found where something comes past them.
bool path_trial::is_locatable(const endpoint& target, const truth& real)
{
    if (real.culprits.size() != 1) {
        return false;
    }
    const auto& [culprit, way] = *real.culprits.begin();
    const auto where = all_.net.boxes[culprit].where;
    return (where == side::site || where == side::isp) && is_shown(target, culprit, way, true);
}

tally path_trial::count()
{
    tally out{.endpoints = targets_.size(), .orders = orders_, .spoken_for = spoken_for_};
    for (const auto& row : all_.plan.site.rows) {
        for (const auto& one : row.endpoints) {
            const auto& real = truths_[target_of(one)];
            const auto green = weigh(expectation::path, one.judged) == endpoint_answer::pass;
            if (real.culprits.empty()) {
                ++out.innocent;
                out.green += green ? 1U : 0U;
            } else if (is_locatable(target_of(one), real)) {
                ++out.locatable;
                out.located += one.judged.where && includes(*one.judged.where, real) ? 1U : 0U;
            }
        }
    }
    return out;
}

std::vector<std::string> path_trial::gaps()
{
    std::vector<std::string> out;
    for (const auto& row : all_.plan.site.rows) {
        for (const auto& one : row.endpoints) {
            const auto target = target_of(one);
            const auto& real = truths_[target];
            const auto green = weigh(expectation::path, one.judged) == endpoint_answer::pass;
            const bool missing =
                real.culprits.empty()
                    ? !green
                    : is_locatable(target, real) && !(one.judged.where && includes(*one.judged.where, real));
            if (missing) {
                out.push_back(
                    fmt::format(
                        "{}{}: {}, blame {}, {}: {}", story(target), to_text(target),
                        to_string(one.judged.kind), to_string(one.judged.blame),
                        one.judged.where ? describe(*one.judged.where) : "nowhere", one.judged.sentence
                    )
                );
            }
        }
    }
    return out;
}

} // namespace reachd::test
