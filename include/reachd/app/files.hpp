// SPDX-License-Identifier: Apache-2.0
// files.hpp: where configuration and catalogues lie, and how they are read into one plan.
//
// Use     find_paths() once at start; load_site() at start and at each reload.
// Errors  Every fault of every file at once; nothing is half in force.
// Source  docs/CONFIGURATION.md, "Flags and environment".
#pragma once

#include "reachd/core/plan.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace reachd {

// What the command line and the environment say; empty: not said.
struct path_options {
    std::string config;
    std::vector<std::string> catalogue_dirs;
    std::string runtime_dir;
    std::string state_dir;
};

struct paths {
    std::filesystem::path config;
    std::vector<std::filesystem::path> catalogue_dirs; // the first that has an id wins
    std::filesystem::path runtime_dir;
    std::filesystem::path state_dir;
};

// Flags, then REACHD_* variables, then the source tree when run from its build/<preset>, then the
// system's directories. `program` is the path of the running program.
paths find_paths(const path_options& options, const std::filesystem::path& program);
std::filesystem::path running_program();

// Ids of the catalogues that can be named, sorted.
std::vector<std::string> list_catalogues(const paths& where);

parsed<std::shared_ptr<const plan>> load_site(const paths& where);

} // namespace reachd
