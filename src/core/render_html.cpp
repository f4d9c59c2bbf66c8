// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/render_html.hpp"

#include "html_parts.hpp"
#include "reachd/core/escape.hpp"
#include "report_words.hpp"

#include <fmt/format.h>
#include <page/report_css.hpp>

namespace reachd {

using namespace reading;
using namespace html;

namespace {

struct group {
    const char* id;
    const char* state;
    const char* title;
    const char* counted;
};
// In the order of what a reader has to do.
constexpr group groups[] = {
    {"failing", "fail", "What fails", "fail"},
    {"unproven", "unproven", "What is not proven", "unproven"},
    {"blank", "not_configured", "What is not configured", "not configured"},
    {"passing", "pass", "What passes", "pass"},
};

std::string site_class(const std::string& state)
{
    return state == "ready" ? "pass" : state == "not_ready" ? "fail" : "unproven";
}

std::string counts_list(const json& report)
{
    std::string out;
    for (const auto& one : groups) {
        if (const auto count = rows_of(report, one.state).size(); count > 0) {
            out += fmt::format(
                "<li class=\"{}\"><a href=\"#{}\">{}{} {}</a></li>\n", state_class(one.state), one.id,
                mark(one.state), count, one.counted
            );
        }
    }
    return out.empty() ? out : "<ul class=\"counts\">\n" + out + "</ul>\n";
}

std::string answer(const json& report)
{
    const auto state = site_class(text_at(report, "state"));
    auto out = fmt::format(
        "<header class=\"answer {}\" id=\"answer\">\n<p class=\"site\">Site <strong>{}</strong></p>\n"
        "<h1>{}{}</h1>\n",
        state, html_text(text_at(report, "site")), mark(state), answer_word(text_at(report, "state"))
    );
    out += element("p", "lead", text_at(report, "sentence"));
    out += element("p", "made", "As of " + time_words(text_at(report, "generated")) + " UTC") +
           counts_list(report);
    for (const auto& finding : texts_at(report, "findings")) {
        out += element("p", "finding", finding);
    }
    return out + "</header>\n";
}

std::string row_group(const json& report, const group& which)
{
    std::string out;
    for (const auto& row : rows_of(report, which.state)) {
        out += row_section(report, row);
    }
    return out.empty() ? out
                       : fmt::format(
                             "<section class=\"group {0}\" id=\"{1}\" aria-labelledby=\"{1}-title\">\n<h2 "
                             "id=\"{1}-title\">{2}</h2>\n{3}</section>\n",
                             state_class(which.state), which.id, which.title, out
                         );
}

std::string way_out(const json& report)
{
    const auto picture = path_picture(report, nullptr, nullptr);
    return picture.empty() ? picture
                           : "<section class=\"group\" id=\"way\" aria-labelledby=\"way-title\">\n<h2 "
                             "id=\"way-title\">The way out</h2>\n" +
                                 picture + "</section>\n";
}

constexpr std::string_view glossary = R"(<details class="words"><summary>How to read the words</summary>
<dl>
<dt>PASS, FAIL</dt><dd>A row passes or fails only where packets prove it.</dd>
<dt>UNPROVEN</dt><dd>What was seen does not decide. It counts neither as a pass nor as a failure.</dd>
<dt>BLANK</dt><dd>The vendor's document leaves a value to the site, and the site has not filled it in.</dd>
<dt>open</dt><dd>The destination answered.</dd>
<dt>closed</dt><dd>It refused: the way is free and nothing listens.</dd>
<dt>permitted</dt><dd>Seen past the site's edge; no answer came back, as usual from UDP services.</dd>
<dt>blocked</dt><dd>Dropped, rejected or reset on the way.</dd>
<dt>intercepted</dt><dd>Something else answers in the destination's name.</dd>
<dt>unresolved</dt><dd>The name has no address.</dd>
<dt>edge</dt><dd>The last box of the site on the way out.</dd>
<dt>hop</dt><dd>A box on the way, counted from this machine.</dd>
</dl></details>
)";

std::string footer(const json& report, const html_page& page)
{
    const auto vantage = text_at(report, "vantage");
    std::string out = "<footer>\n<dl class=\"facts\">\n";
    out += term("Site", text_at(report, "site")) +
           term("Seen from", vantage.empty() ? "this machine's usual way out" : vantage);
    out += term("Made", time_words(text_at(report, "generated")) + " UTC");
    if (const auto since = text_at(report, "since"); !since.empty()) {
        out += term("In this state since", time_words(since) + " UTC");
    }
    out += term("Made by", page.version.empty() ? "reachd" : "reachd " + page.version);
    out += "</dl>\n";
    out += glossary;
    out += "</footer>\n";
    return out;
}

} // namespace

std::string render_html_main(const json& report, const html_page& page)
{
    auto out = "<main class=\"report\">\n" + answer(report);
    for (const auto& one : groups) {
        out += row_group(report, one);
    }
    return out + way_out(report) + footer(report, page) + "</main>\n";
}

std::string render_html_row(const json& report, std::string_view catalogue, std::string_view requirement)
{
    for (const auto& one : rows_of(report)) {
        if (text_at(*one.catalogue, "id") == catalogue && text_at(*one.row, "id") == requirement) {
            return row_section(report, one);
        }
    }
    return {};
}

std::string render_html(const json& report, const html_page& page)
{
    const auto style =
        page.style == stylesheet::embedded
            ? fmt::format("<style>\n{}</style>\n", page::report_css)
            : fmt::format("<link rel=\"stylesheet\" href=\"{}\">\n", html_text(page.stylesheet_path));
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>{}: {}</title>\n{}{}</head>\n<body>\n{}"
        "</body>\n</html>\n",
        html_text(text_at(report, "site")), answer_word(text_at(report, "state")), style, page.head,
        render_html_main(report, page)
    );
}

std::string row_anchor(std::string_view catalogue, std::string_view requirement)
{
    // Both ids are of small letters, digits and '-' already; a foreign report's may not be.
    auto out = fmt::format("row-{}-{}", catalogue, requirement);
    for (auto& byte : out) {
        const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
        byte = plain ? byte : '_';
    }
    return out;
}

std::string_view report_stylesheet()
{
    return page::report_css;
}

} // namespace reachd
