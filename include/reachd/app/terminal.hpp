// SPDX-License-Identifier: Apache-2.0
// terminal.hpp: what the terminal is and wants, and the progress line on it.
//
// Use      Data goes to stdout, everything else to stderr.
// Source   no-color.org (NO_COLOR), environ(7) COLUMNS, TERM=dumb.
#pragma once

#include "reachd/app/engine.hpp"
#include "reachd/core/render_text.hpp"

#include <optional>
#include <string>

namespace reachd {

enum class colour_choice : std::uint8_t {
    automatic, // on a terminal that can, unless NO_COLOR is set
    always,
    never,
};

// The page for stdout.
page stdout_page(colour_choice choice);
bool stderr_is_terminal();

// A bar that redraws itself on a terminal's stderr and is silent in a pipe.
class progress_line {
public:
    progress_line();
    ~progress_line();
    progress_line(const progress_line&) = delete;
    progress_line& operator=(const progress_line&) = delete;

    void show(const progress& where);
    void clear();

private:
    bool terminal_;
    bool shown_ = false;
    time_point begun_;
    time_point drawn_{};
};

} // namespace reachd
