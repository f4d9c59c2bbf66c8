// SPDX-License-Identifier: Apache-2.0
// The words that only the site's files know.
#include "reachd/app/cli.hpp"

#include <cstdio>
#include <map>

namespace reachd {
namespace {

int print_lines(const std::vector<std::string>& lines)
{
    std::string out;
    for (const auto& one : lines) {
        out += one + '\n';
    }
    return write_out(out, "");
}

} // namespace

int command_completion_words(const cli_common& common, const std::string& what)
{
    const auto where = find_paths(common.where, running_program());
    if (what == "catalogues") {
        return print_lines(list_catalogues(where));
    }
    const auto site = load_site(where);
    if (!site) {
        for (const auto& fault : site.error()) {
            std::fprintf(stderr, "reachctl: %s\n", to_text(fault).c_str());
        }
        return exit_faulty_files;
    }
    std::map<std::string, int> uses;
    for (const auto& row : (*site)->rows) {
        ++uses[row.id];
    }
    std::vector<std::string> ids;
    for (const auto& row : (*site)->rows) {
        ids.push_back(uses[row.id] == 1 ? row.id : row.catalogue + '/' + row.id);
    }
    return print_lines(ids);
}

} // namespace reachd
