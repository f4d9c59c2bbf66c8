// SPDX-License-Identifier: Apache-2.0
// What an engine knows that it has not measured: from the engine before a reload, from the history, from
// people.
#include "reachd/app/engine.hpp"

#include <algorithm>
#include <utility>

namespace reachd {

void engine::inherit(const engine& older)
{
    for (std::size_t i = 0; i < plan_->rows.size(); ++i) {
        const auto found = std::ranges::find(older.plan_->rows, plan_->rows[i]);
        if (found != older.plan_->rows.end() && older.plan_->vantages == plan_->vantages) {
            const auto at = static_cast<std::size_t>(found - older.plan_->rows.begin());
            state_.rows[i] = older.state_.rows[at];
            work_[i].turn = older.work_[at].turn;
            work_[i].last_whole = older.work_[at].last_whole;
            // Samples that end with the older engine are taken again: its round was not whole.
            work_[i].whole_once = older.work_[at].whole_once && !older.sampler_.is_running(at);
            const bool has_rounds = std::holds_alternative<outbound_row>(plan_->rows[i].what) &&
                                    plan_->rows[i].not_configured.empty();
            const auto& before = older.work_[at];
            const bool open = (before.running && !before.measured) ||
                              older.inquirer_.asks_about(addresses_of(older.state_.rows[at]));
            if (has_rounds && (open || before.cut)) {
                work_[i].cut = before.cut.value_or(steady::now());
            }
        }
    }
    state_.local = older.state_.local;
    state_.traces = older.state_.traces;
    state_.sent.inherit(older.state_.sent);
    gate_.inherit(older.gate_);
    inquirer_.inherit(older.inquirer_);
    state_.nat64 = older.state_.nat64;
    state_.state = older.state_.state;
    state_.since = older.state_.since;
    refresh();
}

void engine::remember(std::size_t row, const remembered<row_answer>& before)
{
    auto& state = state_.rows[row];
    state.before_start = before;
    if (state.state == before.state) {
        state.since = std::min(state.since, before.since);
    }
}

void engine::remember(const remembered<site_answer>& before)
{
    state_.before_start = before;
    if (state_.state == before.state) {
        state_.since = std::min(state_.since, before.since);
    }
}

void engine::remember(std::size_t row, const inbound_visit& before)
{
    const auto* what = std::get_if<inbound>(&plan_->rows[row].what);
    auto& seen = state_.rows[row].inbound;
    const bool known =
        std::ranges::find(seen.visits, before.source, &inbound_visit::source) != seen.visits.end();
    if (what && !known) {
        note_visit(*what, seen, before.source, before.at);
    }
}

void engine::acknowledge(std::size_t row, std::optional<acknowledgement> note)
{
    state_.rows[row].acknowledged = std::move(note);
}

void engine::leave_out(std::size_t row, std::string why)
{
    state_.rows[row].not_run = std::move(why);
}

} // namespace reachd
