// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/expand.hpp"
#include "sim/virtual_site.hpp"
#include "support/make.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace reachd::test {
namespace {

std::vector<std::size_t> all_rows(const virtual_site& site)
{
    std::vector<std::size_t> rows(site.rows());
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    return rows;
}

// Whether anything first-hand names this culprit.
bool is_named(blame who, const endpoint_state& one, const std::vector<name_lookup>& lookups)
{
    if (who == blame::host && std::ranges::any_of(lookups, &name_lookup::no_route_to_any_server)) {
        return true;
    }
    if (one.seen.empty()) {
        return false;
    }
    const auto& last = one.seen.back().what;
    const auto* icmp = std::get_if<icmp_error>(&last);
    switch (who) {
    case blame::host: return std::holds_alternative<not_measured>(last);
    case blame::site: return icmp && (icmp->sender == make_address(gateway_text) || icmp->sender_is_us);
    case blame::service: return icmp && icmp->sender == one.address;
    case blame::edge:
    case blame::isp:
    case blame::unknown: return false;
    }
    return false;
}

} // namespace

virtual_daemon::virtual_daemon(
    const virtual_site& site, std::chrono::seconds interval, const limits_config& limits, std::uint64_t seed
)
    : site_{site}, rounds_(site.rows()), schedule_{all_rows(site), interval, now_, seed}, pacer_{limits, seed}
{
    state_.rows.resize(site.rows());
    state_.local = site.local();
}

void virtual_daemon::start_round(std::size_t row)
{
    const auto& out = std::get<outbound_row>(site_.what().rows[row].what);
    auto& state = state_.rows[row];
    auto& mine = rounds_[row];
    mine.changed = false;
    state.lookups.clear();
    for (const auto& name : out.names) {
        state.lookups.push_back(site_.look_up(row, name));
    }
    const auto older = std::exchange(state.endpoints, {});
    const auto older_faults = std::exchange(mine.probed_under, {});
    state.endpoints = expand(out, state.lookups, site_.what().vantages, older);
    for (const auto& one : state.endpoints) {
        const auto old =
            std::ranges::find_if(older, [&](const auto& other) { return one.is_same_target(other); });
        mine.probed_under.push_back(
            old == older.end() ? site_.at(row, one.port)
                               : older_faults[static_cast<std::size_t>(old - older.begin())]
        );
    }
    mine.left = 1; // this function itself
    for (const auto index : select_round(out.expect, state.endpoints, mine.turn)) {
        const auto& one = state.endpoints[index];
        if (one.without_probing) {
            mine.probed_under[index] = site_.at(row, one.port);
            continue;
        }
        ++mine.left;
        flights_[next_ticket_] = {.row = row, .endpoint = index, .seen = {}};
        pacer_.add(next_ticket_++, *one.address);
    }
    if (--mine.left == 0) {
        end_round(row);
    }
}

void virtual_daemon::pump()
{
    while (true) {
        const auto action = pacer_.next(now_);
        const auto* begin = std::get_if<pacer::start>(&action);
        if (!begin) {
            const auto* wait = std::get_if<pacer::wait_until>(&action);
            pacer_wakes_ = wait ? wait->when : time_point::max();
            return;
        }
        auto& begun = flights_.at(begin->which);
        const auto& one = state_.rows[begun.row].endpoints[begun.endpoint];
        rounds_[begun.row].probed_under[begun.endpoint] = site_.at(begun.row, one.port);
        auto result = site_.probe(begun.row, one);
        begun.seen = std::move(result.seen);
        landings_.emplace(now_ + result.took, begin->which);
    }
}

void virtual_daemon::land(pacer::ticket which)
{
    const auto done = flights_.extract(which).mapped();
    pacer_.finished();
    state_.rows[done.row].endpoints[done.endpoint].seen = done.seen;
    if (--rounds_[done.row].left == 0) {
        end_round(done.row);
    }
}

void virtual_daemon::end_round(std::size_t row)
{
    auto& state = state_.rows[row];
    state.checked = make_wall(std::chrono::duration_cast<seconds>(now_.time_since_epoch()));
    const auto changes = evaluate(site_.what(), state_, *state.checked);
    for (const auto& change : changes) {
        rounds_[change.row].changed = true;
    }
    const auto how = std::exchange(rounds_[row].changed, false) ? schedule::round_result::changed
                   : state.state == row_answer::fail            ? schedule::round_result::still_the_same
                                                                : schedule::round_result::healthy;
    schedule_.finished(row, how, now_);
    if (ended_) {
        ended_(row);
    }
}

time_point virtual_daemon::next_event() const
{
    return landings_.empty() ? pacer_wakes_ : std::min(pacer_wakes_, landings_.top().first);
}

void virtual_daemon::check_once()
{
    for (std::size_t row = 0; row < site_.rows(); ++row) {
        schedule_.started(row);
        start_round(row);
    }
    pump();
    while (!flights_.empty()) {
        now_ = next_event();
        while (!landings_.empty() && landings_.top().first <= now_) {
            const auto which = landings_.top().second;
            landings_.pop();
            land(which);
        }
        pump();
    }
}

void virtual_daemon::run_until(time_point end, const std::function<void(std::size_t row)>& ended)
{
    ended_ = ended;
    while (true) {
        const auto due = schedule_.next_due();
        const auto next = std::min(next_event(), due ? due->when : time_point::max());
        if (next > end) {
            break;
        }
        now_ = std::max(now_, next);
        if (due && due->when <= now_) {
            schedule_.started(due->row);
            start_round(due->row);
        }
        while (!landings_.empty() && landings_.top().first <= now_) {
            const auto which = landings_.top().second;
            landings_.pop();
            land(which);
        }
        pump();
    }
    now_ = end;
    ended_ = nullptr;
}

std::vector<std::string> virtual_daemon::faults_of(std::size_t row) const
{
    const auto& what = site_.what().rows[row];
    const auto& state = state_.rows[row];
    std::vector<std::string> found;
    const auto complain = [&](const endpoint_state& one, fault under, const std::string& about) {
        found.push_back(
            what.id + " port " + std::to_string(one.port) + " under \"" + to_string(under) + "\": " + about +
            ": " + reachd::to_string(one.judged.kind) + ", blame " + reachd::to_string(one.judged.blame) +
            ", " + one.judged.sentence
        );
    };
    for (std::size_t i = 0; i < state.endpoints.size(); ++i) {
        const auto& one = state.endpoints[i];
        const auto under = rounds_[row].probed_under[i];
        const auto answer = weigh(std::get<outbound_row>(what.what).expect, one.judged);
        if (one.needed && answer == endpoint_answer::pass && !site_.may_pass(row, one.port, under)) {
            complain(one, under, "false green");
        }
        if (one.judged.kind == verdict_kind::unproven && answer != endpoint_answer::undecided) {
            complain(one, under, "unknown counts");
        }
        if (state.state == row_answer::pass && one.needed && answer != endpoint_answer::pass) {
            complain(one, under, "row passes without it");
        }
        if (one.judged.blame == blame::unknown || !one.needed) {
            continue;
        }
        const bool negative =
            std::get<outbound_row>(what.what).expect == expectation::blocked && under == fault::none;
        const auto culprit = negative ? blame::site : culprit_of(under);
        const bool genuine_refusal = under == fault::none && one.judged.kind == verdict_kind::closed;
        if (!is_named(one.judged.blame, one, state.lookups) ||
            (one.judged.blame != culprit && !(genuine_refusal && one.judged.blame == blame::service))) {
            complain(one, under, "false blame");
        }
    }
    if (state.state == row_answer::pass && state.counts.total == 0) {
        found.push_back(what.id + ": passes without any endpoint");
    }
    if (state.counts.pass + state.counts.fail + state.counts.unproven != state.counts.total) {
        found.push_back(what.id + ": counts do not add up");
    }
    return found;
}

} // namespace reachd::test
