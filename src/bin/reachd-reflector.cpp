// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/log.hpp"
#include "reachd/core/version.hpp"
#include "reachd/reflector/process.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

int main(int count, char** words)
{
    reachd::reflector::process_options options{.version = reachd::program_version()};
    std::string format = "text";
    reachd::log_options log;

    CLI::App app{"Answers reachd from outside the site, also after a silence that it was asked to keep."};
    app.set_version_flag("-V,--version", reachd::program_version());
    app.footer("Example: reachd-reflector --listen 192.0.2.1:3478 --key-file /etc/reachd/reflector.key");
    app.add_option("--listen", options.listen, "ADDRESS:PORT to serve, UDP and TCP; may be repeated");
    app.add_option("--alternate", options.alternate, "a second ADDRESS:PORT, for RFC 5780");
    app.add_option("--key-file", options.key_file, "the keys, id:base64-secret, one a line");
    app.add_option("--config", options.config_file, "the rest: limits, STUN (docs/REFLECTOR.md)");
    app.add_option("--log-format", format, "text or json")->check(CLI::IsMember({"text", "json"}));
    app.add_option("--log-file", log.file, "write the log there instead, in files of 10 MB, five of them");
    app.add_flag(
        "--check-config", options.check_only, "read the files, say what is wrong with them, and end"
    );
    try {
        app.parse(count, words);
    } catch (const CLI::ParseError& wrong) {
        const int code = app.exit(wrong);
        return code == 0 ? 0 : 64;
    }
    log.format = format == "json" ? reachd::log_format::json_lines : reachd::log_format::text;
    log.program = "reachd-reflector";
    auto made = reachd::event_log::make(log);
    if (!made) {
        std::fprintf(stderr, "reachd-reflector: %s\n", made.error().detail.c_str());
        return 78;
    }
    return reachd::reflector::run(
        options,
        [&made](const reachd::event_kind& what, const std::string& sentence, const nlohmann::json& fields) {
            made->write(what, sentence, fields);
        }
    );
}
