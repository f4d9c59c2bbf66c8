// SPDX-License-Identifier: Apache-2.0
// site_check.hpp: one whole check of a site without a daemon.
//
// Use     narrow() narrows a plan; run_site_check() probes it and hands back the report.
// Errors  A check that is interrupted still reports what it has; the rest is unproven, "not run".
#pragma once

#include "reachd/app/engine.hpp"
#include "reachd/core/site_report.hpp"

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace reachd {

struct check_options {
    std::vector<std::string> only; // ids or "catalogue/id"; empty: all
    std::string vantage;           // one of the configuration's; empty: all
    bool quick = false;            // leave out what needs a long wait
    bool fast = false;             // lift the pacing
    idle_depth ladders = idle_depth::bracket;
    report_detail detail = report_detail::endpoints;
    std::function<void(const progress&)> progressed;
    std::function<void(const std::string& row, const std::string& state)> row_done;
};

struct check_result {
    nlohmann::json report;
    site_answer answer = site_answer::unproven;
    bool interrupted = false;
    std::vector<std::string> warnings; // files of roots that could not be used
};

// The plan with only the rows and the vantage that were asked for.
result<std::shared_ptr<const plan>> narrow(const plan& whole, const check_options& options);

// Probes every row of `what`; SIGINT and SIGTERM end it early.
result<check_result> run_site_check(const std::shared_ptr<const plan>& what, const check_options& options);

// Raises the soft limit of file descriptors to the hard one; answers how many flows fit in it.
unsigned make_room_for_flows();

} // namespace reachd
