// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/history_watch.hpp"

#include "reachd/core/history_record.hpp"
#include "reachd/core/json.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

// A sighting is written again when it is this much older than the last one: nobody asks for more.
constexpr std::chrono::hours sighting_interval{1};

// So is a visit: it counts for days (inbound_result.hpp).
constexpr std::chrono::minutes visit_interval{5};

row_key key_of(const plan_row& what)
{
    return {what.catalogue, what.id};
}

bool was_probed(const endpoint_state& one)
{
    return !one.seen.empty() || one.without_probing;
}

std::string address_of(const endpoint_state& one)
{
    return one.address ? to_text(*one.address) : std::string{};
}

json parse_detail(const std::string& text)
{
    auto out = json::parse(text, nullptr, false);
    return out.is_object() ? out : json::object();
}

// Endpoints that changed alike: the first of them, and the ports of all.
struct group {
    const endpoint_state* first = nullptr;
    std::string before;
    std::vector<std::uint16_t> ports;
};
using group_key = std::tuple<std::string, std::string, std::string, transport, std::string, std::string>;

group_key key_of(const endpoint_state& one, const std::string& before)
{
    const auto where = one.judged.where ? describe(*one.judged.where) : std::string{};
    return {
        address_of(one),
        one.name,
        one.vantage,
        one.transport,
        before,
        fmt::format(
            "{} {} {} {}", to_string(one.judged.kind), to_string(one.judged.stage),
            to_string(one.judged.blame), where
        )
    };
}

} // namespace

history_watch::history_watch(history_memory before) : before_{std::move(before)}, notes_{before_.notes}
{
    for (const auto& one : before_.visits) {
        visited_[{row_key{one.catalogue, one.requirement}, one.source}] = one.at;
    }
}

void history_watch::add_endpoints(
    history_batch& into, known_row& known, const plan_row& what, const site_state& site, const row_state& row,
    bool first_sight_counts, wall_time now
)
{
    const auto hour = beginning_of(now, sample_width::hour);
    std::map<group_key, group> groups;
    std::map<endpoint_key, known_endpoint> present;
    for (const auto& one : row.endpoints) {
        if (!was_probed(one)) {
            continue;
        }
        const endpoint_key key{address_of(one), one.name, one.vantage, one.transport, one.port};
        const auto found = known.endpoints.find(key);
        const bool is_new = found == known.endpoints.end();
        auto next = is_new ? known_endpoint{.hour = hour} : std::move(found->second);
        if (next.hour != hour && next.left_out == 0) {
            next.hour = hour;
            next.changes = 0;
        }
        const bool changed = is_new ? first_sight_counts : !same_verdict(next.judged, one.judged);
        if (changed && next.changes++ >= most_endpoint_changes) {
            ++next.left_out;
        } else if (changed) {
            const std::string before = is_new ? "" : to_string(next.judged.kind);
            auto& into_group = groups[key_of(one, before)];
            into_group.first = into_group.first ? into_group.first : &one;
            into_group.before = before;
            into_group.ports.push_back(one.port);
        }
        next.judged = one.judged;
        present.emplace(key, std::move(next));
    }
    known.endpoints = std::move(present);
    for (auto& [key, one] : groups) {
        auto ports = make_port_set(std::move(one.ports));
        into.records.push_back(endpoint_record(what, site, *one.first, std::move(ports), one.before, now));
    }
}

// What an hour had too much of, in one record for each address.
void history_watch::add_summaries(
    history_batch& into, known_row& known, const plan_row& what, const row_state& row, wall_time now
)
{
    const auto hour = beginning_of(now, sample_width::hour);
    struct sum {
        const known_endpoint* last = nullptr;
        endpoint_span target;
        std::vector<std::uint16_t> ports;
        unsigned most = 0;
        unsigned left_out = 0;
    };
    std::map<std::tuple<std::string, std::string, std::string, transport>, sum> sums;
    for (auto& [key, one] : known.endpoints) {
        if (one.hour == hour || one.left_out == 0) {
            continue;
        }
        const auto& [address, name, vantage, how, port] = key;
        auto& into_sum = sums[{address, name, vantage, how}];
        into_sum.last = &one;
        into_sum.target = {.address = address, .name = name, .vantage = vantage, .transport = how};
        into_sum.ports.push_back(port);
        into_sum.most = std::max(into_sum.most, one.changes);
        into_sum.left_out += one.left_out;
        one.hour = hour;
        one.changes = 0;
        one.left_out = 0;
    }
    for (auto& [key, one] : sums) {
        one.target.ports = make_port_set(std::move(one.ports));
        into.records.push_back({
            .at = now,
            .kind = record_kind::endpoint,
            .catalogue = what.catalogue,
            .requirement = what.id,
            .state = to_string(one.last->judged.kind),
            .since = row.since,
            .sentence = fmt::format(
                "changed up to {} times within the hour; {} of these changes are not listed", one.most,
                one.left_out
            ),
            .target = std::move(one.target),
        });
    }
}

void history_watch::add_row(
    history_batch& into, const plan_row& what, const site_state& site, const row_state& row,
    std::string before, wall_time now
)
{
    auto& known = rows_[key_of(what)];
    const auto hour = beginning_of(now, sample_width::hour);
    known.records = known.hour == hour ? known.records + 1 : 1;
    known.hour = hour;
    bool first_sight_counts = true;
    if (const auto last = before_.last.find(key_of(what)); !known.told && last != before_.last.end()) {
        before = last->second.state;
        first_sight_counts = before != to_string(row.state) ||
                             runs_digest(parse_detail(last->second.detail)) != runs_digest(row);
    }
    auto record = row_record(what, site, row, std::move(before), now);
    if (known.records > most_detailed) {
        record.detail.clear();
    }
    into.records.push_back(std::move(record));
    known.told = true;
    add_endpoints(into, known, what, site, row, first_sight_counts, now);
}

history_batch history_watch::row_changed(
    const plan& what, const site_state& site, std::size_t row, row_answer before, wall_time now
)
{
    history_batch out;
    add_row(out, what.rows[row], site, site.rows[row], to_string(before), now);
    return out;
}

// Those whose time has come are written again in any case.
void history_watch::forget_sightings(wall_time now)
{
    std::erase_if(sighted_, [now](const auto& one) {
        return now - one.second >= sighting_interval || now < one.second;
    });
    if (sighted_.size() >= most_sighted) {
        sighted_.clear();
    }
}

void history_watch::add_sightings(history_batch& into, const row_state& row, wall_time now)
{
    for (const auto& one : row.endpoints) {
        if (one.name.empty() || !one.address) {
            continue;
        }
        sighting_key key{one.name, to_text(*one.address)};
        if (sighted_.size() >= most_sighted && !sighted_.contains(key)) {
            forget_sightings(now);
        }
        auto& last = sighted_[std::move(key)];
        if (last == wall_time{} || now - last >= sighting_interval || now < last) {
            last = now;
            into.sightings.push_back(
                {.name = one.name, .address = to_text(*one.address), .first = now, .last = now}
            );
        }
    }
}

history_batch
history_watch::round_finished(const plan& what, const site_state& site, std::size_t row, wall_time now)
{
    history_batch out;
    const auto& which = what.rows[row];
    const auto& state = site.rows[row];
    if (!rows_[key_of(which)].told && state.checked) {
        add_row(out, which, site, state, "", now);
    }
    add_summaries(out, rows_[key_of(which)], which, state, now);
    add_sightings(out, state, now);
    if (state.checked) {
        out.samples.push_back(sample_of(which, state, now));
    }
    return out;
}

history_batch history_watch::rows_at_rest(const plan& what, const site_state& site, wall_time now)
{
    history_batch out;
    for (std::size_t i = 0; i < what.rows.size(); ++i) {
        const auto& row = what.rows[i];
        const bool has_rounds = std::holds_alternative<outbound_row>(row.what) && row.not_configured.empty();
        if (!has_rounds && !rows_[key_of(row)].told) {
            add_row(out, row, site, site.rows[i], "", now);
        }
    }
    return out;
}

history_batch history_watch::site_drawn(const site_state& site, wall_time now)
{
    history_batch out;
    // What was so before the start is not over because it has not been looked at yet.
    const bool not_looked_at = site.before_start && site.state == site_answer::unproven;
    if (site_ == site.state || not_looked_at) {
        return out;
    }
    std::string before = site_ ? to_string(*site_) : "";
    if (const auto last = before_.last.find({"", ""}); !site_ && last != before_.last.end()) {
        before = last->second.state;
    }
    site_ = site.state;
    out.records.push_back({
        .at = now,
        .kind = record_kind::site,
        .state = to_string(site.state),
        .before = std::move(before),
        .since = site.since,
        .sentence = site.sentence,
    });
    return out;
}

history_batch history_watch::notes_changed(const plan& what, const site_state& site, wall_time now)
{
    history_batch out;
    for (std::size_t i = 0; i < what.rows.size(); ++i) {
        const auto key = key_of(what.rows[i]);
        const auto& note = site.rows[i].acknowledged;
        const auto known = notes_.find(key);
        if (note ? known != notes_.end() && known->second == *note : known == notes_.end()) {
            continue;
        }
        const bool recovered = site.rows[i].state == row_answer::pass;
        out.notes.push_back({key.first, key.second, note});
        out.records.push_back({
            .at = now,
            .kind = record_kind::acknowledge,
            .catalogue = key.first,
            .requirement = key.second,
            .state = note ? "set" : "cleared",
            .sentence = note      ? fmt::format("{}: {}", note->by, note->note)
                      : recovered ? "the row has recovered: the note is gone"
                                  : "the note was taken away",
        });
        if (note) {
            notes_[key] = *note;
        } else {
            notes_.erase(known);
        }
    }
    return out;
}

history_batch history_watch::visits_noted(const plan& what, const site_state& site)
{
    history_batch out;
    for (std::size_t i = 0; i < what.rows.size(); ++i) {
        const auto key = key_of(what.rows[i]);
        for (const auto& one : site.rows[i].inbound.visits) {
            const auto known = visited_.find({key, one.source});
            const bool is_new =
                known == visited_.end() || one.at - known->second >= visit_interval || one.at < known->second;
            if (is_new) {
                visited_[{key, one.source}] = one.at;
                out.visits.push_back({key.first, key.second, one.source, one.at});
            }
        }
    }
    return out;
}

} // namespace reachd
