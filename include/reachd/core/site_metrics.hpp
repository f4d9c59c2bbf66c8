// SPDX-License-Identifier: Apache-2.0
// site_metrics.hpp: what is known of a site, as Prometheus series of requirements.
//
// Use     write_site_metrics() into an exposition; app adds what only the process knows.
// Shapes  No series has a port or an address: a range of 500 ports is one row. docs/MONITORING.md lists all.
// Errors  none: what was not measured has no sample.
#pragma once

#include "reachd/core/exposition.hpp"
#include "reachd/core/site_state.hpp"

namespace reachd {

void write_site_metrics(exposition& out, const plan& what, const site_state& site);

} // namespace reachd
