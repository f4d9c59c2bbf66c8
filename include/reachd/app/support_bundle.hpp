// SPDX-License-Identifier: Apache-2.0
// support_bundle.hpp: files that were made for support, packed as one .tar.gz.
//
// Errors  One sentence that names the file.
#pragma once

#include <expected>
#include <string>
#include <vector>

namespace reachd {

struct bundle_file {
    std::string name;  // within the directory of the archive
    std::string about; // for the list
    std::string content;
};

// "about.txt  1,234 bytes  versions and times", one line a file.
std::string list_of(const std::vector<bundle_file>& files);

// The archive's bytes; all files lie in `directory` and belong to nobody.
std::expected<std::string, std::string>
pack_bundle(const std::string& directory, const std::vector<bundle_file>& files, long long now_s);

} // namespace reachd
