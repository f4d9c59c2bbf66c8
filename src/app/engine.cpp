// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/engine.hpp"

#include "reachd/core/at_exit.hpp"
#include "reachd/core/nat64.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/local_network_reader.hpp"
#include "reachd/net/random_seed.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <map>
#include <ranges>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr seconds longest_hold{60}; // of what a row whose rounds are cut short was last told to be

task_group::failure_handler
forward_failures(const engine_listener& listener, std::shared_ptr<self_watch> self)
{
    return [told = listener.failed,
            self = std::move(self)](const std::string& name, const std::exception_ptr& what) {
        self->failed(what);
        if (told) {
            told(name, text_of(what));
        }
    };
}

template <class... Told>
void hush(std::function<void(Told...)>& handler, const std::shared_ptr<const bool>& telling)
{
    if (handler) {
        handler = [told = std::move(handler), telling](Told... what) {
            if (*telling) {
                told(std::forward<Told>(what)...);
            }
        };
    }
}

// The same, as long as `telling`: a round that ends after a reload speaks of rows that have other numbers
// now.
engine_listener while_telling(engine_listener from, const std::shared_ptr<const bool>& telling)
{
    hush(from.row_changed, telling);
    hush(from.address_appeared, telling);
    hush(from.round_finished, telling);
    hush(from.refreshed, telling);
    hush(from.sampled, telling);
    hush(from.idle_measured, telling);
    return from;
}

} // namespace

engine::engine(
    asio::any_io_executor executor, std::shared_ptr<const plan> what,
    std::shared_ptr<asio::ssl::context> trust, engine_listener listener, depth how_far,
    std::shared_ptr<self_watch> self
)
    : executor_{std::move(executor)},
      plan_{std::move(what)},
      self_{self ? std::move(self) : std::make_shared<self_watch>(executor_, self_watch::handlers{})},
      trust_{std::move(trust)},
      listener_{while_telling(std::move(listener), telling_)},
      work_(plan_->rows.size()),
      resolver_{executor_},
      gate_{executor_, plan_->config.limits, state_.sent, random_seed()},
      wake_{executor_},
      rounds_{executor_, forward_failures(listener_, self_)},
      probes_{executor_, forward_failures(listener_, self_)},
      inquirer_{
          executor_,
          plan_,
          state_,
          probes_,
          gate_,
          random_seed(),
          inquirer::handlers{
              .progressed =
                  [this](std::size_t known, std::size_t done) {
                      progress_.known += known;
                      progress_.done += done;
                      tell_progress();
                  },
              .idle = [this] { refresh(); },
          },
          self_
      },
      sampler_{
          executor_,
          plan_,
          state_,
          inquirer_,
          probes_,
          block_sampler::handlers{
              .progressed =
                  [this](std::size_t known, std::size_t done) {
                      progress_.known += known;
                      progress_.done += done;
                      tell_progress();
                  },
              .finished = [this](std::size_t) { refresh(); },
              .sampled = listener_.sampled,
          }
      },
      ladders_{
          executor_,
          plan_,
          state_,
          gate_,
          resolver_,
          probes_,
          idle_runner::handlers{
              .progressed = [this] { tell_progress(); },
              .finished =
                  [this](std::size_t row) {
                      refresh();
                      if (listener_.idle_measured && state_.rows[row].idle_why.empty()) {
                          listener_.idle_measured(row);
                      }
                  },
          }
      },
      inbound_{plan_, state_, gate_, resolver_, [this] { refresh(); }}
{
    state_.rows.resize(plan_->rows.size());
    state_.sent.since = wall_now();
    look_around();
    if (how_far == depth::first_hand) {
        inquirer_.close();
        sampler_.close();
    }
    const auto& times = plan_->config.schedule;
    const auto rounds = std::max<std::int64_t>(1, times.sweep_interval / times.interval);
    for (auto& work : work_) {
        work.turn.rounds_per_sweep = static_cast<std::size_t>(rounds);
    }
    refresh();
}

bool engine::is_measuring(std::size_t row) const
{
    const auto& work = work_[row];
    return (work.running && !work.measured) || inquirer_.is_pending(addresses_of(state_.rows[row]));
}

bool engine::is_held(std::size_t row) const
{
    return work_[row].cut && steady::now() - *work_[row].cut < longest_hold;
}

void engine::refresh()
{
    for (std::size_t row = 0; row < work_.size(); ++row) {
        state_.rows[row].measuring = is_held(row) || is_measuring(row);
    }
    const auto changes = evaluate(*plan_, state_, wall_now());
    for (const auto& change : changes) {
        auto& work = work_[change.row];
        work.changed = true;
        if (!work.untold) {
            work.untold = change.before;
        }
    }
    // What changes in the middle of a row's first round is told at its end.
    for (std::size_t row = 0; row < work_.size(); ++row) {
        if (work_[row].untold && state_.rows[row].checked) {
            const row_change change{row, *work_[row].untold, state_.rows[row].state};
            work_[row].untold.reset();
            if (listener_.row_changed) {
                listener_.row_changed(change);
            }
        }
    }
    if (listener_.refreshed) {
        listener_.refreshed();
    }
}

void engine::start_round(std::size_t row, round_kind kind)
{
    work_[row].running = true;
    work_[row].measured = false;
    rounds_.spawn(plan_->rows[row].id, run_round(row, kind));
}

asio::awaitable<void> engine::probe(std::vector<std::size_t> rows)
{
    if (stopping_) {
        co_return;
    }
    if (rounds_.running() == 0) {
        progress_ = {};
    }
    progress_.rows += rows.size();
    std::vector<std::size_t> awaited;
    for (const auto row : rows) {
        // A round under way may have seen what was true before the question: one more is needed then.
        awaited.push_back(work_[row].rounds_ended + (work_[row].running ? 2 : 1));
        if (!work_[row].running) {
            start_round(row, round_kind::whole);
        }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto& work = work_[rows[i]];
        while (work.rounds_ended < awaited[i] && !stopping_) {
            if (!work.running) {
                start_round(rows[i], round_kind::whole);
            }
            // Shared: a caller that is cancelled here leaves the round a timer that it may still cancel.
            const auto woken = std::make_shared<asio::steady_timer>(executor_, time_point::max());
            work.waiting.push_back(woken);
            co_await woken->async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }
}

void engine::look_around()
{
    auto out = read_local_network();
    if (!out) {
        return; // what was seen before is truer than nothing
    }
    for (const auto& server : resolver::system_servers()) {
        if (const auto address = parse_address(server)) { // else with a port of its own
            out->dns_servers.push_back(*address);
        }
    }
    state_.local = std::move(*out);
}

std::set<ip_address> engine::addresses_of(const row_state& row)
{
    std::set<ip_address> out;
    for (const auto& one : row.endpoints) {
        if (one.address) {
            out.insert(*one.address);
        }
    }
    return out;
}

asio::awaitable<void> engine::finish_inquiry()
{
    co_await sampler_.finished();
    // A row may have ended while one of another row was still walked in its stead: now all have been asked.
    std::set<ip_address> everywhere;
    for (const auto& row : state_.rows) {
        everywhere.merge(addresses_of(row));
    }
    co_await inquirer_.settled(std::move(everywhere));
    if (!stopping_) {
        refresh();
    }
}

void engine::start_ladders(idle_depth how_far)
{
    for (std::size_t row = 0; row < plan_->rows.size(); ++row) {
        ladders_.start(row, how_far);
    }
    refresh();
}

asio::awaitable<void> engine::finish_ladders()
{
    co_await ladders_.finished();
}

asio::awaitable<void> engine::keep_climbing()
{
    const duration interval = plan_->config.schedule.nat_interval;
    std::map<std::size_t, time_point> due; // by row
    for (std::size_t row = 0; row < plan_->rows.size(); ++row) {
        if (!std::holds_alternative<idle_timer>(plan_->rows[row].what)) {
            continue;
        }
        // What an older engine measured stays good for its time; what it was measuring begins anew.
        auto age = interval;
        for (const auto& one : state_.rows[row].idle) {
            // Never later than an interval from now: the clock may have been set back since.
            age = std::clamp<duration>(wall_now() - one.measured, duration::zero(), age);
        }
        due[row] = steady::now() + interval - age;
    }
    while (!stopping_ && !due.empty()) {
        const auto soonest = std::ranges::min(due | std::views::values);
        const bool awake = co_await sleep_until(soonest);
        if (!awake) {
            co_return;
        }
        for (auto& [row, when] : due) {
            if (when <= steady::now()) {
                ladders_.start(row, idle_depth::bracket);
                when = steady::now() + interval;
            }
        }
        refresh();
    }
}

void engine::watch_services()
{
    probes_.spawn("services", inbound_.watch());
}

asio::awaitable<void> engine::keep_probing()
{
    probes_.spawn("ladders", keep_climbing());
    watch_services();
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < plan_->rows.size(); ++i) {
        const auto& row = plan_->rows[i];
        const bool measurable = std::holds_alternative<outbound_row>(row.what) || inbound_.can_measure(i);
        if (row.not_configured.empty() && measurable) {
            rows.push_back(i);
        }
    }
    schedule_.emplace(rows, plan_->config.schedule.interval, steady::now(), random_seed());
    for (const auto row : rows) {
        if (!state_.rows[row].checked || work_[row].cut) {
            schedule_->hurry(row, steady::now()); // nothing is known yet: the pacer spreads it
            continue;
        }
        // However often the files are read again, a row comes round.
        const duration interval = plan_->config.schedule.interval;
        const auto age =
            std::clamp<duration>(wall_now() - *state_.rows[row].checked, duration::zero(), interval);
        schedule_->no_later(row, steady::now() + interval - age);
    }
    while (!stopping_) {
        const auto due = schedule_->next_due();
        if (due && due->when <= steady::now()) {
            schedule_->started(due->row);
            rounds_.spawn(plan_->rows[due->row].id, scheduled_round(due->row));
            continue;
        }
        wake_.expires_at(due ? due->when : time_point::max());
        co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

asio::awaitable<void> engine::scheduled_round(std::size_t row)
{
    auto& work = work_[row];
    // However the round ends, by an exception too, the row stays on the schedule.
    const auto leave = [this, row] { back_on_schedule(row); };
    const at_exit finish{leave};
    if (!work.running) {
        const bool whole =
            !work.whole_once || steady::now() - work.last_whole >= plan_->config.schedule.sweep_interval;
        work.running = true;
        work.measured = false;
        work.changed = false;
        co_await run_round(row, whole ? round_kind::whole : round_kind::in_turn);
    }
}

void engine::back_on_schedule(std::size_t row)
{
    // Only what fails backs off: a row that is unproven by nature must not be slow to notice a failure.
    const auto how = work_[row].changed                         ? schedule::round_result::changed
                   : state_.rows[row].state == row_answer::fail ? schedule::round_result::still_the_same
                                                                : schedule::round_result::healthy;
    schedule_->finished(row, how, steady::now());
    wake_.cancel();
}

asio::awaitable<void> engine::run_round(std::size_t row, round_kind kind)
{
    const auto leave = [this, row] {
        auto& work = work_[row];
        work.running = false;
        ++work.rounds_ended;
        for (const auto& waiter : std::exchange(work.waiting, {})) {
            waiter->cancel();
        }
    };
    const at_exit mark_ended{leave};
    if (std::holds_alternative<outbound_row>(plan_->rows[row].what) &&
        plan_->rows[row].not_configured.empty()) {
        co_await measure_row(row, kind);
    } else if (inbound_.can_measure(row)) {
        co_await measure_inbound(row, kind);
    }
    ++progress_.rows_done;
    tell_progress();
    if (listener_.round_finished) {
        listener_.round_finished(row);
    }
}

asio::awaitable<void> engine::measure_inbound(std::size_t row, round_kind kind)
{
    ++progress_.known;
    tell_progress();
    const auto how_far = kind == round_kind::whole ? inbound_depth::outside : inbound_depth::inside;
    co_await inbound_.measure(row, how_far);
    ++progress_.done;
    if (!stopping_) {
        end_measuring(row, kind);
    }
}

void engine::end_measuring(std::size_t row, round_kind kind)
{
    if (kind == round_kind::whole) {
        work_[row].last_whole = steady::now();
        work_[row].whole_once = true;
    }
    state_.rows[row].checked = wall_now();
    work_[row].measured = true;
    work_[row].cut.reset();
    look_around();
    refresh();
}

void engine::tell_progress()
{
    if (listener_.progressed) {
        progress_.ladders_end = ladders_.ends();
        listener_.progressed(progress_);
    }
}

asio::awaitable<std::size_t> engine::stop(time_point deadline)
{
    stopping_ = true;
    fall_silent();
    gate_.close();
    inquirer_.close();
    sampler_.close();
    ladders_.close();
    inbound_.close();
    wake_.cancel();
    probes_.cancel();
    rounds_.cancel();
    auto left = co_await probes_.join(deadline);
    left += co_await rounds_.join(deadline);
    co_return left;
}

} // namespace reachd
