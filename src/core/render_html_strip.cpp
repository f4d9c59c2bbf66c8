// SPDX-License-Identifier: Apache-2.0
// Ranges as strips: the ports of each destination, the addresses of each sampled block.
#include "html_parts.hpp"
#include "reachd/core/address.hpp"
#include "reachd/core/block_draw.hpp"
#include "reachd/core/escape.hpp"
#include "report_words.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>

namespace reachd::html {

using namespace reading;

namespace {

constexpr double width = 400;
constexpr double strip_height = 20;
constexpr double label_height = 15;
constexpr double letter = 6.6; // of a label, roughly
constexpr double narrowest = 3;
constexpr std::size_t most_strips = 12;

struct part {
    std::string label; // "2100-2199"
    std::string result;
    unsigned first;
    unsigned count;

    bool operator==(const part&) const = default;
};

struct strip {
    std::string title;
    std::vector<part> parts;
    std::size_t alike = 0; // further destinations
};

// In the order of the report; runs of one destination and the same addresses share a strip.
std::vector<strip> strips_of(const json& row)
{
    std::vector<strip> out;
    std::map<std::string, std::size_t> known;
    for (const auto& run : list_at(row, "runs")) {
        const auto addresses = texts_at(run, "addresses");
        auto title = text_at(run, "destination");
        for (const auto& one : addresses) {
            title += one == title ? "" : (&one == &addresses.front() ? " (" : ", ") + one;
        }
        title += title == text_at(run, "destination") ? "" : ")";
        if (const auto vantage = text_at(run, "vantage"); !vantage.empty()) {
            title += " via " + vantage;
        }
        const auto [at, added] = known.try_emplace(title, out.size());
        if (added) {
            out.push_back({.title = title, .parts = {}});
        }
        for (const auto& span : spans_of(text_at(run, "ports"))) {
            const auto label = span.first == span.last ? fmt::format("{}", span.first)
                                                       : fmt::format("{}-{}", span.first, span.last);
            out[at->second].parts.push_back(
                {label, run.contains("needed") ? "not_needed" : text_at(run, "result"), span.first,
                 span.last - span.first + 1}
            );
        }
    }
    for (auto& one : out) {
        std::ranges::stable_sort(one.parts, {}, &part::first);
    }
    return out;
}

// One for all destinations that were found alike.
std::vector<strip> merged(std::vector<strip> all)
{
    std::vector<strip> out;
    for (auto& one : all) {
        const auto like = std::ranges::find(out, one.parts, &strip::parts);
        if (like == out.end()) {
            out.push_back(std::move(one));
        } else {
            ++like->alike;
        }
    }
    for (auto& one : out) {
        one.title += one.alike == 0 ? "" : fmt::format(" and of {} more, found alike", one.alike);
    }
    return out;
}

std::string word_of(const part& one)
{
    return one.result == "not_needed" ? "not needed" : state_word(one.result);
}

// Each part as wide as it has ports, and none too narrow to be seen.
std::vector<double> widths_of(const strip& one)
{
    double total = 0;
    for (const auto& each : one.parts) {
        total += each.count;
    }
    std::vector<double> out;
    double sum = 0;
    for (const auto& each : one.parts) {
        out.push_back(std::max(width * each.count / total, narrowest));
        sum += out.back();
    }
    for (auto& each : out) {
        each *= width / sum;
    }
    return out;
}

std::string draw_part(const part& one, double x, double wide)
{
    const auto css = one.result == "not_needed" ? "blank" : state_class(one.result);
    auto out = fmt::format(
        "<rect class=\"part {}\" x=\"{:.1f}\" y=\"0\" width=\"{:.1f}\" height=\"{}\"><title>{}: "
        "{}</title></rect>",
        css, x, wide, strip_height, one.label, word_of(one)
    );
    if (css == "fail") { // a cross too: not by colour alone
        out += fmt::format(
            "<path class=\"part-cross\" d=\"M{0:.1f} 2L{1:.1f} {2}M{1:.1f} 2L{0:.1f} {2}\"/>", x + 1,
            x + wide - 1, strip_height - 2
        );
    }
    if (css == "unproven") {
        out += fmt::format(
            "<path class=\"part-dashes\" d=\"M{:.1f} {}H{:.1f}\"/>", x + 3, strip_height / 2, x + wide - 3
        );
    }
    return out + '\n';
}

std::string draw_strip(const strip& one)
{
    const auto widths = widths_of(one);
    std::string body;
    std::string labels;
    double x = 0;
    double free_from = 0; // labels to the left end here
    for (std::size_t i = 0; i < one.parts.size(); ++i) {
        body += draw_part(one.parts[i], x, widths[i]);
        const auto needed = static_cast<double>(one.parts[i].label.size()) * letter;
        const auto from = std::clamp(x + widths[i] / 2 - needed / 2, 0.0, width - needed);
        const bool important = one.parts[i].result == "fail";
        if (from >= free_from && (needed <= widths[i] + 12 || important)) {
            labels += fmt::format(
                "<text class=\"detail\" x=\"{:.1f}\" y=\"{}\">{}</text>\n", from,
                strip_height + label_height - 2, one.parts[i].label
            );
            free_from = from + needed + letter;
        }
        x += widths[i];
    }
    std::string said;
    for (const auto& each : one.parts) {
        said += fmt::format("{}{} {}", said.empty() ? "" : ", ", each.label, word_of(each));
    }
    return fmt::format(
        "<figure class=\"picture strip\"><figcaption>Ports of {}</figcaption>\n<svg role=\"img\" "
        "aria-label=\"{}\" "
        "width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\">\n{}{}</svg></figure>\n",
        html_text(one.title), html_text(said), width, strip_height + label_height, width,
        strip_height + label_height, body, labels
    );
}

// Where in the block an address lies, 0 to 1: the 32 bits after the prefix are enough for a picture.
double place_in(const ip_block& block, const ip_address& address)
{
    double place = 0;
    double weight = 0.5;
    for (unsigned bit = block.prefix; bit < std::min(address_bits(block.base.family), block.prefix + 32U);
         ++bit) {
        const bool set = ((static_cast<unsigned>(address.bytes[bit / 8]) >> (7 - bit % 8)) & 1U) != 0;
        place += set ? weight : 0;
        weight /= 2;
    }
    return place;
}

std::string draw_hole(const ip_block& block, const json& one)
{
    const auto hole = parse_block(text_at(one, "block"));
    if (!hole || hole->base.family != block.base.family || hole->prefix < block.prefix) {
        return {};
    }
    const auto wide =
        std::max(width * std::exp2(-static_cast<double>(hole->prefix - block.prefix)), narrowest);
    const auto x = std::min(width * place_in(block, hole->base), width - wide);
    return draw_part({text_at(one, "block"), "fail", 0, 1}, x, wide);
}

// Whether a stratum is covered: the lowest bit of the first digit is the first.
bool is_covered(const std::string& digits, std::size_t stratum)
{
    if (stratum / 4 >= digits.size()) {
        return false;
    }
    const char digit = digits[stratum / 4];
    const auto value = digit >= '0' && digit <= '9' ? digit - '0'
                     : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                                    : 0;
    return (static_cast<unsigned>(value) >> (stratum % 4)) & 1U;
}

std::string draw_block(const json& sample)
{
    constexpr long long most_strata_drawn = 1024;
    const auto block = parse_block(text_at(sample, "block"));
    const auto strata = std::clamp(number_at(sample, "strata"), 1LL, most_strata_drawn);
    if (!block) {
        return {};
    }
    const auto digits = text_at(sample, "covered");
    const auto each = width / static_cast<double>(strata);
    std::string body;
    for (long long i = 0; i < strata;) { // neighbours alike are one
        const bool covered = is_covered(digits, static_cast<std::size_t>(i));
        auto end = i + 1;
        while (end < strata && is_covered(digits, static_cast<std::size_t>(end)) == covered) {
            ++end;
        }
        body += fmt::format(
            "<rect class=\"part {}\" x=\"{:.1f}\" y=\"0\" width=\"{:.1f}\" height=\"{}\"/>\n",
            covered ? "pass" : "blank", static_cast<double>(i) * each, static_cast<double>(end - i) * each,
            strip_height
        );
        i = end;
    }
    for (const auto& one : list_at(sample, "holes")) {
        body += draw_hole(*block, one);
    }
    const auto caption = fmt::format(
        "{} port {}: {} samples", text_at(sample, "block"), number_at(sample, "port"), number_at(sample, "n")
    );
    return fmt::format(
        "<figure class=\"picture strip\"><figcaption>{}</figcaption>\n<svg role=\"img\" aria-label=\"{}\" "
        "width=\"{}\" "
        "height=\"{}\" viewBox=\"0 0 {} {}\">\n{}</svg>\n<p class=\"key\">{} passed {} blocked {} not "
        "covered</p></figure>\n",
        html_text(caption), html_text(text_at(sample, "sentence")), width, strip_height, width, strip_height,
        body, mark("pass"), mark("fail"), mark("not_configured")
    );
}

} // namespace

std::string port_strips(const json& row)
{
    std::string out;
    std::size_t drawn = 0;
    for (const auto& one : merged(strips_of(row))) {
        const bool of_interest = one.parts.size() > 1 && std::ranges::any_of(one.parts, [](const part& each) {
                                     return each.result == "fail" || each.result == "unproven";
                                 });
        if (of_interest && drawn < most_strips) {
            out += draw_strip(one);
            ++drawn;
        }
    }
    return out;
}

std::string block_strips(const json& row)
{
    std::string out;
    for (const auto& one : list_at(row, "samples")) {
        out += draw_block(one);
    }
    return out;
}

} // namespace reachd::html
