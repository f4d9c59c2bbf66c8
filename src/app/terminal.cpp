// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace reachd {
namespace {

constexpr std::size_t usual_columns = 80;
constexpr std::size_t widest = 200; // longer lines are not read
constexpr milliseconds redraw_every{100};
constexpr std::size_t bar_columns = 24;

std::optional<std::size_t> columns_from_environment()
{
    const char* text = std::getenv("COLUMNS");
    std::size_t value = 0;
    if (!text || std::from_chars(text, text + std::strlen(text), value).ec != std::errc{} || value == 0) {
        return std::nullopt;
    }
    return value;
}

std::size_t columns_of_terminal(int fd)
{
    if (const auto said = columns_from_environment()) {
        return *said;
    }
    winsize size{};
    return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual_columns;
}

bool wants_colour(colour_choice choice, int fd)
{
    switch (choice) {
    case colour_choice::always: return true;
    case colour_choice::never: return false;
    case colour_choice::automatic: break;
    }
    const char* no_colour = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return ::isatty(fd) && !(no_colour && *no_colour) && !(terminal && std::string_view{terminal} == "dumb");
}

// What the ladders still take, where they are under way.
std::string ladders_left(const progress& where, time_point now)
{
    if (!where.ladders_end || *where.ladders_end <= now) {
        return where.ladders_end ? ", idle timers: some s left" : "";
    }
    const auto left = std::chrono::ceil<seconds>(*where.ladders_end - now).count();
    return left < 120 ? fmt::format(", idle timers: {} s left", left)
                      : fmt::format(", idle timers: {} min left", (left + 59) / 60);
}

// The time left at the rate so far; nothing while too little is known.
std::string time_left(const progress& where, duration spent)
{
    if (where.done < 10 || spent < seconds{1} || where.done >= where.known) {
        return {};
    }
    const auto each = std::chrono::duration<double>(spent) / static_cast<double>(where.done);
    const auto left = each * static_cast<double>(where.known - where.done);
    return fmt::format(", about {} s left", static_cast<long>(left.count()) + 1);
}

} // namespace

page stdout_page(colour_choice choice)
{
    const auto columns = ::isatty(STDOUT_FILENO) ? columns_of_terminal(STDOUT_FILENO)
                                                 : columns_from_environment().value_or(usual_columns);
    return {
        .columns = std::min(columns, widest),
        .use = wants_colour(choice, STDOUT_FILENO) ? colour::on : colour::off,
    };
}

bool stderr_is_terminal()
{
    return ::isatty(STDERR_FILENO) == 1;
}

progress_line::progress_line() : terminal_{stderr_is_terminal()}, begun_{steady::now()} {}

progress_line::~progress_line()
{
    clear();
}

void progress_line::show(const progress& where)
{
    const auto now = steady::now();
    if (!terminal_ || now - drawn_ < redraw_every) {
        return;
    }
    drawn_ = now;
    shown_ = true;
    const auto filled = where.known == 0 ? 0 : bar_columns * where.done / where.known;
    const auto bar = std::string(filled, '#') + std::string(bar_columns - filled, '.');
    const auto text = fmt::format(
        "[{}] {} of {} steps{}{}", bar, where.done, where.known, time_left(where, now - begun_),
        ladders_left(where, now)
    );
    const auto columns = columns_of_terminal(STDERR_FILENO);
    std::fprintf(stderr, "\r\x1b[K%s", shorten(text, columns - 1).c_str());
    std::fflush(stderr);
}

void progress_line::clear()
{
    if (shown_) {
        std::fputs("\r\x1b[K", stderr);
        std::fflush(stderr);
        shown_ = false;
    }
}

} // namespace reachd
