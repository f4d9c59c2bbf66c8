// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/http_page.hpp"

#include "reachd/core/render_html.hpp"

#include <fmt/format.h>
#include <page/dashboard_css.hpp>
#include <page/dashboard_js.hpp>
#include <page/icon_svg.hpp>

namespace reachd {
namespace {

constexpr const char* html_type = "text/html; charset=utf-8";

// Without scripts the page is read anew each minute: as often as rows are measured.
constexpr const char* head_of_now = "<link rel=\"icon\" href=\"/page/icon.svg\" type=\"image/svg+xml\">\n"
                                    "<link rel=\"stylesheet\" href=\"/page/dashboard.css\">\n"
                                    "<script src=\"/page/dashboard.js\" defer></script>\n"
                                    "<noscript><meta http-equiv=\"refresh\" content=\"60\"></noscript>\n";
constexpr const char* head_of_then = "<link rel=\"icon\" href=\"/page/icon.svg\" type=\"image/svg+xml\">\n"
                                     "<link rel=\"stylesheet\" href=\"/page/dashboard.css\">\n"
                                     "<script src=\"/page/dashboard.js\" defer></script>\n";

http_response of_text(std::string type, std::string text)
{
    http_response out{.type = std::move(type)};
    out.body = std::make_shared<const std::string>(std::move(text));
    return out;
}

html_page layout(const dashboard_view& view)
{
    return {
        .style = stylesheet::linked,
        .stylesheet_path = "/page/report.css",
        .version = view.version,
        .head = view.at.empty() ? head_of_now : head_of_then,
    };
}

} // namespace

http_response dashboard_page(const json& report, const dashboard_view& view)
{
    return of_text(html_type, render_html(report, layout(view)));
}

http_response dashboard_main(const json& report, const dashboard_view& view)
{
    return of_text(html_type, render_html_main(report, layout(view)));
}

std::optional<http_response>
dashboard_row(const json& report, std::string_view catalogue, std::string_view requirement)
{
    auto row = render_html_row(report, catalogue, requirement);
    return row.empty() ? std::nullopt : std::optional{of_text(html_type, std::move(row))};
}

std::optional<http_response> dashboard_file(std::string_view path)
{
    // Made once: a response shares its body.
    static const auto report_css = of_text("text/css; charset=utf-8", std::string{report_stylesheet()});
    static const auto dashboard_css = of_text("text/css; charset=utf-8", std::string{page::dashboard_css});
    static const auto dashboard_js =
        of_text("text/javascript; charset=utf-8", std::string{page::dashboard_js});
    static const auto icon = of_text("image/svg+xml", std::string{page::icon_svg});
    return path == "/page/report.css"    ? std::optional{report_css}
         : path == "/page/dashboard.css" ? std::optional{dashboard_css}
         : path == "/page/dashboard.js"  ? std::optional{dashboard_js}
         : path == "/page/icon.svg"      ? std::optional{icon}
                                         : std::nullopt;
}

} // namespace reachd
