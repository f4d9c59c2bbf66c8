// SPDX-License-Identifier: Apache-2.0
// A ladder as a picture: each flow as long as it was left alone, what became of it, the bracket, what is
// required.
#include "html_parts.hpp"
#include "reachd/core/escape.hpp"
#include "report_words.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd::html {

using namespace reading;

namespace {

constexpr double width = 400;
constexpr double left = 12;
constexpr double right = 24;
constexpr double top = 34; // the requirement's label stands above
constexpr double rung_gap = 10;
constexpr double axis_room = 42;

constexpr double longest_shown =
    864'000; // seconds, ten days: what somebody else's report has above is no timer
constexpr unsigned most_ticks = 20;

struct scale {
    double longest;

    [[nodiscard]] double x(double seconds) const
    {
        return left + (width - left - right) * std::clamp(seconds / longest, 0.0, 1.0);
    }
};

scale scale_of(const json& entry)
{
    auto longest = decimal_at(entry, "required_s").value_or(1);
    for (const auto& one : list_at(entry, "rungs")) {
        longest = std::max(longest, decimal_at(one, "idle_s").value_or(0));
    }
    return {std::clamp(longest, 1.0, longest_shown)};
}

// A tick of 1, 2 or 5 times a power of ten, about five of them.
double tick_of(double longest)
{
    double size = 1;
    while (size * 50 < longest) {
        size *= 10;
    }
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (size * factor * 6 >= longest) {
            return size * factor;
        }
    }
    return size * 10;
}

std::string draw_bracket(const json& entry, const scale& at, double bottom)
{
    const auto lost = decimal_at(entry, "lost_s");
    if (!lost) {
        return {};
    }
    const auto held = decimal_at(entry, "held_s").value_or(decimal_at(entry, "answered_s").value_or(0));
    const auto from = at.x(std::min(held, *lost));
    return fmt::format(
        "<rect class=\"bracket\" x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n", from, top - 6,
        std::max(at.x(*lost) - from, 2.0), bottom - top + 6
    );
}

std::string draw_rung(const json& rung, const scale& at, double y)
{
    const auto end = at.x(decimal_at(rung, "idle_s").value_or(0));
    const auto outcome = text_at(rung, "outcome");
    const char* css = outcome == "held" ? "pass" : outcome == "lost" ? "fail" : "unproven";
    auto out = fmt::format(
        "<line class=\"rung {}\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>", css, left, y, end, y
    );
    if (outcome == "held") {
        return out +
               fmt::format("<circle class=\"dot pass\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"/>\n", end, y);
    }
    if (outcome == "lost") {
        return out + fmt::format(
                         "<path class=\"dot fail\" d=\"M{:.1f} {:.1f}l7 7m0-7l-7 7\"/>\n", end - 3.5, y - 3.5
                     );
    }
    return out + fmt::format(
                     "<rect class=\"dot unproven\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"6\" height=\"6\"/>\n",
                     end - 3, y - 3
                 );
}

std::string draw_axis(const scale& at, double y)
{
    auto out = fmt::format(
        "<line class=\"axis\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>\n", left, y, width - right, y
    );
    const auto tick = tick_of(at.longest);
    for (unsigned count = 0; count < most_ticks && count * tick <= at.longest + tick / 1000; ++count) {
        const auto seconds = count * tick;
        out += fmt::format(
            "<line class=\"axis\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/><text "
            "class=\"detail "
            "middle\" x=\"{0:.1f}\" y=\"{3:.1f}\">{4}</text>\n",
            at.x(seconds), y, y + 4, y + 17, seconds
        );
    }
    return out +
           fmt::format(
               "<text class=\"detail\" x=\"{}\" y=\"{:.1f}\">seconds without a packet</text>\n", left, y + 34
           );
}

std::string draw_required(const json& entry, const scale& at, double bottom)
{
    const auto required = decimal_at(entry, "required_s");
    if (!required) {
        return {};
    }
    const auto x = at.x(*required);
    const bool to_the_left = x > width / 2;
    return fmt::format(
        "<line class=\"required\" x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/><text "
        "class=\"required-text{3}\" "
        "x=\"{0:.1f}\" y=\"{4}\">required: {5}</text>\n",
        x, top - 16, bottom, to_the_left ? " end" : "", top - 21, seconds_words(entry, "required_s")
    );
}

std::vector<const json*> sorted_rungs(const json& entry)
{
    std::vector<const json*> out;
    for (const auto& one : list_at(entry, "rungs")) {
        out.push_back(&one);
    }
    std::ranges::stable_sort(out, {}, [](const json* one) { return decimal_at(*one, "idle_s").value_or(0); });
    return out;
}

std::string caption_of(const json& entry)
{
    const auto which = text_at(entry, "class");
    const auto via = text_at(entry, "via");
    auto out = fmt::format(
        "{} flows{} left alone{}", text_at(entry, "transport"), which.empty() ? "" : " (" + which + ")",
        via.empty() ? "" : ", over " + via
    );
    out += ": required " + seconds_words(entry, "required_s");
    for (const auto& [key, word] :
         {std::pair{"held_s", "held"}, {"answered_s", "answered"}, {"lost_s", "lost at"}}) {
        if (decimal_at(entry, key)) {
            out += fmt::format(", {} {}", word, seconds_words(entry, key));
        }
    }
    return out;
}

} // namespace

std::string idle_picture(const json& entry)
{
    const auto rungs = sorted_rungs(entry);
    if (rungs.empty()) {
        return {};
    }
    const auto at = scale_of(entry);
    const auto bottom = top + static_cast<double>(rungs.size()) * rung_gap;
    auto body = draw_bracket(entry, at, bottom);
    for (std::size_t i = 0; i < rungs.size(); ++i) {
        body += draw_rung(*rungs[i], at, top + (static_cast<double>(i) + 0.5) * rung_gap);
    }
    body += draw_axis(at, bottom) + draw_required(entry, at, bottom);
    return fmt::format(
        "<figure class=\"picture idle\"><figcaption>{0}</figcaption>\n<svg role=\"img\" aria-label=\"{0}\" "
        "width=\"{1}\" "
        "height=\"{2}\" viewBox=\"0 0 {1} {2}\">\n{3}</svg>\n<p class=\"key\">{4} held {5} lost {6} "
        "unproven{7}</p></figure>\n",
        html_text(caption_of(entry)), width, bottom + axis_room, body, mark("pass"), mark("fail"),
        mark("unproven"), decimal_at(entry, "lost_s") ? "; shaded: the timer lies here" : ""
    );
}

} // namespace reachd::html
