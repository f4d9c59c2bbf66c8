// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/watch_screen.hpp"

#include "report_reading.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <sstream>

namespace reachd {
namespace {

using nlohmann::json;

constexpr std::size_t changes_kept = 100;
constexpr std::size_t changes_shown = 5;
constexpr std::size_t narrowest = 40; // of a report, render_text.cpp
constexpr std::size_t indent = 4;
constexpr std::size_t least_body = 4; // on a small terminal the rows come before the changes

// Texts of a report are a peer's words.
std::string text_at(const json& from, const char* key)
{
    return printable(reading::text_at(from, key));
}

ink ink_of(const std::string& state)
{
    if (state == "pass" || state == "ready") {
        return ink::good;
    }
    if (state == "fail" || state == "not_ready") {
        return ink::bad;
    }
    return state == "not_configured" ? ink::faint : ink::unsure;
}

const char* word_of(const std::string& state)
{
    if (state == "pass") {
        return "PASS";
    }
    if (state == "fail") {
        return "FAIL";
    }
    return state == "not_configured" ? "BLANK" : "?";
}

std::string answer_of(const std::string& state)
{
    if (state == "ready") {
        return "READY";
    }
    return state == "not_ready" ? "NOT READY" : "UNPROVEN";
}

} // namespace

void watch_screen::show(json report)
{
    report_ = std::move(report);
    chosen_ = std::min(chosen_, rows().empty() ? 0 : rows().size() - 1);
}

void watch_screen::set_link(const std::string& why)
{
    link_ = printable(why);
}

void watch_screen::note(const std::string& when, const json& event)
{
    const auto kind = text_at(event, "kind");
    if (kind == "round.finished" || kind.empty()) {
        return;
    }
    const auto state = text_at(event, "state");
    std::string text = kind;
    if (const auto id = text_at(event, "requirement"); !id.empty()) {
        text += ' ' + id;
    }
    if (!state.empty()) {
        text += ' ' + state;
    }
    for (const char* key : {"sentence", "address", "message"}) {
        if (const auto more = text_at(event, key); !more.empty()) {
            text += ": " + more;
            break;
        }
    }
    changes_.push_front({when, text, state.empty() ? ink::plain : ink_of(state)});
    if (changes_.size() > changes_kept) {
        changes_.pop_back();
    }
}

std::vector<watch_screen::row> watch_screen::rows() const
{
    std::vector<row> out;
    for (const auto& [catalogue, one] : reading::rows_of(report_)) {
        out.push_back({text_at(*catalogue, "id") + '/' + text_at(*one, "id"), one});
    }
    return out;
}

void watch_screen::press(watch_key key)
{
    const auto all = rows();
    const auto last = all.empty() ? 0 : all.size() - 1;
    switch (key) {
    case watch_key::up: chosen_ -= chosen_ > 0 ? 1 : 0; return;
    case watch_key::down: chosen_ = std::min(last, chosen_ + 1); return;
    case watch_key::page_up: chosen_ -= std::min(chosen_, body_lines_); return;
    case watch_key::page_down: chosen_ = std::min(last, chosen_ + body_lines_); return;
    case watch_key::first: chosen_ = 0; return;
    case watch_key::last: chosen_ = last; return;
    case watch_key::toggle:
        if (!all.empty() && open_.erase(all[chosen_].key) == 0) {
            open_.insert(all[chosen_].key);
        }
        return;
    case watch_key::open_failing:
        if (!open_.empty()) {
            open_.clear();
            return;
        }
        for (const auto& one : all) {
            if (const auto state = text_at(*one.what, "state"); state == "fail" || state == "unproven") {
                open_.insert(one.key);
            }
        }
        return;
    }
}

std::vector<std::string> watch_screen::head(const page& format) const
{
    const auto state = text_at(report_, "state");
    std::map<std::string, std::size_t> counts;
    for (const auto& one : rows()) {
        ++counts[text_at(*one.what, "state")];
    }
    const auto answer = answer_of(state);
    auto rest = fmt::format(
        "{}  {} pass, {} fail, {} unproven, {} not configured", text_at(report_, "site"), counts["pass"],
        counts["fail"], counts["unproven"], counts["not_configured"]
    );
    rest = "  " + shorten(rest, format.columns - std::min(format.columns, answer.size() + 2));
    return {
        paint(answer, ink_of(state), format.use) + rest,
        shorten(text_at(report_, "sentence"), format.columns),
        link_.empty()
            ? std::string{}
            : paint(shorten("WAITING for the daemon: " + link_, format.columns), ink::bad, format.use),
    };
}

void watch_screen::add_row(
    std::vector<std::string>& body, const row& one, bool is_chosen, const page& format
) const
{
    const auto state = text_at(*one.what, "state");
    const bool is_open = open_.contains(one.key);
    const auto head = fmt::format("{} {} ", is_chosen ? '>' : ' ', is_open ? '-' : '+');
    const auto word = fmt::format("{:<5}", word_of(state));
    const auto rest = fmt::format("{:<16}  {}", text_at(*one.what, "id"), text_at(*one.what, "sentence"));
    const auto used = head.size() + word.size() + 2;
    body.push_back(
        head + paint(word, ink_of(state), format.use) + "  " +
        shorten(rest, format.columns - std::min(format.columns, used))
    );
    if (!is_open) {
        return;
    }
    const std::size_t left = format.columns >= narrowest + indent ? indent : 0;
    auto inner = format;
    inner.columns -= std::min(inner.columns, left);
    std::istringstream lines{render_row(*one.what, inner)};
    for (std::string line; std::getline(lines, line);) {
        body.push_back(std::string(left, ' ') + line);
    }
}

std::vector<std::string> watch_screen::changes(const page& format, std::size_t most) const
{
    std::vector<std::string> out;
    if (most < 2) {
        return out;
    }
    out.push_back(paint("Last changes", ink::strong, format.use));
    for (std::size_t i = 0; i < changes_.size() && i + 1 < most; ++i) {
        const auto& one = changes_[i];
        const auto used = one.when.size() + 2;
        const auto text = shorten(one.text, format.columns - std::min(format.columns, used));
        out.push_back(one.when + "  " + paint(text, one.with, format.use));
    }
    if (changes_.empty()) {
        out.push_back(paint("none since this began", ink::faint, format.use));
    }
    return out;
}

std::vector<std::string> watch_screen::draw(const page& format, std::size_t lines)
{
    auto out = head(format);
    std::vector<std::string> body;
    std::size_t chosen_first = 0;
    std::size_t chosen_last = 0;
    const auto all = rows();
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto first = body.size();
        add_row(body, all[i], i == chosen_, format);
        chosen_first = i == chosen_ ? first : chosen_first;
        chosen_last = i == chosen_ ? body.size() - 1 : chosen_last;
    }
    const auto fixed = out.size() + 1; // and the keys
    const auto room = lines > fixed ? lines - fixed : 0;
    const auto for_changes = std::min(changes_shown + 1, room > least_body ? room - least_body : 0);
    const auto foot = changes(format, std::min(for_changes, std::max<std::size_t>(2, changes_.size() + 1)));
    body_lines_ = std::max<std::size_t>(1, room > foot.size() ? room - foot.size() : 0);
    // The whole of the chosen row where it fits, its first line in any case.
    if (chosen_last >= top_ + body_lines_) {
        top_ = chosen_last + 1 - body_lines_;
    }
    top_ = std::min({top_, chosen_first, body.empty() ? 0 : body.size() - 1});
    for (std::size_t i = top_; i < top_ + body_lines_; ++i) {
        out.push_back(i < body.size() ? body[i] : std::string{});
    }
    out.insert(out.end(), foot.begin(), foot.end());
    out.push_back(paint(
        shorten("q quit  arrows choose  enter open  a open what fails", format.columns), ink::faint,
        format.use
    ));
    out.resize(lines);
    return out;
}

} // namespace reachd
