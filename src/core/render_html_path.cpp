// SPDX-License-Identifier: Apache-2.0
// The way to a destination as a picture: this machine, each box that was seen, the destination, and where it
// ends.
#include "html_parts.hpp"
#include "reachd/core/escape.hpp"
#include "report_words.hpp"

#include <fmt/format.h>
#include <map>

namespace reachd::html {

using namespace reading;

namespace {

constexpr unsigned width = 360;   // pixels: a phone's, so that the text keeps its size there
constexpr unsigned step = 46;     // from box to box
constexpr unsigned cut_step = 66; // where the link between them holds a word
constexpr unsigned line_x = 22;
constexpr unsigned text_x = 44;
constexpr unsigned most_hops = 255; // RFC 791, time to live: what somebody else's report has above is no hop
constexpr unsigned icmp_time_exceeded = 11; // RFC 792
constexpr unsigned icmp6_time_exceeded = 3; // RFC 4443

// What is said of a box or a link; its name is its class in the page's style sheet.
enum class mark : std::uint8_t { none, culprit, cut, doubt, beyond, unknown };

const char* css_of(mark which)
{
    switch (which) {
    case mark::none: return "";
    case mark::culprit: return "culprit";
    case mark::cut: return "cut";
    case mark::doubt: return "doubt";
    case mark::beyond: return "beyond";
    case mark::unknown: return "unknown";
    }
    return "";
}

struct stop {
    std::string title;
    std::string detail;
    mark box = mark::none;
    mark link = mark::none; // to the next one
};

using hop_map = std::map<unsigned, std::string>; // its address, "" where it never answered

bool is_v6(const std::string& address)
{
    return address.find(':') != std::string::npos;
}

bool is_hop(long long number)
{
    return number > 0 && number <= most_hops;
}

void add_own_hops(hop_map& hops, const json& endpoint)
{
    for (const auto& seen : list_at(endpoint, "evidence")) {
        const auto& icmp = object_at(seen, "icmp");
        const auto sender = text_at(icmp, "sender");
        const auto expired = is_v6(sender) ? icmp6_time_exceeded : icmp_time_exceeded;
        const auto number = number_at(seen, "hop_limit");
        if (is_hop(number) && number_at(icmp, "type") == expired && !is_true(icmp, "sender_is_us")) {
            hops.try_emplace(static_cast<unsigned>(number), sender);
        }
    }
}

void add_usual_hops(hop_map& hops, const json& report, const std::string& destination)
{
    for (const auto& one : list_at(object_at(report, "path"), "hops")) {
        const auto address = text_at(one, "address");
        const auto number = number_at(one, "hop");
        const bool other_family =
            !address.empty() && !destination.empty() && is_v6(address) != is_v6(destination);
        if (is_hop(number) && !other_family) {
            hops.try_emplace(static_cast<unsigned>(number), address);
        }
    }
}

// The number of the box that `where` names, by its number or else by its address.
std::optional<unsigned> place(hop_map& hops, const json& one, const std::string& destination)
{
    const auto address = text_at(one, "address");
    if (const auto number = decimal_at(one, "hop"); number && *number >= 0 && *number <= most_hops) {
        const auto hop = static_cast<unsigned>(*number);
        if (hop > 0 && address != destination) {
            hops[hop] = address.empty() ? hops[hop] : address;
        }
        return hop;
    }
    for (const auto& [number, known] : hops) {
        if (known == address) {
            return number;
        }
    }
    return std::nullopt;
}

struct ending {
    std::optional<unsigned> after;
    std::optional<unsigned> before;
    std::optional<unsigned> at;
    std::string stranger; // a box that is on the way, nobody knows where

    // Boxes between those two: it may be each of them.
    [[nodiscard]] bool has_doubt() const { return after && before && *before > *after + 1; }
    [[nodiscard]] mark box_at(unsigned number) const
    {
        return at == number                               ? mark::culprit
             : !ended_before(number)                      ? mark::none
             : has_doubt() && number < before.value_or(0) ? mark::doubt
                                                          : mark::beyond;
    }
    [[nodiscard]] mark link_after(unsigned number) const
    {
        if (after == number && !has_doubt()) {
            return mark::cut;
        }
        if (after == number || box_at(number) == mark::doubt) {
            return mark::doubt;
        }
        return at == number || ended_before(number) ? mark::beyond : mark::none;
    }

private:
    [[nodiscard]] bool ended_before(unsigned number) const
    {
        return (after && number > *after) || (at && number > *at);
    }
};

ending place_ending(hop_map& hops, const json& where, const std::string& destination)
{
    ending out;
    if (where.contains("at")) {
        out.at = place(hops, object_at(where, "at"), destination);
        out.stranger = out.at ? "" : text_at(object_at(where, "at"), "address");
    } else if (where.contains("after")) {
        out.after = place(hops, object_at(where, "after"), destination);
        out.before = place(hops, object_at(where, "before"), destination);
    }
    return out;
}

// What the report's own path says of this box; of another family's boxes nothing.
std::string detail_of(const json& report, unsigned hop, const std::string& address)
{
    const auto& way = object_at(report, "path");
    const auto edge = number_at(object_at(way, "edge"), "hop");
    for (const auto& one : list_at(way, "hops")) {
        if (number_at(one, "hop") != hop || text_at(one, "address") != address) {
            continue;
        }
        std::string out = edge == 0   ? ""
                        : hop < edge  ? "of the site"
                        : hop == edge ? "the site's edge"
                                      : "beyond the site";
        const auto took = decimal_at(one, "rtt_us");
        return !took
                 ? out
                 : out + fmt::format("{}answers after {:.1f} ms", out.empty() ? "" : ", ", *took / 1000.0);
    }
    return {};
}

std::vector<stop>
stops_of(const json& report, const hop_map& hops, const ending& end, const std::string& destination)
{
    std::vector<stop> out{{"This machine", text_at(report, "vantage"), mark::none, end.link_after(0)}};
    unsigned expected = 1;
    for (const auto& [number, address] : hops) {
        if (number > expected) {
            out.push_back(
                {number == expected + 1 ? fmt::format("Hop {}", expected)
                                        : fmt::format("Hops {} to {}", expected, number - 1),
                 "no box seen", end.box_at(expected), end.link_after(expected)}
            );
        }
        expected = number + 1;
        out.push_back(
            {fmt::format("Hop {}: {}", number, address.empty() ? "silent" : address),
             detail_of(report, number, address), end.box_at(number), end.link_after(number)}
        );
    }
    if (end.has_doubt() && end.before.value_or(0) > expected) { // they are not known by any number of theirs
        const auto last = end.before.value_or(0) - 1;
        out.push_back(
            {expected == last ? fmt::format("Hop {}", last) : fmt::format("Hops {} to {}", expected, last),
             "no box seen", end.box_at(expected), end.link_after(last)}
        );
    }
    if (!end.stranger.empty()) {
        out.push_back({end.stranger + ", somewhere on the way", "", mark::culprit, mark::beyond});
    }
    const bool beyond = end.after || end.at || !end.stranger.empty();
    if (out.back().link == mark::none) {
        out.back().link = mark::unknown; // there may be further boxes
    }
    out.push_back(
        {destination.empty() ? "The destinations" : destination, "", beyond ? mark::beyond : mark::none,
         mark::none}
    );
    return out;
}

unsigned step_after(const stop& one)
{
    return one.link == mark::cut ? cut_step : step;
}

std::string draw_link(const stop& from, unsigned y, const std::string& said)
{
    auto out = fmt::format(
        "<line class=\"link {}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", css_of(from.link), line_x,
        y + 9, line_x, y + step_after(from) - 9
    );
    if (from.link == mark::cut) {
        const auto middle = y + cut_step / 2 + 4;
        out += fmt::format(
            "<path class=\"cross\" d=\"M{0} {2}l12 12M{1} {2}l-12 12\"/>\n<text class=\"said\" x=\"{3}\" "
            "y=\"{4}\">{5}</text>\n",
            line_x - 6, line_x + 6, middle - 6, text_x, middle + 5, said
        );
    }
    return out;
}

std::string draw_stop(const stop& one, unsigned y, const std::string& said)
{
    const bool culprit = one.box == mark::culprit;
    auto out = culprit
                 ? fmt::format(
                       "<rect class=\"stop culprit\" x=\"{}\" y=\"{}\" width=\"18\" height=\"18\"/>\n<path "
                       "class=\"cross inside\" d=\"M{} {}l8 8m0-8l-8 8\"/>\n",
                       line_x - 9, y - 9, line_x - 4, y - 4
                   )
                 : fmt::format(
                       "<circle class=\"stop {}\" cx=\"{}\" cy=\"{}\" r=\"7\"/>\n", css_of(one.box), line_x, y
                   );
    out += fmt::format(
        "<text class=\"{}\" x=\"{}\" y=\"{}\">{}</text>\n", css_of(one.box), text_x, y + 4,
        html_text(one.title)
    );
    const bool doubt = one.box == mark::doubt;
    const auto detail = culprit ? said : html_text(doubt ? "perhaps here" : one.detail);
    return detail.empty() ? out
                          : out + fmt::format(
                                      "<text class=\"{}\" x=\"{}\" y=\"{}\">{}</text>\n",
                                      culprit || doubt ? "said" : "detail", text_x, y + 19, detail
                                  );
}

} // namespace

std::string path_picture(const json& report, const json* endpoint, const json* run)
{
    const auto destination = endpoint ? text_at(*endpoint, "address")
                           : run      ? text_at(*run, "destination")
                                      : "";
    hop_map hops;
    if (endpoint) {
        add_own_hops(hops, *endpoint);
    }
    add_usual_hops(hops, report, endpoint ? destination : "");
    ending end;
    std::string verdict;
    if (run) {
        end = place_ending(hops, object_at(*run, "where"), destination);
        verdict = text_at(*run, "verdict");
    }
    if (hops.empty() && end.stranger.empty()) {
        return {};
    }
    const auto stops = stops_of(report, hops, end, destination);
    const auto said = html_text(verdict.empty() ? "ends here" : verdict + " here");
    std::string body;
    unsigned y = 16;
    for (const auto& one : stops) {
        const bool last = &one == &stops.back();
        body += draw_stop(one, y, said) + (last ? "" : draw_link(one, y, said));
        y += last ? 16 : step_after(one);
    }
    const auto height = y;
    const auto caption =
        run ? run_target(*run, endpoint ? text_at(*endpoint, "transport") : "") + ": " +
                  where_words(object_at(*run, "where"))
            : std::string{"As the row of boxes that answer, with the times of the first vantage."};
    return fmt::format(
        "<figure class=\"picture path\"><figcaption>{0}</figcaption>\n<svg role=\"img\" aria-label=\"{0}\" "
        "width=\"{1}\" "
        "height=\"{2}\" viewBox=\"0 0 {1} {2}\">\n{3}</svg></figure>\n",
        html_text(caption), width, height, body
    );
}

} // namespace reachd::html
