// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/history_commands.hpp"

#include "reachd/app/commands.hpp"
#include "reachd/core/history_json.hpp"
#include "reachd/core/time_text.hpp"
#include "reachd/net/wall_clock.hpp"

#include <fmt/format.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::minutes clocks_differ{1}; // of who asks over HTTP and of this machine
constexpr seconds kept_within{2};                // a note is told to be kept when it is on disk by then

std::string text_of(const json& params, const char* key)
{
    const auto found = params.find(key);
    return found == params.end() ? std::string{} : found->get<std::string>();
}

std::optional<wall_time> time_of(const json& params, const char* key)
{
    return parse_time(text_of(params, key)); // "" is none; its form was checked before
}

rpc_error wrong(const char* field, const std::string& message)
{
    auto error = make_error(reasons::invalid_parameter, fmt::format("'{}' {}", field, message));
    error.field = std::string{"params."} + field;
    return error;
}

// "requirement,site"; the word that is no kind.
std::optional<std::string> read_kinds(const std::string& text, std::set<record_kind>& into)
{
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find(',', begin), text.size());
        auto word = text.substr(begin, end - begin);
        const auto kind = parse_record_kind(word);
        if (!kind) {
            return word;
        }
        into.insert(*kind);
        begin = end + 1;
    }
    return std::nullopt;
}

std::expected<history_question, rpc_error> read_question(const json& params)
{
    history_question out{.now = wall_now()};
    auto& query = out.query;
    if (const auto what = text_of(params, "what"); !what.empty()) {
        const auto subject = parse_history_subject(what);
        if (!subject) {
            return std::unexpected(wrong(
                "what",
                fmt::format("must be changes, samples, outages, availability or addresses, not '{}'", what)
            ));
        }
        out.what = *subject;
    }
    if (const auto at = time_of(params, "at")) {
        if (params.contains("what")) {
            return std::unexpected(wrong("at", "is a question of its own: leave 'what' out"));
        }
        if (*at > out.now + clocks_differ) {
            return std::unexpected(wrong("at", "lies in the future: nothing is known of it"));
        }
        out.what = history_subject::site_at;
        out.at = *at;
    }
    query.catalogue = text_of(params, "catalogue");
    query.requirement = text_of(params, "requirement");
    if (const auto address = parse_address(text_of(params, "address"))) {
        query.address = to_text(*address); // one form of each
    }
    if (params.contains("port")) {
        query.port = params.at("port").get<std::uint16_t>();
    }
    query.how = parse_transport(text_of(params, "transport"));
    if (const auto word = read_kinds(text_of(params, "kinds"), query.kinds)) {
        return std::unexpected(wrong("kinds", fmt::format("has no kind '{}'", *word)));
    }
    query.from = time_of(params, "from");
    query.to = time_of(params, "to");
    if (query.from && query.to && *query.to <= *query.from) {
        return std::unexpected(wrong("to", "must be after 'from'"));
    }
    if (params.contains("limit")) {
        query.limit = params.at("limit").get<std::size_t>();
    }
    if (const auto cursor = text_of(params, "cursor"); !cursor.empty()) {
        query.after = parse_cursor(cursor);
        if (!query.after) {
            return std::unexpected(wrong("cursor", "must be the 'next' of the page before"));
        }
    }
    return out;
}

bool has_entries(const json& answer)
{
    for (const char* name : {"changes", "samples", "outages", "availability", "addresses", "requirements"}) {
        if (const auto found = answer.find(name); found != answer.end()) {
            return !found->empty();
        }
    }
    return false;
}

rpc_error not_one_row(const plan& what, const report_selection& select, const std::vector<std::size_t>& rows)
{
    if (rows.empty()) {
        return no_such_row(what, select);
    }
    auto error = wrong("requirement", fmt::format("names {} rows", rows.size()));
    error.hint =
        fmt::format("for example {}/{}", what.rows[rows.front()].catalogue, what.rows[rows.front()].id);
    return error;
}

} // namespace

asio::awaitable<rpc_answer>
history_answer(history_desk& desk, std::shared_ptr<engine> work, json params, asked_by whom)
{
    auto question = read_question(params);
    if (!question) {
        co_return std::unexpected(question.error());
    }
    const report_selection select{question->query.catalogue, question->query.requirement};
    auto answer = co_await desk.ask(std::move(*question), whom);
    if (!answer) {
        const bool busy = answer.error().what == store_fault::busy;
        auto error = make_error(busy ? reasons::busy : reasons::no_history, answer.error().sentence);
        error.hint =
            busy ? "ask again later" : "the log says why, under history.unavailable; measuring goes on";
        co_return std::unexpected(std::move(error));
    }
    // Rows that are not in force any more may still have a history.
    const bool named = !select.catalogue.empty() || !select.requirement.empty();
    if (named && rows_of(work->what(), select).empty() && !has_entries(*answer)) {
        co_return std::unexpected(no_such_row(work->what(), select));
    }
    co_return std::move(*answer);
}

asio::awaitable<rpc_answer>
acknowledge_answer(history_desk& desk, std::shared_ptr<engine> work, json params, uid_t uid)
{
    const report_selection select{"", text_of(params, "requirement")};
    const auto rows = rows_of(work->what(), select);
    if (rows.size() != 1) {
        co_return std::unexpected(not_one_row(work->what(), select, rows));
    }
    const auto& row = work->what().rows[rows.front()];
    const auto& state = work->state().rows[rows.front()];
    std::optional<acknowledgement> note;
    if (auto text = text_of(params, "note"); !text.empty()) {
        auto by = text_of(params, "by");
        by = by.empty() ? fmt::format("uid {}", uid) : by;
        note = {.note = std::move(text), .by = std::move(by), .since = wall_now()};
    }
    if (note ? state.state != row_answer::fail : !state.acknowledged) {
        auto error = make_error(
            reasons::not_failing,
            note ? fmt::format("{}/{} does not fail: it is {}", row.catalogue, row.id, to_string(state.state))
                 : fmt::format("{}/{} has no note", row.catalogue, row.id)
        );
        error.field = "params.requirement";
        co_return std::unexpected(std::move(error));
    }
    work->acknowledge(rows.front(), note);
    desk.refreshed();
    const bool kept = co_await desk.settle(steady::now() + kept_within);
    co_return json{
        {"catalogue", row.catalogue},
        {"requirement", row.id},
        {"acknowledged", note ? to_json(*note) : json(nullptr)},
        {"kept", kept},
    };
}

} // namespace reachd
