// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/report_formats.hpp"

#include "reachd/core/json.hpp"
#include "reachd/core/render_html.hpp"
#include "reachd/core/render_text.hpp"
#include "report_reading.hpp"

#include <algorithm>

namespace reachd {
namespace {

struct named_format {
    std::string_view word;
    report_format form;
};
constexpr named_format words[] = {
    {"table", report_format::table},       {"json", report_format::json_text},
    {"jsonl", report_format::json_lines},  {"junit", report_format::junit},
    {"csv", report_format::csv},           {"html", report_format::html},
    {"markdown", report_format::markdown},
};
constexpr named_format extensions[] = {
    {"txt", report_format::table},        {"json", report_format::json_text},
    {"jsonl", report_format::json_lines}, {"ndjson", report_format::json_lines},
    {"xml", report_format::junit},        {"csv", report_format::csv},
    {"html", report_format::html},        {"htm", report_format::html},
    {"md", report_format::markdown},      {"markdown", report_format::markdown},
};

} // namespace

std::optional<report_format> parse_report_format(std::string_view word)
{
    const auto found = std::ranges::find(words, word == "text" ? "table" : word, &named_format::word);
    return found == std::end(words) ? std::nullopt : std::optional{found->form};
}

std::optional<report_format> format_of_file(std::string_view path)
{
    const auto name = path.substr(path.find_last_of('/') + 1);
    const auto dot = name.find_last_of('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    std::string extension{name.substr(dot + 1)};
    for (auto& byte : extension) {
        byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    }
    const auto found = std::ranges::find(extensions, extension, &named_format::word);
    return found == std::end(extensions) ? std::nullopt : std::optional{found->form};
}

bool is_foreign_form(std::string_view path)
{
    constexpr std::string_view foreign[] = {".pdf", ".doc",  ".docx", ".odt", ".xls", ".xlsx",
                                            ".ods", ".yaml", ".yml",  ".png", ".svg"};
    return std::ranges::any_of(foreign, [path](std::string_view one) { return path.ends_with(one); });
}

std::string report_extension_list()
{
    std::string out;
    for (const auto& one : extensions) {
        out += (out.empty() ? "." : ", .") + std::string{one.word};
    }
    return out;
}

std::string report_format_list()
{
    std::string out;
    for (const auto& one : words) {
        out += (out.empty() ? "" : ", ") + std::string{one.word};
    }
    return out;
}

std::string render_jsonl(const nlohmann::json& report)
{
    using namespace reading;
    std::string out;
    for (const auto& one : rows_of(report)) {
        auto row = *one.row;
        row["catalogue"] = text_at(*one.catalogue, "id");
        row["site"] = text_at(report, "site");
        row["generated"] = text_at(report, "generated");
        const auto timers = idle_of(report, one);
        if (!timers.empty()) {
            row["idle"] = json::array();
            for (const auto* timer : timers) {
                row["idle"].push_back(*timer);
            }
        }
        out += dump(row) + '\n';
    }
    return out;
}

std::string render_as(const nlohmann::json& report, report_format form, const report_style& style)
{
    const page format{.columns = style.columns, .use = style.use};
    switch (form) {
    case report_format::table: {
        const auto sent = render_traffic(report, format);
        return render_report(report, format) + (sent.empty() ? "" : "\n" + sent);
    }
    case report_format::json_text: return dump(report, 2) + '\n';
    case report_format::json_lines: return render_jsonl(report);
    case report_format::junit: return render_junit(report);
    case report_format::csv: return render_csv(report);
    case report_format::html: return render_html(report, {.version = style.version});
    case report_format::markdown: return render_markdown(report, style.version);
    }
    return {};
}

} // namespace reachd
