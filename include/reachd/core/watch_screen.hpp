// SPDX-License-Identifier: Apache-2.0
// watch_screen.hpp: what `reachctl watch` shows on a terminal, as lines.
//
// Use     show() each report and note() each event as they come, press() each key; draw() whenever any of it
// or the
//         size has changed.
// Shapes  draw() gives exactly `lines` lines of at most page.columns columns, without line ends.
// Errors  A report that lacks a member reads as if it were empty there.
#pragma once

#include "reachd/core/render_text.hpp"

#include <cstdint>
#include <deque>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace reachd {

enum class watch_key : std::uint8_t {
    up,
    down,
    page_up,
    page_down,
    first,
    last,
    toggle,       // the chosen row open or closed
    open_failing, // every row that does not pass open; again: all closed
};

class watch_screen {
public:
    void show(nlohmann::json report);
    // `when` as it is to be shown; events that change nothing to see are left out.
    void note(const std::string& when, const nlohmann::json& event);
    // Why there is no daemon at present; "" when there is one.
    void set_link(const std::string& why);
    void press(watch_key key);

    [[nodiscard]] std::vector<std::string> draw(const page& format, std::size_t lines);

private:
    struct row {
        std::string key; // catalogue/id: what is open stays open through reports
        const nlohmann::json* what;
    };
    struct change {
        std::string when;
        std::string text;
        ink with;
    };
    [[nodiscard]] std::vector<row> rows() const;
    [[nodiscard]] std::vector<std::string> head(const page& format) const;
    [[nodiscard]] std::vector<std::string> changes(const page& format, std::size_t most) const;
    void add_row(std::vector<std::string>& body, const row& one, bool is_chosen, const page& format) const;

    nlohmann::json report_ = nlohmann::json::object();
    std::string link_;
    std::deque<change> changes_; // newest first
    std::set<std::string> open_;
    std::size_t chosen_ = 0;
    std::size_t top_ = 0;        // first line of the body that is shown
    std::size_t body_lines_ = 1; // as last drawn: a page
};

} // namespace reachd
