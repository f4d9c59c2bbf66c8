// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/history_answers.hpp"

#include "reachd/core/history_json.hpp"
#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <tuple>

namespace reachd {
namespace {

struct window {
    const char* name;
    std::chrono::hours length;
};
constexpr std::array windows{
    window{"1h", std::chrono::hours{1}},
    window{"24h", std::chrono::hours{24}},
    window{"7d", std::chrono::hours{168}},
    window{"30d", std::chrono::hours{720}},
};
constexpr std::chrono::hours longest{720};

bool is_wanted(const record_query& query, const row_key& row)
{
    const bool all = query.catalogue.empty() && query.requirement.empty();
    const bool named = query.requirement.empty() || query.requirement == row.second ||
                       query.requirement == row.first + "/" + row.second;
    return all || ((query.catalogue.empty() || query.catalogue == row.first) && named && !row.second.empty());
}

template <class T>
json page_json(const page_of<T>& page, const char* name, const auto& entry)
{
    json entries = json::array();
    for (const auto& one : page.entries) {
        entries.push_back(entry(one));
    }
    return {{name, std::move(entries)}, {"next", page.next ? json(cursor_text(*page.next)) : json(nullptr)}};
}

json entry_json(const stored_record& one)
{
    auto out = to_json(one.what);
    out["id"] = one.id;
    return out;
}

struct row_timeline {
    row_key row;
    std::vector<state_span> spans;
};

stored<std::vector<row_timeline>>
timelines(history_reader& store, const record_query& query, wall_time from, wall_time to)
{
    const auto rows = store.rows();
    const auto watched = rows ? store.watched(from, to) : std::unexpected(rows.error());
    if (!watched) {
        return std::unexpected(watched.error());
    }
    std::vector<row_timeline> out;
    for (const auto& row : *rows) {
        if (!is_wanted(query, row)) {
            continue;
        }
        const auto points = store.points(row, from, to);
        if (!points) {
            return std::unexpected(points.error());
        }
        out.push_back({row, make_timeline(*points, *watched, from, to)});
    }
    return out;
}

json name_json(const std::string& text)
{
    return text.empty() ? json(nullptr) : json(text);
}

stored<json> availability_answer(history_reader& store, const history_question& question)
{
    const auto& query = question.query;
    const auto to = std::min(query.to.value_or(question.now), question.now);
    const auto from = query.from.value_or(to - longest);
    const auto found = timelines(store, query, from, to);
    if (!found) {
        return std::unexpected(found.error());
    }
    json rows = json::array();
    for (const auto& [row, spans] : *found) {
        json measured = json::object();
        if (query.from) {
            measured["range"] = to_json(measure(spans, from, to));
        } else {
            for (const auto& one : windows) {
                measured[one.name] = to_json(measure(spans, to - one.length, to));
            }
        }
        rows.push_back({
            {"catalogue", name_json(row.first)},
            {"requirement", name_json(row.second)},
            {"windows", std::move(measured)},
        });
    }
    return json{{"from", to_text(from)}, {"to", to_text(to)}, {"availability", std::move(rows)}};
}

stored<json> outages_answer(history_reader& store, const history_question& question)
{
    const auto& query = question.query;
    const auto to = std::min(query.to.value_or(question.now), question.now);
    const auto from = query.from.value_or(to - longest);
    const auto found = timelines(store, query, from, to);
    if (!found) {
        return std::unexpected(found.error());
    }
    std::vector<outage> all;
    for (const auto& one : *found) {
        std::ranges::move(outages(one.spans), std::back_inserter(all));
    }
    const bool more = all.size() > query.limit;
    const auto shown = all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), query.limit));
    std::ranges::partial_sort(all, shown, [](const outage& one, const outage& other) {
        return std::tie(one.start, one.record) > std::tie(other.start, other.record);
    });
    all.erase(shown, all.end());
    json list = json::array();
    for (const auto& one : all) {
        const auto words = store.record(one.record);
        if (!words) {
            return std::unexpected(words.error());
        }
        list.push_back(to_json(one, *words, to));
    }
    return json{{"from", to_text(from)}, {"to", to_text(to)}, {"outages", std::move(list)}, {"more", more}};
}

// The site's own record is of its last change of state: rows may have changed since.
std::string sentence_then(const site_then& then)
{
    constexpr seconds together{1}; // what is drawn at once is recorded so
    std::vector<named_answer> rows;
    bool changed = false;
    for (const auto& one : then.rows) {
        rows.push_back(
            {one.what.requirement, parse_row_answer(one.what.state).value_or(row_answer::unproven)}
        );
        changed = changed || one.what.at > then.site->what.at + together;
    }
    return changed ? count_sentence(rows) : then.site->what.sentence;
}

stored<json> site_answer_then(history_reader& store, const history_question& question)
{
    const auto then = store.at(question.at);
    if (!then) {
        return std::unexpected(then.error());
    }
    json rows = json::array();
    for (const auto& one : then->rows) {
        if (is_wanted(question.query, {one.what.catalogue, one.what.requirement})) {
            rows.push_back(row_then_json(one.what));
        }
    }
    json site = nullptr;
    if (then->site) {
        const auto& what = then->site->what;
        site = {{"state", what.state}, {"sentence", sentence_then(*then)}, {"since", to_text(what.since)}};
    }
    const auto alive = then->last_alive;
    return json{
        {"at", to_text(question.at)},
        {"site", std::move(site)},
        {"running", !alive.has_value()},
        {"last_alive", alive && *alive != wall_time{} ? json(to_text(*alive)) : json(nullptr)},
        {"requirements", std::move(rows)},
    };
}

template <class T, class Entry>
stored<json> page_answer(const stored<page_of<T>>& page, const char* name, const Entry& entry)
{
    return page ? stored<json>{page_json(*page, name, entry)} : std::unexpected(page.error());
}

} // namespace

std::optional<history_subject> parse_history_subject(std::string_view word)
{
    if (word == "changes") {
        return history_subject::changes;
    }
    if (word == "samples") {
        return history_subject::samples;
    }
    if (word == "outages") {
        return history_subject::outages;
    }
    if (word == "availability") {
        return history_subject::availability;
    }
    return word == "addresses" ? std::optional{history_subject::addresses} : std::nullopt;
}

stored<json> answer_history(history_reader& store, const history_question& question)
{
    switch (question.what) {
    case history_subject::changes: return page_answer(store.records(question.query), "changes", entry_json);
    case history_subject::samples:
        return page_answer(store.samples(question.query), "samples", [](const round_sample& one) {
            return to_json(one);
        });
    case history_subject::outages: return outages_answer(store, question);
    case history_subject::availability: return availability_answer(store, question);
    case history_subject::addresses:
        return page_answer(store.sightings(question.query), "addresses", [](const address_sighting& one) {
            return to_json(one);
        });
    case history_subject::site_at: return site_answer_then(store, question);
    }
    return json::object();
}

std::string cursor_text(const std::pair<wall_time, std::int64_t>& last)
{
    return fmt::format("{}-{}", last.first.time_since_epoch().count(), last.second);
}

std::optional<std::pair<wall_time, std::int64_t>> parse_cursor(std::string_view text)
{
    const auto number = [](std::string_view part) -> std::optional<std::int64_t> {
        std::int64_t value = 0;
        const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), value);
        return code == std::errc{} && end == part.data() + part.size() ? std::optional{value} : std::nullopt;
    };
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto at = number(text.substr(0, dash));
    const auto id = number(text.substr(dash + 1));
    return at && id ? std::optional{std::pair{wall_time{milliseconds{*at}}, *id}} : std::nullopt;
}

} // namespace reachd
