// SPDX-License-Identifier: Apache-2.0
// history_worker.hpp: what the thread that writes the history does: opens, writes, sets aside.
//
// Use      From one thread at a time; history_keeper.hpp is the way to it.
// Errors   A fault comes with the batches that were not written.
#pragma once

#include "reachd/store/history_store.hpp"

#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace reachd {

struct history_options {
    std::filesystem::path file;
    store_limits limits;
    std::string version; // of the program
};

struct waiting_batch {
    std::uint64_t ticket;
    history_batch what;
};

struct history_job {
    history_options options;
    std::deque<waiting_batch> batches; // none: a sign of life
    wall_time now{};
    bool last = false;                 // the daemon ends
    std::optional<store_error> broken; // what a question found of the file
};

struct history_outcome {
    bool open = false;
    std::filesystem::path file; // that is open
    std::int64_t session = 0;   // of this daemon in it
    std::uint64_t ticket = 0;   // of the last batch that was written
    std::uint64_t bytes = 0;
    std::optional<store_error> fault;
    std::deque<waiting_batch> unwritten;  // with a fault
    std::optional<history_memory> memory; // where a file was opened
    std::vector<std::string> set_aside;   // sentences
};

class history_worker {
public:
    // Takes what it writes out of the job.
    history_outcome run(history_job& job);

private:
    stored<void> open(const history_job& job, history_outcome& out);
    stored<void> write(history_job& job, history_outcome& out);
    stored<void> put_aside(const store_error& why, history_job& job, history_outcome& out);
    [[nodiscard]] bool is_still_there() const;

    std::unique_ptr<history_store> store_;
    std::filesystem::path file_;
    store_limits limits_;
    ino_t inode_ = 0;
    wall_time upkeep_due_{};
};

} // namespace reachd
