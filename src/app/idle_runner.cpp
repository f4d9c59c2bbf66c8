// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/idle_runner.hpp"

#include "reachd/app/check_endpoint.hpp"
#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr milliseconds look_again{250};      // for a row to measure over, and for the ends of flows
constexpr seconds slow_tick{1};              // of the progress line
constexpr std::chrono::hours counts_for{96}; // as visit_counts_for (core/inbound_result.hpp)

// What was found counts on where it cannot be measured again, but not for ever: firewalls change.
void forget_old_results(std::vector<idle_result>& found)
{
    std::erase_if(found, [](const idle_result& one) { return wall_now() - one.measured > counts_for; });
}

} // namespace

idle_runner::idle_runner(
    asio::any_io_executor executor, std::shared_ptr<const plan> what, site_state& state, flow_gate& gate,
    resolver& names, task_group& tasks, handlers told
)
    : executor_{std::move(executor)},
      plan_{what},
      state_{state},
      gate_{gate},
      tasks_{tasks},
      told_{std::move(told)},
      link_{std::move(what), state, gate, names}
{
}

void idle_runner::start(std::size_t row, idle_depth how_far)
{
    const auto* timer = std::get_if<idle_timer>(&plan_->rows[row].what);
    const bool can_run = timer && (timer->transport == transport::tcp || !plan_->config.reflectors.empty()) &&
                         plan_->rows[row].not_configured.empty() && state_.rows[row].not_run.empty();
    if (can_run && !closed_ && running_.emplace(row, ladders{}).second) {
        tasks_.spawn("ladders of " + plan_->rows[row].id, run_row(row, how_far));
    }
}

void idle_runner::close()
{
    closed_ = true;
}

std::optional<time_point> idle_runner::ends() const
{
    std::optional<time_point> out;
    for (const auto& [row, all] : running_) {
        for (const auto& one : all) {
            if (one->ends && (!out || *one->ends > *out)) {
                out = one->ends;
            }
        }
    }
    return out;
}

asio::awaitable<void> idle_runner::pause()
{
    const auto when = steady::now() + look_again;
    co_await sleep_until(when);
}

asio::awaitable<void> idle_runner::finished()
{
    auto told = steady::now();
    while (!running_.empty() && !closed_) {
        co_await pause();
        if (steady::now() - told >= slow_tick) {
            told = steady::now();
            told_.progressed();
        }
    }
}

asio::awaitable<std::optional<idle_target>> idle_runner::find_target(std::size_t row)
{
    while (!closed_) {
        const auto choice = choose_idle_target(*plan_, state_, row);
        if (const auto* found = std::get_if<idle_target>(&choice)) {
            co_return *found;
        }
        if (const auto* nowhere = std::get_if<idle_nowhere>(&choice)) {
            state_.rows[row].idle_why = nowhere->reason;
            co_return std::nullopt;
        }
        co_await pause();
    }
    co_return std::nullopt;
}

// Why the configuration leaves too few entries in NATs for ladders; "" where there are enough. Each row may
// keep two flows to a STUN server besides the idle ones, and what became of an idle one is asked on another.
std::string idle_runner::why_too_few_entries() const
{
    constexpr std::size_t least_for_flows = 4;
    constexpr std::size_t kept_by_a_row = 2;
    const auto rows = static_cast<std::size_t>(std::ranges::count_if(plan_->rows, [](const plan_row& row) {
        return std::holds_alternative<idle_timer>(row.what);
    }));
    const auto least = least_for_flows + kept_by_a_row * rows;
    const auto most = plan_->config.limits.nat_entries;
    return most == 0 || most >= least
             ? std::string{}
             : fmt::format("limits.nat_entries is {}, and idle flows need at least {}", most, least);
}

// A reflector or STUN server where one answers; for TCP else a service. Empty: the row's state says why.
asio::awaitable<idle_runner::ladders> idle_runner::find_places(std::size_t row)
{
    const auto& timer = std::get<idle_timer>(plan_->rows[row].what);
    ladders out;
    if (auto why = why_too_few_entries(); !why.empty()) {
        state_.rows[row].idle_why = std::move(why);
        co_return out;
    }
    for (auto& need : idle_needs(timer, plan_->config.idle)) {
        out.push_back(std::make_shared<ladder>(ladder{.row = row, .need = std::move(need)}));
    }
    std::string without;
    if (!plan_->config.reflectors.empty()) {
        auto found = co_await link_.find(timer.transport);
        for (const auto& one : out) {
            if (found) {
                one->via = (found->stun ? "STUN server " : "reflector ") + found->host;
                one->target = {found->where.address, found->where.port, timer.transport};
                one->way = found->way;
                one->reflector = *found;
            }
        }
        if (found) {
            co_return out;
        }
        without = found.error().detail;
    }
    if (timer.transport == transport::udp) {
        state_.rows[row].idle_why = without;
        co_return ladders{};
    }
    const auto target = co_await find_target(row);
    if (!target) {
        co_return ladders{};
    }
    const auto& place = state_.rows[target->row].endpoints[target->endpoint];
    out.front()->via = plan_->rows[target->row].id;
    out.front()->target = {*place.address, place.port, place.transport};
    out.front()->way = way_of(*plan_, place.vantage);
    out.front()->without = without;
    co_return out;
}

asio::awaitable<void> idle_runner::run_row(std::size_t row, idle_depth how_far)
{
    std::exception_ptr broken;
    try {
        co_await measure_row(row, how_far);
    } catch (...) {
        broken = std::current_exception();
    }
    running_.erase(row);
    if (!closed_) {
        told_.finished(row); // not in a destructor: it judges the site, and may throw
    }
    if (broken) {
        std::rethrow_exception(broken);
    }
}

asio::awaitable<void> idle_runner::measure_row(std::size_t row, idle_depth how_far)
{
    if (state_.rows[row].idle.empty()) {
        state_.rows[row].idle_why = "it is being measured";
    }
    const auto all = co_await find_places(row);
    if (all.empty()) {
        forget_old_results(state_.rows[row].idle);
        co_return;
    }
    running_[row] = all;
    for (const auto& one : all) {
        tasks_.spawn("ladder of " + plan_->rows[row].id, run_ladder(one, how_far));
    }
    const auto is_done = [](const auto& one) { return one->done; };
    while (!closed_ && !std::ranges::all_of(all, is_done)) {
        co_await pause();
    }
    if (!closed_) {
        write_results(all);
    }
}

asio::awaitable<void> idle_runner::run_ladder(std::shared_ptr<ladder> what, idle_depth how_far)
{
    const auto leave = [what] { what->done = true; };
    const at_exit at_end{leave};
    auto rungs = first_rungs(what->need);
    unsigned turn = 0;
    while (!rungs.empty() && !closed_) {
        co_await climb(what, rungs);
        rungs = repeat_rungs(judge_idle(what->need, what->readings), ++turn);
    }
    const auto judged = judge_idle(what->need, what->readings);
    const auto survived = judged.held ? judged.held : judged.answered;
    if (how_far == idle_depth::refined && survived && judged.lost && !closed_) {
        rungs = refine_rungs(*survived, *judged.lost);
        co_await climb(what, rungs);
    }
    if (judged.lost && judged.answer != idle_answer::pass && what->reflector && !closed_) {
        if (what->reflector->stun) {
            what->owner.sentence =
                "which box it is can be told with reachd-reflector, not with a STUN server";
        } else {
            co_await find_owner(what);
        }
    }
}

// What the STUN server told, beside what was told at the last measurement.
std::optional<stun_view> idle_runner::view_of(const ladder& what) const
{
    if (!what.reflector || !what.reflector->stun) {
        return std::nullopt;
    }
    auto out = what.reflector->stun->view;
    for (const auto& one : state_.rows[what.row].idle) {
        if (one.which == what.need.which && one.seen_as && one.seen_as->address != out.address) {
            out.before = one.seen_as->address;
        }
    }
    if (what.seen_as && *what.seen_as != out.address) {
        out.before = std::exchange(out.address, *what.seen_as);
    }
    return out;
}

void idle_runner::write_results(const ladders& all)
{
    auto& state = state_.rows[all.front()->row];
    std::vector<idle_result> results;
    for (const auto& one : all) {
        results.push_back({
            .which = one->need.which,
            .required = one->need.required,
            .via = one->via,
            .target = one->target,
            .by_reflector = one->reflector.has_value(),
            .without = one->without,
            .judged = judge_idle(one->need, one->readings),
            .readings = one->readings,
            .owner = one->owner,
            .seen_as = view_of(*one),
            .measured = wall_now(),
        });
    }
    state.idle = std::move(results);
    state.idle_why.clear();
    state.checked = wall_now();
}

asio::awaitable<void> idle_runner::climb(std::shared_ptr<ladder> what, std::vector<idle_rung> rungs)
{
    const auto begun = steady::now();
    what->ends = begun + length_of(rungs);
    what->left = rungs.size();
    for (const auto& rung : rungs) {
        tasks_.spawn("idle flow of " + plan_->rows[what->row].id, run_flow(what, rung, begun));
    }
    while (what->left > 0 && !closed_) {
        co_await pause();
    }
}

asio::awaitable<void> idle_runner::run_flow(std::shared_ptr<ladder> what, idle_rung rung, time_point begun)
{
    const auto leave = [what] { --what->left; };
    const at_exit count_down{leave};
    const bool awake = co_await sleep_until(begun + rung.start);
    if (awake && !closed_) {
        const idle_refresh none;
        auto seen = co_await hold(what, rung, none);
        std::ranges::move(seen.readings, std::back_inserter(what->readings));
    }
}

} // namespace reachd
