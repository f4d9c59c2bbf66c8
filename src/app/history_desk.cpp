// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/history_desk.hpp"

#include "reachd/core/history_record.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

// A disk that is slower must not keep the site from being measured.
constexpr seconds opened_within{3};

template <class Answer, std::size_t Count>
std::optional<remembered<Answer>>
remembered_as(const history_record& what, const std::array<Answer, Count>& all)
{
    const auto found = std::ranges::find(all, what.state, [](Answer one) { return to_string(one); });
    return found == all.end() ? std::nullopt : std::optional{remembered<Answer>{*found, what.since}};
}

constexpr std::array row_answers{
    row_answer::pass, row_answer::fail, row_answer::unproven, row_answer::not_configured
};
constexpr std::array site_answers{site_answer::ready, site_answer::not_ready, site_answer::unproven};

history_batch batch_of(history_record one)
{
    history_batch out;
    out.records.push_back(std::move(one));
    return out;
}

std::optional<std::size_t> row_of(const engine& work, const row_key& key)
{
    const auto& rows = work.what().rows;
    const auto found = std::ranges::find_if(rows, [&](const plan_row& one) {
        return one.catalogue == key.first && one.id == key.second;
    });
    return found == rows.end() ? std::nullopt : std::optional{static_cast<std::size_t>(found - rows.begin())};
}

void remember_visits(engine& work, const history_memory& memory, wall_time now)
{
    for (const auto& one : memory.visits) {
        const auto row = row_of(work, {one.catalogue, one.requirement});
        if (row && one.at <= now) { // or the clock was ahead
            work.remember(*row, inbound_visit{one.source, one.at});
        }
    }
}

void remember_rows(engine& work, const history_memory& memory)
{
    for (const auto& [key, record] : memory.last) {
        if (key.second.empty()) {
            if (const auto before = remembered_as(record, site_answers)) {
                work.remember(*before);
            }
            continue;
        }
        const auto row = row_of(work, key);
        if (const auto before = remembered_as(record, row_answers); before && row) {
            work.remember(*row, *before);
        }
    }
}

} // namespace

history_options make_history_options(const paths& where, const config& site, std::string version)
{
    return {
        .file = site.history.path.empty() ? where.state_dir / "history.db"
                                          : std::filesystem::path{site.history.path},
        .limits = {.keep = std::chrono::days{site.history.keep_days}, .max_mb = site.history.max_mb},
        .version = std::move(version),
    };
}

history_desk::history_desk(asio::any_io_executor executor, handlers handle)
    : executor_{std::move(executor)}, handle_{std::move(handle)}
{
}

asio::awaitable<void> history_desk::begin(history_options options)
{
    history_keeper::handlers handle{
        .begun = [this](history_memory memory) { begun(std::move(memory)); },
        .tell = handle_.tell,
    };
    keeper_.emplace(executor_, std::move(options), std::move(handle));
    co_await keeper_->begin(steady::now() + opened_within);
}

void history_desk::begun(history_memory memory)
{
    const auto work = handle_.present();
    if (!work) {
        return; // a reload is under way; it tells what is in force
    }
    if (!begun_once_) {
        remember_rows(*work, memory);
        remember_visits(*work, memory, wall_now());
        watch_ = history_watch{std::move(memory)};
        restore_notes(*work);
    } else {
        watch_ = history_watch{history_memory{}}; // the new file knows nothing: what stands is told anew
    }
    begun_once_ = true;
    const auto now = wall_now();
    const auto rows = work->what().rows.size();
    keeper_->keep(batch_of(
        plan_record(record_kind::start, work->what(), fmt::format("{} requirements are in force", rows), now)
    ));
    keeper_->keep(watch_.rows_at_rest(work->what(), work->state(), now));
    refreshed();
}

void history_desk::restore_notes(engine& work)
{
    for (std::size_t i = 0; i < work.what().rows.size(); ++i) {
        const auto& row = work.what().rows[i];
        const auto& state = work.state().rows[i];
        const auto note = watch_.notes().find({row.catalogue, row.id});
        if (note != watch_.notes().end() && !state.acknowledged && state.state != row_answer::pass) {
            work.acknowledge(i, note->second);
        }
    }
}

asio::awaitable<void> history_desk::stop(time_point deadline)
{
    if (keeper_) {
        const bool whole = co_await keeper_->stop(deadline);
        static_cast<void>(whole); // what was lost has been told
    }
}

void history_desk::row_changed(const row_change& change)
{
    const auto work = handle_.present();
    if (keeper_ && work) {
        keeper_->keep(watch_.row_changed(work->what(), work->state(), change.row, change.before, wall_now()));
    }
}

void history_desk::round_finished(std::size_t row)
{
    const auto work = handle_.present();
    if (keeper_ && work) {
        keeper_->keep(watch_.round_finished(work->what(), work->state(), row, wall_now()));
    }
}

void history_desk::sampled(std::size_t row, const block_result& round)
{
    const auto work = handle_.present();
    if (keeper_ && work) {
        keeper_->keep(batch_of(block_record(work->what().rows[row], round, wall_now())));
    }
}

void history_desk::idle_measured(std::size_t row)
{
    const auto work = handle_.present();
    if (!keeper_ || !work) {
        return;
    }
    const auto& what = work->what().rows[row];
    history_batch batch;
    for (const auto& entry : idle_json(what, work->state().rows[row], std::get<idle_timer>(what.what))) {
        batch.records.push_back(idle_record(entry, wall_now()));
    }
    keeper_->keep(std::move(batch));
}

void history_desk::address_appeared(std::size_t row, const std::string& what)
{
    const auto work = handle_.present();
    if (keeper_ && work) {
        keeper_->keep(batch_of(address_record(work->what().rows[row], what, wall_now())));
    }
}

void history_desk::refreshed()
{
    const auto work = handle_.present();
    if (!keeper_ || !work || !begun_once_) {
        return;
    }
    auto batch = watch_.notes_changed(work->what(), work->state(), wall_now());
    const auto told = batch.records;
    keeper_->keep(std::move(batch));
    keeper_->keep(watch_.visits_noted(work->what(), work->state()));
    for (const auto& one : told) {
        handle_.tell(
            events::row_acknowledged, one.requirement + ": " + one.sentence,
            {{"catalogue", one.catalogue}, {"requirement", one.requirement}, {"state", one.state}}
        );
    }
}

void history_desk::site_drawn()
{
    const auto work = handle_.present();
    if (keeper_ && work) {
        keeper_->keep(watch_.site_drawn(work->state(), wall_now()));
    }
}

void history_desk::reloaded(history_options options)
{
    const auto work = handle_.present();
    if (!keeper_ || !work) {
        return;
    }
    restore_notes(*work);
    keeper_->change(std::move(options));
    const auto now = wall_now();
    const auto rows = work->what().rows.size();
    keeper_->keep(batch_of(
        plan_record(record_kind::reload, work->what(), fmt::format("{} requirements are in force", rows), now)
    ));
    keeper_->keep(watch_.rows_at_rest(work->what(), work->state(), now));
}

void history_desk::after_kept(std::function<void()> action)
{
    if (keeper_) {
        keeper_->after_kept(std::move(action));
    } else {
        action();
    }
}

asio::awaitable<stored<json>> history_desk::ask(history_question question, asked_by whom)
{
    if (!keeper_) {
        co_return std::unexpected(store_error{store_fault::unavailable, "the daemon begins"});
    }
    auto answer = co_await keeper_->ask(std::move(question), whom);
    co_return answer;
}

asio::awaitable<bool> history_desk::settle(time_point deadline)
{
    if (!keeper_) {
        co_return false;
    }
    const bool done = co_await keeper_->settle(deadline);
    co_return done;
}

json history_desk::describe() const
{
    return keeper_ ? keeper_->describe() : json{{"state", "unavailable"}, {"reason", "the daemon begins"}};
}

} // namespace reachd
