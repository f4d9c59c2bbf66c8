// SPDX-License-Identifier: Apache-2.0
// What a running reachd says: to the log, to its subscribers, to the history and to the service manager.
#include "daemon_process.hpp"

#include <fmt/format.h>
#include <utility>

namespace reachd {

history_desk::handlers daemon_process::make_history_handlers()
{
    return {
        .present = [this] { return engine_; },
        .tell = [this](
                    const event_kind& kind, const std::string& sentence, const json& fields
                ) { tell(kind, kind.level, sentence, fields); },
    };
}

engine_listener daemon_process::make_listener()
{
    engine_listener out;
    out.row_changed = [this](const row_change& change) { tell_row(change); };
    out.address_appeared = [this](std::size_t row, const std::string& what) {
        const auto& which = engine_->what().rows[row];
        const auto permit = flaps_.change(which.catalogue + '/' + which.id + " address", steady::now());
        if (!permit.now) {
            return; // a name that turns over many addresses; reachctl history --addresses has them all
        }
        history_.address_appeared(row, what);
        json fields = {{"requirement", which.id}};
        if (permit.left_out > 0) {
            fields["left_out"] = permit.left_out;
        }
        history_.after_kept([this, what, fields] {
            log_.write(events::address_new, what, fields);
            auto told = fields;
            told["address"] = what;
            publish(events::address_new, told);
        });
    };
    out.refreshed = [this] {
        tell_status();
        history_.refreshed();
    };
    out.round_finished = [this](std::size_t row) {
        history_.round_finished(row);
        tell_site();
        const auto& what = engine_->what().rows[row];
        const auto& state = engine_->state().rows[row];
        log_row(
            row_fields(row), state.state, state.sentence,
            flaps_.settle(what.catalogue + '/' + what.id, steady::now())
        );
        json fields = {
            {"catalogue", what.catalogue},
            {"requirement", what.id},
            {"state", to_string(engine_->state().rows[row].state)}
        };
        history_.after_kept([this, fields = std::move(fields)] { publish(events::round_finished, fields); });
    };
    out.sampled = [this](std::size_t row, const block_result& round) { history_.sampled(row, round); };
    out.idle_measured = [this](std::size_t row) { tell_idle(row); };
    out.failed = [this](const std::string& task, const std::string& what) { tell_failure(task, what); };
    return out;
}

void daemon_process::publish(const event_kind& kind, json fields)
{
    fields["kind"] = kind.id;
    fields["time"] = to_text(wall_now());
    http_.publish(fields);
    server_.publish("event", std::move(fields));
}

// What was told is on disk: a line of the log is never more than the history knows.
void daemon_process::tell(const event_kind& kind, severity level, const std::string& sentence, json fields)
{
    history_.after_kept([this, &kind, level, sentence, fields = std::move(fields)] {
        log_.write(kind, level, sentence, fields);
        auto told = fields;
        told["sentence"] = sentence;
        publish(kind, std::move(told));
    });
}

void daemon_process::tell_row(const row_change& change)
{
    if (!engine_) {
        return; // still being set up
    }
    history_.row_changed(change);
    const auto& what = engine_->what().rows[change.row];
    const auto& state = engine_->state().rows[change.row];
    auto fields = row_fields(change.row);
    fields["before"] = to_string(change.before);
    const auto permit = flaps_.change(what.catalogue + '/' + what.id, steady::now());
    history_.after_kept([this, permit, state = state.state, sentence = state.sentence, fields] {
        log_row(fields, state, sentence, permit);
        auto told = fields;
        told["sentence"] = sentence;
        publish(events::verdict_changed, std::move(told));
    });
}

// A row that flaps is logged now and then, and once more when it has come to rest.
void daemon_process::log_row(
    json fields, row_answer state, const std::string& sentence, const flap_guard::permit& permit
)
{
    if (!permit.now) {
        return;
    }
    if (permit.left_out > 0) {
        fields["left_out"] = permit.left_out;
    }
    const auto level = state == row_answer::fail ? severity::warning : severity::info;
    const auto id = fields["requirement"].get<std::string>();
    log_.write(events::verdict_changed, level, fmt::format("{}: {}", id, sentence), fields);
}

json daemon_process::row_fields(std::size_t row) const
{
    const auto& what = engine_->what().rows[row];
    const auto& state = engine_->state().rows[row];
    return {
        {"catalogue", what.catalogue},  {"requirement", what.id},          {"state", to_string(state.state)},
        {"failing", state.counts.fail}, {"endpoints", state.counts.total},
    };
}

void daemon_process::tell_idle(std::size_t row)
{
    const auto& what = engine_->what().rows[row];
    const auto& state = engine_->state().rows[row];
    history_.idle_measured(row);
    for (const auto& entry : idle_json(what, state, std::get<idle_timer>(what.what))) {
        json fields;
        for (const char* key :
             {"catalogue", "requirement", "state", "via", "required_s", "held_s", "answered_s", "lost_s"}) {
            fields[key] = entry[key];
        }
        const auto level = state.state == row_answer::fail ? severity::warning : severity::info;
        history_.after_kept([this, level, id = what.id, sentence = entry["sentence"].get<std::string>(),
                             fields] {
            log_.write(events::idle_measured, level, fmt::format("{}: {}", id, sentence), fields);
            auto told = fields;
            told["sentence"] = sentence;
            publish(events::idle_measured, std::move(told));
        });
    }
}

void daemon_process::tell_site()
{
    history_.site_drawn();
    const auto& state = engine_->state();
    if (state.state != told_) {
        told_ = state.state;
        const auto level = told_ == site_answer::not_ready ? severity::warning : severity::info;
        tell(events::site_changed, level, state.sentence, {{"state", to_string(state.state)}});
    }
}

void daemon_process::tell_status()
{
    if (engine_) {
        status_.tell(engine_->state().sentence);
    }
}

self_watch::handlers daemon_process::make_self_handlers()
{
    return {
        .looked =
            [this](duration late) {
                http_.observe_lag(late);
                const auto refused = server_.counters().accept_failures + http_.accept_failures();
                if (refused > std::exchange(refused_, refused)) {
                    self_->failed(local_cause::no_descriptors); // what else keeps accept(2) from it
                }
            },
        .began = [this](const self_finding& what) { tell_self(events::self_trouble, what, what.sentence); },
        .ended = [this](
                     const self_finding& what
                 ) { tell_self(events::self_recovered, what, "this is over: " + what.sentence); },
    };
}

void daemon_process::tell_self(const event_kind& kind, const self_finding& what, const std::string& sentence)
{
    tell(kind, kind.level, sentence, {{"trouble", to_string(what.what)}, {"since", to_text(what.since)}});
}

void daemon_process::tell_failure(const std::string& task, const std::string& what)
{
    log_.write(events::task_failed, task + " ended: " + what, {{"task", task}});
}

} // namespace reachd
