// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/history_record.hpp"

#include "reachd/core/json.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {
namespace {

json run_json(const run& one)
{
    json out = {
        {"destination", one.destination},
        {"ports", to_text(one.ports)},
        {"verdict", to_string(one.judged.kind)},
        {"stage", to_string(one.judged.stage)},
        {"blame", to_string(one.judged.blame)},
        {"where", one.judged.where ? to_json(*one.judged.where) : json(nullptr)},
        {"sentence", one.judged.sentence},
        {"result", one.fails ? "fail" : "unproven"},
    };
    if (!one.vantage.empty()) {
        out["vantage"] = one.vantage;
    }
    return out;
}

bool is_in(const run& one, const endpoint_state& what)
{
    return what.address && what.vantage == one.vantage && one.ports.contains(what.port) &&
           std::ranges::find(one.addresses, *what.address) != one.addresses.end();
}

json seen_json(const site_state& site, const endpoint_state& one)
{
    json seen = json::array();
    const auto add = [&seen](const observation& what) {
        if (seen.size() < most_observations) {
            seen.push_back(to_json(what));
        }
    };
    std::ranges::for_each(one.seen, add);
    if (!one.address) {
        return seen;
    }
    const auto traced = site.traces.find({one.vantage, {*one.address, one.port, one.transport}});
    if (traced != site.traces.end()) {
        std::ranges::for_each(traced->second, add);
    }
    return seen;
}

json evidence_json(const site_state& site, const endpoint_state& one)
{
    return {
        {"address", to_text(*one.address)},
        {"port", one.port},
        {"transport", to_string(one.transport)},
        {"seen", seen_json(site, one)},
    };
}

json evidence_of(const site_state& site, const row_state& row)
{
    json out = json::array();
    for (const auto& one : row.runs) {
        const auto found =
            std::ranges::find_if(row.endpoints, [&](const auto& what) { return is_in(one, what); });
        if (!one.passes && one.needed && found != row.endpoints.end() && out.size() < most_evidence) {
            out.push_back(evidence_json(site, *found));
        }
    }
    return out;
}

// Without its sentence, which may tell of changing figures.
json digest_of(json entry)
{
    entry.erase("sentence");
    return entry;
}

std::string detail_text(json detail)
{
    auto text = dump(detail);
    for (const char* heavy : {"evidence", "runs"}) {
        if (text.size() > most_detail && detail.erase(heavy) > 0) {
            text = dump(detail);
        }
    }
    return text;
}

} // namespace

history_record row_record(
    const plan_row& what, const site_state& site, const row_state& row, std::string before, wall_time now
)
{
    json runs = json::array();
    std::size_t left_out = 0;
    for (const auto& one : row.runs) {
        if (one.passes || !one.needed) {
            continue;
        }
        if (runs.size() < most_told_runs) {
            runs.push_back(run_json(one));
        } else {
            ++left_out;
        }
    }
    json detail = {
        {"counts",
         {{"total", row.counts.total},
          {"pass", row.counts.pass},
          {"fail", row.counts.fail},
          {"unproven", row.counts.unproven}}},
    };
    if (!runs.empty()) {
        detail["runs"] = std::move(runs);
        detail["evidence"] = evidence_of(site, row);
    }
    if (left_out > 0) {
        detail["runs_left_out"] = left_out;
    }
    return {
        .at = now,
        .kind = record_kind::requirement,
        .catalogue = what.catalogue,
        .requirement = what.id,
        .state = to_string(row.state),
        .before = std::move(before),
        .since = row.since,
        .sentence = row.sentence,
        .detail = detail_text(std::move(detail)),
    };
}

history_record endpoint_record(
    const plan_row& what, const site_state& site, const endpoint_state& one, port_set ports,
    std::string before, wall_time now
)
{
    json detail = {
        {"stage", to_string(one.judged.stage)},
        {"blame", to_string(one.judged.blame)},
        {"where", one.judged.where ? to_json(*one.judged.where) : json(nullptr)},
        {"evidence", seen_json(site, one)},
    };
    return {
        .at = now,
        .kind = record_kind::endpoint,
        .catalogue = what.catalogue,
        .requirement = what.id,
        .state = to_string(one.judged.kind),
        .before = std::move(before),
        .since = one.since,
        .sentence = one.judged.sentence,
        .target =
            endpoint_span{
                .address = one.address ? to_text(*one.address) : std::string{},
                .name = one.name,
                .vantage = one.vantage,
                .transport = one.transport,
                .ports = std::move(ports),
            },
        .detail = detail_text(std::move(detail)),
    };
}

std::string runs_digest(const json& detail)
{
    json out = json::array();
    if (const auto runs = detail.find("runs"); runs != detail.end() && runs->is_array()) {
        for (const auto& one : *runs) {
            out.push_back(one.is_object() ? digest_of(one) : one);
        }
    }
    return dump(out);
}

std::string runs_digest(const row_state& row)
{
    json out = json::array();
    for (const auto& one : row.runs) {
        if (!one.passes && one.needed && out.size() < most_told_runs) {
            out.push_back(digest_of(run_json(one)));
        }
    }
    return dump(out);
}

round_sample sample_of(const plan_row& what, const row_state& row, wall_time now)
{
    round_sample out{.catalogue = what.catalogue, .requirement = what.id, .at = now};
    out.rounds_pass = row.state == row_answer::pass ? 1 : 0;
    out.rounds_fail = row.state == row_answer::fail ? 1 : 0;
    out.pass = row.counts.pass;
    out.fail = row.counts.fail;
    out.unproven = row.counts.unproven;
    std::vector<microseconds> times;
    for (const auto& one : row.endpoints) {
        if (const auto rtt = round_trip(one.seen)) {
            times.push_back(std::chrono::duration_cast<microseconds>(*rtt));
        }
    }
    if (!times.empty()) {
        std::ranges::sort(times);
        out.rtt_min = times.front();
        out.rtt_median = times[times.size() / 2];
        out.rtt_max = times.back();
    }
    return out;
}

history_record idle_record(const json& entry, wall_time now)
{
    const auto text = [&entry](const char* key) {
        const auto found = entry.find(key);
        return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string{};
    };
    return {
        .at = now,
        .kind = record_kind::idle,
        .catalogue = text("catalogue"),
        .requirement = text("requirement"),
        .state = text("state"),
        .sentence = text("sentence"),
        .detail = detail_text(entry),
    };
}

history_record block_record(const plan_row& what, const block_result& round, wall_time now)
{
    auto detail = to_json(round);
    for (const char* only_for_the_sum : {"covered", "seed"}) {
        detail.erase(only_for_the_sum);
    }
    return {
        .at = now,
        .kind = record_kind::block,
        .catalogue = what.catalogue,
        .requirement = what.id,
        .state = to_string(round.ending),
        .sentence = fmt::format("{} port {}: {}", to_text(round.block), round.port, sentence(round)),
        .detail = detail_text(std::move(detail)),
    };
}

history_record address_record(const plan_row& what, std::string sentence, wall_time now)
{
    return {
        .at = now,
        .kind = record_kind::address,
        .catalogue = what.catalogue,
        .requirement = what.id,
        .sentence = std::move(sentence),
    };
}

history_record plan_record(record_kind kind, const plan& what, std::string sentence, wall_time now)
{
    json rows = json::array();
    for (const auto& one : what.rows) {
        rows.push_back({one.catalogue, one.id});
    }
    return {
        .at = now,
        .kind = kind,
        .sentence = std::move(sentence),
        .detail = dump({{"rows", std::move(rows)}}), // whole: the site as it was goes by it
    };
}

} // namespace reachd
