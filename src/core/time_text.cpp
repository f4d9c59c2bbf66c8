// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/time_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string>

namespace reachd {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

// Takes what it recognises off the front of its text.
class scanner {
public:
    explicit scanner(std::string_view text) : left_{text} {}

    [[nodiscard]] bool done() const { return left_.empty(); }
    bool take(char what)
    {
        const bool found = left_.starts_with(what);
        left_.remove_prefix(found ? 1 : 0);
        return found;
    }
    // Exactly `count` digits.
    std::optional<int> digits(std::size_t count)
    {
        if (left_.size() < count) {
            return std::nullopt;
        }
        int value = 0;
        for (const char one : left_.substr(0, count)) {
            if (one < '0' || one > '9') {
                return std::nullopt;
            }
            value = value * 10 + (one - '0');
        }
        left_.remove_prefix(count);
        return value;
    }
    // As many as there are, 1 to `most`.
    std::optional<std::int64_t> number(std::size_t most)
    {
        std::size_t count = 0;
        std::int64_t value = 0;
        while (count < left_.size() && left_[count] >= '0' && left_[count] <= '9') {
            if (count == most) {
                return std::nullopt;
            }
            value = value * 10 + (left_[count] - '0');
            ++count;
        }
        left_.remove_prefix(count);
        return count > 0 ? std::optional{value} : std::nullopt;
    }
    std::string word()
    {
        std::string out;
        while (!left_.empty() && std::isalpha(static_cast<unsigned char>(left_.front()))) {
            out += static_cast<char>(std::tolower(static_cast<unsigned char>(left_.front())));
            left_.remove_prefix(1);
        }
        return out;
    }
    void spaces() { left_.remove_prefix(std::min(left_.find_first_not_of(' '), left_.size())); }

private:
    std::string_view left_;
};

std::optional<std::chrono::year_month_day> take_date(scanner& from)
{
    const auto year = from.digits(4);
    const bool first = year && from.take('-');
    const auto month = first ? from.digits(2) : std::nullopt;
    const bool second = month && from.take('-');
    const auto day = second ? from.digits(2) : std::nullopt;
    if (!day) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{
        std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
        std::chrono::day{static_cast<unsigned>(*day)}
    };
    constexpr int first_year = 1970;
    return date.ok() && *year >= first_year ? std::optional{date} : std::nullopt;
}

// "14:05", "14:05:09", "14:05:09.25"
std::optional<milliseconds> take_clock(scanner& from)
{
    const auto hour = from.digits(2);
    const auto minute = hour && from.take(':') ? from.digits(2) : std::nullopt;
    if (!minute || *hour > 23 || *minute > 59) {
        return std::nullopt;
    }
    milliseconds out = hours{*hour} + minutes{*minute};
    if (from.take(':')) {
        const auto second = from.digits(2);
        if (!second || *second > 60) { // 60: a leap second
            return std::nullopt;
        }
        out += seconds{*second};
        if (from.take('.')) {
            int weight = 100;
            auto digit = from.digits(1);
            if (!digit) {
                return std::nullopt;
            }
            for (; digit; digit = from.digits(1), weight /= 10) {
                out += milliseconds{*digit * weight};
            }
        }
    }
    return out;
}

std::optional<minutes> take_zone(scanner& from)
{
    if (from.take('Z') || from.take('z')) {
        return minutes{0};
    }
    const bool east = from.take('+');
    if (!east && !from.take('-')) {
        return std::nullopt;
    }
    const auto hour = from.digits(2);
    const auto minute = hour && from.take(':') ? from.digits(2) : std::nullopt;
    if (!minute || *hour > 23 || *minute > 59) {
        return std::nullopt;
    }
    const auto offset = hours{*hour} + minutes{*minute};
    return east ? offset : -offset;
}

std::optional<milliseconds> unit_of(const std::string& word)
{
    struct unit {
        std::string_view word;
        milliseconds length;
    };
    static constexpr std::array units{
        unit{"s", seconds{1}},       unit{"sec", seconds{1}},     unit{"second", seconds{1}},
        unit{"seconds", seconds{1}}, unit{"m", minutes{1}},       unit{"min", minutes{1}},
        unit{"minute", minutes{1}},  unit{"minutes", minutes{1}}, unit{"h", hours{1}},
        unit{"hour", hours{1}},      unit{"hours", hours{1}},     unit{"d", hours{24}},
        unit{"day", hours{24}},      unit{"days", hours{24}},     unit{"w", hours{168}},
        unit{"week", hours{168}},    unit{"weeks", hours{168}},
    };
    const auto found = std::ranges::find(units, word, &unit::word);
    return found == units.end() ? std::nullopt : std::optional{found->length};
}

// "2 h ago", "2h", "90 minutes ago"
std::optional<milliseconds> parse_ago(std::string_view text)
{
    constexpr std::size_t most_digits = 6;
    scanner from{text};
    const auto count = from.number(most_digits);
    from.spaces();
    const auto unit = count ? unit_of(from.word()) : std::nullopt;
    if (!unit) {
        return std::nullopt;
    }
    from.spaces();
    const auto rest = from.word();
    const bool whole = from.done() && (rest.empty() || rest == "ago");
    return whole ? std::optional{*unit * *count} : std::nullopt;
}

// How many days before `today` the word means; nullopt for what is no such word.
std::optional<days> days_before(const std::string& word, std::chrono::local_days today)
{
    if (word == "today") {
        return days{0};
    }
    if (word == "yesterday") {
        return days{1};
    }
    static constexpr std::array<std::string_view, 7> names{"sunday",   "monday", "tuesday", "wednesday",
                                                           "thursday", "friday", "saturday"};
    const auto fits = [&](std::string_view name) { return name == word || name.substr(0, 3) == word; };
    const auto found = std::ranges::find_if(names, fits);
    if (found == names.end()) {
        return std::nullopt;
    }
    const std::chrono::weekday wanted{static_cast<unsigned>(found - names.begin())};
    return std::chrono::weekday{today} - wanted;
}

std::optional<some_time> parse_local(std::string_view text, local_time local_now)
{
    const auto today = std::chrono::floor<days>(local_now);
    scanner clock_only{text};
    if (const auto clock = take_clock(clock_only); clock && clock_only.done()) {
        const local_time when = today + *clock;
        return when > local_now ? when - days{1} : when;
    }
    scanner dated{text};
    std::optional<std::chrono::local_days> day;
    bool is_weekday = false;
    if (const auto date = take_date(dated)) {
        day = std::chrono::local_days{*date};
    } else {
        dated = scanner{text};
        const auto word = dated.word();
        const auto back = days_before(word, today);
        if (!back) {
            return std::nullopt;
        }
        day = today - *back;
        is_weekday = word != "today" && word != "yesterday";
    }
    local_time when = *day;
    if (!dated.done()) {
        if (!dated.take('T')) {
            dated.spaces();
        }
        const auto clock = take_clock(dated);
        if (!clock || !dated.done()) {
            return std::nullopt;
        }
        when += *clock;
    }
    return is_weekday && when > local_now ? when - days{7} : when;
}

} // namespace

std::optional<wall_time> parse_time(std::string_view text)
{
    scanner from{text};
    const auto date = take_date(from);
    const bool joined = date && (from.take('T') || from.take('t') || from.take(' '));
    const auto clock = joined ? take_clock(from) : std::nullopt;
    const auto zone = clock ? take_zone(from) : std::nullopt;
    if (!zone || !from.done()) {
        return std::nullopt;
    }
    return wall_time{std::chrono::sys_days{*date} + *clock - *zone};
}

std::optional<some_time> parse_when(std::string_view text, wall_time now, local_time local_now)
{
    if (text == "now") {
        return some_time{now};
    }
    if (const auto when = parse_time(text)) {
        return some_time{*when};
    }
    if (const auto ago = parse_ago(text)) {
        return some_time{now - *ago};
    }
    return parse_local(text, local_now);
}

} // namespace reachd
