// SPDX-License-Identifier: Apache-2.0
// site_report.hpp: the site report as JSON, the one form that every surface is made from.
//
// Shapes  docs/CONTROL.md, method `report`; `schema` is raised only when something is removed or retyped.
// Errors  none.
#pragma once

#include "reachd/core/site_state.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace reachd {

inline constexpr int report_schema = 1;

enum class report_detail : std::uint8_t {
    endpoints, // each with its evidence
    runs,      // only what a table needs
};

// Empty words select everything.
struct report_selection {
    std::string catalogue;
    std::string requirement; // an id, or "catalogue/id"
    report_detail detail = report_detail::endpoints;
};

nlohmann::json
site_report(const plan& what, const site_state& site, const report_selection& select, wall_time now);

// One endpoint with all that is known of it; every one that matches, as a name may have several rows.
nlohmann::json endpoint_report(const plan& what, const site_state& site, const endpoint& wanted);

// The small answer for pollers; `stale` when nothing was measured for longer than `stale_after`.
nlohmann::json
health_report(const plan& what, const site_state& site, wall_time now, std::chrono::seconds stale_after);

} // namespace reachd
