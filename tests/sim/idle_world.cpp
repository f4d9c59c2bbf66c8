// SPDX-License-Identifier: Apache-2.0
#include "idle_world.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd::test {
namespace {

using namespace std::chrono_literals;

constexpr time_point world_begin{1h};
constexpr int tries = 3; // packets of one test
constexpr duration outage_length = 8s;
constexpr duration busy = 40ms; // a test comes this late at most

unsigned pick(idle_world& world, unsigned below)
{
    return static_cast<unsigned>(world.random() % below);
}

double share(idle_world& world)
{
    return std::uniform_real_distribution<double>{0, 1}(world.random);
}

bool gets_through(idle_world& world)
{
    return share(world) >= world.loss;
}

// Of a mapping in it, counted from the last packet of the exchange, which came from outside.
duration life_of(const idle_box& box, idle_class which, duration round_trip)
{
    const auto timer = which == idle_class::udp_single ? box.single : box.stream;
    return box.inbound_keeps ? timer : timer - round_trip;
}

// When the boxes forget the flow: one moment for each.
std::vector<time_point> deaths(const idle_need& need, idle_world& world, time_point begun)
{
    std::vector<time_point> out;
    for (const auto& box : world.boxes) {
        auto dies = begun + life_of(box, need.which, world.round_trip);
        if (world.flush && begun < world_begin + *world.flush) {
            dies = std::min(dies, world_begin + *world.flush);
        }
        if (world.evictions_per_s > 0) {
            const std::chrono::duration<double> life{
                std::exponential_distribution<double>{world.evictions_per_s}(world.random)
            };
            dies = std::min(
                dies, begun + std::chrono::duration_cast<duration>(std::min(life, decltype(life){1e6}))
            );
        }
        out.push_back(dies);
    }
    return out;
}

bool is_gone(const std::vector<time_point>& dies, time_point now)
{
    return std::ranges::any_of(dies, [now](time_point one) { return now >= one; });
}

// What a packet from inside meets: the first box that has forgotten the flow and does not make it anew.
std::optional<after_expiry>
obstacle(const idle_world& world, const std::vector<time_point>& dies, time_point now)
{
    for (std::size_t i = 0; i < dies.size(); ++i) {
        if (now >= dies[i] && world.boxes[i].then != after_expiry::recreates) {
            return world.boxes[i].then;
        }
    }
    return std::nullopt;
}

bool is_between(time_point from, time_point what, time_point to)
{
    return from < what && what <= to;
}

class flow {
public:
    flow(const idle_need& need, idle_world& world, const idle_rung& rung, time_point from)
        : world_{world},
          hold_{rung.hold},
          begun_{from + rung.start},
          turn_{rung.turn},
          dies_{deaths(need, world, begun_)}
    {
    }

    std::vector<idle_reading> run()
    {
        std::vector<idle_reading> out;
        const auto tested = begun_ + hold_ + busy * pick(world_, 100) / 100;
        for (const auto& [age, why] :
             {std::pair{world_.peer_speaks, "the server spoke"},
              std::pair{world_.peer_closes, "the server closed it"}}) {
            if (age && *age < hold_ && !is_gone(dies_, begun_ + *age) && gets_through(world_)) {
                out.push_back(read(idle_grade::inbound, begun_ + *age));
                out.push_back(read(idle_grade::none, tested, why));
                return out;
            }
        }
        if (world_.sleep && is_between(begun_, world_begin + *world_.sleep, tested)) {
            out.push_back(read(idle_grade::none, tested, "this machine was suspended"));
        } else if (
            world_.outage &&
            is_between(world_begin + *world_.outage, tested, world_begin + *world_.outage + outage_length)
        ) {
            out.push_back(read(idle_grade::none, tested, "a fresh flow does not work either"));
        } else {
            out.push_back(test(tested));
        }
        return out;
    }

private:
    idle_reading read(idle_grade grade, time_point at, std::string why = {}) const
    {
        return {
            .idle = at - begun_,
            .grade = grade,
            .reason = std::move(why),
            .begun = begun_,
            .tested = at,
            .turn = turn_,
        };
    }

    bool any_gets_through(int ways)
    {
        bool out = false;
        for (int i = 0; i < tries; ++i) {
            bool one = true;
            for (int way = 0; way < ways; ++way) {
                one = gets_through(world_) && one;
            }
            out = out || one;
        }
        return out;
    }

    idle_reading test(time_point now)
    {
        const bool closed = world_.peer_closes && *world_.peer_closes < hold_; // and we did not hear of it
        const auto met = obstacle(world_, dies_, now);
        const bool answered = !met && !closed && any_gets_through(2);
        if (world_.far_side) {
            const bool heard = !is_gone(dies_, now) && any_gets_through(1);
            if (heard) {
                return read(idle_grade::inbound, now);
            }
            if (!gets_through(world_)) {
                return read(idle_grade::none, now, "the other side does not say whether it spoke");
            }
            auto out = read(idle_grade::inbound_lost, now);
            out.then = met ? met : answered ? std::optional{after_expiry::recreates} : std::nullopt;
            return out;
        }
        if (answered) {
            return read(idle_grade::outbound, now);
        }
        auto out = read(idle_grade::outbound_lost, now);
        out.then =
            met == after_expiry::drops || !any_gets_through(2) ? after_expiry::drops : after_expiry::resets;
        return out;
    }

    idle_world& world_;
    duration hold_;
    time_point begun_;
    unsigned turn_;
    std::vector<time_point> dies_;
};

// Near the requirement as often as far from it.
duration draw_timer(idle_world& world)
{
    constexpr seconds shipped[] = {30s,  60s,  120s, 180s,  240s,  300s, 350s,
                                   600s, 720s, 900s, 1800s, 3600s, 7440s};
    switch (pick(world, 4)) {
    case 0: return seconds{700 + pick(world, 41)};
    case 1: return seconds{10 + pick(world, 1000)};
    case 2: return seconds{50 + pick(world, 21)};
    default: return shipped[pick(world, std::size(shipped))];
    }
}

} // namespace

duration idle_world::timer(idle_class which) const
{
    duration out = duration::max();
    for (const auto& box : boxes) {
        out = std::min(out, life_of(box, which, round_trip));
    }
    return out;
}

bool idle_world::is_clean() const
{
    return !peer_closes && !peer_speaks && !flush && !outage && !sleep && evictions_per_s == 0 && loss == 0;
}

idle_world draw_world(std::uint64_t seed)
{
    idle_world out;
    out.random.seed(seed);
    const auto now_and_then = [&] { return pick(out, 8) == 0; };
    for (unsigned boxes = 1 + pick(out, 2); boxes > 0; --boxes) {
        const auto stream = draw_timer(out);
        out.boxes.push_back({
            .single = pick(out, 2) == 0 ? stream : std::max<duration>(stream / 4, 5s),
            .stream = stream,
            .then = static_cast<after_expiry>(pick(out, 4)),
            .inbound_keeps = pick(out, 3) > 0,
        });
    }
    out.round_trip = milliseconds{pick(out, 400)};
    out.far_side = pick(out, 2) == 0;
    if (pick(out, 3) == 0) {
        return out; // nothing else
    }
    const auto moment = [&] { return std::optional<duration>{milliseconds{pick(out, 1'000'000)}}; };
    out.peer_closes = now_and_then() ? moment() : std::nullopt;
    out.peer_speaks = now_and_then() ? moment() : std::nullopt;
    out.flush = now_and_then() ? moment() : std::nullopt;
    out.outage = now_and_then() ? moment() : std::nullopt;
    out.sleep = now_and_then() ? moment() : std::nullopt;
    out.evictions_per_s = now_and_then() ? share(out) / 500 : 0;
    out.loss = now_and_then() ? share(out) / 20 : 0;
    return out;
}

ladder_run run_ladder(const idle_need& need, idle_world& world)
{
    ladder_run out;
    auto rungs = first_rungs(need);
    auto from = world_begin;
    while (!rungs.empty()) {
        for (const auto& rung : rungs) {
            auto seen = flow{need, world, rung, from}.run();
            std::ranges::move(seen, std::back_inserter(out.readings));
        }
        from += length_of(rungs) + 10s;
        out.judged = judge_idle(need, out.readings);
        rungs = repeat_rungs(out.judged, ++out.turns);
    }
    return out;
}

std::string describe(const idle_world& world)
{
    std::string out = world.far_side ? "far side" : "real service";
    for (const auto& box : world.boxes) {
        out += fmt::format(
            ", box {}/{} {}{}", seconds_text(box.single), seconds_text(box.stream), to_string(box.then),
            box.inbound_keeps ? "" : " kept from inside alone"
        );
    }
    const auto add = [&](const char* what, const std::optional<duration>& when) {
        out += when ? fmt::format(", {} {}", what, seconds_text(*when)) : "";
    };
    add("closes", world.peer_closes);
    add("speaks", world.peer_speaks);
    add("flush", world.flush);
    add("outage", world.outage);
    add("sleep", world.sleep);
    return out + fmt::format(", evictions {:.4f}, loss {:.3f}", world.evictions_per_s, world.loss);
}

} // namespace reachd::test
