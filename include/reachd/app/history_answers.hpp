// SPDX-License-Identifier: Apache-2.0
// history_answers.hpp: what the method `history` answers, read from the file, in a thread of its own.
//
// Errors  those of the store.
// Source  docs/CONTROL.md, method `history`.
#pragma once

#include "reachd/core/json.hpp"
#include "reachd/store/history_reader.hpp"

namespace reachd {

enum class history_subject : std::uint8_t {
    changes,      // records
    samples,      // what rounds measured
    outages,      // from the states of rows
    availability, // of each row, over the usual windows or [from, to]
    addresses,    // when names had which
    site_at,      // the site as it was
};
std::optional<history_subject> parse_history_subject(std::string_view word);

struct history_question {
    history_subject what = history_subject::changes;
    record_query query;
    wall_time at{}; // of site_at
    wall_time now{};
};

stored<json> answer_history(history_reader& store, const history_question& question);

// The `next` of a page; nullopt for what is none.
std::string cursor_text(const std::pair<wall_time, std::int64_t>& last);
std::optional<std::pair<wall_time, std::int64_t>> parse_cursor(std::string_view text);

} // namespace reachd
