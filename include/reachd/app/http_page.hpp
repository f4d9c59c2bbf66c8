// SPDX-License-Identifier: Apache-2.0
// http_page.hpp: the dashboard's page and its parts as answers.
//
// Use      dashboard_page() for "/", the others for what its script asks for. docs/DASHBOARD.md
// Errors   nullopt: there is no such file, or no such row.
#pragma once

#include "reachd/core/http_text.hpp"
#include "reachd/core/json.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace reachd {

// What can be told of one moment: now, or `at`, which the page says at its head.
struct dashboard_view {
    std::string version;
    std::string at; // "" for now
};

http_response dashboard_page(const json& report, const dashboard_view& view);
http_response dashboard_main(const json& report, const dashboard_view& view);
std::optional<http_response>
dashboard_row(const json& report, std::string_view catalogue, std::string_view requirement);
// "/page/dashboard.js" and its like: they are part of the program.
std::optional<http_response> dashboard_file(std::string_view path);

} // namespace reachd
