// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/daemon.hpp"
#include "reachd/core/version.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

int main(int count, char** words)
{
    reachd::daemon_options options{.version = reachd::program_version()};
    std::string format = "text";
    bool check_only = false;

    CLI::App app{"Probes every network destination that a site must reach, and says what it can prove."};
    app.set_version_flag("-V,--version", reachd::program_version());
    app.footer("Example: reachd --config /etc/reachd/reachd.json --runtime-dir /run/reachd");
    app.add_option("--config", options.where.config, "the site's configuration");
    app.add_option("--catalogue-dir", options.where.catalogue_dirs, "where to look for catalogues first");
    app.add_option("--runtime-dir", options.where.runtime_dir, "where the sockets are");
    app.add_option("--state-dir", options.where.state_dir, "where the history is kept");
    app.add_option("--socket-group", options.control_group, "group of control.sock");
    app.add_option("--log-format", format, "text or json")->check(CLI::IsMember({"text", "json"}));
    app.add_option("--log-file", options.log.file, "write the log there instead, in files of 10 MB, five of them");
    app.add_flag("--check-config", check_only, "read the files, say what is wrong with them, and end");
    try {
        app.parse(count, words);
    } catch (const CLI::ParseError& wrong) {
        const int code = app.exit(wrong);
        return code == 0 ? 0 : 64;
    }
    if (check_only) {
        const auto site = reachd::load_site(reachd::find_paths(options.where, reachd::running_program()));
        if (!site) {
            for (const auto& fault : site.error()) {
                std::fprintf(stderr, "reachd: %s\n", to_text(fault).c_str());
            }
            return reachd::exit_config;
        }
        std::printf("the files are sound: %zu requirements\n", (*site)->rows.size());
        return 0;
    }
    options.log.format = format == "json" ? reachd::log_format::json_lines : reachd::log_format::text;
    return reachd::run_daemon(options);
}
