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
// Reports and answers of megabytes come and go: each gets pages of its own, which go back to the kernel with
// it, and leaves no hole among what stays. (The allocator raises its bound for that with each that is freed.)
void keep_large_buffers_apart();
// Gives the kernel back what the allocator holds and nobody uses: rounds and reports leave holes that it
// would keep.
void return_free_memory();

} // namespace reachd
