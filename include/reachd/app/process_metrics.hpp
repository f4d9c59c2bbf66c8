// SPDX-License-Identifier: Apache-2.0
// process_metrics.hpp: this process's memory, time and descriptors, under the names that every exporter has.
#pragma once

#include "reachd/core/exposition.hpp"
#include "reachd/core/self_care.hpp"

#include <optional>

namespace reachd {

// nullopt where the system does not tell.
std::optional<descriptor_count> count_descriptors();
// What the system does not tell has no sample.
void write_process_metrics(exposition& out);
// Before any thread: all share one heap of the allocator's. Each has its own otherwise, and what one frees
// for another leaves holes that nobody fills: 2 of 22 MB in the soak (docs/SOAK.md).
void share_one_heap();
// Gives the kernel back what the allocator holds and nobody uses: rounds and reports leave holes that it
// would keep.
void return_free_memory();

} // namespace reachd
